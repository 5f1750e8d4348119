#include "remembered.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "quote.h"

#define BUCKETS 64 /* at first; a power of two */

struct remembered {
    size_t max; /* bytes */
    size_t seconds;
    uint64_t nonce;  /* in every id */
    uint64_t number; /* the last given */
    struct prediction *oldest, *newest;
    struct prediction **bucket; /* owned; n_buckets, a power of two; chains by number */
    size_t n_buckets;
    size_t n, bytes;
};

bool remembered_create(size_t bytes, size_t seconds, struct remembered **ret, struct err *err)
{
    struct remembered *remembered = calloc(1, sizeof *remembered);
    struct prediction **bucket = calloc(BUCKETS, sizeof *bucket);
    uint64_t nonce;

    if (remembered == NULL || bucket == NULL) {
        err_set(err, ERR_MEMORY, "predictions", "have no memory to be remembered");
    } else if (getrandom(&nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce) {
        err_set(err, ERR_IO, "predictions", "get no random number: %s", strerror(errno));
    } else {
        *remembered = (struct remembered){
            .max = bytes,
            .seconds = seconds,
            .nonce = nonce,
            .bucket = bucket,
            .n_buckets = BUCKETS,
        };
        *ret = remembered;
        return true;
    }
    free(bucket);
    free(remembered);
    return false;
}

uint64_t remembered_number(struct remembered *remembered)
{
    return ++remembered->number;
}

void remembered_id(const struct remembered *remembered, uint64_t number,
                   char ret[PREDICTION_ID_LEN])
{
    snprintf(ret, PREDICTION_ID_LEN, "%016" PRIx64 "-%" PRIu64, remembered->nonce, number);
}

size_t remembered_count(const struct remembered *remembered)
{
    return remembered->n;
}

size_t remembered_bytes(const struct remembered *remembered)
{
    return remembered->bytes;
}

/* ---- one prediction ---- */

/* With its share of the buckets, of which there are two each at most. */
static size_t cost(size_t rows, size_t cols)
{
    return sizeof(struct prediction) + 2 * sizeof(struct prediction *) +
           rows * cols * sizeof(float);
}

bool prediction_create(const struct remembered *remembered, const char *model, uint64_t number,
                       const struct rows *x, struct prediction **ret, struct err *err)
{
    const size_t len = x->n * x->width * sizeof(float);
    struct prediction *prediction;

    assert(x->dtype == DTYPE_F32);
    if (cost(x->n, x->width) > remembered->max) {
        return err_set(err, ERR_TOO_LARGE, "remember",
                       "needs %zu bytes for these rows, --prediction-memory is %zu",
                       cost(x->n, x->width), remembered->max);
    }
    prediction = malloc(sizeof *prediction + len);
    if (prediction == NULL) {
        return err_set(err, ERR_MEMORY, "remember",
                       "needs %zu bytes for these rows, there is no memory", cost(x->n, x->width));
    }
    *prediction = (struct prediction){ .number = number, .rows = x->n, .cols = x->width };
    snprintf(prediction->model, sizeof prediction->model, "%s", model);
    memcpy(prediction->values, x->data, len);
    *ret = prediction;
    return true;
}

void prediction_free(struct prediction *prediction)
{
    free(prediction);
}

/* ---- those that are remembered ---- */

static struct prediction **bucket_of(const struct remembered *remembered, uint64_t number)
{
    return &remembered->bucket[number & (remembered->n_buckets - 1)];
}

/* Twice as many buckets, if there is memory: without, chains get longer. */
static void buckets_grow(struct remembered *remembered)
{
    struct prediction **old = remembered->bucket;
    struct prediction **bucket = calloc(2 * remembered->n_buckets, sizeof *bucket);

    if (bucket == NULL) {
        return;
    }
    remembered->bucket = bucket;
    remembered->n_buckets *= 2;
    for (struct prediction *p = remembered->oldest; p != NULL; p = p->newer) {
        struct prediction **at = bucket_of(remembered, p->number);

        p->chain = *at;
        *at = p;
    }
    free(old);
}

/* Remembers it no more; whoever has taken it still has it. */
static void drop(struct remembered *remembered, struct prediction *prediction)
{
    struct prediction **at = bucket_of(remembered, prediction->number);

    while (*at != prediction) {
        at = &(*at)->chain;
    }
    *at = prediction->chain;
    *(prediction->older != NULL ? &prediction->older->newer : &remembered->oldest) =
        prediction->newer;
    *(prediction->newer != NULL ? &prediction->newer->older : &remembered->newest) =
        prediction->older;
    remembered->n--;
    remembered->bytes -= cost(prediction->rows, prediction->cols);
    prediction->kept = false;
    if (!prediction->taken) {
        prediction_free(prediction);
    }
}

static void drop_expired(struct remembered *remembered, double now)
{
    while (remembered->oldest != NULL &&
           now - remembered->oldest->made >= (double)remembered->seconds) {
        drop(remembered, remembered->oldest);
    }
}

void remembered_add(struct remembered *remembered, struct prediction *prediction, double now)
{
    const size_t bytes = cost(prediction->rows, prediction->cols);
    struct prediction **at;

    assert(bytes <= remembered->max);
    drop_expired(remembered, now);
    while (remembered->bytes > remembered->max - bytes) {
        drop(remembered, remembered->oldest);
    }
    if (remembered->n == remembered->n_buckets) {
        buckets_grow(remembered);
    }
    at = bucket_of(remembered, prediction->number);
    prediction->chain = *at;
    *at = prediction;
    prediction->newer = NULL;
    prediction->older = remembered->newest;
    *(prediction->older != NULL ? &prediction->older->newer : &remembered->oldest) = prediction;
    remembered->newest = prediction;
    prediction->made = now;
    prediction->kept = true;
    remembered->n++;
    remembered->bytes += bytes;
}

/* An id is one only if it is spelt as remembered_id does. */
static struct prediction *find(const struct remembered *remembered, const char *id)
{
    const char *dash = strchr(id, '-');
    const uint64_t number = dash != NULL ? strtoull(dash + 1, NULL, 10) : 0;
    struct prediction *prediction = *bucket_of(remembered, number);
    char spelt[PREDICTION_ID_LEN];

    while (prediction != NULL && prediction->number != number) {
        prediction = prediction->chain;
    }
    remembered_id(remembered, number, spelt);
    return strcmp(spelt, id) == 0 ? prediction : NULL;
}

struct prediction *remembered_take(struct remembered *remembered, const char *id, const char *model,
                                   double now, struct err *err)
{
    struct prediction *prediction;

    drop_expired(remembered, now);
    prediction = find(remembered, id);
    if (prediction == NULL || strcmp(prediction->model, model) != 0) {
        err_set(
            err, ERR_NOT_FOUND, "prediction",
            "'%s' is not remembered: it is unknown, another model's, learned from already, older "
            "than %zu s, or forgotten for newer ones or by a restart",
            quote(id, strlen(id)).text, remembered->seconds);
        return NULL;
    }
    if (prediction->taken) {
        err_set(err, ERR_BUSY, "prediction", "'%s' is being learned from by another request", id);
        return NULL;
    }
    prediction->taken = true;
    return prediction;
}

void remembered_give_back(struct remembered *remembered, struct prediction *prediction, bool used)
{
    prediction->taken = false;
    if (!prediction->kept) {
        prediction_free(prediction);
    } else if (used) {
        drop(remembered, prediction);
    }
}

void remembered_forget(struct remembered *remembered, const char *model)
{
    struct prediction *next;

    for (struct prediction *at = remembered->oldest; at != NULL; at = next) {
        next = at->newer;
        if (strcmp(at->model, model) == 0) {
            drop(remembered, at);
        }
    }
}

void remembered_free(struct remembered *remembered)
{
    if (remembered == NULL) {
        return;
    }
    while (remembered->oldest != NULL) {
        drop(remembered, remembered->oldest);
    }
    free(remembered->bucket);
    free(remembered);
}
