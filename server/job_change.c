/* What clients change of a job that has not ended: pause, resume, priority. Each reaches over to
 * the disk and back; one after the other, in the order they came. */
#include "jobs.h"

#include <inttypes.h>

#include "log.h"
#include "request.h"
#include "server.h"

/* The one under way, if any. */
static struct job_change *change_now(const struct job *job)
{
    struct job_change *change = job->changes;

    return change != NULL && change->begun && !change->settled ? change : NULL;
}

bool job_is_pausing(const struct job *job)
{
    const struct job_change *change = change_now(job);

    return change != NULL && change->kind == CHANGE_PAUSE;
}

static void refuse_ended(struct job_change *change)
{
    err_set(&change->req->err, ERR_BUSY, "id", "%" PRIu64 " has ended: it is %s", change->job->id,
            job_state_name(change->job->state));
}

/* ---- taking effect ---- */

static void change_written(struct job *job, const struct err *err);

/* What the change makes of the job; false: nothing can be made of it, or nothing yet. */
static bool change_apply(struct job_change *change)
{
    struct job *job = change->job;
    const bool runs = job->state == JOB_RUNNING;

    switch (change->kind) {
    case CHANGE_PAUSE:
        if (runs) {
            jobs_tell(job->jobs, &job->suspend, true); /* job_park, or job_changes_end */
            return false;
        }
        job->outcome = JOB_PAUSED;
        return true;
    case CHANGE_RESUME:
        job->outcome = runs ? JOB_RUNNING : JOB_QUEUED;
        return true;
    case CHANGE_PRIORITY:
        if (!runs) {
            job->priority_next = change->priority;
            return true;
        }
        change->settled = true;
        return err_set(&change->req->err, ERR_BUSY, "id",
                       "%" PRIu64 " is running: a priority is for those that wait", job->id);
    }
    return false;
}

static void change_begin(struct job_change *change)
{
    struct job *job = change->job;

    change->begun = true;
    if (job_ended(job)) {
        refuse_ended(change);
        change->settled = true;
    } else if (job->jobs->server->draining) {
        err_set(&change->req->err, ERR_DRAINING, "", "the server is going down");
        change->settled = true;
    } else if (job_state_is_end(job->outcome) || !change_apply(change)) {
        return; /* it is answered when the job has ended, or has left its worker, or already */
    } else if (job->outcome == job->state && job->priority_next == job->priority) {
        change->settled = true;
    } else {
        job_save(job, SAVE_CHANGE, NULL, change_written);
    }
}

static void change_answer(struct job_change *change)
{
    struct request *req = change->req;

    if (req->err.code == ERR_NONE) {
        job_reply(req, 200, change->job);
    }
    request_finish(req);
}

/* As far as they go. Whatever is called from here may come back here, and finds it at work. */
static void changes_run(struct job *job)
{
    struct job_change *change;

    if (job->changing) {
        return;
    }
    job->changing = true;
    while ((change = job->changes) != NULL) {
        if (!change->begun) {
            change_begin(change);
        }
        if (!change->settled) {
            break;
        }
        job->changes = change->next;
        change_answer(change);
    }
    job->changing = false;
}

void job_change(struct job_change *change)
{
    struct job_change **at = &change->job->changes;

    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = change;
    changes_run(change->job);
}

/* ---- on disk, or not ---- */

/* The disk did not take the pause: it goes on where it stood. */
static void unpark(struct job *job)
{
    if (job->jobs->server->draining) {
        const struct err none = { 0 };

        job_suspended(job, &none);
        return;
    }
    jobs_tell(job->jobs, &job->suspend, false);
    if (job->resume.head != NULL) {
        workers_submit(job->jobs->server->workers, &job->task);
    } else {
        job->reload = job->model_folder[0] != '\0';
        job_go_on(job);
    }
}

/* It is what it is to be: paused, or waiting again. */
static void change_state(struct job *job)
{
    const bool pauses = job->outcome == JOB_PAUSED;

    if (job->outcome == job->state) {
        return;
    }
    job_become(job, job->outcome);
    job->interrupted = false;
    job_listeners_wake(job);
    if (!pauses) {
        atomic_store(&job->suspend, false);
    } else if (job->model_folder[0] != '\0') {
        job->reload = job->base_number > 0;
        checkpoint_done(&job->resume);
    }
    log_line("job %" PRIu64 " on %s %s", job->id, job->model_name,
             pauses ? "has been paused" : "waits for its turn");
}

static void change_written(struct job *job, const struct err *err)
{
    struct jobs *jobs = job->jobs;
    struct job_change *change = job->changes;
    const bool parked = job->state == JOB_RUNNING;

    if (parked && atomic_load(&job->stop)) { /* cancelled meanwhile */
        job_finish(job, JOB_CANCELLED);
        return;
    }
    change->req->err = *err;
    change->settled = true;
    if (err->code == ERR_NONE) {
        job->priority = job->priority_next;
        change_state(job);
    } else {
        job->priority_next = job->priority;
        job->outcome = job->state;
        if (parked) {
            unpark(job);
        }
    }
    changes_run(job);
    jobs_dispatch(jobs);
}

void job_park(struct job *job)
{
    job->outcome = JOB_PAUSED;
    job_progress_set(job);
    job_save(job, SAVE_CHANGE, &job->resume, change_written);
}

void job_changes_end(struct job *job)
{
    struct job_change *change = change_now(job);

    if (change != NULL) {
        refuse_ended(change);
        change->settled = true;
    }
    changes_run(job);
}
