/* One permutation by Fisher-Yates from the seed; the first rows in it, of all or of each class, are
 * held back. */
#include "split.h"

#include <stdlib.h>

#include "rng.h"

bool split_is(const struct split *split)
{
    return split->fraction > 0.0 || split->last > 0;
}

static void permute(uint32_t *order, size_t n, uint64_t seed)
{
    struct rng rng;

    rng_init(&rng, seed ^ 0x73706c6974u); /* not the order of training: "split" */
    for (size_t i = 0; i < n; i++) {
        order[i] = (uint32_t)i;
    }
    for (size_t i = n; i > 1; i--) {
        const size_t j = rng_below(&rng, i);
        const uint32_t spare = order[i - 1];

        order[i - 1] = order[j];
        order[j] = spare;
    }
}

static size_t share_of(double fraction, size_t n)
{
    return (size_t)(fraction * (double)n + 0.5);
}

/* left[c] = rows of class c that are to be held back. */
static void classes_share(double fraction, const struct data *data, size_t *left, size_t classes)
{
    for (size_t i = 0; i < data->x.n; i++) {
        left[data->classes[i]]++;
    }
    for (size_t c = 0; c < classes; c++) {
        left[c] = left[c] > 1 ? share_of(fraction, left[c]) : 0;
    }
}

/* held[i]: row i validates. */
static bool hold_back(const struct split *split, const struct data *data, uint64_t seed,
                      uint32_t *order, bool *held, struct err *err)
{
    size_t classes = 0, *left;

    permute(order, data->x.n, seed);
    if (!split->stratified) {
        const size_t n = share_of(split->fraction, data->x.n);

        for (size_t i = 0; i < n; i++) {
            held[order[i]] = true;
        }
        return true;
    }
    if (data->classes == NULL) {
        return err_set(err, ERR_FIELD, "validation",
                       "cannot be stratified: the targets are numbers, not classes");
    }
    for (size_t i = 0; i < data->x.n; i++) {
        classes = data->classes[i] >= classes ? (size_t)data->classes[i] + 1 : classes;
    }
    left = calloc(classes, sizeof *left);
    if (left == NULL) {
        return err_set(err, ERR_MEMORY, "validation", "has no memory for %zu classes", classes);
    }
    classes_share(split->fraction, data, left, classes);
    for (size_t i = 0; i < data->x.n; i++) {
        size_t *here = &left[data->classes[order[i]]];

        held[order[i]] = *here > 0;
        *here -= *here > 0;
    }
    free(left);
    return true;
}

/* order and *n_train from held. */
static bool lay_out(const bool *held, size_t n, uint32_t *order, size_t *n_train, struct err *err)
{
    size_t train = 0, at, back;

    for (size_t i = 0; i < n; i++) {
        train += !held[i];
    }
    if (train == 0 || train == n) {
        return err_set(err, ERR_FIELD, "validation", "takes %zu of %zu rows: %s", n - train, n,
                       train == 0 ? "none is left to train on" : "there are too few");
    }
    at = 0;
    back = train;
    for (size_t i = 0; i < n; i++) {
        order[held[i] ? back++ : at++] = (uint32_t)i;
    }
    *n_train = train;
    return true;
}

bool split_make(const struct split *split, const struct data *data, uint64_t seed, uint32_t **ret,
                size_t *n_train, struct err *err)
{
    const size_t n = data->x.n;
    uint32_t *order = malloc((n > 0 ? n : 1) * sizeof *order);
    bool *held = calloc(n > 0 ? n : 1, sizeof *held), ok = order != NULL && held != NULL;

    if (!ok) {
        err_set(err, ERR_MEMORY, "validation", "has no memory for %zu rows", n);
    } else if (split->last > 0) {
        for (size_t i = n - (split->last < n ? split->last : n); i < n; i++) {
            held[i] = true;
        }
    } else {
        ok = hold_back(split, data, seed, order, held, err);
    }
    ok = ok && lay_out(held, n, order, n_train, err);
    free(held);
    if (!ok) {
        free(order);
        return false;
    }
    *ret = order;
    return true;
}
