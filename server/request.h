/* One HTTP request, from its headers to the last byte of its reply.
 *
 * Object lifetime: made by http.c when the request line arrives, freed by http.c when the reply is
 * sent or the connection is gone; never while work for it runs on another thread, since its
 * connection is suspended then, or, while a piece of an upload is written, its end waits for that. Whatever a handler allocates in the arena dies with it.
 * Thread: the loop's, save between request_work's hand-over and its done. */
#ifndef REQUEST_H
#define REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "arena.h"
#include "coding.h"
#include "err.h"
#include "pool.h"
#include "text.h"

struct access;
struct MHD_Connection;
struct grant;
struct grants;
struct http;
struct route;
struct server;
struct request;
struct watch;

/* Where an upload goes that is not held in memory. write runs on a pool thread, one call at a time;
 * free on the loop thread, when the request ends without having taken the sink over. */
struct sink {
    bool (*write)(struct sink *sink, const char *bytes, size_t len, struct err *err);
    void (*free)(struct sink *sink);
};

#define STREAM_END (-1)
#define STREAM_CUT                                                                                 \
    (-2) /* it cannot go on: the connection ends, so that nobody takes it for whole */

/* A reply that is made while it is sent. Loop thread. */
struct stream {
    /* Up to max bytes into buf: how many; 0: none now, stream_wake will be called; or what follows. */
    ssize_t (*read)(struct stream *stream, char *buf, size_t max);
    void (*hung_up)(void *stream); /* the client is gone: read is to say so when it is called */
    void (*free)(struct stream *stream);
};

struct reply {
    int status;
    const char *type; /* content type; static */
    char *data;       /* owned, malloc'd; NULL: no body */
    size_t len;
    const char *spare;     /* static; the body when there is no memory for data; NULL: none */
    struct stream *stream; /* owned; in place of data */
    uint64_t total;        /* bytes of stream; 0: not known */
    const char *location;  /* in the arena, or NULL; allow and retry_after likewise */
    const char *allow;
    const char *allow_methods; /* to a preflight; in the arena, or NULL */
    const char *retry_after;
    const char *etag;
    const char *file_name;        /* a Content-Disposition; in the arena, or NULL */
    const char *digest;           /* of the version sent; likewise */
    const char *inference_header; /* bytes of data, inflated, that are JSON, when others follow */
    const char *authenticate;     /* static, or NULL; a WWW-Authenticate */
    const char *accept_encoding;  /* static, or NULL; vary likewise */
    const char *vary;
    const char *cache_control; /* static, or NULL */
    enum coding coding;        /* of data */
};

/* Two path parameters at most: /v1/jobs/{id}, /v1/datasets/{name}/{part}. */
#define REQUEST_PARAMS_MAX 2

struct request {
    struct server *server;                 /* borrowed; process lifetime */
    struct http *http;                     /* http.c's: the listener it came by */
    struct MHD_Connection *conn;           /* http.c's; nobody else touches it */
    struct watch *watch;                   /* http.c's: the connection's deadline */
    struct grants *grants;                 /* a reference; those that grant is one of, or NULL */
    struct grant *grant;                   /* of who asks; NULL: none is needed */
    const struct route *route;             /* NULL: none matched, err says why */
    const char *param[REQUEST_PARAMS_MAX]; /* in the arena, decoded */
    const char *origin;                    /* of --allow-origin, whose page asks; NULL: none */
    struct arena arena;
    uint64_t started; /* uv_hrtime() */
    const char *id; /* what it is called (access.h), or NULL; borrowed, until the reply at least */
    struct access *access; /* in the arena; NULL: no line is written of it */
    uint64_t sent;         /* bytes of the reply's body, handed over to MHD */
    bool head;             /* the method is HEAD, the route GET's */

    /* Owned; body_len bytes, NUL behind them; NULL when there is none. With a sink, the piece of it
     * that is being collected. */
    char *body;
    size_t body_len, body_cap, body_max;
    size_t body_told;          /* what comes, by Content-Length, and one; SIZE_MAX: not known */
    struct sink *sink;         /* owned; set by the route's open, takes the body instead */
    enum coding coding;        /* of the body that comes */
    struct inflater *inflater; /* owned; NULL: the body comes as it is */
    size_t inflated;           /* bytes out of it */
    char *flat;                /* owned; a held body, inflated, until it takes the body's place */
    size_t flat_cap, taken;    /* bytes of the body that the inflater has had */
    char *piece;               /* owned; with a sink, the one that a pool thread writes to it */
    size_t piece_len, piece_cap;
    struct err piece_err; /* of that */
    bool writing;         /* piece is that thread's */
    bool settling;        /* all has come; the handler is called when it is written */
    bool gone;            /* the connection is: the request ends when that thread has done */
    size_t received;      /* bytes of body, dropped ones included */
    size_t held;          /* bytes of body and reply, as server->held counts them */

    void (*work)(struct request *req); /* any thread: decode, compute, encode */
    void (*done)(struct request *req); /* loop thread: unpin, publish, finish */
    struct pool_work pool;
    uv_work_t uv; /* for the disk */
    void *task;   /* the handler's own, in the arena */

    struct err err;
    struct reply reply;
    bool called;    /* the handler has run */
    bool again;     /* it is to be called again: request_again will be */
    bool ready;     /* reply is complete */
    bool suspended; /* MHD waits for us */
    bool answered;  /* the reply was handed to MHD */
    bool lost;      /* there is no memory for a reply, and no error: the connection ends */
};

/* A query parameter's decoded value, in the arena; NULL when it is not there. "?a" is "". */
const char *request_query(struct request *req, const char *key);
/* A header's value, borrowed until the reply; NULL when it is not there. */
const char *request_header(struct request *req, const char *name);
/* The connection, if it is to a Unix socket; else -1. */
int request_unix_socket(const struct request *req);
/* The common name of the client's certificate, which has been verified; NULL when it has none. */
const char *request_certificate(struct request *req);
/* All values of a header that may be there more than once, joined by commas; likewise. */
const char *request_header_all(struct request *req, const char *name);

/* Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), borrowed; "" when it is not there.
 * Errors: ERR_FIELD at it, if it has not 1 to JOB_KEY_MAX bytes. */
bool request_key(struct request *req, const char **ret, struct err *err);

/* What takes longer is not done on the loop: a hand-over costs about 6 us of processor. Work above
 * the second is slow, and leaves a thread of the pool free for others. */
#define REQUEST_INLINE_US 25.0
#define REQUEST_SLOW_US 10000.0

/* Runs work, then done: here and now when the estimate is small, else work on the pool and done
 * back on the loop. An estimate of INFINITY is for the disk, and goes to libuv's pool. done must
 * end in request_finish, or see that something later does. */
void request_work(struct request *req, double est_us, void (*work)(struct request *),
                  void (*done)(struct request *));

/* The reply is complete, or err is set; on the loop thread. The request may be gone after it. */
void request_finish(struct request *req);

/* Has hung_up called, once, if the client goes away while the request waits for something that may
 * take for ever: it is to finish the request. Forgotten by request_finish. */
void request_await(struct request *req, void (*hung_up)(void *arg), void *arg);

/* On the loop thread: what req->again waited for is there, or err is set. */
void request_again(struct request *req);

/* Completes the reply with text (taken over), as JSON unless the type says otherwise. */
void request_reply(struct request *req, int status, struct text *text);
void request_reply_type(struct request *req, int status, const char *type, struct text *text);
/* 200, with a stream (taken over) of that type. */
void request_reply_stream(struct request *req, const char *type, struct stream *stream);
/* A stream of this request that had nothing may have something now. */
void stream_wake(struct request *req);
/* 204, or any status without a body. */
void request_reply_empty(struct request *req, int status);

#endif
