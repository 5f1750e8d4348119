/* Predictions: at once on the loop when they are cheap, else on the pool, where those that wait for
 * a thread and ask the same version are computed together.
 *
 * Nobody waits for company: while a thread is free a prediction goes to it alone. When none is, it
 * joins the others that wait for its version, up to --max-batch of them and to a bounded time of
 * computing. Since a row's bits do not depend on the rows beside it, nobody can tell.
 * Thread: the loop's, save decode and encode. */
#ifndef BATCH_H
#define BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "request.h"
#include "rows.h"

struct batcher;
struct server;
struct version;

/* One request's rows, asked of one version. Lies in the request's arena; the handler's own data
 * may lie behind it. */
struct ask {
    struct ask *next;
    struct request *req;
    struct version *version; /* pinned by the handler, unpinned at the end */
    struct rows inputs;      /* float32, as wide as the version's net takes; decode's */
    float *outputs;          /* [inputs.n][outputs], in the request's arena */
    uint64_t asked;          /* when; batch_ask's */
    /* Any thread. decode makes inputs from the body, encode the reply from outputs; what is wrong
     * goes to req->err. */
    void (*decode)(struct ask *ask);
    void (*encode)(struct ask *ask);
    /* Loop, once at the end, before the reply goes, whatever came out; NULL: nothing. */
    void (*done)(struct ask *ask);
};

/* max: asks computed together; 1: none ever are. Errors: ERR_MEMORY. */
bool batcher_create(struct server *server, size_t max, struct batcher **ret, struct err *err);
/* Nothing may be under way any more. */
void batcher_free(struct batcher *batcher);

/* Decodes, computes and encodes, then finishes the request. est_us is what that takes alone. */
void batch_ask(struct batcher *batcher, struct ask *ask, double est_us);

#endif
