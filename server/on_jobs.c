/* GET, PATCH and DELETE of /v1/jobs/{id}; POST of its pause and resume; GET /v1/jobs. */
#include "handlers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "job.h"
#include "msg_priority.h"
#include "request.h"
#include "server.h"

/* ---- the list, by pages ---- */

#define LIMIT_MAX 10000

struct page {
    uint64_t limit;    /* 0: all */
    uint64_t after;    /* an id: only later ones; it need not be there any more */
    const char *model; /* NULL: any */
    int state;         /* -1: any */
};

/* A query parameter that is a whole number, min to max; *ret stays if it is not there. */
static bool whole_parse(struct request *req, const char *key, uint64_t min, uint64_t max,
                        uint64_t *ret, struct err *err)
{
    const char *text = request_query(req, key);
    unsigned long long n = 0;
    char *end = NULL;

    if (text == NULL) {
        return true;
    }
    errno = 0;
    if (text[0] >= '0' && text[0] <= '9') {
        n = strtoull(text, &end, 10);
    }
    if (end == NULL || *end != '\0' || errno != 0 || n < min || n > max) {
        return err_set(err, ERR_FIELD, key,
                       "must be a whole number, %" PRIu64 " to %" PRIu64 ", is '%.64s'", min, max,
                       text);
    }
    *ret = n;
    return true;
}

static bool state_parse(const char *text, int *ret, struct err *err)
{
    *ret = -1;
    if (text == NULL) {
        return true;
    }
    for (int i = 0; i < JOB_STATES; i++) {
        if (strcmp(text, job_state_name((enum job_state)i)) == 0) {
            *ret = i;
            return true;
        }
    }
    return err_set(err, ERR_FIELD, "state",
                   "must be queued, running, paused, succeeded, failed or cancelled, is '%.64s'",
                   text);
}

static bool page_parse(struct request *req, struct page *ret, struct err *err)
{
    ret->model = request_query(req, "model");
    return whole_parse(req, "limit", 1, LIMIT_MAX, &ret->limit, err) &&
           whole_parse(req, "after", 0, INT64_MAX, &ret->after, err) &&
           state_parse(request_query(req, "state"), &ret->state, err) &&
           (ret->model == NULL || name_check(ret->model, strlen(ret->model), "model", err));
}

static bool page_has(const struct page *page, const struct job *job)
{
    return job->id > page->after && (page->state < 0 || (int)job->state == page->state) &&
           (page->model == NULL || strcmp(job->model_name, page->model) == 0);
}

/* Oldest first, without their histories. Ids rise, so that jobs which come or go while a client
 * turns the pages neither hide others from it nor show them twice. */
bool on_job_list(struct request *req, struct err *err)
{
    const struct jobs *jobs = req->server->jobs;
    struct page page = { 0 };
    struct msg_job info;
    struct text text = { 0 };
    uint64_t last = 0, n = 0;
    bool more = false;

    if (!page_parse(req, &page, err)) {
        return false;
    }
    text_str(&text, "{\"jobs\": [");
    for (size_t i = 0; i < jobs_count(jobs) && !more; i++) {
        const struct job *job = jobs_at(jobs, i);

        if (!page_has(&page, job) || !auth_sees(req, job->model_name)) {
            continue;
        }
        more = page.limit != 0 && n == page.limit;
        if (!more) {
            job_info(job, &info);
            text_str(&text, n++ > 0 ? ", " : "");
            msg_job_encode(&text, &info, false);
            last = job->id;
        }
    }
    if (more) {
        text_printf(&text, "], \"next\": \"%" PRIu64 "\"}\n", last);
    } else {
        text_str(&text, "], \"next\": null}\n");
    }
    request_reply(req, 200, &text);
    request_finish(req);
    return true;
}

bool on_job_get(struct request *req, struct err *err)
{
    const struct job *job = jobs_find(req->server->jobs, req->param[0], err);

    if (job == NULL) {
        return false;
    }
    job_reply(req, 200, job);
    request_finish(req);
    return true;
}

/* Cancels, and answers when the job has ended: at once if it was queued, at its next mini-batch if
 * it runs. What it has published stays. */
bool on_job_delete(struct request *req, struct err *err)
{
    struct job *job = jobs_find(req->server->jobs, req->param[0], err);

    if (job == NULL) {
        return false;
    }
    if (job_ended(job)) {
        return job_cancel(job, err); /* refuses */
    }
    return job_wait(job, req, -1.0, err) && job_cancel(job, err);
}

/* ---- changes, answered when they are on disk ---- */

static bool change_ask(struct request *req, enum job_change_kind kind, int priority,
                       struct job *job, struct err *err)
{
    struct job_change *change = arena_alloc(&req->arena, 1, sizeof *change);

    if (change == NULL) {
        return err_set(err, ERR_MEMORY, "job", "has no memory to be changed");
    }
    *change = (struct job_change){ .req = req, .job = job, .kind = kind, .priority = priority };
    job_change(change);
    return true;
}

bool on_job_pause(struct request *req, struct err *err)
{
    struct job *job = jobs_find(req->server->jobs, req->param[0], err);

    return job != NULL && change_ask(req, CHANGE_PAUSE, 0, job, err);
}

bool on_job_resume(struct request *req, struct err *err)
{
    struct job *job = jobs_find(req->server->jobs, req->param[0], err);

    return job != NULL && change_ask(req, CHANGE_RESUME, 0, job, err);
}

/* {"priority": 5} */
bool on_job_patch(struct request *req, struct err *err)
{
    struct job *job = jobs_find(req->server->jobs, req->param[0], err);
    int priority;

    return job != NULL &&
           msg_priority_decode(req->body != NULL ? req->body : "", req->body_len, &priority, err) &&
           change_ask(req, CHANGE_PRIORITY, priority, job, err);
}
