/* The loops that take the time, one table of them an instruction set.
 *
 * Every table gives the same bits: the arithmetic is defined, not merely specified. Each element of
 * each product is one chain of fused multiply-adds in ascending index order,
 *
 *   z[m][n]   starts at b[n],  then x[m][k] W[n][k], k ascending           forward
 *   dx[m][k]  starts at 0,     then d[m][n] W[n][k], n ascending           BP2
 *   g[n][k]   starts at 0,     then x[m][k] d[m][n], m ascending           BP4
 *
 * so vector lanes run across outputs or across rows and never along a sum, and a block of a sum
 * loads the partial that the block before it stored. A sum along the outputs of a row is kept in 16
 * virtual lanes, output j in lane j mod 16, which are then added as a fixed tree: i and i + 8, i
 * and i + 4, i and i + 2, i and i + 1. exp, ln, sigmoid and tanh are in kernel_math.h. Values
 * below 2^-60 in magnitude become +0 in inputs, activations, deltas, states and decayed
 * weights: denormals cost ten times, and the processors' own ways of flushing differ.
 *
 * Weights lie in panels of 16 outputs: W[n][k] is float (n / 16) * stride + k * 16 + n % 16, the
 * stride even in k so that no two panels share a pair of cache lines. Matrices of rows have
 * a leading dimension that is a multiple of 32. Pads of weights, biases and deltas are +0.
 *
 * Thread: any; a loop reads and writes only what its arguments point to. */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "rows.h"
#include "spec.h"

#define PANEL 16   /* outputs in a panel, rows in a block of the transposed form */
#define LD_UNIT 32 /* leading dimensions are multiples: 128 bytes, a pair of cache lines */

/* Panels p0 .. p1 - 1 of z = x W + b, then the activation unless raw. */
struct kernel_forward {
    const float *w, *b;
    size_t stride; /* floats from panel to panel */
    size_t in;
    size_t p0, p1;
    const float *x; /* x[m][ldx] */
    size_t ldx;
    size_t m;
    float *out; /* out[m][ldo] */
    size_t ldo;
    enum act act; /* not ACT_SOFTMAX unless raw */
    bool raw;     /* out is z, unflushed */
};

/* Units k0 .. k1 - 1 of the layer below: dx = (d W) * sigma'(z), by sigma' in terms of a.
 * The transposed form of m rows of d is dt[row / 16][n][row % 16], ldt floats from block to block.
 * k0 is a multiple of 16, and k1 too unless it is the number of inputs. */
struct kernel_delta {
    const float *w;
    size_t stride;
    size_t panels; /* of the layer above */
    size_t k0, k1;
    size_t m;
    const float *dt;
    size_t ldt;
    const float *a; /* a[m][lda] of the layer below, lda the same for dx */
    size_t lda;
    enum act act;
    const float *mask; /* mask[m][lda], which dx is taken times; NULL: none */
    float *dx;
    float *dxt; /* its transposed form; also holds partial sums */
    size_t ldxt;
};

/* From the sum g of a batch's gradients, with t = g / m, within -clip .. clip, plus l2_n w plus
 * l1_n sign(w), eta the learning rate, and the states p and q of each parameter (train.h has the
 * sources):
 *
 *   plain     w' = fma(g, rate, w)
 *   decay     w' = flush(fma(g, rate, w * decay))
 *   terms     w' = fma(t, -eta, w)
 *   gradient  p' = g, and w stays
 *   momentum  p' = mu p + t;  w' = w - eta p', or, nesterov, w - eta (t + mu p')
 *   rmsprop   q' = alpha q + (1 - alpha) t^2;  u = t / (sqrt q' + eps);  w' = w - eta u, or, with
 *             momentum, p' = mu p + u;  w' = w - eta p'
 *   adam      p' = beta1 p + (1 - beta1) t;  q' = beta2 q + (1 - beta2) t^2
 *             w' = w * decay - eta / (1 - beta1^k) p' / (sqrt q' / sqrt(1 - beta2^k) + eps)
 *   rprop     q' = q times 1.2, 1/2 or 1 as t p is above, below or 0, within 1e-6 .. 50; t = 0 where
 *             it is below; w' = w - sign(t) q';  p' = t
 *
 * Biases likewise without decay, l2_n and l1_n. States have the layout of w. */
enum step_kind {
    STEP_PLAIN,
    STEP_DECAY,
    STEP_TERMS,
    STEP_GRADIENT,
    STEP_MOMENTUM,
    STEP_RMSPROP,
    STEP_ADAM,
    STEP_RPROP
};
struct kernel_step {
    enum step_kind kind;
    float rate;  /* -eta / m */
    float decay; /* 1 - eta l2_n, 1 - eta weight_decay of adamw */
    float eta, mu, inv_m;
    float l2_n; /* lambda / n + weight_decay */
    float l1_n; /* l1 / n */
    float clip; /* 0: none */
    bool nesterov;
    float keep1, take1; /* beta1, 1 - beta1 */
    float keep2, take2; /* beta2 or alpha, 1 - that */
    float eps, root2;   /* 1 / sqrt(1 - beta2^k) */
    float eta1;         /* eta / (1 - beta1^k) */
};

struct kernel_update {
    const struct kernel_step *step;
    float *w, *b;
    float *pw, *pb, *qw, *qb; /* states; NULL where the kind has none */
    size_t stride;
    size_t in; /* 0: the biases only */
    size_t p0, p1;
    const float *x; /* x[m][ldx], what the layer saw */
    size_t ldx;
    const float *d; /* d[m][ldd] */
    size_t ldd;
    size_t m;
};

/* What a row costs and whether it was answered rightly; a line pair of its own, as rows are shared
 * out to workers. */
struct kernel_row {
    float loss;
    uint32_t answer, truth; /* index of the largest output, the lowest of equals */
    uint32_t right;
    float pad[28];
};

/* Rows r0 .. r1 - 1: z becomes a in place, row[] is filled, and d, when not NULL, is dC/dz of one
 * row's cost, with its transposed form. r0 is a multiple of 16 when d is set. */
struct kernel_cost {
    enum act act;
    enum cost cost;
    size_t out;
    size_t r0, r1;
    float *z; /* z[m][ld], as y and d */
    const float *y;
    size_t ld;
    float *d, *dt;
    size_t ldt;
    const float *weight; /* of each row, which its cost is taken times, with d; NULL: 1 */
    struct kernel_row *row;
};

/* bf16.h has what these are and how their bits are defined. c = A B: 16 or 32 rows of A, one or two
 * panels of 16 columns of B, summed over pairs of values, a multiple of 16 of them. */
struct kernel_dot {
    const uint32_t *a; /* a[row][pair] */
    size_t lda;        /* pairs from row to row */
    size_t rows;
    const uint32_t *b; /* b[panel][pair][column] */
    size_t ldb;        /* pairs times 16 from panel to panel */
    size_t panels;
    size_t pairs;
    float *c; /* c[panel][32][16], aligned to 64 bytes */
};

struct kernel {
    const char *name;
    void (*forward)(const struct kernel_forward *job);
    void (*delta)(const struct kernel_delta *job);
    void (*update)(const struct kernel_update *job);
    void (*cost)(const struct kernel_cost *job);
    /* z[m][ld] becomes a in place; n logical outputs. Any activation. */
    void (*activate)(enum act act, size_t n, size_t m, float *z, size_t ld);
    /* out[width] = flush(x) or flush((x - shift) * scale); out is padded to a multiple of 16. */
    void (*gather)(enum dtype dtype, const void *x, size_t width, const struct norm_map *norm,
                   float *out);
    /* Of delta: from the sums in dxt to dx and dxt. */
    void (*delta_finish)(const struct kernel_delta *job);
    /* Of update: n weights w with the sums g of their gradients, a multiple of 16. */
    void (*step)(const struct kernel_step *step, size_t n, const float *g, float *w, float *p,
                 float *q);
    void (*dot)(const struct kernel_dot *job);
    /* To pairs of bf16. out[r][j] = x[r][2j], x[r][2j + 1], the last with +0 when cols is odd. */
    void (*pair_rows)(const float *x, size_t ldx, size_t rows, size_t cols, uint32_t *out,
                      size_t ldo);
    /* out[k][j] = x[2j][k], x[2j + 1][k], rows from `rows` to the next multiple of 32 being +0. */
    void (*pair_columns)(const float *x, size_t ldx, size_t rows, size_t cols, uint32_t *out,
                         size_t ldo);
    /* out[j][n] = x[2j][n], x[2j + 1][n] for n < 16, likewise. */
    void (*pair_lines)(const float *x, size_t ldx, size_t rows, uint32_t *out);
    /* exp, ln, log1p on [0, 1], sigmoid, tanh over n floats; for the tests of their errors. */
    void (*map)(int what, const float *x, float *out, size_t n);
};

enum { MAP_EXP, MAP_LN, MAP_LOG1P, MAP_SIGMOID, MAP_TANH, MAP_COUNT };

/* NULL where the compiler did not build for it. */
extern const struct kernel *const kernel_scalar, *const kernel_avx2, *const kernel_avx512,
                                                                         *const kernel_neon;

/* The fastest that this processor and its operating system have, by CPUID. */
const struct kernel *kernel_best(void);
/* The k-th fastest of those this processor has; NULL past the last. */
const struct kernel *kernel_nth(size_t k);
/* Sets what kernel_chosen gives: by main, once, before there are threads.
 * Errors: ERR_FIELD at "isa", naming those this processor has. */
bool kernel_force(const char *name, struct err *err);
/* The forced one, else the best; what net_create takes. */
const struct kernel *kernel_chosen(void);
const char *kernel_name(const struct kernel *kernel);

/* n rounded up to a multiple of unit. */
static inline size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

#endif
