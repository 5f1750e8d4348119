/* What the files http*.c and request.c share, and nobody else includes. Loop thread. */
#ifndef HTTP_PARTS_H
#define HTTP_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "listen.h"
#include "request.h"
#include "watch.h"

struct MHD_Connection;
struct MHD_Daemon;
struct tls;
struct tls_keys;
struct watcher;

/* A refused body up to this is read, to keep the connection. */
#define DROP_BYTES ((size_t)256 * 1024)
#define SPARE_MAX 64 /* requests that are used again */
#define KEPT_MAX 16  /* buffers of bodies */

struct http {
    struct server *server;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_idle_t idle;
    struct watcher *watcher;
    struct tls *tls;  /* borrowed; NULL: none */
    unsigned handles; /* of the three, open */
    bool stopped;
    bool room;                        /* a connection has ended since MHD_run was called last */
    struct listener listener;         /* its socket is ours until quiesced: -1 then */
    struct request *spare[SPARE_MAX]; /* ended requests, to be used again */
    size_t n_spare;
    struct {
        char *at; /* owned */
        size_t cap;
    } kept[KEPT_MAX]; /* buffers of bodies, to be used again */
    size_t n_kept, kept_bytes;
};

/* What is kept with a connection. Object lifetime: connection_open to connection_close. */
struct connection {
    struct watch *watch;   /* its deadline; NULL: there was no memory for one */
    struct tls_keys *keys; /* a reference; NULL: no TLS, or none that will come about */
    char *certificate;     /* owned; the common name of the client's, or NULL */
    bool certificate_read; /* it is known */
};

/* ---- http.c ---- */

/* Between the two MHD leaves the connection alone; then it goes on where it was. */
void http_suspend(struct request *req);
void http_resume(struct request *req);
/* The whole body is there and, if it goes to a sink, written: calls the handler. */
void http_body_there(struct request *req);
/* Frees a request whose connection is done with it. */
void http_request_end(struct request *req);

/* ---- http_connection.c ---- */

/* A new connection, before its first byte. NULL: no memory; it goes on without, but for TLS. */
struct connection *connection_open(struct http *http, struct MHD_Connection *conn);
void connection_close(struct http *http, struct connection *connection); /* NULL too */
/* What connection_open gave. */
struct connection *connection_of(struct MHD_Connection *conn);

/* ---- http_reply.c ---- */

/* Where the request's connection is now; without memory it is not watched. */
void http_phase(struct request *req, enum watch_phase phase, size_t bytes);
/* Hands the finished reply to MHD. False: the connection is to end. */
bool http_reply_send(struct request *req);

/* ---- http_guard.c ---- */

/* Whether the request may be looked at, and then the route that it is for, or the reply is there:
 * it was a browser's preflight. Errors, in req->err: ERR_HOST at "Host", ERR_DENIED at "Origin";
 * those of route_find and auth_check. */
bool guard_check(struct request *req, const char *method, const char *path);

/* ---- http_head.c ---- */

/* What the headers say of the body. unclear: a proxy in front may see another end of the body than
 * we do, and take for a request what we take for data, or the other way round. */
struct body_head {
    bool known;
    unsigned long long length;
    unsigned n_lengths, n_codings;
    const char *unclear; /* the header to blame, or NULL */
};

/* Errors: ERR_SYNTAX for a body whose end is unclear, ERR_TOO_LARGE over the limit, ERR_TYPE for a
 * content coding or type. */
bool head_body_read(struct request *req, const char *version, struct body_head *ret,
                    struct err *err);
/* Whether the client sends its body only when told to go on. */
bool head_waits(struct request *req);
/* Only parameters that the route takes. Errors: ERR_FIELD at "query", in req->err. */
bool head_query_check(struct request *req);
/* The path of "http://host/path", which is for proxies but must be taken; others as they are. */
const char *head_path(const char *url);

/* ---- http_coding.c ---- */

/* Inflates a piece of what comes and writes it to the sink. Pool thread. */
void coding_sink(struct request *req, const char *in, size_t len, struct err *err);
/* The whole body is there. False: it did not come compressed, or is inflated already; else it is
 * seen to, and then the handler is called, or the error is the reply. */
bool coding_inflate(struct request *req);
/* The reply is complete. True: it is being compressed, and request_ready will be called. */
bool coding_reply(struct request *req);

/* ---- request.c ---- */

/* The reply, compressed or not, is to be sent. */
void request_ready(struct request *req);

/* ---- http_body.c ---- */

/* Whether the route's bodies are held in memory; NULL: there is no route, and they are dropped. */
bool body_held(const struct route *route);
/* Counts memory that a client makes us hold. Errors: ERR_LIMIT at what. */
bool body_hold(struct request *req, size_t bytes, const char *what, struct err *err);
/* Room for what the headers promise, or for the first of it. Errors: ERR_LIMIT, ERR_MEMORY. */
bool body_begin(struct request *req, size_t length, struct err *err);
/* A part of the body: kept, dropped, or written to the sink. *len becomes what is left of it, to be
 * offered again. False: the connection is to end. */
bool body_part(struct request *req, const char *data, size_t *len);
/* All has come. True: some of an upload is still being written, and then http_body_there is called.
 */
bool body_settle(struct request *req);
/* The request is over: its buffer, for the next one. */
void body_done(struct request *req);
void body_free_kept(struct http *http);

#endif
