/* Rows of data as they are stored, borrowed by core for the length of a call or of a trainer. */
#ifndef ROWS_H
#define ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "spec.h"

enum dtype { DTYPE_U8, DTYPE_F32 };

/* A row-major matrix, n rows of width values, unpadded; u8 values mean 0 .. 255. */
struct rows {
    enum dtype dtype;
    size_t n, width;
    const void *data; /* borrowed; aligned to the value's size only */
};

/* Rows with what they should give. Exactly one of classes and values is set. */
struct data {
    struct rows x;
    const uint32_t *classes; /* x.n class indices */
    const uint32_t *map;     /* index in classes -> output unit; NULL: as they are */
    const float *values;     /* x.n rows of as many values as the net has outputs */
    const uint32_t *pick;    /* the n_pick rows of these that are meant; NULL: all */
    size_t n_pick;
    const float *weights; /* what a row counts in training, by output unit; NULL: each 1 */
};

/* How many rows are meant, and which the i-th of them is. */
static inline size_t data_rows(const struct data *data)
{
    return data->pick != NULL ? data->n_pick : data->x.n;
}
static inline size_t data_row(const struct data *data, size_t i)
{
    return data->pick != NULL ? data->pick[i] : i;
}

/* The float x'_i = (x_i - shift_i) * scale_i of a net's inputs. shift == NULL: x' = x. */
struct norm_map {
    const float *shift, *scale; /* one each an input; borrowed */
};

/* out[i][ld] = row index[i] of x, mapped, for i < n; index == NULL: rows first .. first + n - 1.
 * The ld - width values behind each row are set to +0. Thread: any. */
void rows_gather(const struct rows *x, const uint32_t *index, size_t first, size_t n,
                 const struct norm_map *norm, float *out, size_t ld);

/* out[0 .. n - 1] = x's values from the at-th on, rows one behind the other. out has room for n
 * rounded up to 16, and is aligned to 64 bytes. Thread: any. */
void rows_widen(const struct rows *x, size_t at, size_t n, float *out);

/* weights[i], what row index[i] counts: data->weights' entry of its class, which it has. */
void data_weigh(const struct data *data, const uint32_t *index, size_t n, float *weights);

/* weights[c] = rows / (classes that have rows * rows of class c), for c < outputs; 0 where there is
 * no row: the "balanced" of scikit-learn. data has classes. Errors: ERR_MEMORY. */
bool data_balance(const struct data *data, size_t outputs, float *weights, struct err *err);

/* y[i][ld], the targets of row index[i] (or first + i) as the cost takes them, pads +0. */
void data_gather(const struct data *data, const uint32_t *index, size_t first, size_t n,
                 size_t outputs, float *y, size_t ld);

/* shift and scale of the columns of data's inputs for NORM_STANDARD, NORM_MINMAX or NORM_UNIT, in
 * float64 sums down the rows in order, rounded once. Thread: any. */
void norm_fit(enum norm norm, const struct data *data, float *shift, float *scale);
/* Likewise of its targets, which are numbers. */
void target_norm_fit(enum norm norm, const struct data *data, size_t outputs, float *shift,
                     float *scale);

/* Whether the targets suit the spec's cost (the width was checked by the caller):
 *   cross_entropy   every y_j in [0, 1]
 *   log_likelihood  every y_j >= 0 and each row sums to 1 within 1e-5
 *   any             finite; class indices, after map, below the outputs, and none at all where
 *                   targets are normalised
 * Errors: ERR_RANGE at "targets[row][column]", "targets[row]", "labels[row]" or
 * "labels". Thread: any. */
bool data_check(const struct data *data, const struct net_spec *spec, struct err *err);

#endif
