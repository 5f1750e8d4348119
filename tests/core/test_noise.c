/* Dropout, noise, smoothing and weights of classes against the same in float64, or against the same
 * said otherwise, on every kernel. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel.h"
#include "near.h"
#include "train.h"

enum { IN = 6, HIDDEN = 5, OUT = 3, ROWS = 22, BATCH = 8 };
enum { PARAMS = HIDDEN * (IN + 1) + OUT * (HIDDEN + 1) };

static float x[ROWS * IN], y[ROWS * OUT];
static uint32_t classes[ROWS];

static void data_fill(struct data *data)
{
    for (int i = 0; i < ROWS * IN; i++) {
        x[i] = (float)((i / IN * 7 + i % IN * 5) % 11) / 8.0f - 0.5f;
    }
    for (int i = 0; i < ROWS * OUT; i++) {
        y[i] = (float)((i / OUT * 3 + i % OUT * 4) % 7) / 4.0f - 0.75f;
    }
    for (int i = 0; i < ROWS; i++) {
        classes[i] = (uint32_t)(i * 5 % OUT);
    }
    *data = (struct data){ .x = { DTYPE_F32, ROWS, IN, x }, .values = y };
}

static struct net *net_make(enum act out, enum cost cost)
{
    const struct net_spec spec = { .inputs = IN,
                                   .n_layers = 2,
                                   .layers = { { HIDDEN, ACT_TANH }, { OUT, out } },
                                   .cost = cost,
                                   .bias_init = BIAS_NORMAL,
                                   .seed = 4 };
    struct err err = { 0 };
    struct net *net;

    assert_true(net_create(&spec, &net, &err));
    net_init(net);
    return net;
}

static void params_get(const struct net *net, float p[PARAMS])
{
    net_get_layer(net, 0, p, p + HIDDEN * IN);
    net_get_layer(net, 1, p + HIDDEN * (IN + 1), p + HIDDEN * (IN + 1) + OUT * HIDDEN);
}

static struct train_plan plan_of(float learning_rate, size_t batch_size)
{
    struct train_plan plan = { .batch_size = batch_size, .seed = 9 };

    optimizer_default(OPT_SGD, &plan);
    plan.learning_rate = learning_rate;
    return plan;
}

/* Steps, and the trainer's state after them, by a plan. */
static struct trainer_state steps_run(struct net *net, const struct data *data,
                                      const struct train_plan *plan, int steps)
{
    struct share share = SHARE_ALONE;
    struct trainer_state ret;
    struct trainer *trainer;
    struct err err = { 0 };

    assert_true(trainer_create(net, data, plan, &trainer, &err));
    for (int i = 0; i < steps; i++) {
        assert_true(trainer_step(trainer, &share, &err));
    }
    ret = trainer_save(trainer);
    trainer_free(trainer);
    return ret;
}

/* --- one step in float64 --- */

static void mask_draw(struct rng *rng, double p, int n, double *mask)
{
    uint64_t bits = 0;

    for (int j = 0; j < n; j++, bits >>= 16) {
        bits = j % 4 == 0 ? rng_next(rng) : bits;
        mask[j] = (double)(bits & 0xffff) < p * 65536.0 ? 0.0 : 1.0 / (1.0 - p);
    }
}

static void order_shuffle(struct rng rng, int order[ROWS])
{
    for (int i = 0; i < ROWS; i++) {
        order[i] = i;
    }
    for (int i = ROWS; i > 1; i--) {
        const int j = (int)rng_below(&rng, (uint64_t)i), spare = order[i - 1];

        order[i - 1] = order[j];
        order[j] = spare;
    }
}

/* Adds dC/dp of one row, C = 1/2 |a - y|^2, to g. */
static void row_gradient(const float *p, const double *in, const double *mask, const float *want,
                         double *g)
{
    const float *w1 = p, *b1 = p + HIDDEN * IN, *w2 = b1 + HIDDEN, *b2 = w2 + OUT * HIDDEN;
    double *g1 = g, *gb1 = g + HIDDEN * IN, *g2 = gb1 + HIDDEN, *gb2 = g2 + OUT * HIDDEN;
    double a[HIDDEN], d2[OUT];

    for (int j = 0; j < HIDDEN; j++) {
        double z = (double)b1[j];

        for (int k = 0; k < IN; k++) {
            z += (double)w1[j * IN + k] * in[k];
        }
        a[j] = tanh(z);
    }
    for (int i = 0; i < OUT; i++) {
        d2[i] = (double)b2[i] - (double)want[i];
        for (int j = 0; j < HIDDEN; j++) {
            d2[i] += (double)w2[i * HIDDEN + j] * a[j] * mask[j];
        }
        gb2[i] += d2[i];
    }
    for (int j = 0; j < HIDDEN; j++) {
        double d1 = 0.0;

        for (int i = 0; i < OUT; i++) {
            d1 += (double)w2[i * HIDDEN + j] * d2[i];
            g2[i * HIDDEN + j] += d2[i] * a[j] * mask[j];
        }
        d1 *= mask[j] * (1.0 - a[j] * a[j]);
        gb1[j] += d1;
        for (int k = 0; k < IN; k++) {
            g1[j * IN + k] += d1 * in[k];
        }
    }
}

static void step_naively(const struct train_plan *plan, const struct rng *epoch, float p[PARAMS])
{
    double g[PARAMS] = { 0.0 };
    int order[ROWS];

    order_shuffle(*epoch, order);
    for (int r = 0; r < BATCH; r++) {
        double in[IN], drop[IN], mask[HIDDEN];
        struct rng rng;

        rng_init(&rng, epoch->s[0] ^ (uint64_t)r);
        for (int k = 0; k < IN; k++) {
            in[k] = (double)x[order[r] * IN + k];
            in[k] += plan->input_noise > 0.0f ? (double)plan->input_noise * rng_normal(&rng) : 0.0;
        }
        if (plan->dropout_inputs > 0.0f) {
            mask_draw(&rng, (double)plan->dropout_inputs, IN, drop);
            for (int k = 0; k < IN; k++) {
                in[k] *= drop[k];
            }
        }
        mask_draw(&rng, (double)plan->dropout_hidden, HIDDEN, mask);
        row_gradient(p, in, mask, y + order[r] * OUT, g);
    }
    for (int i = 0; i < PARAMS; i++) {
        p[i] -= (float)((double)plan->learning_rate * g[i] / BATCH);
    }
}

static void random_step_is_as_defined(const struct train_plan *plan)
{
    const struct kernel *kernel;
    struct data data;
    float got[PARAMS], want[PARAMS];
    struct err err = { 0 };

    data_fill(&data);
    for (size_t k = 0; (kernel = kernel_nth(k)) != NULL; k++) {
        struct net *net;
        struct trainer_state state;

        assert_true(kernel_force(kernel->name, &err));
        net = net_make(ACT_LINEAR, COST_MSE);
        params_get(net, want);
        state = steps_run(net, &data, plan, 1);
        step_naively(plan, &state.rng, want);
        params_get(net, got);
        for (int i = 0; i < PARAMS; i++) {
            assert_near((double)got[i], (double)want[i], 1e-6);
        }
        net_free(net);
    }
    assert_true(kernel_force(kernel_nth(0)->name, &err));
}

static void dropout_and_noise(void **state)
{
    struct train_plan plan = plan_of(0.5f, BATCH);

    (void)state;
    plan.dropout_hidden = 0.5f;
    random_step_is_as_defined(&plan);
    plan.dropout_hidden = 0.0f;
    plan.dropout_inputs = 0.25f;
    random_step_is_as_defined(&plan);
    plan.dropout_hidden = 0.75f;
    plan.input_noise = 0.125f;
    random_step_is_as_defined(&plan);
    plan.dropout_inputs = 0.0f;
    random_step_is_as_defined(&plan);
}

/* A trainer that goes on in the middle of an epoch draws what the first would have drawn. */
static void interrupted_is_the_same(void **state)
{
    struct share share = SHARE_ALONE;
    struct train_plan plan = plan_of(0.1f, 5);
    struct net *whole = net_make(ACT_LINEAR, COST_MSE), *parts = net_make(ACT_LINEAR, COST_MSE);
    struct trainer_state saved;
    struct trainer *trainer;
    struct err err = { 0 };
    float a[PARAMS], b[PARAMS];
    struct data data;

    (void)state;
    data_fill(&data);
    plan.dropout_hidden = plan.dropout_inputs = 0.3f;
    plan.input_noise = 0.1f;
    steps_run(whole, &data, &plan, 14);
    saved = steps_run(parts, &data, &plan, 7); /* an epoch has 5 */
    assert_true(trainer_create(parts, &data, &plan, &trainer, &err));
    trainer_restore(trainer, &saved);
    for (int i = 0; i < 7; i++) {
        assert_true(trainer_step(trainer, &share, &err));
    }
    trainer_free(trainer);
    params_get(whole, a);
    params_get(parts, b);
    assert_memory_equal(a, b, sizeof a);
    net_free(whole);
    net_free(parts);
}

/* Smoothed classes are targets that are not quite 0 and 1. */
static void smoothing(enum act out, enum cost cost, float low, float high)
{
    struct train_plan plan = plan_of(0.5f, BATCH);
    struct net *a = net_make(out, cost), *b = net_make(out, cost);
    float targets[ROWS * OUT], pa[PARAMS], pb[PARAMS];
    struct data data;

    data_fill(&data);
    data.values = NULL;
    data.classes = classes;
    plan.label_smoothing = 0.25f;
    steps_run(a, &data, &plan, 5);
    for (int i = 0; i < ROWS * OUT; i++) {
        targets[i] = classes[i / OUT] == (uint32_t)(i % OUT) ? high : low;
    }
    data.classes = NULL;
    data.values = targets;
    plan.label_smoothing = 0.0f;
    steps_run(b, &data, &plan, 5);
    params_get(a, pa);
    params_get(b, pb);
    for (int i = 0; i < PARAMS; i++) {
        assert_near((double)pa[i], (double)pb[i], 1e-7);
    }
    net_free(a);
    net_free(b);
}

static void label_smoothing(void **state)
{
    (void)state;
    smoothing(ACT_SOFTMAX, COST_LOG_LIKELIHOOD, 0.25f / 3.0f, 0.75f + 0.25f / 3.0f);
    smoothing(ACT_SIGMOID, COST_CROSS_ENTROPY, 0.125f, 0.875f);
}

/* A row that counts 2 moves a net as far as one that counts 1 with twice the rate. */
static void class_weights(void **state)
{
    static const float weights[OUT] = { 2.0f, 2.0f, 2.0f };
    struct train_plan plan = plan_of(0.125f, 1);
    struct net *a = net_make(ACT_SOFTMAX, COST_LOG_LIKELIHOOD);
    struct net *b = net_make(ACT_SOFTMAX, COST_LOG_LIKELIHOOD);
    struct trainer_state sa, sb;
    float pa[PARAMS], pb[PARAMS];
    struct data data;

    (void)state;
    data_fill(&data);
    data.values = NULL;
    data.classes = classes;
    data.weights = weights;
    sa = steps_run(a, &data, &plan, 30);
    data.weights = NULL;
    plan.learning_rate = 0.25f;
    sb = steps_run(b, &data, &plan, 30);
    params_get(a, pa);
    params_get(b, pb);
    assert_memory_equal(pa, pb, sizeof pa); /* powers of two round alike */
    assert_true(sa.loss == 2.0 * sb.loss);
    net_free(a);
    net_free(b);
}

/* 22 rows, 8, 7 and 7 of each class: 22 / (3 * 8) and 22 / (3 * 7). */
static void balanced_weights(void **state)
{
    static const uint32_t map[OUT] = { 3, 1, 0 };
    float weights[4];
    struct err err = { 0 };
    struct data data;

    (void)state;
    data_fill(&data);
    data.values = NULL;
    data.classes = classes;
    data.map = map;
    assert_true(data_balance(&data, 4, weights, &err));
    assert_true(weights[3] == (float)(22.0 / 24.0) && weights[1] == (float)(22.0 / 21.0));
    assert_true(weights[0] == weights[1] && weights[2] == 0.0f);
}

static void plans_that_do_not_suit(void **state)
{
    struct train_plan plan = plan_of(0.1f, 1);
    struct net_spec spec = {
        .inputs = 1, .n_layers = 1, .layers = { { 1, ACT_LINEAR } }, .cost = COST_MSE
    };
    struct err err = { 0 };

    (void)state;
    assert_true(plan_check(&plan, &spec, &err));
    plan.label_smoothing = 0.1f;
    assert_false(plan_check(&plan, &spec, &err));
    assert_string_equal(err.where, "label_smoothing");
    err = (struct err){ 0 };
    plan.label_smoothing = 0.0f;
    plan.dropout_hidden = 0.1f;
    assert_false(plan_check(&plan, &spec, &err));
    assert_string_equal(err.where, "dropout.hidden");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dropout_and_noise), cmocka_unit_test(interrupted_is_the_same),
        cmocka_unit_test(label_smoothing),   cmocka_unit_test(class_weights),
        cmocka_unit_test(balanced_weights),  cmocka_unit_test(plans_that_do_not_suit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
