#include "jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "removal.h"
#include "server.h"

void jobs_tell(struct jobs *jobs, atomic_bool *flag, bool value)
{
    pthread_mutex_lock(&jobs->lock);
    atomic_store(flag, value);
    pthread_cond_broadcast(&jobs->served);
    pthread_mutex_unlock(&jobs->lock);
}

void job_await_served(struct job *job)
{
    struct jobs *jobs = job->jobs;

    pthread_mutex_lock(&jobs->lock);
    while (atomic_load(&job->net_posted) && !atomic_load(&job->stop) &&
           !atomic_load(&job->suspend)) {
        pthread_cond_wait(&jobs->served, &jobs->lock);
    }
    pthread_mutex_unlock(&jobs->lock);
}

/* ---- the list ---- */

void job_free(struct job *job)
{
    job_listeners_leave(job);
    feed_done(&job->train);
    feed_done(&job->validation);
    labels_free(job->labels);
    class_weights_done(&job->weights);
    checkpoint_done(&job->resume);
    free(job->sweep);
    free(job->trials);
    free(job->history);
    free(job->end);
    if (job->base != NULL) {
        version_unref(job->base);
    }
    if (job->model != NULL) {
        model_unref(job->model);
    }
    free(job);
}

bool job_add(struct jobs *jobs, struct job *job, struct err *err)
{
    if (jobs->n + jobs->reserved == jobs->cap) {
        size_t cap = jobs->cap == 0 ? 64 : 2 * jobs->cap;
        struct job **grown = realloc(jobs->list, cap * sizeof(struct job *));

        if (grown == NULL) {
            return err_set(err, ERR_MEMORY, "job", "has no memory");
        }
        jobs->list = grown;
        jobs->cap = cap;
    }
    jobs->list[jobs->n++] = job;
    return true;
}

void job_drop(struct job *job)
{
    struct jobs *jobs = job->jobs;
    size_t to = 0;

    for (size_t i = 0; i < jobs->n; i++) {
        if (jobs->list[i] != job) {
            jobs->list[to++] = jobs->list[i];
        }
    }
    jobs->n = to;
    job_free(job);
}

bool job_ended(const struct job *job)
{
    return job_state_is_end(job->state);
}

static size_t *count_of(struct jobs *jobs, enum job_state state)
{
    return state == JOB_QUEUED    ? &jobs->queued
           : state == JOB_RUNNING ? &jobs->running
                                  : &jobs->paused;
}

void job_count(struct job *job, bool add)
{
    struct jobs *jobs = job->jobs;

    if (add) {
        ++*count_of(jobs, job->state);
        job->model->jobs++;
    } else if (job->counted) {
        --*count_of(jobs, job->state);
        if (job->model->job == job) {
            job->model->job = NULL;
        }
        job->model->jobs--;
    }
    job->counted = add;
}

void job_become(struct job *job, enum job_state state)
{
    --*count_of(job->jobs, job->state);
    job->state = job->outcome = state;
    ++*count_of(job->jobs, job->state);
}

/* A job reads its data sets from the moment it is made; what was replaced meanwhile goes with the
 * last job that reads it. */
void job_feed_count(struct job *job, bool add)
{
    struct feed *feeds[] = { &job->train, &job->validation };

    for (size_t i = 0; i < 2; i++) {
        struct dataset *dataset = feeds[i]->dataset;

        if (dataset == NULL) {
            continue;
        }
        dataset->jobs += add ? 1u : -1u;
        dataset->job = job->id;
        if (dataset->jobs == 0 && dataset->replaced) {
            dataset->gone = true;
            removal_path(job->jobs->server, dataset->path);
        }
    }
}

void jobs_prune(struct jobs *jobs)
{
    const size_t keep = jobs->server->options.keep_jobs;
    size_t ended = jobs->n - jobs->queued - jobs->running - jobs->paused;
    size_t to = 0;

    for (size_t i = 0; i < jobs->n; i++) {
        struct job *job = jobs->list[i];
        struct err none = { 0 };
        char *path = NULL;

        if (!job_ended(job) || ended <= keep || job->unwritten || job->saving != NULL ||
            job->changes != NULL || job->changing) {
            jobs->list[to++] = job;
            continue;
        }
        ended--;
        if (job->model_folder[0] != '\0' &&
            job_store_path(jobs->server->options.state, job->id, NULL, &path, &none)) {
            removal_path(jobs->server, path);
        }
        free(path);
        job_free(job);
    }
    jobs->n = to;
}

/* ---- cancelling ---- */

bool job_cancel(struct job *job, struct err *err)
{
    if (job->unwritten && job->state == JOB_CANCELLED) {
        return err_set(err, ERR_IO, "id",
                       "%" PRIu64 " is cancelled, but that is not on disk yet: it is tried again",
                       job->id);
    }
    if (job_ended(job)) {
        return err_set(err, ERR_BUSY, "id", "%" PRIu64 " has ended: it is %s", job->id,
                       job_state_name(job->state));
    }
    jobs_tell(job->jobs, &job->stop, true);
    if (job->state != JOB_RUNNING && !job->creating && !job_state_is_end(job->outcome)) {
        job_finish(job, JOB_CANCELLED);
    }
    return true;
}

/* Jobs leave the list while it is walked, but only at and before the place that is looked at when
 * it is walked from the end. */
void jobs_cancel_model(struct jobs *jobs, const struct model *model)
{
    for (size_t i = jobs->n; i-- > 0;) {
        struct err none = { 0 };

        if (i < jobs->n && !job_ended(jobs->list[i]) && jobs->list[i]->model == model) {
            job_cancel(jobs->list[i], &none);
        }
    }
}

void jobs_stop(struct jobs *jobs)
{
    for (size_t i = jobs->n; i-- > 0;) {
        struct job *job = i < jobs->n ? jobs->list[i] : NULL;
        struct err none = { 0 };

        if (job != NULL && job->unwritten && job->saving == NULL) {
            job_end_again(job); /* the last chance to */
        }
        if (job == NULL || job_ended(job)) {
            continue;
        }
        if (job->model_folder[0] == '\0') {
            job_cancel(job, &none); /* nothing would be left of it */
        } else {
            jobs_tell(jobs, &job->suspend, true);
            job_waiters_answer(job, &none);
        }
    }
}

bool jobs_idle(const struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++) {
        if (jobs->list[i]->saving != NULL || jobs->list[i]->publishing != NULL) {
            return false;
        }
    }
    return jobs->running == 0;
}

bool jobs_create(struct server *server, struct jobs **ret, struct err *err)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);

    if (jobs == NULL) {
        return err_set(err, ERR_MEMORY, "jobs", "have no memory");
    }
    jobs->server = server;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->served, NULL);
    uv_async_init(server->loop, &jobs->async, jobs_take_reports);
    uv_timer_init(server->loop, &jobs->retry);
    jobs->retry.data = jobs;
    jobs->async.data = jobs;
    *ret = jobs;
    return true;
}

static void jobs_closed(uv_handle_t *handle)
{
    struct jobs *jobs = handle->data;

    pthread_cond_destroy(&jobs->served);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs->list);
    free(jobs);
}

void jobs_free(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++) {
        job_free(jobs->list[i]);
    }
    uv_close((uv_handle_t *)&jobs->retry, NULL);
    uv_close((uv_handle_t *)&jobs->async, jobs_closed); /* the last of the two to be closed */
}

/* ---- asking ---- */

struct job *jobs_find(const struct jobs *jobs, const char *id, struct err *err)
{
    char text[24];

    for (size_t i = jobs->n; i-- > 0;) {
        snprintf(text, sizeof text, "%" PRIu64, jobs->list[i]->id);
        if (strcmp(text, id) == 0 && !jobs->list[i]->creating) {
            return jobs->list[i];
        }
    }
    err_set(err, ERR_NOT_FOUND, "id", "'%.64s' is no job whose record is kept", id);
    return NULL;
}

struct job *jobs_find_key(const struct jobs *jobs, const char *model, const char *key,
                          const char *request, struct err *err)
{
    for (size_t i = jobs->n; i-- > 0 && key[0] != '\0';) {
        struct job *job = jobs->list[i];

        if (strcmp(job->key, key) != 0 || strcmp(job->model_name, model) != 0) {
            continue;
        }
        if (strcmp(job->request, request) != 0) {
            err_set(err, ERR_FIELD, "Idempotency-Key",
                    "was used for another request: see job %" PRIu64, job->id);
            return NULL;
        }
        if (job->creating) {
            err_set(err, ERR_BUSY, "Idempotency-Key", "belongs to a request that is under way");
            return NULL;
        }
        return job;
    }
    return NULL;
}

uint64_t jobs_reader(const struct jobs *jobs, const char *dataset)
{
    for (size_t i = 0; i < jobs->n; i++) {
        const struct job *job = jobs->list[i];

        if (!job_ended(job) &&
            (strcmp(job->dataset, dataset) == 0 || strcmp(job->validation_name, dataset) == 0)) {
            return job->id;
        }
    }
    return 0;
}

uint64_t jobs_based_on(const struct jobs *jobs, const struct version *version)
{
    for (size_t i = 0; i < jobs->n; i++) {
        const struct job *job = jobs->list[i];

        if (!job_ended(job) && job->model == version->model &&
            job->base_number == version->number) {
            return job->id;
        }
    }
    return 0;
}

size_t jobs_count(const struct jobs *jobs)
{
    return jobs->n;
}

struct job *jobs_at(const struct jobs *jobs, size_t i)
{
    return jobs->list[i];
}

size_t jobs_in_state(const struct jobs *jobs, enum job_state state)
{
    size_t n = 0;

    for (size_t i = 0; i < jobs->n; i++) {
        n += jobs->list[i]->state == state;
    }
    return n;
}
