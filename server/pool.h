/* Threads that compute for requests: decoding, predictions, evaluation. They stand apart from
 * libuv's pool, which waits for the disk, so that neither can starve the other, and from the
 * training workers, which run at nice 19. Work that takes long leaves a thread free for what is
 * short. Thread: the loop's, save that run is called on one of the pool's. */
#ifndef POOL_H
#define POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "err.h"

struct pool;

/* Lies in whatever is to be computed; borrowed until done is called. */
struct pool_work {
    struct pool_work *next;
    void (*run)(struct pool_work *work);  /* on a pool thread */
    void (*done)(struct pool_work *work); /* back on the loop */
    bool slow;
};

/* threads >= 2. Errors: ERR_MEMORY, ERR_LIMIT at "--pool-threads". */
bool pool_create(uv_loop_t *loop, size_t threads, struct pool **ret, struct err *err);
/* Nothing may be under way any more. The loop has to run once more after it. */
void pool_free(struct pool *pool);

size_t pool_threads(const struct pool *pool);
/* Work that no thread has begun. */
size_t pool_waiting(struct pool *pool);
/* In the order given, but slow work runs on all threads but one. */
void pool_submit(struct pool *pool, struct pool_work *work, bool slow);
/* Quick work ahead of all that waits: the next thread that is free takes it. */
void pool_submit_first(struct pool *pool, struct pool_work *work);

#endif
