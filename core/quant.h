/* Weights in fewer bits than float32's, for files that have to be small; biases stay as they are.
 *
 *   f32    W' = W
 *   bf16   W' = W rounded to 8 significant bits, ties to even; never to infinity
 *   int8   W'[j][k] = q[j][k] s_j, rounded to float;  s_j = max_k |W[j][k]| / 127,
 *          q[j][k] = W[j][k] / s_j rounded to an integer, ties to even
 *
 * A net computes with W' as with any weights, so that its outputs have defined bits too.
 * Thread: any. */
#ifndef QUANT_H
#define QUANT_H

#include "net.h"
#include "rows.h"

enum quant { QUANT_F32, QUANT_BF16, QUANT_INT8, QUANT_COUNT };

/* "f32", "bf16", "int8"; false, and *ret untouched, when there is none of that name. */
const char *quant_name(enum quant quant);
bool quant_find(const char *name, enum quant *ret);

/* One unit's n finite weights, not for f32: q[n] is what is kept of them, the upper 16 bits of a
 * float (bf16), or -127 .. 127 (int8); *scale is s_j, or 1. */
void quant_row(enum quant quant, const float *w, size_t n, int32_t *q, float *scale);
float quant_value(enum quant quant, int32_t q, float scale);

/* A net with W' in place of W. Errors: ERR_MEMORY. */
bool quant_net(const struct net *net, enum quant quant, struct net **ret, struct err *err);
/* The largest |W' - W|. Errors: ERR_MEMORY. */
bool quant_error(const struct net *net, enum quant quant, float *ret, struct err *err);

/* What W' does to the outputs a of some rows. */
struct quant_effect {
    size_t rows;
    float most;     /* the largest |a' - a| */
    double sum;     /* of all |a' - a| */
    size_t changed; /* rows whose answer is another: the index of the largest output, the lowest of
                     * equals; of one output whether it is 0.5 or more */
};

/* Adds rows first .. first + n - 1 of x to *effect, which begins as zeros. rounded is quant_net's;
 * x.width == spec.inputs was checked. Errors: ERR_RANGE at "inputs[row]" where outputs of either
 * are not finite; ERR_MEMORY. */
bool quant_compare(const struct net *net, const struct net *rounded, const struct rows *x,
                   size_t first, size_t n, struct quant_effect *effect, struct err *err);

#endif
