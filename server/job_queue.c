/* Which job begins when, and how. */
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
static bool job_start(struct jobs *jobs, struct job *job)
{
    struct model *model = job->model;

    if (job->labels != NULL && model->labels != NULL && !labels_equal(job->labels, model->labels)) {
        err_set(&job->err, ERR_FIELD, "labels", "of its data are not those that '%s' has got since",
                model->name);
        job_finish(job, JOB_FAILED);
        return false;
    }
    job->net_labels = model->labels != NULL ? model->labels : job->labels;
    jobs->queued--;
    jobs->running++;
    job->state = job->outcome = JOB_RUNNING;
    job->started = job->started > 0.0 ? job->started : server_now();
    if (job->base == NULL) {
        job->base = version_ref(model->served);
    }
    job->base_number = model->job_base = job->base->number;
    job->beginning = true;
    model->job = job;
    if (job->base->net == NULL) {
        job->load.done = base_loaded;
        version_load(job->base, &job->load);
    } else {
        job_save(job, SAVE_BEGIN, NULL, begun);
    }
    return true;
}

/* Oldest first, one a model, as many as there are workers. */
void jobs_dispatch(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n && jobs->queued > 0 && !jobs->server->draining; i++) {
        struct job *job = jobs->list[i];

        if (jobs->running >= workers_count(jobs->server->workers)) {
            return;
        }
        if (job->state == JOB_QUEUED && job->outcome == JOB_QUEUED && !job->creating &&
            job->model->job == NULL && !job->model->deleting &&
            learn_line_idle(job->model->learn) && !job_start(jobs, job)) {
            i = (size_t)-1; /* from the start */
        }
    }
}
