/* GET and DELETE of /v1/jobs/{id}; GET /v1/jobs. */
#include "handlers.h"

#include "job.h"
#include "request.h"
#include "server.h"

static void job_reply(struct request *req, int status, const struct job *job)
{
    struct msg_job info;
    struct text text = { 0 };

    job_info(job, &info);
    msg_job_encode(&text, &info, true);
    text_str(&text, "\n");
    request_reply(req, status, &text);
    request_finish(req);
}

/* Oldest first, without their histories. */
bool on_job_list(struct request *req, struct err *err)
{
    const struct jobs *jobs = req->server->jobs;
    struct msg_job info;
    struct text text = { 0 };

    (void)err;
    text_str(&text, "{\"jobs\": [");
    for (size_t i = 0; i < jobs_count(jobs); i++) {
        job_info(jobs_at(jobs, i), &info);
        text_str(&text, i > 0 ? ", " : "");
        msg_job_encode(&text, &info, false);
    }
    text_str(&text, "]}\n");
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
