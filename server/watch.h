/* Deadlines of connections. libmicrohttpd knows idleness only: a client that sends or takes a byte
 * now and then would keep its connection for ever.
 *
 * A request has --request-timeout from its first line to its last byte, and as much longer as its
 * body takes at --min-rate; taking the reply has the same. The first line itself, whose first byte
 * nobody tells us of, has to be there after --timeout, for which a connection may be idle, and
 * --request-timeout. Who is late is answered 408, when nothing else was, and cut off. While the
 * daemon works there is no deadline; a client that waits for the end of a job is let go when it
 * hangs up. Thread: the loop's. */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum watch_phase { WATCH_IDLE, WATCH_READ, WATCH_WORK, WATCH_WRITE, WATCH_PHASES };

struct watcher;

/* One connection. Object lifetime: watch_open to watch_close. */
struct watch {
    struct watch *next, *prev; /* of the same phase, the longest in it first */
    enum watch_phase phase;
    int fd;         /* borrowed */
    uint64_t since; /* uv_now() when the phase began */
    uint64_t bytes; /* of the body that came, of the reply that goes */
    bool mute;      /* TLS: nothing can be said to it past that */
    bool busy;      /* in WATCH_READ: what came is being written, and more may be there */
    /* Called once when the client has hung up in WATCH_WORK, then forgotten; NULL: nobody asks. */
    void (*hung_up)(void *arg);
    void *arg;
};

struct watch_limits {
    uint64_t idle_ms, request_ms, min_rate; /* bytes a second */
};

/* NULL: no memory. */
struct watcher *watcher_create(uv_loop_t *loop, const struct watch_limits *limits);
/* Nothing may be watched any more. The loop has to run once more after it. */
void watcher_free(struct watcher *watcher);

/* A new connection, idle. NULL: no memory. */
struct watch *watch_open(struct watcher *watcher, int fd);
void watch_close(struct watcher *watcher, struct watch *watch);
void watch_enter(struct watcher *watcher, struct watch *watch, enum watch_phase phase,
                 uint64_t bytes);

#endif
