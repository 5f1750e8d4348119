/* The generator, against the published vectors of its two parts, and the draws made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "near.h"
#include "net.h"
#include "rng.h"

/* splitmix64 from 1234567: the values that Vigna's splitmix64.c gives. */
static void a_seed_is_spread_by_splitmix64(void **state)
{
    static const uint64_t want[4] = { 6457827717110365317u, 3203168211198807973u,
                                      9817491932198370423u, 4593380528125082431u };
    struct rng rng;

    (void)state;
    rng_init(&rng, 1234567);
    for (size_t i = 0; i < 4; i++) {
        assert_true(rng.s[i] == want[i]);
    }
}

/* xoshiro256** from the state 1, 2, 3, 4: the values that Blackman and Vigna's code gives. */
static void numbers_are_those_of_xoshiro256(void **state)
{
    static const uint64_t want[10] = { 11520u,
                                       0u,
                                       1509978240u,
                                       1215971899390074240u,
                                       1216172134540287360u,
                                       607988272756665600u,
                                       16172922978634559625u,
                                       8476171486693032832u,
                                       10595114339597558777u,
                                       2904607092377533576u };
    struct rng rng = { { 1, 2, 3, 4 } };

    (void)state;
    for (size_t i = 0; i < 10; i++) {
        assert_true(rng_next(&rng) == want[i]);
    }
}

static void below_is_below_and_reaches_everything(void **state)
{
    static const uint64_t limits[] = { 1, 2, 3, 10, 1000 };
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (size_t l = 0; l < sizeof limits / sizeof *limits; l++) {
        size_t seen[1000] = { 0 };

        for (size_t i = 0; i < 20000; i++) {
            const uint64_t n = rng_below(&rng, limits[l]);

            assert_true(n < limits[l]);
            seen[n]++;
        }
        for (size_t n = 0; n < limits[l]; n++) {
            const double mean = 20000.0 / (double)limits[l];

            assert_near((double)seen[n], mean, 6.0 * sqrt(mean)); /* six deviations */
        }
    }
    for (size_t i = 0; i < 1000; i++) { /* nearly half of all draws are thrown away */
        assert_true(rng_below(&rng, ((uint64_t)1 << 63) + 1) <= (uint64_t)1 << 63);
    }
}

/* The moments of N(0, 1): 0, 1, 0, 3. */
static void normal_draws_have_the_moments_of_the_normal_distribution(void **state)
{
    enum { N = 1000000 };
    double sum[4] = { 0 };
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (size_t i = 0; i < N; i++) {
        const double x = rng_normal(&rng);

        sum[0] += x;
        sum[1] += x * x;
        sum[2] += x * x * x;
        sum[3] += x * x * x * x;
    }
    /* six deviations: Var x = 1, Var x^2 = 2, Var x^3 = 15, Var x^4 = 96 */
    assert_near(sum[0] / N, 0.0, 6.0 * sqrt(1.0 / N));
    assert_near(sum[1] / N, 1.0, 6.0 * sqrt(2.0 / N));
    assert_near(sum[2] / N, 0.0, 6.0 * sqrt(15.0 / N));
    assert_near(sum[3] / N, 3.0, 6.0 * sqrt(96.0 / N));
}

/* Each way to draw weights has the deviation that its name stands for. */
static void weights_are_as_wide_as_their_init_says(void **state)
{
    static const double variance[INIT_COUNT] = {
        [INIT_SCALED_NORMAL] = 1.0 / 400,          [INIT_NORMAL] = 1.0,
        [INIT_XAVIER] = 2.0 / (400 + 300),         [INIT_HE] = 2.0 / 400,
        [INIT_XAVIER_UNIFORM] = 2.0 / (400 + 300), [INIT_HE_UNIFORM] = 2.0 / 400,
    };
    static float w[400 * 300], b[300];

    (void)state;
    for (int init = 0; init < INIT_COUNT; init++) {
        for (int bias = 0; bias < BIAS_COUNT; bias++) {
            const struct net_spec spec = { .inputs = 400,
                                           .n_layers = 1,
                                           .layers = { { 300, ACT_SIGMOID } },
                                           .init = (enum init)init,
                                           .bias_init = (enum bias_init)bias,
                                           .seed = 3 };
            double sum = 0.0, squares = 0.0, biases = 0.0;
            struct err err = { 0 };
            struct net *net;

            assert_true(net_create(&spec, &net, &err));
            net_init(net);
            net_get_layer(net, 0, w, b);
            for (size_t i = 0; i < 400 * 300; i++) {
                sum += (double)w[i];
                squares += (double)w[i] * (double)w[i];
            }
            for (size_t j = 0; j < 300; j++) {
                biases += (double)b[j] * (double)b[j];
            }
            assert_near(sum / (400 * 300), 0.0, 6.0 * sqrt(variance[init] / (400 * 300)));
            assert_near(squares / (400 * 300) / variance[init], 1.0, 6.0 * sqrt(2.0 / (400 * 300)));
            assert_near(biases / 300, bias == BIAS_NORMAL ? 1.0 : 0.0, 6.0 * sqrt(2.0 / 300));
            net_free(net);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_is_spread_by_splitmix64),
        cmocka_unit_test(numbers_are_those_of_xoshiro256),
        cmocka_unit_test(below_is_below_and_reaches_everything),
        cmocka_unit_test(normal_draws_have_the_moments_of_the_normal_distribution),
        cmocka_unit_test(weights_are_as_wide_as_their_init_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
