/* Which job begins when, and how. Those that were under way when the process before ended come
 * first, then those of higher priority, then older ones; one that runs is not interrupted for
 * another. */
#include "jobs.h"

#include <stddef.h>

#include "learn_line.h"
#include "server.h"

static void begun(struct job *job, const struct err *err)
{
    job->beginning = false;
    if (err->code != ERR_NONE) {
        job->err = *err;
        job_finish(job, JOB_FAILED);
    } else {
        job_history_cut(job, job->resume.head != NULL ? (size_t)job->resume.head->epochs_done : 0);
        workers_submit(job->jobs->server->workers, &job->task);
    }
}

/* The version it starts from is in memory, or cannot be had. */
static void base_loaded(struct load_waiter *waiter, const struct err *err)
{
    struct job *job = (struct job *)((char *)waiter - offsetof(struct job, load));

    if (err->code == ERR_NONE) {
        job_save(job, SAVE_BEGIN, NULL, begun);
    } else {
        begun(job, err);
    }
}

/* Hands a job to the workers. A job that was made before its model got its labels, by another job,
 * has to agree with them; one that does not fails here, and the list may have become shorter. */
static void job_start(struct job *job)
{
    struct model *model = job->model;

    if (job->labels != NULL && model->labels != NULL && !labels_equal(job->labels, model->labels)) {
        err_set(&job->err, ERR_FIELD, "labels", "of its data are not those that '%s' has got since",
                model->name);
        job_finish(job, JOB_FAILED);
        return;
    }
    job->net_labels = model->labels != NULL ? model->labels : job->labels;
    job_become(job, JOB_RUNNING);
    job->started = job->started > 0.0 ? job->started : server_now();
    if (job->base == NULL) {
        job->base = version_ref(model->served);
    }
    job->base_number = model->job_base = job->base->number;
    job->interrupted = false;
    job->spent = job->train_seconds;
    model->job = job;
    job_go_on(job);
}

void job_go_on(struct job *job)
{
    job->beginning = true;
    if (job->base->net == NULL) {
        job->load.done = base_loaded;
        version_load(job->base, &job->load);
    } else {
        job_save(job, SAVE_BEGIN, NULL, begun);
    }
}

/* The order of the queue. */
static bool is_before(const struct job *a, const struct job *b)
{
    if (a->interrupted != b->interrupted) {
        return a->interrupted;
    }
    return a->priority != b->priority ? a->priority > b->priority : a->id < b->id;
}

/* A model is trained by one job at a time, which it is from its start to its end. While its record
 * is being written, nothing else is begun with a job. */
static bool can_start(const struct job *job)
{
    const struct model *model = job->model;

    return job->state == JOB_QUEUED && job->outcome == JOB_QUEUED && !job->creating &&
           job->saving == NULL && (model->job == NULL || model->job == job) && !model->deleting &&
           learn_line_idle(model->learn);
}

static struct job *next_job(const struct jobs *jobs)
{
    struct job *next = NULL;

    for (size_t i = 0; i < jobs->n; i++) {
        if (can_start(jobs->list[i]) && (next == NULL || is_before(jobs->list[i], next))) {
            next = jobs->list[i];
        }
    }
    return next;
}

/* As many as there are workers. */
void jobs_dispatch(struct jobs *jobs)
{
    struct job *job;

    while (jobs->queued > 0 && !jobs->server->draining &&
           jobs->running < workers_count(jobs->server->workers) && (job = next_job(jobs)) != NULL) {
        job_start(job);
    }
}

size_t job_position(const struct job *job)
{
    const struct jobs *jobs = job->jobs;
    size_t n = 1;

    for (size_t i = 0; i < jobs->n; i++) {
        n += jobs->list[i]->state == JOB_QUEUED && is_before(jobs->list[i], job);
    }
    return n;
}
