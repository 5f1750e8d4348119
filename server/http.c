/* MHD is driven from outside: its epoll descriptor is watched by the loop, and MHD_run is called
 * when it is readable or when a connection's time is up. A connection is suspended while a worker
 * has its request, so that a request cannot end under the worker's hands.
 *
 * What MHD calls on_request with, one request after another on a connection:
 *   1. headers only      -> request_begin: find the route, refuse what can be refused early
 *   2. a part of the body, any number of times -> request_body: keep it, drop it, or have it
 * written
 *   3. nothing more      -> the route's handler, then the reply, at once or after a resume
 * A reply can be queued at 1 (the connection is closed after it) and at 3, never at 2. */
#include "http.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <microhttpd.h>

#include "listen.h"
#include "log.h"
#include "metrics.h"
#include "request.h"
#include "route.h"
#include "server.h"
#include "watch.h"

/* A connection's memory; half of it is the largest chunk of a body, all of it the longest headers.
 * MHD clears it after each request, so more of it is dearer for all. */
#define MEMORY_BYTES ((size_t)32 * 1024)
/* A refused body up to this is read, to keep the connection. */
#define DROP_BYTES ((size_t)256 * 1024)
/* What a body is given at first, whatever length its headers claim: the rest as it comes. */
#define BODY_FIRST ((size_t)64 * 1024)
#define RUNS 16 /* MHD_run calls in a row before the loop has its turn */
#define SPARE_MAX 64
/* Buffers of bodies that are used again: fresh memory costs more than reading into it. */
#define KEPT_MAX 16
#define KEPT_LEAST ((size_t)16 * 1024)
#define KEPT_BYTES ((size_t)4 << 20)

struct http {
    struct server *server;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_idle_t idle;
    struct watcher *watcher;
    unsigned handles; /* of the three, open */
    bool stopped;
    bool room;                        /* a connection has ended since MHD_run was called last */
    struct listener listener;         /* its socket is ours until quiesced: -1 then */
    struct request *spare[SPARE_MAX]; /* ended requests, to be used again */
    size_t n_spare;
    struct {
        char *at; /* owned */
        size_t cap;
    } kept[KEPT_MAX]; /* KEPT_BYTES in all at most */
    size_t n_kept, kept_bytes;
};

/* ---- one request ---- */

/* Where the request's connection is now; without memory it is not watched. */
static void request_phase(struct request *req, enum watch_phase phase, size_t bytes)
{
    if (req->watch != NULL) {
        watch_enter(req->http->watcher, req->watch, phase, bytes);
    }
}

static struct watch *watch_of(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info != NULL ? info->socket_context : NULL;
}

/* Counts memory that a client makes us hold. */
static bool request_hold(struct request *req, size_t bytes, const char *what, struct err *err)
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

static struct request *request_new(struct http *http, struct MHD_Connection *conn)
{
    struct request *req;

    if (http->n_spare > 0) {
        req = http->spare[--http->n_spare];
    } else if ((req = calloc(1, sizeof *req)) == NULL) {
        return NULL;
    }
    req->server = http->server;
    req->http = http;
    req->conn = conn;
    req->watch = watch_of(conn);
    req->started = uv_hrtime();
    http->server->requests++;
    return req;
}

/* The buffer of a request that is over: kept for the next, or freed. */
static void body_keep(struct http *http, char *body, size_t cap)
{
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

static void request_free(struct http *http, struct request *req)
{
    struct arena arena = req->arena;

    if (req->sink != NULL) {
        req->sink->free(req->sink);
    }
    body_keep(http, req->body, req->body_cap);
    free(req->reply.data);
    http->server->held -= req->held;
    arena_reset(&arena);
    memset(req, 0, sizeof *req);
    if (http->n_spare < SPARE_MAX && !http->stopped) {
        req->arena = arena;
        http->spare[http->n_spare++] = req;
        return;
    }
    arena_done(&arena);
    free(req);
}

const char *request_header(struct request *req, const char *name)
{
    return MHD_lookup_connection_value(req->conn, MHD_HEADER_KIND, name);
}

/* The values of one header, as they come. */
struct values {
    const char *name;
    struct arena *arena;
    const char *all; /* NULL: none yet */
};

static enum MHD_Result values_add(void *cls, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    struct values *values = cls;
    const size_t had = values->all != NULL ? strlen(values->all) + 2 : 0;
    char *both;

    (void)kind;
    if (strcasecmp(key, values->name) != 0 || value == NULL) {
        return MHD_YES;
    }
    both = had > 0 ? arena_alloc(values->arena, had + strlen(value) + 1, 1) : NULL;
    if (both != NULL) {
        sprintf(both, "%s, %s", values->all, value);
    }
    values->all = had == 0 ? value : both != NULL ? both : "";
    return MHD_YES;
}

const char *request_header_all(struct request *req, const char *name)
{
    struct values values = { name, &req->arena, NULL };

    MHD_get_connection_values(req->conn, MHD_HEADER_KIND, values_add, &values);
    return values.all;
}

/* Decodes %XX in place; MHD has turned + into a space. False if it is malformed or has a NUL. */
static bool percent_decode(char *text)
{
    char *to = text;

    for (const char *at = text; *at != '\0'; at++) {
        unsigned byte;

        if (*at != '%') {
            *to++ = *at;
            continue;
        }
        if (strspn(at + 1, "0123456789abcdefABCDEF") < 2 || sscanf(at + 1, "%2x", &byte) != 1 ||
            byte == 0) {
            return false;
        }
        *to++ = (char)byte;
        at += 2;
    }
    *to = '\0';
    return true;
}

const char *request_query(struct request *req, const char *key)
{
    const char *raw = NULL;
    size_t len = 0;
    char *copy;

    if (MHD_lookup_connection_value_n(req->conn, MHD_GET_ARGUMENT_KIND, key, strlen(key), &raw,
                                      &len) != MHD_YES) {
        return NULL;
    }
    copy = arena_copy(&req->arena, raw != NULL ? raw : "", raw != NULL ? len : 0);
    return copy != NULL && percent_decode(copy) ? copy : "";
}

/* Whether word is one of those in list, which are separated by spaces. */
static bool word_in(const char *list, const char *word)
{
    const size_t len = strlen(word);

    for (const char *at = list; at != NULL && *at != '\0'; at += strcspn(at, " ")) {
        at += strspn(at, " ");
        if (strcspn(at, " ") == len && memcmp(at, word, len) == 0) {
            return true;
        }
    }
    return false;
}

static enum MHD_Result query_check_one(void *cls, enum MHD_ValueKind kind, const char *key,
                                       const char *value)
{
    struct request *req = cls;

    (void)kind;
    (void)value;
    if (word_in(req->route->query, key)) {
        return MHD_YES;
    }
    err_set(&req->err, ERR_FIELD, "query", "parameter '%.64s' is not known here%s%s", key,
            req->route->query != NULL ? "; known: " : "",
            req->route->query != NULL ? req->route->query : "");
    return MHD_NO;
}

/* Only parameters that the route takes. */
static bool query_check(struct request *req)
{
    MHD_get_connection_values(req->conn, MHD_GET_ARGUMENT_KIND, query_check_one, req);
    return req->err.code == ERR_NONE;
}

void request_reply_type(struct request *req, int status, const char *type, struct text *text)
{
    req->reply.data = text_detach(text, &req->reply.len);
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

void request_reply_empty(struct request *req, int status)
{
    req->reply.status = status;
}

static void on_idle(uv_idle_t *idle);

/* MHD goes on with the connection at its next run. Without a polling thread of its own it has
 * nothing that would wake the loop for it, so that is seen to here. */
static void request_resume(struct request *req)
{
    req->suspended = false;
    MHD_resume_connection(req->conn);
    uv_idle_start(&req->http->idle, on_idle);
}

void request_finish(struct request *req)
{
    if (req->ready) {
        return;
    }
    if (req->err.code != ERR_NONE) {
        route_problem(req);
    }
    req->ready = true;
    if (req->watch != NULL) {
        req->watch->hung_up = NULL;
    }
    if (req->suspended) {
        request_resume(req);
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

/* ---- what MHD calls ---- */

/* Hands the finished reply to MHD. */
static enum MHD_Result reply_send(struct request *req)
{
    struct reply *reply = &req->reply;
    struct MHD_Response *response;
    enum MHD_Result rc;

    if (!request_hold(req, reply->len, "reply", &req->err)) {
        free(reply->data);
        *reply = (struct reply){ 0 };
        route_problem(req);
    }
    response = MHD_create_response_from_buffer_with_free_callback(reply->len, reply->data, free);
    if (response == NULL) {
        return MHD_NO;
    }
    reply->data = NULL; /* the response's now */
    if (reply->type != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
    }
    if (reply->location != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, reply->location);
    }
    if (reply->etag != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, reply->etag);
    }
    if (reply->allow != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
    }
    if (reply->retry_after != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, reply->retry_after);
    }
    if (req->server->draining) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    rc = MHD_queue_response(req->conn, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    req->answered = true;
    request_phase(req, WATCH_WRITE, reply->len);
    return rc;
}

/* What the headers say of the body. unclear: a proxy in front may see another end of the body than
 * we do, and take for a request what we take for data, or the other way round. */
struct body_head {
    bool known;
    unsigned long long length;
    unsigned n_lengths, n_codings;
    const char *unclear; /* the header to blame, or NULL */
};

static enum MHD_Result body_head_one(void *cls, enum MHD_ValueKind kind, const char *key,
                                     const char *value)
{
    struct body_head *head = cls;
    const size_t len = strlen(key);

    (void)kind;
    if (len > 0 && (key[len - 1] == ' ' || key[len - 1] == '\t')) {
        head->unclear = "header"; /* "Content-Length : 5", which some take for a length */
    } else if (strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        head->n_codings++;
        if (value == NULL || strcasecmp(value, "chunked") != 0) {
            head->unclear = key;
        }
    } else if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        head->n_lengths++;
        head->known = true;
        head->length = value != NULL ? strtoull(value, NULL, 10) : 0;
    }
    return MHD_YES;
}

/* JSON, whatever curl -d and clients that say nothing call it. */
static bool body_type_check(struct request *req, struct err *err)
{
    static const char *const known[] = { "application/json", "application/x-www-form-urlencoded" };
    const char *type = request_header(req, MHD_HTTP_HEADER_CONTENT_TYPE);
    const size_t len = type != NULL ? strcspn(type, "; ") : 0;

    for (size_t i = 0; type != NULL && i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i]) == len && strncasecmp(type, known[i], len) == 0) {
            return true;
        }
    }
    return type == NULL ||
           err_set(err, ERR_TYPE, "Content-Type", "must be application/json, is '%.100s'", type);
}

/* Errors: ERR_SYNTAX for a body whose end is unclear, ERR_TOO_LARGE over the limit, ERR_TYPE for a
 * content coding or type. */
static bool body_head_read(struct request *req, const char *version, struct body_head *ret,
                           struct err *err)
{
    const char *coding = request_header(req, MHD_HTTP_HEADER_CONTENT_ENCODING);

    MHD_get_connection_values(req->conn, MHD_HEADER_KIND, body_head_one, ret);
    if (ret->n_codings > 1 || (ret->n_codings > 0 && strcmp(version, "HTTP/1.1") != 0)) {
        ret->unclear = MHD_HTTP_HEADER_TRANSFER_ENCODING;
    }
    if (ret->n_lengths > 1 || (ret->known && ret->n_codings > 0)) {
        ret->unclear = MHD_HTTP_HEADER_CONTENT_LENGTH;
        return err_set(err, ERR_SYNTAX, ret->unclear,
                       "must be there once, and not with Transfer-Encoding");
    }
    if (ret->unclear != NULL) {
        return err_set(err, ERR_SYNTAX, ret->unclear,
                       strcmp(ret->unclear, "header") == 0
                           ? "names must not end in a space"
                           : "must be chunked, once, and in HTTP/1.1");
    }
    if (coding != NULL && strcasecmp(coding, "identity") != 0) {
        return err_set(err, ERR_TYPE, "Content-Encoding", "must be identity, is '%s'", coding);
    }
    if (ret->known && ret->length > req->body_max) {
        return err_set(err, ERR_TOO_LARGE, "body", "must be %zu bytes at most, is %llu",
                       req->body_max, ret->length);
    }
    return req->route == NULL || req->route->body != BODY_DATA || body_type_check(req, err);
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
            return request_hold(req, req->body_cap, "body", err);
        }
    }
    cap = cap < req->body_told ? cap : req->body_told;
    cap = cap > len ? cap : len + 1;
    if (!request_hold(req, cap - req->body_cap, "body", err)) {
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

static void body_limit(struct request *req)
{
    const struct options *opts = &req->server->options;

    req->body_max = DROP_BYTES;
    if (req->route != NULL && req->route->body == BODY_DATA) {
        req->body_max = opts->max_body;
    } else if (req->route != NULL && req->route->body == BODY_UPLOAD) {
        req->body_max = opts->max_upload;
    }
}

/* The path of "http://host/path", which is for proxies but must be taken; others as they are. */
static const char *path_of(const char *url)
{
    const char *host = strncasecmp(url, "http://", 7) == 0    ? url + 7
                       : strncasecmp(url, "https://", 8) == 0 ? url + 8
                                                              : NULL;

    if (host == NULL) {
        return url;
    }
    host += strcspn(host, "/");
    return *host != '\0' ? host : "/";
}

/* The headers are there. */
static enum MHD_Result request_begin(struct request *req, const char *url, const char *method,
                                     const char *version)
{
    struct body_head head = { 0 };
    struct err *err = &req->err;

    route_find(req, method, path_of(url), err);
    body_limit(req);
    body_head_read(req, version, &head, err); /* for its length at least: the first error stays */
    if (err->code == ERR_NONE && query_check(req) && req->route->body == BODY_UPLOAD) {
        req->route->open(req, err);
    }
    req->body_told = head.known && head.length < SIZE_MAX ? (size_t)head.length + 1 : SIZE_MAX;
    if (err->code == ERR_NONE && req->route->body == BODY_DATA && head.known) {
        body_reserve(req, head.length < BODY_FIRST ? (size_t)head.length : BODY_FIRST, err);
    }
    if (err->code != ERR_NONE && (head.length > DROP_BYTES || head.unclear != NULL)) {
        request_finish(req); /* not worth reading, or not to be trusted: the connection ends here */
        return reply_send(req);
    }
    return MHD_YES;
}

static void chunk_run(uv_work_t *uv)
{
    struct request *req = uv->data;

    req->sink->write(req->sink, req->body, req->body_len, &req->err);
}

static void chunk_after(uv_work_t *uv, int status)
{
    struct request *req = uv->data;

    (void)status;
    req->chunk_done = true;
    request_resume(req);
}

/* Has a pool thread write a copy of the chunk: MHD moves what it holds while the connection is
 * suspended. It offers the same again after the resume, and only then is it taken. */
static enum MHD_Result chunk_write(struct request *req, const char *data, size_t *len)
{
    if (req->chunk_done) {
        req->received += req->body_len;
        *len -= req->body_len;
        req->chunk_done = false;
        if (req->watch != NULL) {
            req->watch->busy = false;
        }
        return MHD_YES;
    }
    memcpy(req->body, data, *len);
    req->body_len = *len;
    req->uv.data = req;
    if (uv_queue_work(req->server->loop, &req->uv, chunk_run, chunk_after) != 0) {
        return MHD_NO;
    }
    req->suspended = true;
    if (req->watch != NULL) {
        req->watch->busy = true;
    }
    MHD_suspend_connection(req->conn);
    return MHD_YES;
}

/* A part of the body. */
static enum MHD_Result request_body(struct request *req, const char *data, size_t *len)
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
    if (req->err.code != ERR_NONE || req->route->body != BODY_DATA) {
        /* Dropped. A reply has to wait for the end of the body, but not for ever. */
        return req->received > req->body_max + DROP_BYTES ? MHD_NO : MHD_YES;
    }
    if (body_reserve(req, req->body_len + n, &req->err)) {
        memcpy(req->body + req->body_len, data, n);
        req->body_len += n;
        req->body[req->body_len] = '\0';
    }
    return MHD_YES;
}

/* The whole request is there, or a suspended one has been resumed. */
static enum MHD_Result request_end(struct request *req)
{
    if (!req->called) {
        req->called = true;
        if (req->err.code != ERR_NONE || (!req->route->handle(req, &req->err) && !req->again)) {
            request_finish(req);
        }
    }
    if (req->ready) {
        return reply_send(req);
    }
    req->suspended = true;
    request_phase(req, WATCH_WORK, 0);
    MHD_suspend_connection(req->conn);
    return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **con_cls)
{
    struct request *req = *con_cls;

    if (req == NULL) {
        req = request_new(cls, conn);
        if (req == NULL) {
            return MHD_NO;
        }
        *con_cls = req;
        return request_begin(req, url, method, version);
    }
    if (req->answered) {
        *len = 0;
        return MHD_YES;
    }
    return *len > 0 ? request_body(req, data, len) : request_end(req);
}

/* The first line of a request is there; the rest of its headers may not be. */
static void *on_line(void *cls, const char *uri, struct MHD_Connection *conn)
{
    struct http *http = cls;
    struct watch *watch = watch_of(conn);

    (void)uri;
    if (watch != NULL) {
        watch_enter(http->watcher, watch, WATCH_READ, 0);
    }
    return NULL; /* the request's own data: none yet */
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    struct http *http = cls;
    struct request *req = *con_cls;

    (void)conn;
    (void)code;
    if (req == NULL) {
        return;
    }
    *con_cls = NULL;
    request_phase(req, WATCH_IDLE, 0);
    metrics_request(http->server->metrics, req);
    http->server->requests--;
    request_free(http, req);
    server_request_ended(http->server);
}

/* Names and values stay as they were sent: route.c decodes each segment of the path by itself, so
 * that %2F is a byte of a name and not a slash. */
static size_t unescape_nothing(void *cls, struct MHD_Connection *conn, char *text)
{
    (void)cls;
    (void)conn;
    return strlen(text);
}

/* ---- the loop ---- */

static void on_timer(uv_timer_t *timer);

/* At --max-connections, and when it runs out of descriptors, MHD takes the listening socket out of
 * its epoll set, and puts it back at the beginning of the first run that finds room. Connections
 * end within a run; were it the last, nobody would be let in again. */
static void on_connection(void *cls, struct MHD_Connection *conn, void **socket_cls,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *http = cls;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);

        *socket_cls = info != NULL ? watch_open(http->watcher, info->connect_fd) : NULL;
        http->server->connections++;
        return;
    }
    http->room = true;
    http->server->connections--;
    if (*socket_cls != NULL) {
        watch_close(http->watcher, *socket_cls);
        *socket_cls = NULL;
    }
}

/* --max-connections is for all listeners together; MHD keeps it for each. */
static enum MHD_Result on_accept(void *cls, const struct sockaddr *from, socklen_t len)
{
    const struct server *server = ((const struct http *)cls)->server;

    (void)from;
    (void)len;
    return server->connections < server->options.max_connections ? MHD_YES : MHD_NO;
}

static void http_run(struct http *http)
{
    MHD_UNSIGNED_LONG_LONG timeout = 0;

    for (int i = 0; i < RUNS; i++) {
        if (http->stopped) {
            return;
        }
        http->room = false;
        MHD_run(http->daemon);
        if (http->room) {
            continue;
        }
        if (MHD_get_timeout(http->daemon, &timeout) != MHD_YES) {
            uv_timer_stop(&http->timer);
            uv_idle_stop(&http->idle);
            return;
        }
        if (timeout > 0) {
            uv_timer_start(&http->timer, on_timer, timeout, 0);
            uv_idle_stop(&http->idle);
            return;
        }
    }
    uv_idle_start(&http->idle, on_idle); /* data is there already: go on after the others */
}

static void on_timer(uv_timer_t *timer)
{
    http_run(timer->data);
}

static void on_idle(uv_idle_t *idle)
{
    http_run(idle->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    http_run(poll->data);
}

/* ---- the daemon ---- */

static bool daemon_start(struct http *http, struct err *err)
{
    const struct options *opts = &http->server->options;

    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, on_accept, http, on_request, http,
        MHD_OPTION_LISTEN_SOCKET, http->listener.fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        MEMORY_BYTES, MHD_OPTION_CONNECTION_LIMIT, (unsigned)opts->max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)opts->timeout, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_URI_LOG_CALLBACK, on_line, http,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_UNESCAPE_CALLBACK,
        unescape_nothing, NULL, MHD_OPTION_END);
    return http->daemon != NULL || err_set(err, ERR_IO, "--listen", "cannot start HTTP");
}

bool http_listen(struct server *server, const char *address, struct http **ret, struct err *err)
{
    const struct options *opts = &server->options;
    const struct watch_limits limits = { opts->timeout * 1000, opts->request_timeout * 1000,
                                         opts->min_rate };
    struct http *http = calloc(1, sizeof *http);
    const union MHD_DaemonInfo *info;

    if (http == NULL) {
        return err_set(err, ERR_MEMORY, "--listen", "there is no memory for it");
    }
    http->server = server;
    http->watcher = watcher_create(server->loop, &limits);
    if (http->watcher == NULL) {
        free(http);
        return err_set(err, ERR_MEMORY, "--listen", "there is no memory for it");
    }
    if (!listener_open(&http->listener, address, server->options.insecure, err) ||
        !daemon_start(http, err)) {
        listener_close(&http->listener);
        watcher_free(http->watcher);
        free(http);
        return false;
    }
    info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uv_poll_init(server->loop, &http->poll, info->epoll_fd);
    uv_timer_init(server->loop, &http->timer);
    uv_idle_init(server->loop, &http->idle);
    http->poll.data = http->timer.data = http->idle.data = http;
    http->handles = 3;
    uv_poll_start(&http->poll, UV_READABLE, on_readable);
    *ret = http;
    return true;
}

const char *http_url(const struct http *http)
{
    return http->listener.url;
}

void http_quiesce(struct http *http)
{
    if (http->listener.fd < 0) {
        return;
    }
    MHD_quiesce_daemon(http->daemon);
    listener_close(&http->listener); /* at once, or new clients would wait in its backlog */
    http_run(http);
}

static void on_closed(uv_handle_t *handle)
{
    struct http *http = handle->data;

    if (--http->handles == 0) {
        free(http);
    }
}

void http_stop(struct http *http)
{
    http_quiesce(http);
    http->stopped = true;
    MHD_stop_daemon(http->daemon);
    while (http->n_spare > 0) {
        struct request *req = http->spare[--http->n_spare];

        arena_done(&req->arena);
        free(req);
    }
    while (http->n_kept > 0) {
        free(http->kept[--http->n_kept].at);
    }
    watcher_free(http->watcher);
    uv_close((uv_handle_t *)&http->poll, on_closed);
    uv_close((uv_handle_t *)&http->timer, on_closed);
    uv_close((uv_handle_t *)&http->idle, on_closed);
}
