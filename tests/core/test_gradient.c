/* One step of the trainer moves each parameter by -eta times a slope that was measured without any
 * calculus: by central differences of the float64 reference's cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel.h"
#include "naive.h"
#include "near.h"
#include "rng.h"
#include "train.h"

#define ROWS_MAX 40

static const struct {
    enum act act;
    enum cost cost;
} pairs[] = {
    { ACT_SIGMOID, COST_MSE }, { ACT_SIGMOID, COST_CROSS_ENTROPY },
    { ACT_TANH, COST_MSE },    { ACT_LINEAR, COST_MSE },
    { ACT_SOFTMAX, COST_LOG_LIKELIHOOD },
};
#define N_PAIRS (sizeof pairs / sizeof *pairs)

static float x[ROWS_MAX * 64], y[ROWS_MAX * 64];
static struct naive before, after;

static void rows_draw(const struct net_spec *spec, size_t m, struct rng *rng, struct data *data)
{
    const size_t out = spec_outputs(spec);

    for (size_t i = 0; i < m * spec->inputs; i++) {
        x[i] = (float)rng_normal(rng);
    }
    for (size_t i = 0; i < m; i++) {
        double sum = 0.0;

        for (size_t j = 0; j < out; j++) {
            y[i * out + j] = (float)rng_unit(rng);
            sum += (double)y[i * out + j];
        }
        for (size_t j = 0; spec->cost == COST_LOG_LIKELIHOOD && j < out; j++) {
            y[i * out + j] /= (float)sum;
        }
    }
    *data = (struct data){ .x = { DTYPE_F32, m, spec->inputs, x }, .values = y };
}

static double cost_of(const struct naive *naive, size_t m)
{
    const size_t in = naive->spec.inputs, out = spec_outputs(&naive->spec);
    double sum = 0.0, xd[64], yd[64];

    for (size_t i = 0; i < m; i++) {
        for (size_t k = 0; k < in; k++) {
            xd[k] = (double)x[i * in + k];
        }
        for (size_t j = 0; j < out; j++) {
            yd[j] = (double)y[i * out + j];
        }
        sum += naive_cost(naive, xd, yd);
    }
    return sum / (double)m;
}

static void slopes_agree(const struct net_spec *spec, size_t m, uint64_t seed)
{
    const double h = 1e-5;
    const struct train_plan plan = { .batch_size = m, .learning_rate = 1.0f };
    struct share share = SHARE_ALONE;
    struct err err = { 0 };
    struct trainer *trainer;
    struct net *net;
    struct data data;
    struct rng rng;

    rng_init(&rng, seed);
    rows_draw(spec, m, &rng, &data);
    assert_true(net_create(spec, &net, &err));
    net_init(net);
    naive_from(&before, net);
    assert_true(trainer_create(net, &data, &plan, &trainer, &err));
    assert_true(trainer_step(trainer, &share, &err));
    assert_near(trainer_sum(trainer).loss, cost_of(&before, m), 1e-5);
    naive_from(&after, net);
    for (size_t i = 0; i < before.n; i += 1 + before.n / 150) {
        const double p = before.p[i];
        double slope, moved;

        before.p[i] = p + h;
        slope = cost_of(&before, m);
        before.p[i] = p - h;
        slope = (slope - cost_of(&before, m)) / (2.0 * h);
        before.p[i] = p;
        moved = p - after.p[i];
        /* float32 sums, and the rounding of w itself */
        assert_near(moved, slope, 2e-5 * (1.0 + fabs(slope)) + 1e-7 * fabs(p));
    }
    trainer_free(trainer);
    net_free(net);
}

static void spec_make(struct net_spec *spec, size_t depth, const size_t *widths, enum act hidden,
                      size_t pair)
{
    memset(spec, 0, sizeof *spec);
    spec->inputs = widths[0];
    spec->n_layers = depth;
    for (size_t l = 0; l < depth; l++) {
        spec->layers[l].units = widths[l + 1];
        spec->layers[l].act = l + 1 == depth ? pairs[pair].act : hidden;
    }
    spec->cost = pairs[pair].cost;
    spec->bias_init = BIAS_NORMAL;
    spec->seed = 11;
}

static void a_step_follows_the_measured_slope(void **state)
{
    static const size_t shapes[][5] = {
        { 3, 5, 2, 4, 3 }, { 17, 33, 16, 3, 1 }, { 1, 1, 17, 33, 17 }, { 40, 16, 48, 7, 33 },
    };
    static const size_t batches[] = { 1, 3, 16, 33 };
    const struct kernel *kernel;
    size_t at = 0;

    (void)state;
    for (size_t k = 0; (kernel = kernel_nth(k)) != NULL; k++) {
        struct err err = { 0 };

        assert_true(kernel_force(kernel->name, &err));
        for (size_t pair = 0; pair < N_PAIRS; pair++) {
            for (int hidden = ACT_SIGMOID; hidden <= ACT_LINEAR; hidden++) {
                for (size_t depth = 1; depth <= 4; depth++) {
                    for (size_t s = 0; s < 2; s++) { /* every shape and batch comes by in turn */
                        struct net_spec spec;

                        spec_make(&spec, depth, shapes[at % 4], (enum act)hidden, pair);
                        slopes_agree(&spec, batches[at / 4 % 4], at);
                        at++;
                    }
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_follows_the_measured_slope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
