/* Bodies on their way in, and the memory that they take. */
#include "http_parts.h"

#include <stdlib.h>
#include <string.h>

#include "route.h"
#include "server.h"
#include "watch.h"

/* What a body is given at first, whatever length its headers claim: the rest as it comes. */
#define BODY_FIRST ((size_t)64 * 1024)
/* Buffers of this size and more are used again, as many as make KEPT_BYTES: fresh memory costs more
 * than reading into it. */
#define KEPT_LEAST ((size_t)16 * 1024)
#define KEPT_BYTES ((size_t)4 << 20)

bool body_held(const struct route *route)
{
    return route->body == BODY_DATA || route->body == BODY_ANY;
}

bool body_hold(struct request *req, size_t bytes, const char *what, struct err *err)
{
    struct server *server = req->server;

    if (bytes > server->options.max_held || server->held > server->options.max_held - bytes) {
        return err_set(err, ERR_LIMIT, what,
                       "does not fit: bodies and replies may hold %zu bytes at once, %zu are held",
                       server->options.max_held, server->held);
    }
    server->held += bytes;
    req->held += bytes;
    return true;
}

void body_done(struct request *req)
{
    struct http *http = req->http;
    char *body = req->body;
    const size_t cap = req->body_cap;

    req->body = NULL;
    req->server->held -= req->held;
    req->held = 0;
    if (cap < KEPT_LEAST || http->n_kept == KEPT_MAX || cap > KEPT_BYTES - http->kept_bytes ||
        http->stopped) {
        free(body);
        return;
    }
    http->kept[http->n_kept].at = body;
    http->kept[http->n_kept++].cap = cap;
    http->kept_bytes += cap;
}

/* A kept buffer of cap bytes at least, and not of many more; its size in *ret. */
static char *body_reuse(struct http *http, size_t cap, size_t *ret)
{
    for (size_t i = http->n_kept; i-- > 0;) {
        if (http->kept[i].cap >= cap && http->kept[i].cap / 4 <= cap) {
            char *body = http->kept[i].at;

            *ret = http->kept[i].cap;
            http->kept_bytes -= *ret;
            http->kept[i] = http->kept[--http->n_kept];
            return body;
        }
    }
    return NULL;
}

/* Room for one byte more than len, for the NUL; no more than what was told that comes. */
static bool body_reserve(struct request *req, size_t len, struct err *err)
{
    size_t cap = 2 * req->body_cap;
    char *grown;

    if (len < req->body_cap) {
        return true;
    }
    if (req->body == NULL && req->body_told != SIZE_MAX && req->body_told > KEPT_LEAST) {
        req->body = body_reuse(req->http, req->body_told, &req->body_cap);
        if (req->body != NULL) {
            return body_hold(req, req->body_cap, "body", err);
        }
    }
    cap = cap < req->body_told ? cap : req->body_told;
    cap = cap > len ? cap : len + 1;
    if (!body_hold(req, cap - req->body_cap, "body", err)) {
        return false;
    }
    grown = realloc(req->body, cap);
    if (grown == NULL) {
        return err_set(err, ERR_MEMORY, "body", "of %zu bytes does not fit into memory", len);
    }
    req->body = grown;
    req->body_cap = cap;
    return true;
}

static void chunk_run(uv_work_t *uv)
{
    struct request *req = uv->data;

    if (req->inflater != NULL) {
        coding_sink(req);
    } else {
        req->sink->write(req->sink, req->body, req->body_len, &req->err);
    }
}

static void chunk_after(uv_work_t *uv, int status)
{
    struct request *req = uv->data;

    (void)status;
    req->chunk_done = true;
    http_resume(req);
}

/* Has a pool thread write a copy of the chunk: MHD moves what it holds while the connection is
 * suspended. It offers the same again after the resume, and only then is it taken. */
static bool chunk_write(struct request *req, const char *data, size_t *len)
{
    if (req->chunk_done) {
        req->received += req->body_len;
        *len -= req->body_len;
        req->chunk_done = false;
        if (req->watch != NULL) {
            req->watch->busy = false;
        }
        return true;
    }
    memcpy(req->body, data, *len);
    req->body_len = *len;
    req->uv.data = req;
    if (uv_queue_work(req->server->loop, &req->uv, chunk_run, chunk_after) != 0) {
        return false;
    }
    if (req->watch != NULL) {
        req->watch->busy = true;
    }
    http_suspend(req);
    return true;
}

bool body_part(struct request *req, const char *data, size_t *len)
{
    size_t n = *len;

    if (req->chunk_done) {
        return chunk_write(req, data, len);
    }
    if (req->watch != NULL) {
        req->watch->bytes += n;
    }
    if (req->err.code == ERR_NONE && req->received + n > req->body_max) {
        err_set(&req->err, ERR_TOO_LARGE, "body", "must be %zu bytes at most", req->body_max);
    }
    if (req->err.code == ERR_NONE && req->sink != NULL && body_reserve(req, n, &req->err)) {
        return chunk_write(req, data, len);
    }
    req->received += n;
    *len = 0;
    if (req->err.code != ERR_NONE || !body_held(req->route)) {
        /* Dropped. A reply has to wait for the end of the body, but not for ever. */
        return req->received <= req->body_max + DROP_BYTES;
    }
    if (body_reserve(req, req->body_len + n, &req->err)) {
        memcpy(req->body + req->body_len, data, n);
        req->body_len += n;
        req->body[req->body_len] = '\0';
    }
    return true;
}

bool body_begin(struct request *req, size_t length, struct err *err)
{
    return body_reserve(req, length < BODY_FIRST ? length : BODY_FIRST, err);
}

void body_free_kept(struct http *http)
{
    while (http->n_kept > 0) {
        free(http->kept[--http->n_kept].at);
    }
}
