/* Steps of tiny networks, worked out by hand, on every kernel this machine has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel.h"
#include "near.h"
#include "train.h"

#define LN2 0.69314718055994531
#define EPS 2e-7 /* of float32 results around 1: a rounding or two */

static struct net *net_of(const struct net_spec *spec)
{
    struct err err = { 0 };
    struct net *net;

    assert_true(spec_check(spec, SPEC_LAYERS_MAX, SIZE_MAX, &err));
    assert_true(net_create(spec, &net, &err));
    return net;
}

static struct trainer *trainer_of(struct net *net, const struct data *data,
                                  const struct train_plan *plan)
{
    struct err err = { 0 };
    struct trainer *trainer;

    assert_true(trainer_create(net, data, plan, &trainer, &err));
    return trainer;
}

static void steps_run(struct net *net, const struct data *data, const struct train_plan *plan,
                      size_t steps)
{
    struct share share = SHARE_ALONE;
    struct err err = { 0 };
    struct trainer *trainer = trainer_of(net, data, plan);

    for (size_t i = 0; i < steps; i++) {
        assert_true(trainer_step(trainer, &share, &err));
    }
    trainer_free(trainer);
}

static double loss_of(const struct net *net, const struct data *data)
{
    static _Alignas(64) unsigned char scratch[1 << 20];
    struct err err = { 0 };
    struct eval eval = { 0 };

    assert_true(net_scratch(net) <= sizeof scratch);
    assert_true(net_evaluate(net, data, scratch, NULL, &eval, &err));
    return eval.loss;
}

/* Runs the body once a kernel. */
#define EACH_KERNEL(kernel)                                                                        \
    struct err each_err = { 0 };                                                                   \
    const struct kernel *kernel;                                                                   \
    for (size_t each = 0;                                                                          \
         (kernel = kernel_nth(each)) != NULL && kernel_force(kernel->name, &each_err); each++)

/* a = (1/2, 1/2), C = ln 2, delta = a - y = (-1/2, 1/2). */
static void two_equal_logits_lose_ln_2(void **state)
{
    static const float x = 3.0f;
    static const uint32_t class = 0;
    const struct net_spec spec = {
        .inputs = 1, .n_layers = 1, .layers = { { 2, ACT_SOFTMAX } }, .cost = COST_LOG_LIKELIHOOD
    };
    const struct data data = { .x = { DTYPE_F32, 1, 1, &x }, .classes = &class };
    const struct train_plan plan = { .batch_size = 1, .learning_rate = 0.5f };

    (void)state;
    EACH_KERNEL(kernel)
    {
        struct net *net = net_of(&spec);
        float w[2], b[2];

        assert_near(loss_of(net, &data), LN2, EPS);
        steps_run(net, &data, &plan, 1);
        net_get_layer(net, 0, w, b);
        assert_true(b[0] == 0.25f && b[1] == -0.25f); /* exact: powers of two */
        assert_true(w[0] == 0.75f && w[1] == -0.75f);
        net_free(net);
    }
}

/* Taking the same amount from every logit changes nothing; large ones overflow nothing. */
static void softmax_does_not_mind_a_shift(void **state)
{
    static const float shifts[] = { 0.0f, 1.0f, -1000.0f, 1e6f, 1e30f };
    static const uint32_t class = 1;
    const float x = 1.0f;
    const struct net_spec spec = {
        .inputs = 1, .n_layers = 1, .layers = { { 3, ACT_SOFTMAX } }, .cost = COST_LOG_LIKELIHOOD
    };
    const struct data data = { .x = { DTYPE_F32, 1, 1, &x }, .classes = &class };

    (void)state;
    EACH_KERNEL(kernel)
    {
        for (size_t i = 0; i < sizeof shifts / sizeof *shifts; i++) {
            struct net *net = net_of(&spec);
            const float w[3] = { 0 }, b[3] = { shifts[i], shifts[i], shifts[i] };

            net_set_layer(net, 0, w, b);
            assert_near(loss_of(net, &data), log(3.0), EPS);
            net_free(net);
        }
    }
}

/* One unit, z = w x + b = 1 * 2 - 2 = 0:
 *   sigmoid  a = 1/2, sigma' = 1/4     tanh  a = 0, sigma' = 1     linear  a = 0, sigma' = 1 */
static void one_unit_moves_by_its_cost(void **state)
{
    static const struct {
        enum act act;
        enum cost cost;
        double loss, delta; /* for the target 1 */
    } cases[] = {
        { ACT_SIGMOID, COST_MSE, 1.0 / 8, -1.0 / 8 },
        { ACT_SIGMOID, COST_CROSS_ENTROPY, LN2, -1.0 / 2 },
        { ACT_TANH, COST_MSE, 1.0 / 2, -1.0 },
        { ACT_LINEAR, COST_MSE, 1.0 / 2, -1.0 },
    };
    static const float x = 2.0f, y = 1.0f, w0 = 1.0f, b0 = -2.0f;
    const struct data data = { .x = { DTYPE_F32, 1, 1, &x }, .values = &y };
    const struct train_plan plan = { .batch_size = 1, .learning_rate = 0.25f };

    (void)state;
    EACH_KERNEL(kernel)
    {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            const struct net_spec spec = {
                .inputs = 1, .n_layers = 1, .layers = { { 1, cases[i].act } }, .cost = cases[i].cost
            };
            struct net *net = net_of(&spec);
            float w, b;

            net_set_layer(net, 0, &w0, &b0);
            assert_near(loss_of(net, &data), cases[i].loss, EPS);
            steps_run(net, &data, &plan, 1);
            net_get_layer(net, 0, &w, &b);
            assert_near((double)b, -2.0 - 0.25 * cases[i].delta, EPS);
            assert_near((double)w, 1.0 - 0.25 * cases[i].delta * 2.0, EPS);
            net_free(net);
        }
    }
}

/* BP1 to BP4 through a hidden layer, x = 3, W^1 = 0, b^1 = 0, W^2 = 2, b^2 = 0, y = 0, linear:
 *   sigmoid  a^1 = 1/2, z^2 = 1, C = 1/2, delta^2 = 1, dC/dW^2 = 1/2, delta^1 = 2 * 1 * 1/4 = 1/2
 *   tanh     a^1 = 0, z^2 = 0: delta^2 = 0 and nothing moves, so b^2 = 1: delta^2 = 1, delta^1 = 2
 *   relu     the same as tanh, but sigma'(0) = 0: delta^1 = 0
 *   linear   as tanh */
static void the_error_goes_back_through_a_hidden_layer(void **state)
{
    static const struct {
        enum act act;
        float b2;
        double dw2, delta1;
    } cases[] = {
        { ACT_SIGMOID, 0.0f, 0.5, 0.5 },
        { ACT_TANH, 1.0f, 0.0, 2.0 },
        { ACT_RELU, 1.0f, 0.0, 0.0 },
        { ACT_LINEAR, 1.0f, 0.0, 2.0 },
    };
    static const float x = 3.0f, y = 0.0f, zero = 0.0f, two = 2.0f;
    const struct data data = { .x = { DTYPE_F32, 1, 1, &x }, .values = &y };
    const struct train_plan plan = { .batch_size = 1, .learning_rate = 1.0f };

    (void)state;
    EACH_KERNEL(kernel)
    {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            const struct net_spec spec = { .inputs = 1,
                                           .n_layers = 2,
                                           .layers = { { 1, cases[i].act }, { 1, ACT_LINEAR } },
                                           .cost = COST_MSE };
            struct net *net = net_of(&spec);
            float w, b;

            net_set_layer(net, 0, &zero, &zero);
            net_set_layer(net, 1, &two, &cases[i].b2);
            assert_near(loss_of(net, &data), 0.5, EPS);
            steps_run(net, &data, &plan, 1);
            net_get_layer(net, 1, &w, &b);
            assert_near((double)w, 2.0 - cases[i].dw2, EPS);
            assert_near((double)b, (double)cases[i].b2 - 1.0, EPS);
            net_get_layer(net, 0, &w, &b);
            assert_near((double)w, -3.0 * cases[i].delta1, EPS);
            assert_near((double)b, -cases[i].delta1, EPS);
            net_free(net);
        }
    }
}

/* A step is averaged over its batch: rows 1 and 3 with targets 0, one linear unit, w = 1, b = 0:
 * dC/dw = (1 * 1 + 3 * 3) / 2 = 5, dC/db = (1 + 3) / 2 = 2, C = (1 + 9) / 4. */
static void gradients_are_averaged_over_the_batch(void **state)
{
    static const float x[2] = { 1.0f, 3.0f }, y[2] = { 0.0f, 0.0f }, one = 1.0f, zero = 0.0f;
    const struct net_spec spec = {
        .inputs = 1, .n_layers = 1, .layers = { { 1, ACT_LINEAR } }, .cost = COST_MSE
    };
    const struct data data = { .x = { DTYPE_F32, 2, 1, x }, .values = y };
    const struct train_plan plan = { .batch_size = 2, .learning_rate = 0.125f };

    (void)state;
    EACH_KERNEL(kernel)
    {
        struct net *net = net_of(&spec);
        float w, b;

        net_set_layer(net, 0, &one, &zero);
        assert_near(loss_of(net, &data), 2.5, EPS);
        steps_run(net, &data, &plan, 1);
        net_get_layer(net, 0, &w, &b);
        assert_true(w == 1.0f - 0.125f * 5.0f && b == -0.125f * 2.0f);
        net_free(net);
    }
}

/* w' = (1 - eta lambda/n) w - eta dC/dw, biases without decay; with a row of zeros dC/dw is 0.
 * n = 4 rows, eta = 1/2, lambda = 2: w shrinks by 3/4 a step. */
static void l2_shrinks_weights_and_leaves_biases(void **state)
{
    static const float x[4] = { 0 }, y[4] = { 1.0f, 1.0f, 1.0f, 1.0f }, one = 1.0f;
    const struct net_spec spec = {
        .inputs = 1, .n_layers = 1, .layers = { { 1, ACT_LINEAR } }, .cost = COST_MSE
    };
    const struct data data = { .x = { DTYPE_F32, 4, 1, x }, .values = y };

    (void)state;
    EACH_KERNEL(kernel)
    {
        for (int momentum = 0; momentum < 2; momentum++) {
            const struct train_plan plan = { .batch_size = 2,
                                             .learning_rate = 0.5f,
                                             .l2 = 2.0f,
                                             .momentum = momentum ? 0.5f : 0.0f };
            struct net *net = net_of(&spec);
            float w, b;

            net_set_layer(net, 0, &one, &one);
            steps_run(net, &data, &plan, 2);
            net_get_layer(net, 0, &w, &b);
            /* with momentum: g = lambda/n w = 1/2, w = 3/4; g = 3/8, u = 1/4 + 3/8, w = 7/16 */
            assert_near((double)w, momentum ? 7.0 / 16 : 9.0 / 16, EPS);
            assert_near((double)b, 1.0, EPS);
            net_free(net);
        }
    }
}

/* u' = mu u + g; b' = b - eta u', or with nesterov b - eta (g + mu u'). One linear unit, x = 0,
 * y = 0, so g = b; b = 1, eta = 0.1, mu = 0.5:
 *   momentum  u = 1, b = 0.9;   u = 0.5 + 0.9 = 1.4, b = 0.76
 *   nesterov  u = 1, b = 1 - 0.1 (1 + 0.5) = 0.85;   u = 1.35, b = 0.85 - 0.1 (0.85 + 0.675) */
static void momentum_carries_on(void **state)
{
    static const float x = 0.0f, y = 0.0f, zero = 0.0f, one = 1.0f;
    const struct net_spec spec = {
        .inputs = 1, .n_layers = 1, .layers = { { 1, ACT_LINEAR } }, .cost = COST_MSE
    };
    const struct data data = { .x = { DTYPE_F32, 1, 1, &x }, .values = &y };

    (void)state;
    EACH_KERNEL(kernel)
    {
        for (int nesterov = 0; nesterov < 2; nesterov++) {
            const struct train_plan plan = {
                .batch_size = 1, .learning_rate = 0.1f, .momentum = 0.5f, .nesterov = nesterov
            };
            struct net *net = net_of(&spec);
            float w, b;

            net_set_layer(net, 0, &zero, &one);
            steps_run(net, &data, &plan, 2);
            net_get_layer(net, 0, &w, &b);
            assert_near((double)b, nesterov ? 0.6975 : 0.76, EPS);
            net_free(net);
        }
    }
}

/* --- epochs --- */

enum { ROWS = 50 };

/* The order of an epoch, told by what each step adds to the loss: with eta 0 and a net of zeros,
 * row i with target i + 1 costs (i + 1)^2 / 2. */
static void order_read(struct trainer *trainer, size_t *order)
{
    struct share share = SHARE_ALONE;
    struct err err = { 0 };
    double before = 0.0;

    for (size_t i = 0; i < ROWS; i++) {
        struct train_sum sum;

        assert_true(trainer_step(trainer, &share, &err));
        sum = trainer_sum(trainer);
        assert_int_equal(sum.rows, i + 1);
        order[i] = (size_t)lround(sqrt(2.0 * (sum.loss * (double)sum.rows - before))) - 1;
        before = sum.loss * (double)sum.rows;
    }
}

static void order_is_whole(const size_t *order)
{
    bool seen[ROWS] = { false };

    for (size_t i = 0; i < ROWS; i++) {
        assert_true(order[i] < ROWS && !seen[order[i]]);
        seen[order[i]] = true;
    }
}

static void an_epoch_takes_each_row_once_in_an_order_of_its_own(void **state)
{
    static float x[ROWS], y[ROWS];
    const struct net_spec spec = {
        .inputs = 1, .n_layers = 1, .layers = { { 1, ACT_LINEAR } }, .cost = COST_MSE
    };
    const struct data data = { .x = { DTYPE_F32, ROWS, 1, x }, .values = y };
    size_t order[2][3][ROWS];
    size_t other[ROWS];

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        y[i] = (float)(i + 1);
    }
    for (size_t run = 0; run < 3; run++) {
        const struct train_plan plan = { .batch_size = 1, .seed = run == 2 ? 8 : 7 };
        struct net *net = net_of(&spec);
        struct trainer *trainer = trainer_of(net, &data, &plan);

        for (size_t epoch = 0; epoch < 3; epoch++) {
            size_t *to = run == 2 ? other : order[run][epoch];

            order_read(trainer, to);
            order_is_whole(to);
            if (run == 2) {
                assert_memory_not_equal(to, order[0][epoch], sizeof other);
            }
        }
        trainer_free(trainer);
        net_free(net);
    }
    assert_memory_equal(order[0], order[1], sizeof order[0]);
    assert_memory_not_equal(order[0][0], order[0][1], sizeof order[0][0]);
    assert_memory_not_equal(order[0][1], order[0][2], sizeof order[0][0]);
}

/* w doubles its distance each step, with the wrong sign: the cost overflows in the end. */
static void divergence_is_told_with_its_batch(void **state)
{
    static const float x[3] = { 1e10f, 1e10f, 1e10f }, y[3] = { 0 }, one = 1.0f, zero = 0.0f;
    const struct net_spec spec = {
        .inputs = 1, .n_layers = 1, .layers = { { 1, ACT_LINEAR } }, .cost = COST_MSE
    };
    const struct data data = { .x = { DTYPE_F32, 3, 1, x }, .values = y };
    const struct train_plan plan = { .batch_size = 1, .learning_rate = 1.0f };

    (void)state;
    EACH_KERNEL(kernel)
    {
        struct net *net = net_of(&spec);
        struct trainer *trainer = trainer_of(net, &data, &plan);
        struct share share = SHARE_ALONE;
        struct err err = { 0 };

        net_set_layer(net, 0, &one, &zero);
        /* batch 1: z = 1e10, C = 5e19, w = 1 - 1e20; batch 2: z = -1e30, C = 5e59 */
        assert_true(trainer_step(trainer, &share, &err));
        assert_false(trainer_step(trainer, &share, &err));
        assert_int_equal(err.code, ERR_NUMBER);
        assert_string_equal(err.where, "loss");
        assert_non_null(strstr(err.text, "batch 2"));
        trainer_free(trainer);
        net_free(net);
    }
}

/* Interrupted after any step, training goes on to the same bits. */
static void a_trainer_put_back_goes_on_to_the_same_bits(void **state)
{
    enum { STEPS = 17, IN = 5 };
    static float x[ROWS * IN], w[2][IN * 3], b[2][3];
    static uint32_t classes[ROWS];
    const struct net_spec spec = {
        .inputs = IN, .n_layers = 1, .layers = { { 3, ACT_SOFTMAX } }, .cost = COST_LOG_LIKELIHOOD
    };
    const struct data data = { .x = { DTYPE_F32, ROWS, IN, x }, .classes = classes };
    const struct train_plan plan = {
        .batch_size = 8, .learning_rate = 0.3f, .momentum = 0.9f, .l2 = 0.1f, .seed = 5
    };
    struct share share = SHARE_ALONE;
    struct err err = { 0 };

    (void)state;
    for (size_t i = 0; i < ROWS * IN; i++) {
        x[i] = (float)(i * 7 % 11) / 11.0f;
        classes[i / IN] = (uint32_t)(i / IN % 3);
    }
    for (size_t stop = 0; stop <= STEPS; stop++) { /* 7 steps an epoch */
        struct net *net = net_of(&spec), *copy;
        struct trainer *trainer = trainer_of(net, &data, &plan), *again;
        struct trainer_state saved;
        const float *memory;
        size_t blocks;

        for (size_t i = 0; i < stop; i++) {
            assert_true(trainer_step(trainer, &share, &err));
        }
        saved = trainer_save(trainer);
        assert_true(net_clone(net, &copy, &err));
        again = trainer_of(copy, &data, &plan);
        memory = trainer_memory(trainer, &blocks);
        assert_int_equal(blocks, 1);
        memcpy(trainer_memory(again, &blocks), memory, net->block_len * sizeof(float));
        trainer_restore(again, &saved);
        for (size_t i = stop; i < STEPS; i++) {
            assert_true(trainer_step(trainer, &share, &err));
            assert_true(trainer_step(again, &share, &err));
        }
        net_get_layer(net, 0, w[0], b[0]);
        net_get_layer(copy, 0, w[1], b[1]);
        assert_memory_equal(w[0], w[1], sizeof w[0]);
        assert_memory_equal(b[0], b[1], sizeof b[0]);
        assert_true(trainer_sum(trainer).loss == trainer_sum(again).loss);
        trainer_free(again);
        trainer_free(trainer);
        net_free(copy);
        net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_equal_logits_lose_ln_2),
        cmocka_unit_test(softmax_does_not_mind_a_shift),
        cmocka_unit_test(one_unit_moves_by_its_cost),
        cmocka_unit_test(the_error_goes_back_through_a_hidden_layer),
        cmocka_unit_test(gradients_are_averaged_over_the_batch),
        cmocka_unit_test(l2_shrinks_weights_and_leaves_biases),
        cmocka_unit_test(momentum_carries_on),
        cmocka_unit_test(an_epoch_takes_each_row_once_in_an_order_of_its_own),
        cmocka_unit_test(divergence_is_told_with_its_batch),
        cmocka_unit_test(a_trainer_put_back_goes_on_to_the_same_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
