#include "job_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void string(struct text *text, const char *key, const char *value)
{
    text_printf(text, ", \"%s\": ", key);
    text_json(text, value);
}

static void whole(struct text *text, const char *key, uint64_t value)
{
    text_printf(text, ", \"%s\": %" PRIu64, key, value);
}

static void real(struct text *text, const char *key, double value)
{
    text_printf(text, ", \"%s\": ", key);
    text_double(text, value);
}

/* Unless it is 0. */
static void setting(struct text *text, const char *key, float value)
{
    if (value > 0.0F) {
        real(text, key, (double)value);
    }
}

static void history_encode(struct text *text, const struct job_file *file)
{
    text_str(text, ", \"history\": [");
    for (size_t i = 0; i < file->n_history; i++) {
        const struct msg_epoch *e = &file->history[i];
        const double values[] = { e->loss, e->accuracy, e->validation_loss, e->validation_accuracy,
                                  e->seconds };

        text_printf(text, "%s[%zu", i > 0 ? ", " : "", e->epoch);
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            text_str(text, ", ");
            text_double(text, values[v]);
        }
        text_printf(text, ", %" PRIu64 "]", e->version);
    }
    text_str(text, "]");
}

static void plan_encode(struct text *text, const struct train_plan *plan)
{
    whole(text, "batch_size", plan->batch_size);
    string(text, "optimizer", optimizer_name(plan->optimizer));
    real(text, "learning_rate", (double)plan->learning_rate);
    real(text, "momentum", (double)plan->momentum);
    whole(text, "nesterov", plan->nesterov);
    real(text, "l2", (double)plan->l2);
    whole(text, "seed", plan->seed);
    if (plan->precision != PRECISION_FLOAT32) {
        string(text, "precision", precision_name(plan->precision));
    }
    setting(text, "l1", plan->l1);
    setting(text, "clip_norm", plan->clip_norm);
    setting(text, "clip_value", plan->clip_value);
    setting(text, "dropout_inputs", plan->dropout_inputs);
    setting(text, "dropout_hidden", plan->dropout_hidden);
    setting(text, "input_noise", plan->input_noise);
    setting(text, "label_smoothing", plan->label_smoothing);
    setting(text, "weight_decay", plan->weight_decay);
    if (plan->optimizer != OPT_SGD) {
        real(text, "alpha", (double)plan->alpha);
        real(text, "beta1", (double)plan->beta1);
        real(text, "beta2", (double)plan->beta2);
        real(text, "epsilon", (double)plan->epsilon);
    }
}

static bool has_schedule(const struct job_file *file)
{
    return file->schedule.schedule.kind != SCHEDULE_CONSTANT || file->schedule.schedule.warmup > 0;
}

static bool file_is_plain(const struct job_file *file)
{
    return plan_is_plain(&file->plan) && file->stopping.patience == 0 && !has_schedule(file) &&
           file->max_seconds <= 0.0 && !split_is(&file->split) &&
           file->weights.kind == WEIGHTS_EQUAL && file->sweep == NULL && file->priority == 0 &&
           file->state != JOB_PAUSED;
}

static void schedule_encode(struct text *text, const struct msg_schedule *msg)
{
    const struct schedule *schedule = &msg->schedule;

    string(text, "schedule", schedule_name(schedule->kind));
    whole(text, "schedule_every", schedule->every);
    real(text, "schedule_factor", schedule->factor);
    real(text, "schedule_least", schedule->least);
    whole(text, "schedule_patience", schedule->patience);
    string(text, "schedule_monitor", metric_name(msg->monitor));
    whole(text, "warmup", schedule->warmup);
}

static void sweep_encode(struct text *text, const struct job_file *file)
{
    if (file->sweep != NULL) {
        text_str(text, ", \"sweep\": ");
        msg_sweep_encode(text, file->sweep);
        text_str(text, ", \"trials\": ");
        msg_trials_encode(text, file->sweep, file->trials);
    }
}

void job_file_encode(struct text *text, const struct job_file *file)
{
    /* Who does not know of other optimisers and precisions is not to go on with such a job. */
    text_printf(text, "{\"format\": %d", file_is_plain(file) ? 2 : JOB_FILE_FORMAT);
    whole(text, "id", file->id);
    string(text, "model", file->model);
    string(text, "folder", file->folder);
    string(text, "state", job_state_name(file->state));
    whole(text, "base", file->base);
    whole(text, "version", file->version);
    string(text, "dataset", file->dataset);
    whole(text, "generation", file->generation);
    whole(text, "has_validation", file->has_validation);
    string(text, "validation", file->validation);
    whole(text, "validation_generation", file->validation_generation);
    whole(text, "epochs", file->epochs);
    whole(text, "done", file->done);
    plan_encode(text, &file->plan);
    string(text, "publish", publish_name(file->publish));
    real(text, "publish_seconds", file->publish_seconds);
    string(text, "promote", promote_name(file->promote.kind));
    string(text, "promote_metric", metric_name(file->promote.metric));
    real(text, "promote_bound", file->promote.bound);
    if (file->max_seconds > 0.0) {
        real(text, "max_seconds", file->max_seconds);
    }
    if (file->priority != 0) {
        text_printf(text, ", \"priority\": %d", file->priority);
    }
    if (split_is(&file->split)) {
        real(text, "split_fraction", file->split.fraction);
        whole(text, "split_stratified", file->split.stratified);
        whole(text, "split_last", file->split.last);
    }
    if (file->weights.kind != WEIGHTS_EQUAL) {
        text_str(text, ", \"class_weights\": ");
        class_weights_encode(text, &file->weights);
    }
    if (has_schedule(file)) {
        schedule_encode(text, &file->schedule);
    }
    if (file->stopping.patience > 0) {
        whole(text, "patience", file->stopping.patience);
        string(text, "monitor", metric_name(file->stopping.monitor));
        real(text, "min_delta", file->stopping.min_delta);
    }
    sweep_encode(text, file);
    whole(text, "promoted", file->promoted);
    string(text, "promotion", file->promotion);
    real(text, "created", file->created);
    real(text, "started", file->started);
    real(text, "finished", file->finished);
    whole(text, "train_rows", file->train_rows);
    real(text, "train_seconds", file->train_seconds);
    whole(text, "workers", file->workers);
    string(text, "key", file->key);
    string(text, "request", file->request);
    if (file->labels != NULL) {
        text_str(text, ", \"labels\": [");
        for (size_t i = 0; i < file->labels->n; i++) {
            text_str(text, i > 0 ? ", " : "");
            text_json(text, file->labels->name[i]);
        }
        text_str(text, "]");
    }
    whole(text, "error_code", file->err.code);
    string(text, "error_where", file->err.where);
    string(text, "error_text", file->err.text);
    history_encode(text, file);
    text_str(text, "}\n");
}

void job_file_done(struct job_file *file)
{
    labels_free(file->labels);
    class_weights_done(&file->weights);
    free(file->history);
    free(file->sweep);
    free(file->trials);
    file->labels = NULL;
    file->history = NULL;
    file->sweep = NULL;
    file->trials = NULL;
}
