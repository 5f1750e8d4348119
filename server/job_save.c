/* Jobs to disk: one write at a time for each, on the pool. */
#include "jobs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "metrics.h"
#include "server.h"
#include "store.h"

#define RETRY_MS 1000

/* What the pool needs besides struct job_save: kept here, so that job.h need not know. */
struct save {
    struct job_save base; /* first, so that one is the other */
    struct job *job;
    enum job_save_kind kind;
    struct dataset *data,
        *validation;         /* SAVE_CREATE: rows that came with the request; references */
    struct version *version; /* SAVE_BEGIN: to be written first; a reference; NULL: it is */
    struct carry *carry;     /* what it has of one; a reference */
    const struct labels *labels;
    bool reload; /* SAVE_BEGIN: the checkpoint is to be read */
    struct err unread;
    enum job_state was; /* SAVE_CHANGE: what the record says until then; */
    int priority_was;   /* likewise */
};

/* A copy of len bytes, or NULL without memory. */
static void *copy(const void *bytes, size_t len)
{
    void *ret = malloc(len > 0 ? len : 1);

    if (ret != NULL && len > 0) {
        memcpy(ret, bytes, len);
    }
    return ret;
}

static bool sweep_fill(const struct job *job, struct job_file *ret)
{
    if (job->sweep == NULL) {
        return true;
    }
    ret->sweep = copy(job->sweep, sizeof *job->sweep);
    ret->trials = copy(job->trials, job->sweep->sweep.trials * sizeof *job->trials);
    return ret->sweep != NULL && ret->trials != NULL;
}

/* What its record has for a job in a state: one that was interrupted is still under way. */
static enum job_state state_kept(const struct job *job, enum job_state state)
{
    return state == JOB_QUEUED && job->interrupted ? JOB_RUNNING : state;
}

static bool file_fill(const struct job *job, struct job_file *ret)
{
    struct err none = { 0 };

    *ret = (struct job_file){
        .id = job->id,
        .state = state_kept(job, job->outcome),
        .base = job->base_number,
        .version = job->version,
        .generation = job->train.dataset != NULL ? job->train.dataset->generation : 0,
        .validation_generation =
            job->validation.dataset != NULL ? job->validation.dataset->generation : 0,
        .has_validation = job->has_validation,
        .epochs = job->epochs,
        .done = atomic_load(&job->epochs_done),
        .plan = job->plan,
        .publish = job->publish,
        .publish_seconds = job->publish_seconds,
        .promote = job->promote,
        .stopping = job->stopping,
        .schedule = job->schedule,
        .max_seconds = job->max_seconds,
        .split = job->split,
        .priority = job->priority_next,
        .promoted = job->promoted,
        .created = job->created,
        .started = job->started,
        .finished = job->finished,
        .train_rows = job->train_rows,
        .train_seconds = job->train_seconds,
        .workers = atomic_load(&job->ways),
        .n_history = job->n_history,
        .err = job->err,
    };
    memcpy(ret->model, job->model_name, sizeof ret->model);
    memcpy(ret->folder, job->model_folder, sizeof ret->folder);
    memcpy(ret->dataset, job->dataset, sizeof ret->dataset);
    memcpy(ret->validation, job->validation_name, sizeof ret->validation);
    memcpy(ret->promotion, job->promotion, sizeof ret->promotion);
    memcpy(ret->key, job->key, sizeof ret->key);
    memcpy(ret->request, job->request, sizeof ret->request);
    ret->history = copy(job->history, job->n_history * sizeof *ret->history);
    if (ret->history == NULL || !sweep_fill(job, ret) ||
        (job->labels != NULL && !labels_copy(job->labels, &ret->labels, &none)) ||
        !class_weights_copy(&job->weights, &ret->weights, &none)) {
        job_file_done(ret);
        return false;
    }
    return true;
}

/* The version that a job starts from must outlast the job: one that only a learn log leads to gets
 * a file of its own. */
static bool base_put(const struct save *save, struct err *err)
{
    struct msg_version facts;

    if (save->version == NULL) {
        return true;
    }
    facts = version_facts(save->version);
    return store_save(save->version->model->folder, save->version->net, save->labels, &facts,
                      save->carry, err);
}

/* The checkpoint, behind a record whose history reaches as far, then what is changed: who dies in
 * between has changed nothing. */
static void change_put(const char *root, struct save *save, struct err *err)
{
    struct job_file *file = &save->base.file;
    const enum job_state state = file->state;
    const int priority = file->priority;
    struct err none = { 0 };

    file->state = save->was;
    file->priority = save->priority_was;
    if (save->base.checkpoint.head != NULL &&
        !job_store_save(root, file, &save->base.checkpoint, err)) {
        return;
    }
    file->state = state;
    file->priority = priority;
    if (!job_store_save(root, file, NULL, err)) { /* which may be there all the same */
        file->state = save->was;
        file->priority = save->priority_was;
        job_store_save(root, file, NULL, &none);
    }
}

static void save_run(uv_work_t *uv)
{
    struct save *save = uv->data;
    const char *root = save->job->jobs->server->options.state;
    const struct job_file *file = &save->base.file;
    struct err *err = &save->base.err;

    switch (save->kind) {
    case SAVE_CREATE:
        job_store_create(root, file, save->data, save->validation, err);
        break;
    case SAVE_BEGIN:
        if (base_put(save, err) && job_store_save(root, file, NULL, err) && save->reload) {
            job_store_checkpoint(root, file->id, &save->base.checkpoint, &save->unread);
        }
        break;
    case SAVE_CHECKPOINT:
        job_store_save(root, file, &save->base.checkpoint, err);
        break;
    case SAVE_CHANGE:
        change_put(root, save, err);
        break;
    case SAVE_END:
        job_store_end(root, file, err);
        break;
    }
}

/* What is read, or was not to be taken over, is the job's. */
static void checkpoint_back(struct save *save)
{
    struct job *job = save->job;
    char text[512];

    if (save->unread.code != ERR_NONE) {
        err_detail(&save->unread, text, sizeof text);
        log_at(LEVEL_WARNING, "job %" PRIu64 " on %s begins again: %s", job->id, job->model_name,
               text);
    }
    if (save->reload || (save->kind == SAVE_CHANGE && save->base.checkpoint.head != NULL)) {
        job->reload = job->reload && !save->reload;
        checkpoint_done(&job->resume);
        job->resume = save->base.checkpoint;
        save->base.checkpoint = (struct checkpoint){ 0 };
    }
}

static void save_after(uv_work_t *uv, int status)
{
    struct save *save = uv->data;
    struct job *job = save->job;
    struct server *server = job->jobs->server;
    struct err err = save->base.err;
    void (*done)(struct job *, const struct err *) = save->base.done;

    (void)status;
    job->saving = NULL;
    if (save->version != NULL) {
        save->version->on_disk = save->version->on_disk || err.code == ERR_NONE;
        version_unref(save->version);
        carry_unref(save->carry);
    }
    if (save->data != NULL) {
        dataset_unref(save->data);
    }
    if (save->validation != NULL) {
        dataset_unref(save->validation);
    }
    checkpoint_back(save);
    job_file_done(&save->base.file);
    checkpoint_done(&save->base.checkpoint);
    free(save);
    done(job, &err);
    server_request_ended(server); /* a draining server may be waiting for this */
}

static struct dataset *inline_of(const struct feed *feed)
{
    return feed->dataset != NULL && feed->dataset->path == NULL ? dataset_ref(feed->dataset) : NULL;
}

void job_save(struct job *job, enum job_save_kind kind, struct checkpoint *checkpoint,
              void (*done)(struct job *job, const struct err *err))
{
    struct save *save = NULL;
    struct err err = { 0 };

    if (job->model_folder[0] != '\0' &&
        ((save = calloc(1, sizeof *save)) == NULL || !file_fill(job, &save->base.file))) {
        free(save);
        save = NULL;
        err_set(&err, ERR_MEMORY, "job", "has no memory to be written down");
    }
    if (save == NULL) {
        if (checkpoint != NULL && kind != SAVE_CHANGE) {
            checkpoint_done(checkpoint);
        }
        done(job, &err);
        return;
    }
    save->base.uv.data = save;
    save->base.done = done;
    save->job = job;
    save->kind = kind;
    save->reload = kind == SAVE_BEGIN && job->reload;
    save->was = state_kept(job, job->state);
    save->priority_was = job->priority;
    if (checkpoint != NULL) {
        save->base.checkpoint = *checkpoint;
        *checkpoint = (struct checkpoint){ 0 };
    }
    if (kind == SAVE_CREATE) {
        save->data = inline_of(&job->train);
        save->validation = split_is(&job->split) ? NULL : inline_of(&job->validation);
    }
    if (kind == SAVE_BEGIN && job->base != NULL && !job->base->on_disk) {
        save->version = version_ref(job->base);
        save->carry = carry_ref(job->base->carry);
        save->labels = job->model->labels;
    }
    job->saving = &save->base;
    if (uv_queue_work(job->jobs->server->loop, &save->base.uv, save_run, save_after) != 0) {
        save_run(&save->base.uv);
        save_after(&save->base.uv, 0);
    }
}

/* ---- the end ---- */

static void end_again(uv_timer_t *timer);

static void end_written(struct job *job, const struct err *err)
{
    if (err->code == ERR_NONE) {
        job->unwritten = false;
        jobs_prune(job->jobs); /* it may be gone after this */
    } else if (!job->jobs->server->draining) {
        uv_timer_start(&job->jobs->retry, end_again, RETRY_MS, 0);
    }
}

/* One at a time; the next one waits for the next turn. */
static void end_again(uv_timer_t *timer)
{
    struct jobs *jobs = timer->data;
    bool begun = false;

    for (size_t i = 0; i < jobs->n; i++) {
        struct job *job = jobs->list[i];

        if (!job->unwritten || job->saving != NULL) {
            continue;
        }
        if (begun) {
            uv_timer_start(timer, end_again, RETRY_MS, 0);
            return;
        }
        begun = true;
        job_end_again(job);
    }
}

void job_end_again(struct job *job)
{
    job_save(job, SAVE_END, NULL, end_written);
}

/* The end is on disk, or could not be written: then that is tried again, and until it is, the next
 * process would go on with what has ended, to the same bits, and end it again. */
static void ended(struct job *job, const struct err *err)
{
    struct jobs *jobs = job->jobs;
    char text[512];

    if (job->end_waits) { /* this was a checkpoint that was under way */
        job->end_waits = false;
        job_save(job, SAVE_END, NULL, ended);
        return;
    }
    if (err->code != ERR_NONE) {
        err_detail(err, text, sizeof text);
        log_at(LEVEL_ERROR, "the end of job %" PRIu64 " could not be written: %s", job->id, text);
        job->unwritten = true;
        uv_timer_start(&jobs->retry, end_again, RETRY_MS, 0);
    }
    job_count(job, false);
    job->state = job->outcome;
    metrics_job_ended(jobs->server->metrics, job->state);
    job_feed_count(job, false);
    feed_done(&job->train);
    feed_done(&job->validation);
    checkpoint_done(&job->resume);
    if (job->base != NULL) {
        version_unref(job->base);
        job->base = NULL;
        model_job_ended(job->model);
    }
    job_waiters_answer(job, err);
    job_changes_end(job);
    log_line("job %" PRIu64 " on %s has %s", job->id, job->model_name,
             job->state == JOB_CANCELLED ? "been cancelled" : job_state_name(job->state));
    jobs_prune(jobs);
    jobs_dispatch(jobs);
    server_request_ended(jobs->server); /* a draining server may be waiting for this */
}

void job_finish(struct job *job, enum job_state outcome)
{
    job->outcome = outcome;
    job->priority_next = job->priority;
    job->finished = server_now();
    if (job->saving != NULL) {
        job->end_waits = true;
        job->saving->done = ended;
    } else {
        job_save(job, SAVE_END, NULL, ended);
    }
}

void job_give_up(struct job *job)
{
    struct job_file file;
    struct err err = { 0 };
    char text[512];

    job->state = job->outcome;
    job->finished = server_now();
    if (file_fill(job, &file)) {
        if (!job_store_end(job->jobs->server->options.state, &file, &err)) {
            err_detail(&err, text, sizeof text); /* the next start tries again */
            log_at(LEVEL_ERROR, "the end of job %" PRIu64 " could not be written: %s", job->id,
                   text);
        }
        job_file_done(&file);
    }
    feed_done(&job->train);
    feed_done(&job->validation);
    checkpoint_done(&job->resume);
}
