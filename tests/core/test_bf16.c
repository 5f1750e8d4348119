/* bf16 operands: their rounding, products held against the instruction's pseudo-code, the code for
 * tiles with tiles of our own, and what is learned with them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bf16.h"
#include "rng.h"
#include "train.h"

/* ---- tiles in plain C ---- */

static uint32_t tiles[8][16][16];
static bool tiles_on;

static float half_of(uint32_t pair, int high)
{
    const uint32_t bits = high ? pair & 0xffff0000 : pair << 16;
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static void tile_move(uint32_t (*tile)[16], const void *from, void *to, size_t stride)
{
    assert_true(tiles_on);
    for (size_t r = 0; r < 16; r++) {
        if (from != NULL) {
            memcpy(tile[r], (const char *)from + r * stride, 64);
        } else {
            memcpy((char *)to + r * stride, tile[r], 64);
        }
    }
}

/* TDPBF16PS of the Intel SDM, volume 2, operation by operation; operands that are denormal, or would
 * make such, do not come up (bf16.h). */
static void tile_dot(int dst, int src1, int src2)
{
    assert_true(tiles_on);
    for (size_t m = 0; m < 16; m++) {
        float temp1[32] = { 0 };

        for (size_t k = 0; k < 16; k++) {
            for (size_t n = 0; n < 16; n++) {
                for (int h = 0; h < 2; h++) {
                    temp1[2 * n + (size_t)h] =
                        fmaf(half_of(tiles[src1][m][k], h), half_of(tiles[src2][k][n], h),
                             temp1[2 * n + (size_t)h]);
                }
            }
        }
        for (size_t n = 0; n < 16; n++) {
            float sum;

            memcpy(&sum, &tiles[dst][m][n], sizeof sum);
            sum += temp1[2 * n] + temp1[2 * n + 1];
            memcpy(&tiles[dst][m][n], &sum, sizeof sum);
        }
    }
}

#define TILE_BEGIN tiles_on = true;
#define TILE_END tiles_on = false;
#define TILE_ZERO(t) memset(tiles[t], 0, sizeof tiles[t])
#define TILE_LOAD(t, from, stride) tile_move(tiles[t], from, NULL, stride)
#define TILE_STORE(t, to, stride) tile_move(tiles[t], NULL, to, stride)
#define TILE_DOT(c, a, b) tile_dot(c, a, b)
#include "kernel_amx.h"

/* ---- rounding ---- */

static float from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t rounded(const struct kernel *kernel, float value)
{
    uint32_t pair;

    kernel->pair_rows(&value, 1, 1, 1, &pair, 1);
    assert_int_equal(pair >> 16, 0);
    return pair;
}

/* Of two neighbours the nearer, of equals the even one: every upper half, and lower halves that
 * matter. */
static void every_value_is_rounded_to_the_nearest(void **state)
{
    static const uint32_t lows[] = { 0, 1, 0x7fff, 0x8000, 0x8001, 0xffff };
    const struct kernel *kernel;

    (void)state;
    for (size_t k = 0; (kernel = kernel_nth(k)) != NULL; k++) {
        for (uint32_t high = 0; high < 0x10000; high++) {
            for (size_t i = 0; i < sizeof lows / sizeof *lows; i++) {
                const uint32_t bits = high << 16 | lows[i];
                const float value = from_bits(bits);
                const uint32_t got = rounded(kernel, value);

                if (isnan(value)) {
                    assert_true(isnan(from_bits(got << 16)));
                } else if (fabsf(value) < 0x1p-50f) {
                    assert_int_equal(got, 0);
                } else {
                    const uint32_t up = lows[i] > 0x8000 || (lows[i] == 0x8000 && high % 2 == 1);

                    assert_int_equal(got, high + up);
                }
            }
        }
    }
}

/* ---- products ---- */

#define PAIRS_MAX 64

struct operands {
    uint32_t a[32 * PAIRS_MAX], b[2 * PAIRS_MAX * 16];
};

static void operands_fill(struct operands *ops, uint64_t seed)
{
    uint32_t *all = ops->a;
    struct rng rng;

    rng_init(&rng, seed);
    for (size_t i = 0; i < sizeof *ops / sizeof *all; i++) {
        float x[2];

        for (size_t j = 0; j < 2; j++) {
            x[j] = (float)rng_normal(&rng);
            x[j] *= rng_below(&rng, 4) == 0 ? 0x1p-48f : rng_below(&rng, 4) == 0 ? 0x1p40f : 1.0f;
            x[j] = rng_below(&rng, 10) == 0 ? 0.0f : x[j];
        }
        kernel_chosen()->pair_rows(x, 2, 1, 2, all + i, 1);
    }
}

static void products_have_the_instructions_bits(void **state)
{
    static struct operands ops;
    _Alignas(64) static float want[2 * 32 * 16], got[2 * 32 * 16];
    const struct kernel *kernel;

    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct kernel_dot job = { .a = ops.a,
                                  .lda = PAIRS_MAX,
                                  .rows = seed % 2 == 0 ? 32 : 16,
                                  .b = ops.b,
                                  .ldb = PAIRS_MAX * 16,
                                  .panels = 1 + seed / 2 % 2,
                                  .pairs = 16 * (1 + seed % 4) };

        operands_fill(&ops, seed);
        memset(want, 0x55, sizeof want);
        job.c = want;
        tiles_dot(&job);
        assert_false(tiles_on);
        for (size_t k = 0; (kernel = kernel_nth(k)) != NULL; k++) {
            memset(got, 0x55, sizeof got);
            job.c = got;
            kernel->dot(&job);
            assert_memory_equal(got, want, sizeof got);
        }
        if (amx_dot() != NULL) {
            memset(got, 0x55, sizeof got);
            amx_dot()(&job);
            assert_memory_equal(got, want, sizeof got);
        }
    }
}

/* Against float64, of operands around 1: n roundings of partial sums. */
static void products_are_near_the_true_ones(void **state)
{
    static struct operands ops;
    _Alignas(64) static float c[2 * 32 * 16];
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (size_t i = 0; i < sizeof ops / sizeof ops.a[0]; i++) {
        const float x[2] = { (float)rng_normal(&rng), (float)rng_normal(&rng) };

        kernel_chosen()->pair_rows(x, 2, 1, 2, ops.a + i, 1);
    }
    kernel_chosen()->dot(&(struct kernel_dot){ .a = ops.a,
                                               .lda = PAIRS_MAX,
                                               .rows = 32,
                                               .b = ops.b,
                                               .ldb = PAIRS_MAX * 16,
                                               .panels = 2,
                                               .pairs = PAIRS_MAX,
                                               .c = c });
    for (size_t j = 0; j < 2; j++) {
        for (size_t r = 0; r < 32; r++) {
            for (size_t n = 0; n < 16; n++) {
                double sum = 0.0;

                for (size_t k = 0; k < PAIRS_MAX; k++) {
                    for (int h = 0; h < 2; h++) {
                        sum += (double)half_of(ops.a[r * PAIRS_MAX + k], h) *
                               (double)half_of(ops.b[(j * PAIRS_MAX + k) * 16 + n], h);
                    }
                }
                assert_true(fabs(sum - (double)c[(j * 32 + r) * 16 + n]) < 2e-5);
            }
        }
    }
}

/* ---- packing ---- */

static void forms_hold_the_same_values(void **state)
{
    float x[37 * 48];
    uint32_t rows[37 * 24] = { 0 }, columns[48 * 32], lines[32 * 16];
    const struct kernel *kernel;

    (void)state;
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) {
        x[i] = (float)(i % 251); /* exact */
    }
    for (size_t k = 0; (kernel = kernel_nth(k)) != NULL; k++) {
        memset(columns, 0xff, sizeof columns);
        memset(lines, 0xff, sizeof lines);
        kernel->pair_rows(x, 48, 37, 47, rows, 24);
        kernel->pair_columns(x, 48, 37, 47, columns, 32);
        kernel->pair_lines(x + 16, 48, 37, lines);
        for (size_t r = 0; r < 64; r++) {
            for (size_t c = 0; c < 47; c++) {
                const float want = r < 37 ? x[r * 48 + c] : 0.0f;

                assert_true(r >= 37 || half_of(rows[r * 24 + c / 2], c % 2) == want);
                assert_true(half_of(columns[c * 32 + r / 2], r % 2) == want);
                assert_true(c < 16 || c >= 32 ||
                            half_of(lines[r / 2 * 16 + c - 16], r % 2) == want);
            }
            assert_true(r >= 37 || half_of(rows[r * 24 + 23], 1) == 0.0f);
        }
    }
}

/* ---- training ---- */

#define ROWS 200
#define INPUTS 19

static void run_last_first(struct share *share, share_piece *piece, void *arg, size_t n)
{
    (void)share;
    while (n-- > 0) {
        piece(arg, n);
    }
}

struct learned {
    double loss;
    float weights[INPUTS * 70];
};

/* Classes by which of three sums of inputs is the largest. */
static void learn(enum precision precision, size_t ways, size_t batch, float momentum,
                  struct learned *ret)
{
    static float x[ROWS * INPUTS], b[70];
    static uint32_t classes[ROWS];
    const struct net_spec spec = {
        .inputs = INPUTS,
        .n_layers = 3,
        .layers = { { 70, ACT_TANH }, { 33, ACT_SIGMOID }, { 3, ACT_SOFTMAX } },
        .cost = COST_LOG_LIKELIHOOD,
        .seed = 2
    };
    const struct train_plan plan = { .batch_size = batch,
                                     .learning_rate = momentum > 0.0f ? 0.05f : 0.4f,
                                     .momentum = momentum,
                                     .l2 = 0.1f,
                                     .precision = precision };
    struct share share = { .ways = ways, .run = run_last_first };
    struct err err = { 0 };
    struct trainer *trainer;
    struct net *net;
    struct rng rng;
    const struct data data = { .x = { DTYPE_F32, ROWS, INPUTS, x }, .classes = classes };

    rng_init(&rng, 9);
    for (size_t i = 0; i < ROWS; i++) {
        float sums[3] = { 0 };

        for (size_t j = 0; j < INPUTS; j++) {
            x[i * INPUTS + j] = (float)rng_normal(&rng);
            sums[j % 3] += x[i * INPUTS + j];
        }
        classes[i] = sums[0] > sums[1] ? (sums[0] > sums[2] ? 0 : 2) : sums[1] > sums[2] ? 1 : 2;
    }
    assert_true(net_create(&spec, &net, &err));
    net_init(net);
    assert_true(trainer_create(net, &data, &plan, &trainer, &err));
    trainer_force_ways(trainer, ways);
    for (size_t i = 0; i < 60 * trainer_steps(trainer); i++) {
        assert_true(trainer_step(trainer, &share, &err));
    }
    ret->loss = trainer_sum(trainer).loss;
    net_get_layer(net, 0, ret->weights, b);
    trainer_free(trainer);
    net_free(net);
}

static void the_same_bits_from_any_kernel_and_workers(void **state)
{
    static struct learned first, other;
    const struct kernel *kernel;
    struct err err = { 0 };

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        const size_t batch = kind == 0 ? 50 : 7;
        const float momentum = kind == 0 ? 0.0f : 0.9f;

        assert_true(kernel_force(kernel_nth(0)->name, &err));
        learn(PRECISION_BF16, 1, batch, momentum, &first);
        for (size_t k = 0; (kernel = kernel_nth(k)) != NULL; k++) {
            assert_true(kernel_force(kernel->name, &err));
            for (size_t ways = 1; ways <= 7; ways += ways < 3 ? 1 : 4) {
                learn(PRECISION_BF16, ways, batch, momentum, &other);
                assert_memory_equal(&other, &first, sizeof first);
            }
        }
    }
    assert_true(kernel_force(kernel_nth(0)->name, &err));
}

static void it_learns_as_float32_does(void **state)
{
    static struct learned bf16, float32;

    (void)state;
    learn(PRECISION_BF16, 1, 50, 0.0f, &bf16);
    learn(PRECISION_FLOAT32, 1, 50, 0.0f, &float32);
    assert_true(float32.loss < 0.35);
    assert_true(fabs(bf16.loss - float32.loss) < 0.05 * float32.loss);
    assert_memory_not_equal(bf16.weights, float32.weights, sizeof bf16.weights);
}

static void it_says_what_it_uses(void **state)
{
    (void)state;
    bf16_begin();
    assert_string_equal(bf16_name(), amx_dot() != NULL ? "amx" : "emulated");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_rounded_to_the_nearest),
        cmocka_unit_test(products_have_the_instructions_bits),
        cmocka_unit_test(products_are_near_the_true_ones),
        cmocka_unit_test(forms_hold_the_same_values),
        cmocka_unit_test(the_same_bits_from_any_kernel_and_workers),
        cmocka_unit_test(it_learns_as_float32_does),
        cmocka_unit_test(it_says_what_it_uses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
