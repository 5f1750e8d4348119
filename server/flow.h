/* A reply that is too long to be held: it is made piece by piece on the pool, no faster than its
 * client takes it, so that no more than FLOW_AHEAD of it is in memory. What turns out to be short
 * goes as one whole, and compressed if the client likes.
 *
 *   loop   flow_reply ----> first pieces ----> headers, piece ----> client wants more ----> ...
 *   pool              next, next, ...                          next, next, ...
 *
 * Thread: loop, save that next is called on the pool, one call at a time. */
#ifndef FLOW_H
#define FLOW_H

#include "request.h"

#define FLOW_AHEAD ((size_t)256 << 10)  /* bytes made at a time, and a piece's length more */
#define FLOW_WHOLE ((size_t)1024 << 10) /* what is shorter goes as one */

/* Lies in whatever makes the reply, which lives as long as its request: in the arena, say. */
struct flow {
    /* Adds what comes next, up to some hundred kilobytes; *end: that was the last. An error before
     * the first FLOW_WHOLE bytes are made is answered; a later one cuts the connection, so that
     * nobody takes a part for the whole. */
    bool (*next)(struct flow *flow, struct text *text, bool *end, struct err *err);
    /* Lets go of what the reply was made from; called once. Loop thread. */
    void (*free)(struct flow *flow);
    bool disk; /* next waits for the disk, and goes to libuv's pool */
    /* What next takes, if that is much: each has a turn of the pool then, and others theirs
     * between; 0: about nothing. */
    double next_us;
    uint64_t total; /* bytes, if it is known; 0: not */

    /* flow.c's */
    struct stream stream;
    struct request *req;
    const char *type;
    struct text piece; /* on its way, from at on */
    size_t at;
    bool making; /* piece is a pool thread's */
    bool end;    /* nothing comes behind piece */
    bool gone;   /* the client is */
    bool sealed; /* headers have gone: an error can only cut the connection */
};

/* 200 with what flow makes, of that type (static), and the headers that req->reply has by now. Ends
 * in request_finish. */
void flow_reply(struct request *req, const char *type, struct flow *flow);

#endif
