/* Clients that wait for the end of a job. */
#include "jobs.h"

#include <stdlib.h>

#include "request.h"
#include "server.h"

static void waiter_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Answers one, with 200 when the job has ended and 202 when it has not. */
static void waiter_answer(struct waiter *waiter)
{
    struct request *req = waiter->req;
    struct msg_job info;
    struct text text = { 0 };

    job_info(waiter->job, &info);
    msg_job_encode(&text, &info, true);
    text_str(&text, "\n");
    request_reply(req, job_ended(waiter->job) ? 200 : 202, &text);
    waiter->req = NULL;
    uv_close((uv_handle_t *)&waiter->timer, waiter_closed);
    request_finish(req);
}

void job_waiters_answer(struct job *job)
{
    struct waiter *waiter = job->waiters;

    job->waiters = NULL;
    while (waiter != NULL) {
        struct waiter *next = waiter->next;

        waiter_answer(waiter);
        waiter = next;
    }
}

/* It has waited long enough, or is not there any more. */
static void waiter_leave(struct waiter *waiter)
{
    struct waiter **at = &waiter->job->waiters;

    while (*at != waiter) {
        at = &(*at)->next;
    }
    *at = waiter->next;
    waiter_answer(waiter);
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

    if (waiter == NULL) {
        return err_set(err, ERR_MEMORY, "Prefer", "has no memory to wait");
    }
    waiter->req = req;
    waiter->job = job;
    uv_timer_init(job->jobs->server->loop, &waiter->timer);
    waiter->timer.data = waiter;
    if (job_ended(job)) {
        waiter_answer(waiter);
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
