/* A network: its shape and its parameters in one flat block, and the way forward through it.
 *
 *   z^l = W^l a^{l-1} + b^l        a^l = sigma(z^l)            Nielsen, ch. 2
 *
 * A struct net that others read (a published version) is never written to again: train a clone. */
#ifndef NET_H
#define NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "rows.h"
#include "score.h"
#include "share.h"
#include "spec.h"

struct kernel; /* kernel.h: the loops, one table an instruction set */

/* Where one layer's parameters lie in the block. See net.c for the panel layout. */
struct net_layer {
    size_t in, out; /* fan-in and units */
    size_t panels;  /* of 16 outputs each, the last padded */
    size_t stride;  /* floats from panel to panel */
    size_t w_at;    /* index of the first weight panel in the block */
    size_t b_at;    /* index of the first bias */
    enum act act;
};

/* Object lifetime: net_create or net_clone to net_free. Thread: many may read one that nobody
 * writes. */
struct net {
    struct net_spec spec;
    const struct kernel *kernel;
    struct net_layer layer[SPEC_LAYERS_MAX];
    size_t n_params;  /* logical weights and biases */
    size_t block_len; /* floats in the block, padding included */
    float *block;     /* owned, 128-byte aligned; padding is +0 always */
    float *shift;     /* owned; spec.inputs each; NULL until norm_fit's result is set, or none */
    float *scale;
    float *target_shift; /* likewise of the outputs, by spec.target_norm; owned */
    float *target_scale;
};

/* A net of zeros. Errors: ERR_MEMORY. The spec was checked. */
bool net_create(const struct net_spec *spec, struct net **ret, struct err *err);
/* Draws every parameter by spec.init, spec.bias_init and spec.seed: layer by layer, weights (row by
 * row, W[j][k], k inner) before biases, from rng_normal or, 2 u - 1, rng_unit. */
void net_init(struct net *net);
bool net_clone(const struct net *net, struct net **ret, struct err *err);
void net_free(struct net *net);

/* Sets the normalisation: copies spec.inputs values each. Errors: ERR_MEMORY. */
bool net_set_norm(struct net *net, const float *shift, const float *scale, struct err *err);
/* Likewise of the targets: as many values as outputs each. */
bool net_set_target_norm(struct net *net, const float *shift, const float *scale, struct err *err);
/* y[i][ld], targets as they are meant, become what the net learns, and the other way round. */
void net_to_learn(const struct net *net, size_t n, float *y, size_t ld);
void net_as_meant(const struct net *net, size_t n, float *a, size_t ld);

/* Layer l in logical order: w[units * inputs], W[j][k] at w[j * inputs + k]; b[units]. */
void net_get_layer(const struct net *net, size_t l, float *w, float *b);
/* The same in parts: weights of units first .. first + n - 1, and all biases. */
void net_get_rows(const struct net *net, size_t l, size_t first, size_t n, float *w);
void net_get_biases(const struct net *net, size_t l, float *b);
void net_set_layer(struct net *net, size_t l, const float *w, const float *b);

/* Bytes of scratch that net_predict and net_evaluate need. Scratch must be 64-byte aligned. */
size_t net_scratch(const struct net *net);

/* out[i][outputs] = a^L, as meant, of row first + i of x, i < n. x.width == spec.inputs
 * was checked.
 * A row's result has the same bits alone and in any batch. Thread: any; share may be NULL. */
void net_predict(const struct net *net, const struct rows *x, size_t first, size_t n, float *out,
                 void *scratch, struct share *share);

/* What an evaluation sums up. */
struct eval {
    size_t rows;
    double loss;    /* C, averaged over the rows */
    size_t correct; /* rows whose largest output is the target's (one output: >= 0.5 agrees) */
    /* Caller's, outputs x outputs (2 x 2 of one output), truth x answer, zeroed by it; or NULL. */
    uint64_t *confusion;
    struct score *score; /* caller's, of the same data and spec, finished here; or NULL */
};

/* Errors: ERR_NUMBER at "loss" if it is not finite (*ret is filled all the same). Thread: any. */
bool net_evaluate(const struct net *net, const struct data *data, void *scratch,
                  struct share *share, struct eval *ret, struct err *err);

/* Bytes of memory that the parameters and the normalisation take, padding included. */
size_t net_bytes(const struct net *net);
/* That of a net of a checked spec, once it has the normalisations that the spec asks for. */
size_t net_spec_bytes(const struct net_spec *spec);

/* Whether every parameter is finite: a last step can overflow after its cost was found good. */
bool net_finite(const struct net *net);
bool floats_finite(const float *at, size_t n);

/* The leading dimension of rows of n values: a multiple of 32, and never of 128, since rows that
 * start at the same place in a page displace each other from the first-level cache. */
size_t net_ld(size_t n);
/* The largest net_ld of the layers' outputs. */
size_t net_ld_max(const struct net *net);
/* Panels p0 .. p1 - 1 of layer l over m rows: out = sigma(z), or z when l is the last. */
void net_forward(const struct net *net, size_t l, size_t p0, size_t p1, const float *x, size_t ldx,
                 size_t m, float *out, size_t ldo);
/* Floating-point operations of one row forward, for estimates of time: 2 x weights. */
size_t net_flops(const struct net *net);

#endif
