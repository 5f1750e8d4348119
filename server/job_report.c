/* What workers tell: the history grows, nets are published, checkpoints are written, jobs end.
 * Reports of one job are taken in order; while a net is on its way to disk, those behind it are
 * held back. */
#include "jobs.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "metrics.h"
#include "server.h"

static void reports_go_on(struct job *job);

void job_post(struct job_report *report)
{
    struct jobs *jobs = report->job->jobs;

    report->next = NULL;
    pthread_mutex_lock(&jobs->lock);
    if (jobs->tail != NULL) {
        jobs->tail->next = report;
    } else {
        jobs->head = report;
    }
    jobs->tail = report;
    pthread_mutex_unlock(&jobs->lock);
    uv_async_send(&jobs->async);
}

/* ---- publishing ---- */

/* The first version that has learned from named classes gives the model its labels. */
static void labels_settle(struct job *job)
{
    if (job->labels != NULL && job->model->labels == NULL) {
        job->model->labels = job->labels;
        job->labels = NULL;
    }
}

/* The end of a publication: the next report of the job, the next change of the model. */
static void publish_end(struct job *job)
{
    if (job->judge.served != NULL) {
        version_unref(job->judge.served);
        job->judge.served = NULL;
    }
    turn_leave(&job->model->turns, &job->turn);
    jobs_tell(job->jobs, &job->net_posted, false);
    reports_go_on(job);
}

static void published(struct publication *publication)
{
    struct job *job = (struct job *)((char *)publication - offsetof(struct job, publication));
    struct version *version = publication->version;
    char text[512];

    if (job->model->deleted) {
        publication->err = (struct err){ 0 }; /* its folder has gone: no failure of the job */
    } else if (publication->err.code != ERR_NONE) {
        err_detail(&publication->err, text, sizeof text);
        log_at(LEVEL_ERROR, "job %" PRIu64 " could not publish: %s", job->id, text);
        job->err = publication->err;
        jobs_tell(job->jobs, &job->stop, true);
    } else {
        labels_settle(job);
        job->version = version->number;
        job->publishing->epoch.version = version->number;
        job->promoted = job->judge.promoted ? version->number : job->promoted;
        memcpy(job->promotion, job->judge.why, sizeof job->promotion);
        if (job->judge.promoted && job->judge.rule.kind == PROMOTE_IF_BETTER) {
            job->judge.known = version->number;
            job->judge.known_loss = job->judge.found.validation_loss;
            job->judge.known_accuracy = job->judge.found.validation_accuracy;
        }
    }
    version_unref(version);
    publish_end(job);
}

/* Whether this job has published this epoch already, or a later one, before the process ended that
 * it goes on from: clients must not be taken back. *ret is this epoch's version; NULL: none. */
static bool version_again(const struct job *job, const struct origin *origin,
                          const struct version **ret)
{
    bool again = false;

    *ret = NULL;
    for (size_t i = job->model->n_versions; i-- > 0;) {
        const struct version *version = job->model->versions[i];

        if (version->origin.job == job->id && version->origin.epoch >= origin->epoch &&
            version->origin.source == SOURCE_TRAIN) {
            again = true;
            *ret = version->origin.epoch == origin->epoch ? version : *ret;
        }
    }
    return again;
}

/* What is known of the net in a report: of PUBLISH_BEST, it may be an earlier epoch's, of which the
 * history has all, unless it is thinned out. */
static struct msg_epoch found_of(const struct job *job, const struct job_report *report)
{
    const struct origin *origin = &report->origin;
    struct msg_epoch found = { .epoch = origin->epoch,
                               .loss = NAN,
                               .accuracy = NAN,
                               .validation_loss = NAN,
                               .validation_accuracy = NAN };

    if (report->epoch.epoch == origin->epoch) {
        return report->epoch;
    }
    for (size_t i = job->n_history; i-- > 0;) {
        if (job->history[i].epoch == origin->epoch) {
            return job->history[i];
        }
    }
    *(job->has_validation ? &found.validation_loss : &found.loss) = origin->loss;
    *(job->has_validation ? &found.validation_accuracy : &found.accuracy) = origin->accuracy;
    return found;
}

/* Pool. */
static void publish_judge(struct publication *publication)
{
    struct job *job = (struct job *)((char *)publication - offsetof(struct job, publication));

    if (judge_run(&job->judge, &publication->err) && !job->judge.promoted) {
        publication->keep = job->judge.served->number;
    }
}

/* What it is to be compared with is in memory, or need not be. */
static void publish_now(struct job *job)
{
    struct job_report *report = job->publishing;
    struct model *model = job->model;
    struct net *net = report->net;
    struct version *version;

    report->net = NULL;
    if (!version_create(model, net, ++model->last, server_now(), &report->origin, &version,
                        &job->err)) {
        jobs_tell(job->jobs, &job->stop, true);
        publish_end(job);
        return;
    }
    job->publication =
        (struct publication){ .version = version, .labels = job->net_labels, .done = published };
    if (job->judge.rule.kind != PROMOTE_ALWAYS) {
        job->publication.judge = publish_judge;
    }
    publish_begin(&job->publication);
}

static void served_loaded(struct load_waiter *waiter, const struct err *err)
{
    struct job *job = (struct job *)((char *)waiter - offsetof(struct job, served_load));

    if (err->code == ERR_NONE) {
        publish_now(job);
        return;
    }
    job->err = *err;
    jobs_tell(job->jobs, &job->stop, true);
    net_free(job->publishing->net);
    job->publishing->net = NULL;
    publish_end(job);
}

/* Nobody else changes the model now. */
static void publish_go(struct turn *turn)
{
    struct job *job = (struct job *)((char *)turn - offsetof(struct job, turn));
    struct job_report *report = job->publishing;
    struct judge *judge = &job->judge;

    if (job->model->deleted) {
        net_free(report->net);
        report->net = NULL;
        publish_end(job);
        return;
    }
    judge->rule = job->promote;
    judge->promoted = true;
    judge->found = found_of(job, report);
    judge->served = version_ref(job->model->served);
    judge->feed = &job->validation;
    if (judge->rule.kind == PROMOTE_IF_BETTER && judge->served->net == NULL) {
        job->served_load.done = served_loaded;
        version_load(judge->served, &job->served_load);
    } else {
        publish_now(job);
    }
}

/* A version that is there already was judged before the restart; the record may not say so yet. */
static void again_note(struct job *job, const struct version *version)
{
    if (job->version >= version->number) {
        return;
    }
    job->version = version->number;
    if (job->promote.kind == PROMOTE_ALWAYS || version == job->model->served) {
        job->promoted = version->number;
    }
    snprintf(job->promotion, sizeof job->promotion, "%s",
             job->promote.kind == PROMOTE_ALWAYS ? "" : "decided before a restart");
}

/* False: there is nothing to publish. */
static bool publish_try(struct job *job, struct job_report *report)
{
    const struct version *again;

    if (report->net == NULL) {
        return false;
    }
    if (version_again(job, &report->origin, &again)) {
        if (again != NULL) {
            again_note(job, again);
            report->epoch.version = again->number;
        }
        net_free(report->net);
        report->net = NULL;
        jobs_tell(job->jobs, &job->net_posted, false);
        return false;
    }
    job->publishing = report;
    job->turn = (struct turn){ .go = publish_go };
    turn_take(&job->model->turns, &job->turn);
    return true;
}

/* ---- recording ---- */

static void history_add(struct job *job, const struct msg_epoch *epoch)
{
    if (job->n_history == job->cap_history) {
        size_t cap = job->cap_history == 0 ? 16 : 2 * job->cap_history;
        struct msg_epoch *grown = realloc(job->history, cap * sizeof *grown);

        if (grown == NULL) {
            err_set(&job->err, ERR_MEMORY, "history", "has no memory");
            jobs_tell(job->jobs, &job->stop, true);
            return;
        }
        job->history = grown;
        job->cap_history = cap;
    }
    job->history[job->n_history++] = *epoch;
}

static void checkpoint_saved(struct job *job, const struct err *err)
{
    char text[512];

    if (err->code != ERR_NONE) {
        err_detail(err, text, sizeof text);
        log_at(LEVEL_ERROR, "a checkpoint of job %" PRIu64 " could not be written: %s", job->id,
               text);
    }
    jobs_tell(job->jobs, &job->checkpoint_posted, false);
}

void job_suspended(struct job *job, const struct err *err)
{
    const struct err none = { 0 };
    struct jobs *jobs = job->jobs;

    checkpoint_saved(job, err);
    if (atomic_load(&job->stop)) { /* cancelled meanwhile */
        job_finish(job, JOB_CANCELLED);
        return;
    }
    log_line("job %" PRIu64 " on %s waits for the next start", job->id, job->model_name);
    job_count(job, false);
    job->state = job->outcome = JOB_QUEUED;
    job_waiters_answer(job, &none);
    server_request_ended(jobs->server);
}

/* It has left its worker, and a checkpoint that was on its way is behind us. */
static void stopped(struct job *job, const struct err *err)
{
    (void)err; /* the one to come matters */
    jobs_tell(job->jobs, &job->checkpoint_posted, false);
    if (job_is_pausing(job)) {
        job_park(job);
    } else {
        job_save(job, job->resume.head != NULL ? SAVE_CHECKPOINT : SAVE_BEGIN, &job->resume,
                 job_suspended);
    }
}

static enum job_state outcome_of(const struct job *job)
{
    if (job->err.code != ERR_NONE) {
        return JOB_FAILED;
    }
    if (job->sweep != NULL) { /* which publishes at its end */
        return atomic_load(&job->stop) && job->version == 0 ? JOB_CANCELLED : JOB_SUCCEEDED;
    }
    return atomic_load(&job->stop) && atomic_load(&job->epochs_done) < job->epochs ? JOB_CANCELLED
                                                                                   : JOB_SUCCEEDED;
}

/* What a report says but for the net in it, which has been seen to. The job may be gone after it.
 */
static void report_record(struct job *job, struct job_report *report)
{
    struct job_report taken = *report;

    if (taken.suspended) {
        *report = (struct job_report){ 0 }; /* to be posted again when the job goes on */
    } else {
        free(report);
    }
    job->train_seconds += taken.seconds;
    job->train_rows += taken.rows;
    metrics_trained(job->jobs->server->metrics, taken.rows);
    if (taken.trials != NULL) {
        free(job->trials);
        job->trials = taken.trials;
    }
    if (taken.has_epoch) {
        history_add(job, &taken.epoch);
    }
    if (taken.ended) {
        job->end = taken.suspended ? report : NULL;
        if (job->err.code == ERR_NONE) {
            job->err = taken.err;
        }
    }
    if (taken.suspended && job->err.code == ERR_NONE && !atomic_load(&job->stop)) {
        checkpoint_done(&job->resume);
        job->resume = taken.checkpoint;
        if (job->saving != NULL) {
            job->saving->done = stopped;
        } else {
            stopped(job, &taken.err);
        }
    } else if (taken.ended) {
        checkpoint_done(&taken.checkpoint);
        job_finish(job, outcome_of(job));
    } else if (taken.checkpoint.head != NULL && job->saving == NULL) {
        job_save(job, SAVE_CHECKPOINT, &taken.checkpoint, checkpoint_saved);
    } else if (taken.checkpoint.head != NULL) {
        checkpoint_done(&taken.checkpoint);
        jobs_tell(job->jobs, &job->checkpoint_posted, false);
    }
}

/* The net of the report at hand is on disk, or has failed: that report, and those held back. */
static void reports_go_on(struct job *job)
{
    struct job_report *report = job->publishing;
    bool ended = report->ended;

    job->publishing = NULL;
    report_record(job, report);
    while (!ended && (report = job->held) != NULL) {
        job->held = report->next;
        if (publish_try(job, report)) {
            return;
        }
        ended = report->ended; /* the last there is, and the job may be gone with it */
        report_record(job, report);
    }
}

static void report_take(struct job_report *report)
{
    struct job *job = report->job;

    if (job->publishing != NULL) {
        report->next = NULL;
        if (job->held != NULL) {
            job->held_tail->next = report;
        } else {
            job->held = report;
        }
        job->held_tail = report;
    } else if (!publish_try(job, report)) {
        report_record(job, report);
    }
}

void jobs_take_reports(uv_async_t *async)
{
    struct jobs *jobs = async->data;
    struct job_report *report;

    pthread_mutex_lock(&jobs->lock);
    report = jobs->head;
    jobs->head = jobs->tail = NULL;
    pthread_mutex_unlock(&jobs->lock);
    while (report != NULL) {
        struct job_report *next = report->next;

        report_take(report);
        report = next;
    }
}
