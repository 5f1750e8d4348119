#include "request.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "http_parts.h"
#include "job_file.h"
#include "route.h"
#include "server.h"
#include "watch.h"

void request_reply_type(struct request *req, int status, const char *type, struct text *text)
{
    req->reply.data = text_detach(text, &req->reply.len);
    if (req->reply.data == NULL && req->route != NULL && route_changes(req->route)) {
        req->lost = true; /* what it asked for is so: it must not hear that it was refused */
        return;
    }
    if (req->reply.data == NULL) {
        err_set(&req->err, ERR_MEMORY, "", "there is no memory for the reply");
        return;
    }
    req->reply.status = status;
    req->reply.type = type;
}

void request_reply(struct request *req, int status, struct text *text)
{
    request_reply_type(req, status, "application/json", text);
}

void request_reply_stream(struct request *req, const char *type, struct stream *stream)
{
    req->reply.stream = stream;
    req->reply.status = 200;
    req->reply.type = type;
    req->reply.cache_control = "no-store";
}

void stream_wake(struct request *req)
{
    if (req->answered && req->suspended) {
        http_resume(req);
    }
}

void request_reply_empty(struct request *req, int status)
{
    req->reply.status = status;
}

void request_finish(struct request *req)
{
    if (req->ready) {
        return;
    }
    if (req->watch != NULL) {
        req->watch->hung_up = NULL;
    }
    if (req->err.code != ERR_NONE) {
        route_problem(req);
    }
    if (req->err.code != ERR_NONE || !coding_reply(req)) {
        request_ready(req);
    }
}

void request_ready(struct request *req)
{
    req->ready = true;
    if (req->suspended) {
        http_resume(req);
    }
}

void request_await(struct request *req, void (*hung_up)(void *arg), void *arg)
{
    if (req->watch != NULL) {
        req->watch->hung_up = hung_up;
        req->watch->arg = arg;
    }
}

void request_again(struct request *req)
{
    req->again = false;
    if (req->err.code != ERR_NONE || (!req->route->handle(req, &req->err) && !req->again)) {
        request_finish(req);
    }
}

bool request_key(struct request *req, const char **ret, struct err *err)
{
    const char *key = request_header(req, "Idempotency-Key");
    const size_t len = key != NULL ? strlen(key) : 0;

    *ret = key != NULL ? key : "";
    return key == NULL || (len > 0 && len <= JOB_KEY_MAX) ||
           err_set(err, ERR_FIELD, "Idempotency-Key", "must have 1 to %d bytes, has %zu",
                   JOB_KEY_MAX, len);
}

static void disk_run(uv_work_t *uv)
{
    struct request *req = uv->data;

    req->work(req);
}

static void disk_after(uv_work_t *uv, int status)
{
    struct request *req = uv->data;

    (void)status; /* never cancelled */
    req->done(req);
}

static struct request *of_pool(struct pool_work *work)
{
    return (struct request *)((char *)work - offsetof(struct request, pool));
}

static void pool_run(struct pool_work *work)
{
    struct request *req = of_pool(work);

    req->work(req);
}

static void pool_after(struct pool_work *work)
{
    struct request *req = of_pool(work);

    req->done(req);
}

void request_work(struct request *req, double est_us, void (*work)(struct request *),
                  void (*done)(struct request *))
{
    req->work = work;
    req->done = done;
    if (isinf(est_us)) {
        req->uv.data = req;
        if (uv_queue_work(req->server->loop, &req->uv, disk_run, disk_after) == 0) {
            return;
        }
    } else if (est_us > REQUEST_INLINE_US) {
        req->pool.run = pool_run;
        req->pool.done = pool_after;
        pool_submit(req->server->pool, &req->pool, est_us > REQUEST_SLOW_US);
        return;
    }
    work(req);
    done(req);
}
