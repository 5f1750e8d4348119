/* A hundred steps of each optimiser, and of what changes its gradients, on every kernel, against
 * what PyTorch gives for the same:
 * optimizers.py says what is trained, and made optimizers.h. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel.h"
#include "optimizers.h"
#include "train.h"

enum { IN = 5, HIDDEN = 4, OUT = 3, ROWS = 24, STEPS = 100 };
enum { PARAMS = HIDDEN * (IN + 1) + OUT * (HIDDEN + 1) };

#define L2 0.6f
/* Both round in float32, not in the same places; rprop amplifies nothing, but adam divides by roots
 * of what it has rounded. */
#define NEAR 3e-5

static struct train_plan plan_of(enum optimizer optimizer, float learning_rate)
{
    struct train_plan plan = { .batch_size = ROWS };

    optimizer_default(optimizer, &plan);
    plan.learning_rate = learning_rate;
    return plan;
}

static struct net *net_make(void)
{
    const struct net_spec spec = { .inputs = IN,
                                   .n_layers = 2,
                                   .layers = { { HIDDEN, ACT_TANH }, { OUT, ACT_LINEAR } },
                                   .cost = COST_MSE };
    float w1[HIDDEN * IN], b1[HIDDEN], w2[OUT * HIDDEN], b2[OUT];
    struct err err = { 0 };
    struct net *net;

    for (int i = 0; i < HIDDEN * IN; i++) {
        w1[i] = (float)((i / IN * 5 + i % IN * 3) % 9) / 8.0f - 0.5f;
    }
    for (int i = 0; i < OUT * HIDDEN; i++) {
        w2[i] = (float)((i / HIDDEN * 2 + i % HIDDEN * 7) % 5) / 4.0f - 0.5f;
    }
    for (int i = 0; i < HIDDEN; i++) {
        b1[i] = (float)i / 8.0f;
    }
    for (int i = 0; i < OUT; i++) {
        b2[i] = (float)-i / 8.0f;
    }
    assert_true(net_create(&spec, &net, &err));
    net_set_layer(net, 0, w1, b1);
    net_set_layer(net, 1, w2, b2);
    return net;
}

/* Stops after half of the steps and goes on with another trainer, as a job does after a restart. */
static void steps_run(struct net *net, const struct data *data, const struct train_plan *plan)
{
    struct share share = SHARE_ALONE;
    struct err err = { 0 };
    struct trainer *trainer, *next;
    struct trainer_state saved;
    size_t blocks, same;

    assert_true(trainer_create(net, data, plan, &trainer, &err));
    for (int i = 0; i < STEPS; i++) {
        if (i == STEPS / 2) {
            const float *memory = trainer_memory(trainer, &blocks);

            saved = trainer_save(trainer);
            assert_true(trainer_create(net, data, plan, &next, &err));
            if (blocks > 0) {
                memcpy(trainer_memory(next, &same), memory,
                       blocks * net->block_len * sizeof(float));
                assert_int_equal(same, blocks);
            }
            trainer_restore(next, &saved);
            trainer_free(trainer);
            trainer = next;
        }
        assert_true(trainer_step(trainer, &share, &err));
    }
    trainer_free(trainer);
}

static void compare(const struct train_plan *plan, const float *golden)
{
    static float x[ROWS * IN], y[ROWS * OUT], got[PARAMS];
    const struct data data = { .x = { DTYPE_F32, ROWS, IN, x }, .values = y };
    const struct kernel *kernel;
    struct err err = { 0 };

    for (int i = 0; i < ROWS * IN; i++) {
        x[i] = (float)((i / IN * 7 + i % IN * 5) % 11) / 8.0f - 0.5f;
    }
    for (int i = 0; i < ROWS * OUT; i++) {
        y[i] = (float)((i / OUT * 3 + i % OUT * 4) % 7) / 4.0f - 0.75f;
    }
    for (size_t k = 0; (kernel = kernel_nth(k)) != NULL; k++) {
        struct net *net;

        assert_true(kernel_force(kernel->name, &err));
        net = net_make();
        steps_run(net, &data, plan);
        net_get_layer(net, 0, got, got + HIDDEN * IN);
        net_get_layer(net, 1, got + HIDDEN * (IN + 1), got + HIDDEN * (IN + 1) + OUT * HIDDEN);
        for (int i = 0; i < PARAMS; i++) {
            if (!(fabs((double)got[i] - (double)golden[i]) < NEAR)) {
                print_error("%s, parameter %d: %.9g, not %.9g\n", optimizer_name(plan->optimizer),
                            i, (double)got[i], (double)golden[i]);
                fail();
            }
        }
        net_free(net);
    }
    assert_true(kernel_force(kernel_nth(0)->name, &err));
}

static void sgd(void **state)
{
    struct train_plan plan = plan_of(OPT_SGD, 0.1f);

    (void)state;
    compare(&plan, golden_sgd);
    plan.l2 = L2;
    compare(&plan, golden_sgd_l2);
    plan = plan_of(OPT_SGD, 0.05f);
    plan.momentum = 0.9f;
    plan.l2 = L2;
    compare(&plan, golden_momentum);
    plan.l2 = 0.0f;
    plan.nesterov = true;
    compare(&plan, golden_nesterov);
}

static void rmsprop(void **state)
{
    struct train_plan plan = plan_of(OPT_RMSPROP, 0.01f);

    (void)state;
    compare(&plan, golden_rmsprop);
    plan.learning_rate = 0.002f;
    plan.alpha = 0.95f;
    plan.epsilon = 1e-6f;
    plan.momentum = 0.8f;
    plan.l2 = L2;
    compare(&plan, golden_rmsprop_momentum);
}

static void adam(void **state)
{
    struct train_plan plan = plan_of(OPT_ADAM, 0.01f);

    (void)state;
    compare(&plan, golden_adam);
    plan.learning_rate = 0.02f;
    plan.beta1 = 0.8f;
    plan.beta2 = 0.99f;
    plan.epsilon = 1e-7f;
    plan.l2 = L2;
    compare(&plan, golden_adam_l2);
}

static void adamw(void **state)
{
    struct train_plan plan = plan_of(OPT_ADAMW, 0.01f);

    (void)state;
    assert_true(plan.weight_decay == 0.01f);
    plan.weight_decay = 0.1f;
    compare(&plan, golden_adamw);
}

static void rprop(void **state)
{
    const struct train_plan plan = plan_of(OPT_RPROP, 0.01f);

    (void)state;
    compare(&plan, golden_rprop);
}

static void weight_decay(void **state)
{
    struct train_plan plan = plan_of(OPT_SGD, 0.1f);

    (void)state;
    plan.weight_decay = 0.02f;
    compare(&plan, golden_sgd_weight_decay);
    plan.weight_decay = 0.0f;
    plan.l2 = 0.02f * (float)ROWS; /* the same, said otherwise */
    compare(&plan, golden_sgd_weight_decay);
}

static void l1(void **state)
{
    struct train_plan plan = plan_of(OPT_SGD, 0.1f);

    (void)state;
    plan.l2 = L2;
    plan.l1 = 0.3f;
    compare(&plan, golden_sgd_l1);
}

static void clip(void **state)
{
    struct train_plan plan = plan_of(OPT_SGD, 0.1f);

    (void)state;
    plan.clip_norm = 0.1f;
    compare(&plan, golden_sgd_clip_norm);
    plan.l2 = L2;
    compare(&plan, golden_decay_clip_norm);
    plan.clip_norm = 0.0f;
    plan.clip_value = 0.03f;
    compare(&plan, golden_sgd_clip_value);
    plan = plan_of(OPT_SGD, 0.05f);
    plan.momentum = 0.9f;
    plan.l2 = L2;
    plan.clip_norm = 0.1f;
    plan.clip_value = 0.04f;
    plan.l1 = 0.1f;
    compare(&plan, golden_momentum_clip_both);
    plan = plan_of(OPT_ADAM, 0.01f);
    plan.weight_decay = 0.02f;
    plan.clip_norm = 0.05f;
    compare(&plan, golden_adam_clip_norm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd),   cmocka_unit_test(rmsprop), cmocka_unit_test(adam),
        cmocka_unit_test(adamw), cmocka_unit_test(rprop),   cmocka_unit_test(weight_decay),
        cmocka_unit_test(l1),    cmocka_unit_test(clip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
