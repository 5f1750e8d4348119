#include "msg_job.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "problem.h"

const char *job_state_name(enum job_state state)
{
    static const char *const names[JOB_STATES] = { "queued",    "running", "paused",
                                                   "succeeded", "failed",  "cancelled" };

    return names[state];
}

bool job_state_is_end(enum job_state state)
{
    return state == JOB_SUCCEEDED || state == JOB_FAILED || state == JOB_CANCELLED;
}

static void number(struct text *text, const char *key, double value)
{
    text_printf(text, ", \"%s\": ", key);
    text_double(text, value);
}

static void moment(struct text *text, const char *key, double seconds)
{
    text_printf(text, ", \"%s\": ", key);
    text_time(text, seconds);
}

/* A version's number, or null for 0. */
static void version_number(struct text *text, const char *key, uint64_t version)
{
    if (version == 0) {
        text_printf(text, ", \"%s\": null", key);
    } else {
        text_printf(text, ", \"%s\": %" PRIu64, key, version);
    }
}

/* The name of a data set, "inline" where the rows came with the request, or null for none. */
static void source(struct text *text, const char *key, const char *name)
{
    text_printf(text, ", \"%s\": ", key);
    if (name != NULL && name[0] == '\0') {
        text_str(text, "null");
    } else {
        text_json(text, name != NULL ? name : "inline");
    }
}

static void split_encode(struct text *text, const struct split *split)
{
    if (split->last > 0) {
        text_printf(text, ", \"validation\": {\"last\": %zu}", split->last);
        return;
    }
    text_str(text, ", \"validation\": {\"fraction\": ");
    text_double(text, split->fraction);
    text_printf(text, ", \"stratified\": %s}", split->stratified ? "true" : "false");
}

void msg_epoch_encode(struct text *text, const struct msg_epoch *epoch)
{
    text_printf(text, "{\"epoch\": %zu", epoch->epoch);
    number(text, "loss", epoch->loss);
    number(text, "accuracy", epoch->accuracy);
    number(text, "validation_loss", epoch->validation_loss);
    number(text, "validation_accuracy", epoch->validation_accuracy);
    number(text, "seconds", epoch->seconds);
    version_number(text, "version", epoch->version);
    text_str(text, "}");
}

static void history_encode(struct text *text, const struct msg_job *job)
{
    text_str(text, ", \"history\": [");
    for (size_t i = 0; i < job->n_history; i++) {
        text_str(text, i > 0 ? ", " : "");
        msg_epoch_encode(text, &job->history[i]);
    }
    text_str(text, "]");
}

void msg_job_encode(struct text *text, const struct msg_job *job, bool history)
{
    text_printf(text, "{\"id\": \"%" PRIu64 "\", \"model\": \"%s\", \"state\": \"%s\"", job->id,
                job->model, job_state_name(job->state));
    text_printf(text, ", \"priority\": %d", job->priority);
    if (job->position > 0) {
        text_printf(text, ", \"position\": %zu", job->position);
    }
    text_printf(text, ", \"epoch\": %zu, \"epochs\": %zu", job->epoch, job->epochs);
    number(text, "progress", job->progress);
    source(text, "dataset", job->dataset);
    if (split_is(&job->split)) {
        split_encode(text, &job->split);
    } else {
        source(text, "validation", job->validation);
    }
    text_str(text, ", ");
    msg_plan_encode(text, &job->plan);
    if (job->plan.precision == PRECISION_FLOAT32) { /* which a plan does not say */
        text_str(text, ", \"precision\": \"float32\"");
    }
    text_printf(text, ", \"publish\": \"%s\"", publish_name(job->publish));
    number(text, "publish_seconds", job->publish_seconds);
    text_str(text, ", \"promote\": ");
    promote_rule_encode(text, &job->promote);
    text_str(text, ", \"early_stopping\": ");
    early_stopping_encode(text, &job->stopping);
    text_str(text, ", \"schedule\": ");
    msg_schedule_encode(text, &job->schedule);
    text_str(text, ", \"class_weights\": ");
    class_weights_encode(text, job->weights);
    number(text, "max_seconds", job->max_seconds > 0.0 ? job->max_seconds : (double)NAN);
    text_str(text, ", \"sweep\": ");
    if (job->sweep != NULL) {
        msg_sweep_table_encode(text, job->sweep, job->trials, history,
                               job_state_is_end(job->state));
    } else {
        text_str(text, "null");
    }
    number(text, "samples_per_second", job->samples_per_second);
    text_printf(text, ", \"workers\": %zu", job->workers);
    moment(text, "created", job->created);
    moment(text, "started", job->started);
    moment(text, "finished", job->finished);
    if (history) {
        history_encode(text, job);
    }
    version_number(text, "version", job->version);
    text_printf(text, ", \"promoted\": %s",
                job->version == 0               ? "null"
                : job->promoted == job->version ? "true"
                                                : "false");
    version_number(text, "promoted_version", job->promoted);
    text_str(text, ", \"promotion\": ");
    if (job->promotion[0] != '\0') {
        text_json(text, job->promotion);
    } else {
        text_str(text, "null");
    }
    if (job->state == JOB_FAILED) {
        text_str(text, ", \"error\": ");
        problem_encode(text, job->err, job->status, job->type, job->title);
    }
    text_str(text, "}");
}

#define BAR 20

/* "  loss 0.1234", "  accuracy 95.12 %"; nothing where it is not known. */
static void shown(struct text *text, const char *what, double loss, double accuracy)
{
    if (!isnan(loss)) {
        text_printf(text, "  %sloss %.4f", what, loss);
    }
    if (!isnan(accuracy)) {
        text_printf(text, "  %saccuracy %.2f %%", what, 100.0 * accuracy);
    }
}

void msg_epoch_line(struct text *text, const struct msg_job *job, const struct msg_epoch *epoch,
                    double progress)
{
    const int full = (int)(progress * BAR);
    char epochs[24];
    size_t trial;

    if (job->sweep != NULL && sweep_running(&job->sweep->sweep, job->trials, &trial)) {
        text_printf(text, "trial %zu/%zu  ", trial + 1, job->sweep->sweep.trials);
    }
    text_printf(text, "epoch %*zu/%zu [%.*s%.*s] %3d %%",
                snprintf(epochs, sizeof epochs, "%zu", job->epochs), epoch->epoch, job->epochs,
                full, "####################", BAR - full, "....................",
                (int)(100.0 * progress));
    shown(text, "", epoch->loss, epoch->accuracy);
    shown(text, "validation ", epoch->validation_loss, epoch->validation_accuracy);
    if (epoch->version != 0) {
        text_printf(text, "  version %" PRIu64, epoch->version);
    }
}
