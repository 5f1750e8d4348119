/* When memory runs out at any call, what is created fails as a whole: ERR_MEMORY, the result
 * untouched, nothing left behind. Then the same call succeeds with memory again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fail_malloc.h"
#include "train.h"

static const struct net_spec spec = {
    .inputs = 3,
    .n_layers = 2,
    .layers = { { 5, ACT_TANH }, { 2, ACT_SOFTMAX } },
    .cost = COST_LOG_LIKELIHOOD,
    .norm = NORM_STANDARD,
    .seed = 3,
};
static const float x[4 * 3] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
static const uint32_t classes[4] = { 0, 1, 1, 0 };
static const struct data data = { .x = { DTYPE_F32, 4, 3, x }, .classes = classes };

/* Calls make with the k-th allocation failing, for k from 1 until it no longer gets that far.
 * make returns what its function did, and frees what it got. */
static void starve(bool (*make)(struct err *err), size_t most)
{
    size_t k = 1;

    for (;; k++) {
        struct err err = { 0 };
        bool ok;

        fail_malloc_start(k);
        ok = make(&err);
        fail_malloc_at = 0;
        assert_int_equal(fail_malloc_live, 0);
        if (ok) {
            break;
        }
        assert_int_equal(err.code, ERR_MEMORY);
        assert_string_equal(err.where, "");
        assert_true(strncmp(err.text, "no memory", 9) == 0);
    }
    assert_int_equal(k - 1, most); /* each of its allocations was failed once */
}

static bool make_net(struct err *err)
{
    struct net *const none = NULL;
    struct net *net = none;
    const bool ok = net_create(&spec, &net, err);

    assert_true(ok == (net != none));
    net_free(net);
    return ok;
}

static void a_net_is_created_whole_or_not(void **state)
{
    (void)state;
    starve(make_net, 2);
}

static struct net *model; /* made before memory runs out */

static bool make_clone(struct err *err)
{
    struct net *clone = NULL;
    const bool ok = net_clone(model, &clone, err);

    assert_true(ok == (clone != NULL));
    if (ok) {
        assert_memory_equal(clone->block, model->block, model->block_len * sizeof *model->block);
        assert_memory_equal(clone->scale, model->scale, spec.inputs * sizeof *model->scale);
    }
    net_free(clone);
    return ok;
}

static void a_clone_has_its_normalisation_or_is_none(void **state)
{
    (void)state;
    starve(make_clone, 4);
}

/* A failure leaves the old normalisation, a success frees it. */
static void a_normalisation_is_replaced_whole_or_not(void **state)
{
    const float shift[3] = { 7, 8, 9 }, scale[3] = { 4, 5, 6 };

    (void)state;
    for (size_t k = 1; k <= 3; k++) {
        struct err err = { 0 };

        fail_malloc_start(k);
        assert_true(net_set_norm(model, shift, scale, &err) == (k == 3));
        fail_malloc_at = 0;
        assert_int_equal(fail_malloc_live, 0); /* as many as before */
        assert_int_equal(err.code, k == 3 ? ERR_NONE : ERR_MEMORY);
        assert_true(model->shift[0] == (k == 3 ? 7.0f : 1.0f));
        assert_true(model->scale[2] == (k == 3 ? 6.0f : 0.5f));
    }
}

static bool make_trainer_with(float momentum, struct err *err)
{
    const struct train_plan plan = { .batch_size = 3, .learning_rate = 0.1f, .momentum = momentum };
    struct trainer *trainer = NULL;
    const bool ok = trainer_create(model, &data, &plan, &trainer, err);

    assert_true(ok == (trainer != NULL));
    trainer_free(trainer);
    return ok;
}

static bool make_plain(struct err *err)
{
    return make_trainer_with(0.0f, err);
}

static bool make_momentum(struct err *err)
{
    return make_trainer_with(0.9f, err);
}

static void a_trainer_is_created_whole_or_not(void **state)
{
    (void)state;
    starve(make_plain, 3);
    starve(make_momentum, 4);
}

/* Nothing is allocated between create and free: a step, an answer and an evaluation cannot want
 * for memory. */
static void steps_and_answers_allocate_nothing(void **state)
{
    const struct train_plan plan = { .batch_size = 3, .learning_rate = 0.1f, .momentum = 0.9f };
    struct share share = SHARE_ALONE;
    struct trainer *trainer = NULL;
    struct eval eval = { 0 };
    struct err err = { 0 };
    void *scratch = aligned_alloc(64, net_scratch(model));
    float out[4 * 2];

    (void)state;
    assert_non_null(scratch);
    assert_true(trainer_create(model, &data, &plan, &trainer, &err));
    fail_malloc_start(1);
    for (int i = 0; i < 5; i++) {
        assert_true(trainer_step(trainer, &share, &err));
    }
    net_predict(model, &data.x, 0, 4, out, scratch, &share);
    assert_true(net_evaluate(model, &data, scratch, &share, &eval, &err));
    fail_malloc_at = 0;
    assert_int_equal(fail_malloc_calls, 0);
    trainer_free(trainer);
    free(scratch);
}

static int model_make(void **state)
{
    const float shift[3] = { 1, 2, 3 }, scale[3] = { 1, 1, 0.5f };
    struct err err = { 0 };

    (void)state;
    if (!net_create(&spec, &model, &err) || !net_set_norm(model, shift, scale, &err)) {
        return -1;
    }
    net_init(model);
    return 0;
}

static int model_free(void **state)
{
    (void)state;
    net_free(model);
    return 0;
}

static void a_net_takes_what_its_spec_says(void **state)
{
    static const struct net_spec specs[] = {
        { .inputs = 1, .n_layers = 1, .layers = { { 1, ACT_LINEAR } }, .cost = COST_MSE },
        { .inputs = 17,
          .n_layers = 2,
          .layers = { { 33, ACT_RELU }, { 3, ACT_LINEAR } },
          .cost = COST_MSE,
          .norm = NORM_STANDARD,
          .target_norm = NORM_MINMAX },
    };
    const float shift[17] = { 0 }, scale[17] = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct err err = { 0 };
        struct net *net;

        assert_true(net_create(&specs[i], &net, &err));
        if (specs[i].norm != NORM_NONE) {
            assert_true(net_bytes(net) < net_spec_bytes(&specs[i]));
            assert_true(net_set_norm(net, shift, scale, &err));
            assert_true(net_set_target_norm(net, shift, scale, &err));
        }
        assert_int_equal(net_bytes(net), net_spec_bytes(&specs[i]));
        assert_true(net_bytes(net) >= spec_params(&specs[i]) * sizeof(float));
        net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_net_takes_what_its_spec_says),
        cmocka_unit_test(a_net_is_created_whole_or_not),
        cmocka_unit_test(a_clone_has_its_normalisation_or_is_none),
        cmocka_unit_test(a_normalisation_is_replaced_whole_or_not),
        cmocka_unit_test(a_trainer_is_created_whole_or_not),
        cmocka_unit_test(steps_and_answers_allocate_nothing),
    };

    return cmocka_run_group_tests(tests, model_make, model_free);
}
