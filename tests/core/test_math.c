/* exp, ln, log1p, sigmoid and tanh, held against float64 in units in the last place of the float32
 * result; every kernel has to give the same bits as the first.
 *
 * Every STRIDE-th float32 of the range is taken, an odd number so that all exponents and all low
 * bits come by. FULL=1 in the environment takes all 2^32, some ten minutes a kernel; that is how
 * the bounds were found that kernel_math.h states and this test holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel.h"

#define STRIDE 1021
#define BLOCK 4096

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static const struct {
    const char *name;
    double (*exact)(double);
    float from, to; /* where the function is promised anything */
    double ulps;
} maps[MAP_COUNT] = {
    [MAP_EXP] = { "exp", exp, -87.33f, 88.72f, 1.009 },
    [MAP_LN] = { "ln", log, 0x1p-126f, 0x1.fffffep127f, 1.969 },
    [MAP_LOG1P] = { "log1p", log1p, 0.0f, 1.0f, 1.969 },
    [MAP_SIGMOID] = { "sigmoid", sigmoid, -41.0f, INFINITY, 2.481 },
    [MAP_TANH] = { "tanh", tanh, -INFINITY, INFINITY, 1.333 },
};

static uint64_t stride(void)
{
    return getenv("FULL") != NULL ? 1 : STRIDE;
}

/* The next floats of the range, from the bits *at on, into x; 0 when there are no more. */
static size_t floats_take(uint64_t *at, float from, float to, float *x)
{
    size_t n = 0;

    for (; n < BLOCK && *at <= UINT32_MAX; *at += stride()) {
        const uint32_t bits = (uint32_t)*at;

        memcpy(&x[n], &bits, sizeof bits);
        n += x[n] >= from && x[n] <= to; /* no NaN is */
    }
    return n;
}

/* Distance from the exact value, in units of the last place of a float32 as large. */
static double ulps_off(float got, double exact)
{
    const int least = -126; /* denormals are as far apart as the smallest normals */
    const int k = exact == 0.0 ? least : ilogb(exact);

    return fabs((double)got - exact) / ldexp(1.0, (k < least ? least : k) - 23);
}

static void every_function_keeps_to_its_bound(void **state)
{
    const struct kernel *kernel = kernel_nth(0);

    (void)state;
    for (int map = 0; map < MAP_COUNT; map++) {
        float x[BLOCK], got[BLOCK], worst_at = 0.0f;
        double worst = 0.0;
        uint64_t at = 0;
        size_t n;

        while ((n = floats_take(&at, maps[map].from, maps[map].to, x)) > 0) {
            kernel->map(map, x, got, n);
            for (size_t i = 0; i < n; i++) {
                const double off = ulps_off(got[i], maps[map].exact((double)x[i]));

                if (!(off <= worst)) {
                    worst = off;
                    worst_at = x[i];
                }
            }
        }
        print_message("%s: %.3f ulp at most, at %a\n", maps[map].name, worst, (double)worst_at);
        assert_true(worst <= maps[map].ulps);
    }
}

/* Any float32 but a NaN, in the range or not: what one kernel makes of it the others make too. */
static void every_kernel_gives_the_same_bits(void **state)
{
    const struct kernel *first = kernel_nth(0), *kernel;

    (void)state;
    for (size_t k = 1; (kernel = kernel_nth(k)) != NULL; k++) {
        for (int map = 0; map < MAP_COUNT; map++) {
            const float from = map == MAP_LN ? 0x1p-126f : map == MAP_LOG1P ? 0.0f : -INFINITY;
            float x[BLOCK], want[BLOCK], got[BLOCK];
            uint64_t at = 0;
            size_t n;

            while ((n = floats_take(&at, from, INFINITY, x)) > 0) {
                first->map(map, x, want, n);
                kernel->map(map, x, got, n);
                for (size_t i = 0; i < n; i++) {
                    if (memcmp(&want[i], &got[i], sizeof want[i]) != 0 && !isnan(want[i])) {
                        print_error("%s(%a) is %a by %s, %a by %s\n", maps[map].name, (double)x[i],
                                    (double)want[i], first->name, (double)got[i], kernel->name);
                        assert_true(false);
                    }
                }
            }
        }
    }
}

/* Where sigmoids and softmax go at the ends, and what must never be lost on the way. */
static void ends_and_nans_are_as_stated(void **state)
{
    static const struct {
        int map;
        float x, want;
    } ends[] = {
        { MAP_EXP, 0.0f, 1.0f },         { MAP_EXP, -0.0f, 1.0f },
        { MAP_LN, 1.0f, 0.0f },          { MAP_LOG1P, 0.0f, 0.0f },
        { MAP_SIGMOID, 0.0f, 0.5f },     { MAP_SIGMOID, -0.0f, 0.5f },
        { MAP_SIGMOID, INFINITY, 1.0f }, { MAP_SIGMOID, 1e30f, 1.0f },
        { MAP_TANH, 0.0f, 0.0f },        { MAP_TANH, INFINITY, 1.0f },
        { MAP_TANH, -INFINITY, -1.0f },  { MAP_TANH, 20.0f, 1.0f },
    };
    const struct kernel *kernel;

    (void)state;
    for (size_t k = 0; (kernel = kernel_nth(k)) != NULL; k++) {
        const float nan = NAN, below = -INFINITY;
        float got;

        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
            kernel->map(ends[i].map, &ends[i].x, &got, 1);
            assert_true(got == ends[i].want);
        }
        for (int map = 0; map < MAP_COUNT; map++) {
            kernel->map(map, &nan, &got, 1);
            assert_true(isnan(got));
        }
        kernel->map(MAP_SIGMOID, &below, &got, 1); /* above 2^-60, so that it is not flushed */
        assert_true(got > 0x1p-60f && got < 0x1p-59f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_keeps_to_its_bound),
        cmocka_unit_test(every_kernel_gives_the_same_bits),
        cmocka_unit_test(ends_and_nans_are_as_stated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
