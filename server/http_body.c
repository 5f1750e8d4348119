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
/* What is written of an upload at a time: a hand-over costs as much as writing 16 KB. */
#define PIECE_BYTES ((size_t)256 * 1024)

bool body_held(const struct route *route)
{
    return route != NULL && (route->body == BODY_DATA || route->body == BODY_ANY);
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

    free(req->piece);
    req->body = req->piece = NULL;
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

/* ---- pieces of an upload ---- */

static void piece_run(uv_work_t *uv)
{
    struct request *req = uv->data;

    if (req->inflater != NULL) {
        coding_sink(req, req->piece, req->piece_len, &req->piece_err);
    } else {
        req->sink->write(req->sink, req->piece, req->piece_len, &req->piece_err);
    }
}

static void piece_after(uv_work_t *uv, int status);

/* Has a pool thread write what has been collected, while what comes is collected in the other
 * buffer. */
static void piece_write(struct request *req)
{
    char *full = req->body;
    const size_t cap = req->body_cap;

    req->body = req->piece;
    req->body_cap = req->piece_cap;
    req->piece = full;
    req->piece_cap = cap;
    req->piece_len = req->body_len;
    req->body_len = 0;
    req->writing = true;
    req->uv.data = req;
    if (uv_queue_work(req->server->loop, &req->uv, piece_run, piece_after) != 0) {
        err_set(&req->piece_err, ERR_MEMORY, "body", "cannot be written");
        piece_after(&req->uv, 0);
    }
}

/* Whether there is something that waits to be written. */
static bool piece_waits(const struct request *req)
{
    return req->body_len > 0 && (req->settling || req->body_len == req->body_cap) &&
           req->err.code == ERR_NONE;
}

static void piece_after(uv_work_t *uv, int status)
{
    struct request *req = uv->data;

    (void)status;
    req->writing = false;
    if (req->gone) {
        http_request_end(req);
        return;
    }
    if (req->err.code == ERR_NONE) {
        req->err = req->piece_err;
    }
    if (piece_waits(req)) {
        piece_write(req);
    } else if (req->settling) {
        http_body_there(req);
        return;
    }
    if (req->suspended && !req->settling) {
        if (req->watch != NULL) {
            req->watch->busy = false;
        }
        http_resume(req);
    }
}

/* A buffer for a piece, or for all that comes if that is less. */
static bool piece_room(struct request *req)
{
    if (req->body == NULL) {
        const size_t cap = req->body_told < PIECE_BYTES ? req->body_told : PIECE_BYTES;

        if (!body_hold(req, cap, "body", &req->err)) {
            return false;
        }
        req->body = malloc(cap);
        if (req->body == NULL) {
            return err_set(&req->err, ERR_MEMORY, "body", "does not fit into memory");
        }
        req->body_cap = cap;
    }
    return true;
}

/* Collects what comes. When both buffers are full the connection waits, and MHD offers the rest
 * again after it; there must be a rest, or MHD goes on with the next chunk of a suspended
 * connection. False: req->err says why. */
static bool piece_add(struct request *req, const char *data, size_t *len)
{
    while (*len > 0) {
        size_t n;

        if (!piece_room(req)) {
            return false;
        }
        if (req->body_len == req->body_cap) { /* and the other is being written */
            if (req->watch != NULL) {
                req->watch->busy = true;
            }
            http_suspend(req);
            return true;
        }
        n = req->body_cap - req->body_len;
        n = n < *len ? n : *len;
        memcpy(req->body + req->body_len, data, n);
        req->body_len += n;
        req->received += n;
        data += n;
        *len -= n;
        if (req->body_len == req->body_cap && !req->writing) {
            piece_write(req);
        }
    }
    return true;
}

bool body_settle(struct request *req)
{
    const bool more = req->body_len > 0 && req->err.code == ERR_NONE;

    if (req->sink == NULL || (!req->writing && !more)) {
        return false;
    }
    req->settling = true;
    if (!req->writing) {
        piece_write(req);
    }
    return true;
}

bool body_part(struct request *req, const char *data, size_t *len)
{
    size_t n = *len;

    if (req->watch != NULL) {
        req->watch->bytes += n;
    }
    if (req->err.code == ERR_NONE && req->received + n > req->body_max) {
        err_set(&req->err, ERR_TOO_LARGE, "body", "must be %zu bytes at most", req->body_max);
    }
    if (req->err.code == ERR_NONE && req->sink != NULL && piece_add(req, data, len)) {
        return true;
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
