/* BP2 against one chain of fused multiply-adds an element, bit for bit, on every kernel that this
 * machine has: few rows are summed by another loop than many. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel.h"
#include "rng.h"

#define ROWS_MAX 40
#define IN_MAX 70
#define OUT_MAX 50
#define LD_IN 96  /* of IN_MAX units, as of their transposed form */
#define LD_OUT 64 /* of OUT_MAX units */

/* A layer's weights in their panels, and rows of d in the transposed form. */
struct layer {
    size_t in, out, m, stride;
    float w[(OUT_MAX / PANEL + 1) * LD_IN * PANEL];
    float dt[(ROWS_MAX / PANEL + 1) * LD_OUT * PANEL];
    float a[ROWS_MAX + PANEL][LD_IN], dx[ROWS_MAX + PANEL][LD_IN];
    float dxt[(ROWS_MAX / PANEL + 1) * LD_IN * PANEL];
};

static float *weight(struct layer *layer, size_t n, size_t k)
{
    return &layer->w[n / PANEL * layer->stride + k * PANEL + n % PANEL];
}

static float *turned(float *t, size_t ld, size_t m, size_t n)
{
    return &t[m / PANEL * ld * PANEL + n * PANEL + m % PANEL];
}

static void layer_fill(struct layer *layer, size_t in, size_t out, size_t m)
{
    struct rng rng;

    memset(layer, 0, sizeof *layer);
    rng_init(&rng, in * 1000 + out * 10 + m);
    layer->in = in;
    layer->out = out;
    layer->m = m;
    layer->stride = round_up(in, 2) * PANEL;
    for (size_t n = 0; n < out; n++) {
        for (size_t k = 0; k < in; k++) {
            *weight(layer, n, k) = (float)(rng_unit(&rng) - 0.5);
        }
        for (size_t i = 0; i < m; i++) {
            *turned(layer->dt, LD_OUT, i, n) = (float)(rng_unit(&rng) - 0.5);
        }
    }
    for (size_t i = 0; i < sizeof layer->dxt / sizeof *layer->dxt; i++) {
        layer->dxt[i] = 7.0f; /* what an earlier step left */
    }
}

/* sum_n d[m][n] W[n][k], n ascending, below 2^-60 as 0. */
static float chain(struct layer *layer, size_t m, size_t k)
{
    float sum = 0.0f;

    for (size_t n = 0; n < layer->out; n++) {
        sum = fmaf(*turned(layer->dt, LD_OUT, m, n), *weight(layer, n, k), sum);
    }
    return fabsf(sum) < 0x1p-60f ? 0.0f : sum;
}

static void delta_run(const struct kernel *kernel, struct layer *layer, size_t k0, size_t k1)
{
    const struct kernel_delta job = { .w = layer->w,
                                      .stride = layer->stride,
                                      .panels = round_up(layer->out, PANEL) / PANEL,
                                      .k0 = k0,
                                      .k1 = k1,
                                      .m = layer->m,
                                      .dt = layer->dt,
                                      .ldt = LD_OUT * PANEL,
                                      .a = layer->a[0],
                                      .lda = LD_IN,
                                      .act = ACT_LINEAR,
                                      .dx = layer->dx[0],
                                      .dxt = layer->dxt,
                                      .ldxt = LD_IN * PANEL };

    kernel->delta(&job);
}

static void layer_check(struct layer *layer)
{
    for (size_t i = 0; i < layer->m; i++) {
        for (size_t k = 0; k < layer->in; k++) {
            const float want = chain(layer, i, k);

            assert_memory_equal(&layer->dx[i][k], &want, sizeof want);
            assert_memory_equal(turned(layer->dxt, LD_IN, i, k), &want, sizeof want);
        }
    }
    for (size_t i = layer->m; i < round_up(layer->m, PANEL); i++) { /* pads of deltas are 0 */
        for (size_t k = 0; k < layer->in; k++) {
            assert_true(*turned(layer->dxt, LD_IN, i, k) == 0.0f);
        }
    }
}

static void test_delta(void **state)
{
    static const size_t rows[] = { 1, 2, 3, 4, 5, 10, 16, 17, 33, ROWS_MAX };
    static const size_t widths[][2] = { { 1, 1 },   { 15, 10 }, { 16, 16 },
                                        { 33, 17 }, { 64, 32 }, { IN_MAX, OUT_MAX } };
    struct layer *layer = malloc(sizeof *layer);
    const struct kernel *kernel;

    (void)state;
    assert_non_null(layer);
    for (size_t n = 0; (kernel = kernel_nth(n)) != NULL; n++) {
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
                const size_t in = widths[i][0], cut = in / 2 / PANEL * PANEL;

                layer_fill(layer, in, widths[i][1], rows[r]);
                delta_run(kernel, layer, 0, in);
                layer_check(layer);
                delta_run(kernel, layer, 0, cut); /* as two workers do */
                delta_run(kernel, layer, cut, in);
                layer_check(layer);
            }
        }
    }
    free(layer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delta),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
