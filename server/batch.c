#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "metrics.h"
#include "model.h"
#include "pool.h"
#include "server.h"
#include "stats.h"

#define GATHER_ROWS 64               /* computed in one go: net_predict's own block */
#define KEEP_BYTES ((size_t)4 << 20) /* memory that a batch keeps for the next */
/* What may wait together is worth this much alone, so that the first is not kept waiting for the
 * last. Together it takes a fraction. */
#define BATCH_US 20000.0

/* Memory that is used again; grows. */
struct room {
    void *at; /* owned, 64-byte aligned */
    size_t len;
};

struct batch {
    struct pool_work work;
    struct batch *next; /* waiting, or spare */
    struct batcher *batcher;
    struct version *version; /* of all asks */
    struct ask *head, **tail;
    size_t n;      /* asks */
    size_t rows;   /* computed */
    double est_us; /* the sum of what they take alone */
    bool slow;
    struct stamps stamps; /* of the whole */
    struct room scratch, in, out;
};

struct batcher {
    struct server *server;
    size_t max;
    size_t running; /* batches on the pool, without slow ones */
    struct batch *waiting, **waiting_tail;
    struct batch *spare; /* one a thread at most */
    size_t n_spare;
    struct batch here; /* the loop's own */
};

static void *room_get(struct room *room, size_t len)
{
    if (len > room->len) {
        free(room->at);
        room->len = (len + 63) / 64 * 64;
        room->at = aligned_alloc(64, room->len);
        if (room->at == NULL) {
            room->len = 0;
        }
    }
    return room->at;
}

static void room_done(struct room *room)
{
    free(room->at);
    *room = (struct room){ NULL, 0 };
}

static void batch_init(struct batch *batch, struct batcher *batcher)
{
    batch->batcher = batcher;
    batch->next = NULL;
    batch->version = NULL;
    batch->head = NULL;
    batch->tail = &batch->head;
    batch->n = batch->rows = 0;
    batch->est_us = 0.0;
    batch->slow = false;
}

static void batch_free(struct batch *batch)
{
    room_done(&batch->scratch);
    room_done(&batch->in);
    room_done(&batch->out);
    free(batch);
}

static void batch_put(struct batch *batch, struct ask *ask, double est_us)
{
    ask->next = NULL;
    *batch->tail = ask;
    batch->tail = &ask->next;
    batch->version = ask->version;
    batch->n++;
    batch->est_us += est_us;
}

/* ---- computing; any thread ---- */

static void no_memory(struct ask *ask)
{
    err_set(&ask->req->err, ERR_MEMORY, "inputs", "of %zu rows do not fit into memory",
            ask->inputs.n);
}

/* Decodes, and makes room for the outputs. */
static bool ask_ready(struct ask *ask, size_t outputs)
{
    ask->decode(ask);
    if (ask->req->err.code != ERR_NONE) {
        return false;
    }
    ask->outputs = arena_alloc(&ask->req->arena, ask->inputs.n * outputs, sizeof(float));
    if (ask->outputs == NULL) {
        no_memory(ask);
        return false;
    }
    return true;
}

/* The asks from first up to end, n rows in all: copied together, computed, and copied apart. */
static void compute_together(struct batch *batch, struct ask *first, const struct ask *end,
                             size_t n, void *scratch)
{
    const struct net *net = batch->version->net;
    const size_t inputs = net->spec.inputs, outputs = spec_outputs(&net->spec);
    float *in = room_get(&batch->in, GATHER_ROWS * inputs * sizeof *in);
    float *out = room_get(&batch->out, GATHER_ROWS * outputs * sizeof *out);
    const struct rows x = { DTYPE_F32, n, inputs, in };

    if (in == NULL || out == NULL) {
        for (struct ask *ask = first; ask != end; ask = ask->next) {
            if (ask->req->err.code == ERR_NONE) {
                no_memory(ask);
            }
        }
        return;
    }
    for (struct ask *ask = first; ask != end; ask = ask->next) {
        if (ask->req->err.code == ERR_NONE) {
            memcpy(in, ask->inputs.data, ask->inputs.n * inputs * sizeof *in);
            in += ask->inputs.n * inputs;
        }
    }
    net_predict(net, &x, 0, n, out, scratch, NULL);
    for (struct ask *ask = first; ask != end; ask = ask->next) {
        if (ask->req->err.code == ERR_NONE) {
            memcpy(ask->outputs, out, ask->inputs.n * outputs * sizeof *out);
            out += ask->inputs.n * outputs;
        }
    }
}

/* The rows of all asks that could be decoded, up to GATHER_ROWS at a time. */
static void compute(struct batch *batch, void *scratch)
{
    const struct net *net = batch->version->net;
    struct ask *first = batch->head;

    while (first != NULL) {
        struct ask *end = first;
        size_t n = 0, asks = 0;

        do {
            if (end->req->err.code == ERR_NONE) {
                if (asks > 0 && n + end->inputs.n > GATHER_ROWS) {
                    break;
                }
                n += end->inputs.n;
                asks++;
            }
            end = end->next;
        } while (end != NULL);
        if (asks > 1) {
            compute_together(batch, first, end, n, scratch);
        } else if (asks == 1) {
            while (first->req->err.code != ERR_NONE) {
                first = first->next;
            }
            net_predict(net, &first->inputs, 0, n, first->outputs, scratch, NULL);
        }
        batch->rows += n;
        first = end;
    }
}

static void batch_compute(struct batch *batch)
{
    const struct net *net = batch->version->net;
    void *scratch;

    batch->stamps.begun = uv_hrtime();
    scratch = room_get(&batch->scratch, net_scratch(net));
    for (struct ask *ask = batch->head; ask != NULL; ask = ask->next) {
        if (ask_ready(ask, spec_outputs(&net->spec)) && scratch == NULL) {
            no_memory(ask);
        }
    }
    batch->stamps.decoded = uv_hrtime();
    compute(batch, scratch);
    batch->stamps.computed = uv_hrtime();
    for (struct ask *ask = batch->head; ask != NULL; ask = ask->next) {
        if (ask->req->err.code == ERR_NONE) {
            ask->encode(ask);
        }
    }
    batch->stamps.encoded = uv_hrtime();
}

static void batch_run(struct pool_work *work)
{
    batch_compute((struct batch *)work); /* its first member */
}

/* ---- the loop ---- */

/* Into the version's statistics, as far as there is memory for them. */
static void asks_count(const struct batch *batch)
{
    struct version *version = batch->version;
    struct stamps stamps = batch->stamps;

    if (version->stats == NULL) {
        version->stats = calloc(1, sizeof *version->stats);
    }
    for (const struct ask *ask = batch->head; ask != NULL && version->stats != NULL;
         ask = ask->next) {
        stamps.asked = ask->asked;
        stats_ask(version->stats, ask->req->err.code == ERR_NONE, ask->inputs.n, &stamps);
    }
    if (version->stats != NULL && batch->rows > 0) {
        stats_execution(version->stats, batch->rows, &stamps);
    }
}

static void asks_finish(struct batch *batch)
{
    struct metrics *metrics = batch->batcher->server->metrics;
    struct ask *ask = batch->head;

    asks_count(batch);
    while (ask != NULL) {
        struct ask *next = ask->next;
        struct version *version = ask->version;

        if (ask->req->err.code == ERR_NONE) {
            version->model->predictions += ask->inputs.n;
            metrics_predicted(metrics, ask->inputs.n);
        }
        if (ask->done != NULL) {
            ask->done(ask);
        }
        request_finish(ask->req); /* the ask may be gone after it */
        version_unref(version);
        ask = next;
    }
    if (batch->scratch.len + batch->in.len + batch->out.len > KEEP_BYTES) {
        room_done(&batch->scratch);
        room_done(&batch->in);
        room_done(&batch->out);
    }
}

static void batch_start(struct batch *batch);

static void batch_after(struct pool_work *work)
{
    struct batch *batch = (struct batch *)work;
    struct batcher *batcher = batch->batcher;
    struct batch *next = batcher->waiting;

    batcher->running -= !batch->slow;
    if (!batch->slow && next != NULL) { /* first, so that the thread has something to do */
        batcher->waiting = next->next;
        if (batcher->waiting == NULL) {
            batcher->waiting_tail = &batcher->waiting;
        }
        batch_start(next);
    }
    metrics_batch(batcher->server->metrics, batch->rows);
    asks_finish(batch);
    if (batcher->n_spare == pool_threads(batcher->server->pool)) {
        batch_free(batch);
        return;
    }
    batch->next = batcher->spare;
    batcher->spare = batch;
    batcher->n_spare++;
}

static void batch_start(struct batch *batch)
{
    struct batcher *batcher = batch->batcher;

    batcher->running += !batch->slow;
    batch->work.run = batch_run;
    batch->work.done = batch_after;
    pool_submit(batcher->server->pool, &batch->work, batch->slow);
}

/* A batch that waits for a thread and has room for one more of that version. */
static struct batch *waiting_find(struct batcher *batcher, const struct version *version,
                                  double est_us)
{
    for (struct batch *batch = batcher->waiting; batch != NULL; batch = batch->next) {
        if (batch->version == version && batch->n < batcher->max &&
            batch->est_us + est_us <= BATCH_US) {
            return batch;
        }
    }
    return NULL;
}

static struct batch *batch_new(struct batcher *batcher)
{
    struct batch *batch = batcher->spare;

    if (batch != NULL) {
        batcher->spare = batch->next;
        batcher->n_spare--;
    } else {
        batch = calloc(1, sizeof *batch);
    }
    if (batch != NULL) {
        batch_init(batch, batcher);
    }
    return batch;
}

/* Here and now: what is cheap, and what there is no memory to hand over. */
static void ask_here(struct batcher *batcher, struct ask *ask)
{
    struct batch *batch = &batcher->here;

    batch_init(batch, batcher);
    batch_put(batch, ask, 0.0);
    batch_compute(batch);
    asks_finish(batch);
}

void batch_ask(struct batcher *batcher, struct ask *ask, double est_us)
{
    struct batch *batch = NULL;

    ask->asked = uv_hrtime();
    if (est_us > REQUEST_INLINE_US) {
        const bool slow = est_us > REQUEST_SLOW_US;

        batch = slow ? NULL : waiting_find(batcher, ask->version, est_us);
        if (batch != NULL) {
            batch_put(batch, ask, est_us);
            return;
        }
        batch = batch_new(batcher);
        if (batch != NULL) {
            batch_put(batch, ask, est_us);
            batch->slow = slow;
        }
    }
    if (batch == NULL) {
        ask_here(batcher, ask);
    } else if (batch->slow || batcher->running < pool_threads(batcher->server->pool)) {
        batch_start(batch);
    } else {
        *batcher->waiting_tail = batch;
        batcher->waiting_tail = &batch->next;
    }
}

bool batcher_create(struct server *server, size_t max, struct batcher **ret, struct err *err)
{
    struct batcher *batcher = calloc(1, sizeof *batcher);

    if (batcher == NULL) {
        return err_set(err, ERR_MEMORY, "--max-batch", "has no memory");
    }
    batcher->server = server;
    batcher->max = max;
    batcher->waiting_tail = &batcher->waiting;
    *ret = batcher;
    return true;
}

void batcher_free(struct batcher *batcher)
{
    if (batcher == NULL) {
        return;
    }
    while (batcher->spare != NULL) {
        struct batch *batch = batcher->spare;

        batcher->spare = batch->next;
        batch_free(batch);
    }
    room_done(&batcher->here.scratch);
    room_done(&batcher->here.in);
    room_done(&batcher->here.out);
    free(batcher);
}
