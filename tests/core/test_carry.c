/* What is carried from step to step: N trainers of a step each have the bits of one of N steps. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "carry.h"
#include "kernel.h"

enum { IN = 5, OUT = 3, ROWS = 24, EPOCHS = 5, SEED = 9 };

static const struct net_spec spec = { .inputs = IN,
                                      .n_layers = 2,
                                      .layers = { { 20, ACT_TANH }, { OUT, ACT_LINEAR } },
                                      .cost = COST_MSE,
                                      .seed = 3 };

static float x[ROWS * IN], y[ROWS * OUT];

static struct net *net_make(void)
{
    struct err err = { 0 };
    struct net *net;

    for (int i = 0; i < ROWS * IN; i++) {
        x[i] = (float)((i / IN * 7 + i % IN * 5) % 11) / 8.0f - 0.5f;
    }
    for (int i = 0; i < ROWS * OUT; i++) {
        y[i] = (float)((i / OUT * 3 + i % OUT * 4) % 7) / 4.0f - 0.75f;
    }
    assert_true(net_create(&spec, &net, &err));
    net_init(net);
    return net;
}

static struct train_plan plan_of(enum optimizer optimizer)
{
    struct train_plan plan = { .batch_size = 1, .seed = SEED };

    optimizer_default(optimizer, &plan);
    plan.learning_rate /= 10.0f; /* a row at a time is coarse */
    return plan;
}

static struct data row(size_t i, size_t n)
{
    return (struct data){ .x = { DTYPE_F32, n, IN, x + i * IN }, .values = y + i * OUT };
}

/* The rows in the order in which a trainer takes them in its next epoch: Fisher-Yates. */
static void shuffle(struct rng *rng, size_t *order)
{
    for (size_t i = 0; i < ROWS; i++) {
        order[i] = i;
    }
    for (size_t i = ROWS; i > 1; i--) {
        const size_t j = rng_below(rng, i), spare = order[i - 1];

        order[i - 1] = order[j];
        order[j] = spare;
    }
}

static void assert_same(const struct net *a, const struct net *b)
{
    assert_memory_equal(a->block, b->block, a->block_len * sizeof *a->block);
}

/* Every row by itself, in the trainer's own order; and a row again and again, with L2, whose share
 * of the data is that of the rows of a step. */
static void compare(const struct train_plan *plan)
{
    struct net *one = net_make(), *many = net_make();
    const struct data all = row(0, ROWS);
    struct share alone = SHARE_ALONE;
    struct carry *carry = NULL, *next;
    struct train_plan same = *plan;
    struct err err = { 0 };
    struct trainer *trainer;
    struct train_sum sum;
    size_t order[ROWS];
    struct rng rng;

    rng_init(&rng, SEED);
    assert_true(trainer_create(one, &all, plan, &trainer, &err));
    for (int i = 0; i < EPOCHS * ROWS; i++) {
        struct data data;

        if (i % ROWS == 0) {
            shuffle(&rng, order);
        }
        data = row(order[i % ROWS], 1);
        assert_true(carry_step(many, &data, plan, carry, &next, &sum, &err));
        assert_int_equal(next != NULL, carry_blocks(plan) > 0);
        carry_unref(carry);
        carry = next;
        assert_true(trainer_step(trainer, &alone, &err));
        assert_same(one, many);
    }
    trainer_free(trainer);
    carry_unref(carry);
    carry = NULL;
    same.l2 = 0.5f;
    for (size_t i = 0; i < 2; i++) {
        const struct data data = row(i, 1);

        assert_true(trainer_create(one, &data, &same, &trainer, &err));
        for (int n = 0; n < 100; n++) {
            assert_true(carry_step(many, &data, &same, n > 0 ? carry : NULL, &next, &sum, &err));
            carry_unref(carry);
            carry = next;
            assert_true(trainer_step(trainer, &alone, &err));
        }
        assert_same(one, many);
        trainer_free(trainer);
    }
    carry_unref(carry);
    net_free(one);
    net_free(many);
}

static void steps_of_many_trainers_are_those_of_one(void **state)
{
    const struct kernel *kernel;
    struct err err = { 0 };

    (void)state;
    for (size_t k = 0; (kernel = kernel_nth(k)) != NULL; k++) {
        struct train_plan plan = plan_of(OPT_SGD);

        assert_true(kernel_force(kernel->name, &err));
        compare(&plan);
        plan.momentum = 0.9f;
        compare(&plan);
        plan.nesterov = true;
        compare(&plan);
        plan = plan_of(OPT_RMSPROP);
        compare(&plan);
        plan.momentum = 0.5f;
        compare(&plan);
        plan = plan_of(OPT_ADAM);
        compare(&plan);
        plan = plan_of(OPT_ADAMW);
        compare(&plan);
    }
    assert_true(kernel_force(kernel_nth(0)->name, &err));
}

/* One carry under another plan. */
static bool goes_on(const struct train_plan *was, const struct train_plan *now)
{
    const struct carry carry = { .plan = *was };

    return carry_goes_on(&carry, now);
}

static void it_goes_on_while_its_meaning_stays(void **state)
{
    struct train_plan was, now;

    (void)state;
    was = plan_of(OPT_ADAM);
    assert_false(carry_goes_on(NULL, &was));
    for (int o = 0; o < OPT_COUNT; o++) {
        now = plan_of((enum optimizer)o);
        assert_int_equal(goes_on(&was, &now), o == OPT_ADAM);
        assert_int_equal(goes_on(&now, &now), o != OPT_RPROP);
    }
    now = was;
    now.learning_rate = 7.0f;
    now.epsilon = 1e-3f;
    now.l2 = 1.0f;
    now.batch_size = 9;
    now.seed = 4;
    assert_true(goes_on(&was, &now));
    now.beta1 = 0.8f;
    assert_false(goes_on(&was, &now));
    now.beta1 = was.beta1;
    now.beta2 = 0.9f;
    assert_false(goes_on(&was, &now));
    was = now = plan_of(OPT_ADAMW);
    now.weight_decay = 0.5f;
    assert_true(goes_on(&was, &now));
    was = now = plan_of(OPT_RMSPROP);
    now.momentum = 0.5f;
    assert_false(goes_on(&was, &now));
    now.momentum = 0.0f;
    now.alpha = 0.5f;
    assert_false(goes_on(&was, &now));
    was = now = plan_of(OPT_SGD);
    was.momentum = now.momentum = 0.5f;
    now.nesterov = true;
    assert_true(goes_on(&was, &now));
    now.momentum = 0.25f;
    assert_false(goes_on(&was, &now));
}

/* What is not finite leaves what was carried as it was. */
static void a_step_that_fails_changes_nothing_carried(void **state)
{
    const struct train_plan plan = plan_of(OPT_ADAM);
    struct net *net = net_make();
    struct carry *carry, *next, *kept = NULL;
    const struct data good = row(0, 4);
    struct data bad = row(0, 1);
    static const float far[OUT] = { 3e38f, 0, 0 };
    struct err err = { 0 };
    struct train_sum sum;
    float w[20 * IN], b[20];

    (void)state;
    assert_true(carry_step(net, &good, &plan, NULL, &carry, &sum, &err));
    assert_int_equal(sum.rows, 4);
    assert_true(carry->power[0] == (double)plan.beta1 && carry->power[1] == (double)plan.beta2);
    assert_int_equal(carry_bytes(carry), 2 * net->block_len * sizeof(float));
    assert_int_equal(carry_bytes(NULL), 0);
    assert_true(carry_finite(carry) && carry_finite(NULL));
    /* a copy, by way of the logical order */
    assert_true(carry_create(net, &plan, &kept, &err));
    for (size_t i = 0; i < 2; i++) {
        for (size_t l = 0; l < 2; l++) {
            carry_get_layer(carry, net, i, l, w, b);
            carry_set_layer(kept, net, i, l, w, b);
        }
    }
    assert_memory_equal(kept->block, carry->block, carry_bytes(carry));
    bad.values = far;
    assert_false(carry_step(net, &bad, &plan, carry, &next, &sum, &err));
    assert_int_equal(err.code, ERR_NUMBER);
    assert_memory_equal(kept->block, carry->block, carry_bytes(carry));
    for (size_t i = 0; i < carry->blocks * carry->block_len; i += 7) {
        kept->block[i] = i % 2 == 0 ? INFINITY : NAN;
        assert_false(carry_finite(kept));
        kept->block[i] = -3e38f;
        assert_true(carry_finite(kept));
    }
    carry_unref(carry_ref(carry));
    carry_unref(carry);
    carry_unref(kept);
    carry_unref(NULL);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_of_many_trainers_are_those_of_one),
        cmocka_unit_test(it_goes_on_while_its_meaning_stays),
        cmocka_unit_test(a_step_that_fails_changes_nothing_carried),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
