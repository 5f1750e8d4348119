#include "quant.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INT8_MOST 127
#define BF16_MOST 0x7f7f /* the largest finite one's bits */

static const char *const names[] = {
    [QUANT_F32] = "f32", [QUANT_BF16] = "bf16", [QUANT_INT8] = "int8"
};

const char *quant_name(enum quant quant)
{
    return names[quant];
}

bool quant_find(const char *name, enum quant *ret)
{
    for (size_t i = 0; i < QUANT_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum quant)i;
            return true;
        }
    }
    return false;
}

static int32_t bf16_of(float w)
{
    uint32_t bits;

    memcpy(&bits, &w, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (int32_t)((bits & 0x7fff) > BF16_MOST ? bits - 1 : bits); /* infinity is one above it */
}

static float int8_scale(const float *w, size_t n)
{
    float most = 0.0F, scale;

    for (size_t k = 0; k < n; k++) {
        most = fmaxf(most, fabsf(w[k]));
    }
    scale = most / INT8_MOST;
    return isfinite(scale * INT8_MOST) ? scale : nextafterf(scale, 0.0F);
}

void quant_row(enum quant quant, const float *w, size_t n, int32_t *q, float *scale)
{
    *scale = quant == QUANT_INT8 ? int8_scale(w, n) : 1.0F;
    for (size_t k = 0; k < n; k++) {
        if (quant == QUANT_BF16) {
            q[k] = bf16_of(w[k]);
        } else if (*scale > 0.0F) { /* a denormal scale is inexact: held within */
            q[k] = (int32_t)rintf(fmaxf(fminf(w[k] / *scale, INT8_MOST), -INT8_MOST));
        } else {
            q[k] = 0;
        }
    }
}

float quant_value(enum quant quant, int32_t q, float scale)
{
    if (quant == QUANT_BF16) {
        const uint32_t bits = (uint32_t)q << 16;
        float value;

        memcpy(&value, &bits, sizeof value);
        return value;
    }
    return (float)q * scale;
}

/* w[n] becomes W'; q[n] is spare. The largest error. */
static float row_apply(enum quant quant, float *w, size_t n, int32_t *q)
{
    float scale, most = 0.0F;

    quant_row(quant, w, n, q, &scale);
    for (size_t k = 0; k < n; k++) {
        const float value = quant_value(quant, q[k], scale);

        most = fmaxf(most, fabsf(value - w[k]));
        w[k] = value;
    }
    return most;
}

/* Layer l of from with W', to `to` if that is not NULL. */
static bool layer_apply(const struct net *from, size_t l, enum quant quant, struct net *to,
                        float *most, struct err *err)
{
    const size_t in = from->layer[l].in, out = from->layer[l].out;
    float *w = malloc((in * out + out) * sizeof *w);
    int32_t *q = malloc(in * sizeof *q);

    if (w == NULL || q == NULL) {
        free(w);
        free(q);
        return err_set(err, ERR_MEMORY, "precision", "needs more memory than there is");
    }
    net_get_layer(from, l, w, w + in * out);
    for (size_t j = 0; j < out && quant != QUANT_F32; j++) {
        *most = fmaxf(*most, row_apply(quant, w + j * in, in, q));
    }
    if (to != NULL) {
        net_set_layer(to, l, w, w + in * out);
    }
    free(w);
    free(q);
    return true;
}

bool quant_net(const struct net *net, enum quant quant, struct net **ret, struct err *err)
{
    struct net *clone;
    float most = 0.0F;

    if (!net_clone(net, &clone, err)) {
        return false;
    }
    for (size_t l = 0; l < net->spec.n_layers; l++) {
        if (!layer_apply(net, l, quant, clone, &most, err)) {
            net_free(clone);
            return false;
        }
    }
    *ret = clone;
    return true;
}

bool quant_error(const struct net *net, enum quant quant, float *ret, struct err *err)
{
    float most = 0.0F;

    for (size_t l = 0; l < net->spec.n_layers; l++) {
        if (!layer_apply(net, l, quant, NULL, &most, err)) {
            return false;
        }
    }
    *ret = most;
    return true;
}

/* ---- what it does to outputs ---- */

static size_t answer(const float *a, size_t n)
{
    size_t best = 0;

    if (n == 1) {
        return a[0] >= 0.5F;
    }
    for (size_t j = 1; j < n; j++) {
        best = a[j] > a[best] ? j : best;
    }
    return best;
}

/* Adds one row's n outputs. */
static bool row_compare(const float *a, const float *rounded, size_t n, struct quant_effect *effect)
{
    for (size_t j = 0; j < n; j++) {
        const float by = fabsf(rounded[j] - a[j]);

        if (!isfinite(by)) {
            return false;
        }
        effect->most = fmaxf(effect->most, by);
        effect->sum += by;
    }
    effect->changed += answer(a, n) != answer(rounded, n);
    effect->rows++;
    return true;
}

bool quant_compare(const struct net *net, const struct net *rounded, const struct rows *x,
                   size_t first, size_t n, struct quant_effect *effect, struct err *err)
{
    const size_t outputs = spec_outputs(&net->spec);
    float *a = malloc(2 * n * outputs * sizeof *a);
    void *scratch = aligned_alloc(64, (net_scratch(net) / 64 + 1) * 64);
    bool ok = a != NULL && scratch != NULL;

    if (ok) {
        net_predict(net, x, first, n, a, scratch, NULL);
        net_predict(rounded, x, first, n, a + n * outputs, scratch, NULL);
    } else {
        err_set(err, ERR_MEMORY, "precision", "needs more memory than there is");
    }
    for (size_t i = 0; ok && i < n; i++) {
        ok = row_compare(a + i * outputs, a + (n + i) * outputs, outputs, effect);
        if (!ok) {
            char where[40];

            snprintf(where, sizeof where, "inputs[%zu]", first + i);
            err_set(err, ERR_RANGE, where, "gives outputs that are not finite");
        }
    }
    free(scratch);
    free(a);
    return ok;
}
