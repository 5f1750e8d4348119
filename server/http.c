/* MHD is driven from outside: its epoll descriptor is watched by the loop, and MHD_run is called
 * when it is readable or when a connection's time is up. A connection is suspended while a worker
 * has its request, so that a request cannot end under the worker's hands.
 *
 * What MHD calls on_request with, one request after another on a connection:
 *   1. headers only      -> request_begin: find the route, refuse what can be refused early
 *   2. a part of the body, any number of times -> body_part: keep it, drop it, have it written
 *   3. nothing more      -> the route's handler, then the reply, at once or after a resume
 * A reply can be queued at 1 (the connection is closed after it) and at 3, never at 2. */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <gnutls/abstract.h>
#include <microhttpd.h>

#include "access.h"
#include "auth.h"
#include "grants.h"
#include "http_parts.h"
#include "listen.h"
#include "log.h"
#include "metrics.h"
#include "request.h"
#include "route.h"
#include "server.h"
#include "tls.h"
#include "watch.h"

/* A connection's memory; half of it is the largest chunk of a body, all of it the longest headers.
 * MHD clears it after each request, so more of it is dearer for all. */
#define MEMORY_BYTES ((size_t)32 * 1024)
#define RUNS 16 /* MHD_run calls in a row before the loop has its turn */

/* ---- one request ---- */

static struct request *request_new(struct http *http, struct MHD_Connection *conn)
{
    const struct connection *connection = connection_of(conn);
    struct request *req;

    if (connection == NULL || connection->watch == NULL) {
        return NULL; /* there was no memory for its deadline: it could stay for ever */
    }
    if (http->n_spare > 0) {
        req = http->spare[--http->n_spare];
    } else if ((req = calloc(1, sizeof *req)) == NULL) {
        return NULL;
    }
    req->server = http->server;
    req->http = http;
    req->conn = conn;
    req->watch = connection->watch;
    req->started = uv_hrtime();
    http->server->requests++;
    return req;
}

static void request_free(struct http *http, struct request *req)
{
    struct arena arena = req->arena;

    if (req->sink != NULL) {
        req->sink->free(req->sink);
    }
    body_done(req);
    inflater_free(req->inflater);
    free(req->flat);
    grants_unref(req->grants);
    free(req->reply.data);
    if (req->reply.stream != NULL) {
        req->reply.stream->free(req->reply.stream);
    }
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

static void on_idle(uv_idle_t *idle);

void http_suspend(struct request *req)
{
    req->suspended = true;
    MHD_suspend_connection(req->conn);
}

/* MHD goes on with the connection at its next run. Without a polling thread of its own it has
 * nothing that would wake the loop for it, so that is seen to here. */
void http_resume(struct request *req)
{
    req->suspended = false;
    MHD_resume_connection(req->conn);
    uv_idle_start(&req->http->idle, on_idle);
}

/* ---- what MHD calls ---- */

/* Of what is refused already, no more is read than is dropped. */
static void body_limit(struct request *req)
{
    const struct options *opts = &req->server->options;

    req->body_max = DROP_BYTES;
    if (req->err.code != ERR_NONE || req->route == NULL) {
        return;
    }
    if (body_held(req->route)) {
        req->body_max = opts->max_body;
    } else if (req->route->body == BODY_UPLOAD) {
        req->body_max = opts->max_upload;
    }
}

/* Makes ready for the body that the route takes. */
static bool body_prepare(struct request *req, const struct body_head *head, struct err *err)
{
    const struct route *route = req->route;

    if (!head_query_check(req) || (route->body == BODY_UPLOAD && !route->open(req, err))) {
        return false;
    }
    if (req->coding != CODING_IDENTITY && (body_held(route) || req->sink != NULL) &&
        !inflater_create(req->coding, &req->inflater, err)) {
        return false;
    }
    return !body_held(route) || !head->known || body_begin(req, (size_t)head->length, err);
}

/* The headers are there. */
static enum MHD_Result request_begin(struct request *req, const char *url, const char *method,
                                     const char *version)
{
    struct body_head head = { 0 };
    struct err *err = &req->err;
    bool refused;

    req->head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0;
    access_begin(req, method, head_path(url));
    refused = !guard_check(req, method, head_path(url));
    body_limit(req);
    head_body_read(req, version, &head, err); /* for its length at least: the first error stays */
    req->body_told = head.known && head.length < SIZE_MAX ? (size_t)head.length + 1 : SIZE_MAX;
    if (err->code == ERR_NONE && req->route != NULL) {
        body_prepare(req, &head, err);
    }
    if (err->code != ERR_NONE && (head.length > DROP_BYTES || head.unclear != NULL ||
                                  (refused && (head.n_codings > 0 || head_waits(req))))) {
        request_finish(req); /* not worth reading, or not to be trusted: the connection ends here */
        return http_reply_send(req) ? MHD_YES : MHD_NO;
    }
    return MHD_YES;
}

void http_body_there(struct request *req)
{
    if (req->err.code != ERR_NONE || !coding_inflate(req)) {
        request_again(req);
    }
}

/* The whole request is there, or a suspended one has been resumed. */
static enum MHD_Result request_end(struct request *req)
{
    if (!req->called) {
        req->called = true;
        if (!body_settle(req)) {
            http_body_there(req);
        }
    }
    if (req->ready) {
        return http_reply_send(req) ? MHD_YES : MHD_NO;
    }
    http_phase(req, WATCH_WORK, 0);
    http_suspend(req);
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
    return *len > 0 ? (body_part(req, data, len) ? MHD_YES : MHD_NO) : request_end(req);
}

/* The first line of a request is there; the rest of its headers may not be. */
static void *on_line(void *cls, const char *uri, struct MHD_Connection *conn)
{
    struct http *http = cls;
    const struct connection *connection = connection_of(conn);

    (void)uri;
    if (connection != NULL && connection->watch != NULL) {
        watch_enter(http->watcher, connection->watch, WATCH_READ, 0);
    }
    return NULL; /* the request's own data: none yet */
}

void http_request_end(struct request *req)
{
    struct http *http = req->http;

    http->server->requests--;
    request_free(http, req);
    server_request_ended(http->server);
}

static const struct sockaddr *peer_of(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    return info != NULL ? info->client_addr : NULL;
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **con_cls,
                         enum MHD_RequestTerminationCode code)
{
    struct http *http = cls;
    struct request *req = *con_cls;

    if (req == NULL) {
        return;
    }
    *con_cls = NULL;
    http_phase(req, WATCH_IDLE, 0);
    metrics_request(http->server->metrics, req);
    access_end(req, peer_of(conn), code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    req->conn = NULL;
    req->watch = NULL;
    req->gone = req->writing;
    if (!req->gone) {
        http_request_end(req);
    }
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
        *socket_cls = connection_open(http, conn);
        http->server->connections++;
        return;
    }
    http->room = true;
    http->server->connections--;
    connection_close(http, *socket_cls);
    *socket_cls = NULL;
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

/* Every session has been given keys when it began; one for which there was no memory has none. */
static int keys_none(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                     gnutls_pcert_st **certs, unsigned *n_certs, gnutls_ocsp_data_st **ocsp,
                     unsigned *n_ocsp, gnutls_privkey_t *key, unsigned *flags)
{
    (void)session;
    (void)info;
    (void)certs;
    (void)n_certs;
    (void)ocsp;
    (void)n_ocsp;
    (void)key;
    (void)flags;
    return -1;
}

static bool daemon_start(struct http *http, struct err *err)
{
    const struct options *opts = &http->server->options;
    char priorities[] = TLS_PRIORITIES; /* read now, and then no more */
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)keys_none },
        { MHD_OPTION_HTTPS_PRIORITIES, 0, priorities },
        { MHD_OPTION_END, 0, NULL },
    };
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME;

    http->daemon = MHD_start_daemon(
        http->tls != NULL ? flags | MHD_USE_TLS : flags, 0, on_accept, http, on_request, http,
        MHD_OPTION_LISTEN_SOCKET, http->listener.fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        MEMORY_BYTES, MHD_OPTION_CONNECTION_LIMIT, (unsigned)opts->max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)opts->timeout, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_URI_LOG_CALLBACK, on_line, http,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_UNESCAPE_CALLBACK,
        unescape_nothing, NULL, MHD_OPTION_ARRAY, http->tls != NULL ? tls : &tls[2],
        MHD_OPTION_END);
    return http->daemon != NULL || err_set(err, ERR_IO, "--listen", "cannot start HTTP");
}

bool http_listen(struct server *server, struct listener *listener, struct http **ret,
                 struct err *err)
{
    const struct options *opts = &server->options;
    const struct watch_limits limits = { opts->timeout * 1000, opts->request_timeout * 1000,
                                         opts->min_rate };
    struct http *http = calloc(1, sizeof *http);
    const union MHD_DaemonInfo *info;

    if (http == NULL) {
        listener_close(listener);
        return err_set(err, ERR_MEMORY, "--listen", "there is no memory for it");
    }
    http->server = server;
    http->listener = *listener;
    if (strncmp(listener->url, "unix:", 5) != 0 && server->tls != NULL) {
        http->tls = server->tls;
        listener_secure(&http->listener);
    }
    http->watcher = watcher_create(server->loop, &limits);
    if (http->watcher == NULL) {
        err_set(err, ERR_MEMORY, "--listen", "there is no memory for it");
        goto failed;
    }
    if (!daemon_start(http, err)) {
        watcher_free(http->watcher);
        goto failed;
    }
    if (http->listener.beyond && http->tls == NULL && auth_guards(server->auth)) {
        log_at(LEVEL_WARNING,
               "%s: tokens go over the network as they are; --tls-cert and --tls-key hide them",
               http->listener.url);
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
failed:
    listener_close(&http->listener);
    free(http);
    return false;
}

const char *http_library(void)
{
    return MHD_get_version();
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
    body_free_kept(http);
    watcher_free(http->watcher);
    uv_close((uv_handle_t *)&http->poll, on_closed);
    uv_close((uv_handle_t *)&http->timer, on_closed);
    uv_close((uv_handle_t *)&http->idle, on_closed);
}
