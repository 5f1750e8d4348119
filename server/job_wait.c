/* Clients that wait for the end of a job. */
#include "jobs.h"

#include <stdlib.h>

#include "request.h"
#include "server.h"

static void waiter_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Answers one, with 200 when the job has ended and 202 when it has not. Who cancels it is to know
 * when that is not on disk, since the next process would go on with it. */
static void waiter_answer(struct waiter *waiter, const struct err *err)
{
    struct request *req = waiter->req;

    if (waiter->cancels && waiter->job->state == JOB_CANCELLED && err->code != ERR_NONE) {
        req->err = *err;
    } else {
        job_reply(req, job_ended(waiter->job) ? 200 : 202, waiter->job);
    }
    waiter->req = NULL;
    uv_close((uv_handle_t *)&waiter->timer, waiter_closed);
    request_finish(req);
}

/* Who cancels it waits on for its end. */
void job_waiters_answer(struct job *job, const struct err *err)
{
    struct waiter *waiter = job->waiters;

    job->waiters = NULL;
    while (waiter != NULL) {
        struct waiter *next = waiter->next;

        if (waiter->cancels && !job_ended(job)) {
            waiter->next = job->waiters;
            job->waiters = waiter;
        } else {
            waiter_answer(waiter, err);
        }
        waiter = next;
    }
}

/* It has waited long enough, or is not there any more. */
static void waiter_leave(struct waiter *waiter)
{
    const struct err none = { 0 };
    struct waiter **at = &waiter->job->waiters;

    while (*at != waiter) {
        at = &(*at)->next;
    }
    *at = waiter->next;
    waiter_answer(waiter, &none);
}

static void waiter_expired(uv_timer_t *timer)
{
    waiter_leave(timer->data);
}

static void waiter_hung_up(void *arg)
{
    waiter_leave(arg);
}

bool job_wait(struct job *job, struct request *req, double seconds, struct err *err)
{
    struct waiter *waiter = calloc(1, sizeof *waiter);
    const struct err none = { 0 };

    if (waiter == NULL) {
        return err_set(err, ERR_MEMORY, "Prefer", "has no memory to wait");
    }
    waiter->req = req;
    waiter->job = job;
    waiter->cancels = seconds < 0.0;
    uv_timer_init(job->jobs->server->loop, &waiter->timer);
    waiter->timer.data = waiter;
    if (job_ended(job)) {
        waiter_answer(waiter, &none);
        return true;
    }
    waiter->next = job->waiters;
    job->waiters = waiter;
    request_await(req, waiter_hung_up, waiter);
    if (seconds >= 0.0) {
        uv_timer_start(&waiter->timer, waiter_expired, (uint64_t)(seconds * 1000.0), 0);
    }
    return true;
}
