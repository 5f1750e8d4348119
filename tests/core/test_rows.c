/* Rows on their way into a network, and what is counted of its answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "kernel.h"
#include "near.h"
#include "net.h"
#include "rows.h"

#define EACH_KERNEL(kernel)                                                                        \
    struct err each_err = { 0 };                                                                   \
    const struct kernel *kernel;                                                                   \
    for (size_t each = 0;                                                                          \
         (kernel = kernel_nth(each)) != NULL && kernel_force(kernel->name, &each_err); each++)

enum { LD = 64 };

/* Values arrive in their places, pads are +0, whatever stood there. */
static void rows_are_gathered_by_index_and_padded(void **state)
{
    static const float x[3][5] = { { 1, 2, 3, 4, 5 }, { 6, 7, 8, 9, 10 }, { -1, -2, -3, -4, -5 } };
    static const uint8_t bytes[3][5] = { { 1, 2, 3, 4, 5 },
                                         { 6, 7, 8, 9, 10 },
                                         { 255, 0, 9, 1, 7 } };
    static const uint32_t index[2] = { 2, 0 };
    const struct norm_map none = { NULL, NULL };
    float out[2][LD];

    (void)state;
    EACH_KERNEL(kernel)
    {
        for (int dtype = 0; dtype < 2; dtype++) {
            const struct rows rows = { dtype == 0 ? DTYPE_U8 : DTYPE_F32, 3, 5,
                                       dtype == 0 ? (const void *)bytes : (const void *)x };

            memset(out, 0x7f, sizeof out);
            rows_gather(&rows, index, 0, 2, &none, out[0], LD);
            for (size_t i = 0; i < 2; i++) {
                for (size_t j = 0; j < LD; j++) {
                    const float want = j >= 5       ? 0.0f
                                       : dtype == 0 ? (float)bytes[index[i]][j]
                                                    : x[index[i]][j];

                    assert_memory_equal(&out[i][j], &want, sizeof want);
                }
            }
        }
    }
}

/* What is below 2^-60 becomes +0 on its way in, so that no denormal slows anything down. */
static void small_inputs_are_flushed(void **state)
{
    static const float x[6] = { 0x1p-60f,         -0x1p-60f, 0x1.fffffep-61f,
                                -0x1.fffffep-61f, 0x1p-149f, -0.0f };
    static const float want[6] = { 0x1p-60f, -0x1p-60f, 0.0f, 0.0f, 0.0f, 0.0f };
    const struct norm_map none = { NULL, NULL };
    const struct rows rows = { DTYPE_F32, 1, 6, x };
    float out[LD];

    (void)state;
    EACH_KERNEL(kernel)
    {
        rows_gather(&rows, NULL, 0, 1, &none, out, LD);
        assert_memory_equal(out, want, sizeof want);
    }
}

/* Columns 1, 3 and 5, 5: mean 2, deviation 1 (of n); a constant column keeps scale 1. */
static void normalisation_is_learned_from_columns(void **state)
{
    static const float x[2][2] = { { 1, 5 }, { 3, 5 } };
    const struct rows rows = { DTYPE_F32, 2, 2, x };
    static const uint32_t second[1] = { 1 };
    const struct data data = { .x = rows };
    const struct data picked = { .x = rows, .pick = second, .n_pick = 1 };
    float shift[2], scale[2], out[LD];
    const struct norm_map map = { shift, scale };

    (void)state;
    norm_fit(NORM_STANDARD, &data, shift, scale);
    assert_true(shift[0] == 2.0f && scale[0] == 1.0f && shift[1] == 5.0f && scale[1] == 1.0f);
    norm_fit(NORM_MINMAX, &data, shift, scale);
    assert_true(shift[0] == 1.0f && scale[0] == 0.5f && shift[1] == 5.0f && scale[1] == 1.0f);
    rows_gather(&rows, NULL, 1, 1, &map, out, LD);
    assert_true(out[0] == 1.0f && out[1] == 0.0f);
    norm_fit(NORM_STANDARD, &picked, shift, scale);
    assert_true(shift[0] == 3.0f && scale[0] == 1.0f && shift[1] == 5.0f && scale[1] == 1.0f);
    norm_fit(NORM_UNIT, &data, shift, scale);
    assert_true(shift[0] == 0.0f && scale[0] == (float)(1.0 / 255.0));
}

static void refused(const struct data *data, enum act act, enum cost cost, size_t outputs,
                    const char *detail)
{
    const struct net_spec spec = {
        .inputs = 1, .n_layers = 1, .layers = { { outputs, act } }, .cost = cost
    };
    struct err err = { 0 };
    char text[256];

    assert_false(data_check(data, &spec, &err));
    assert_int_equal(err.code, ERR_RANGE);
    err_detail(&err, text, sizeof text);
    assert_string_equal(text, detail);
}

static void targets_have_to_suit_the_cost(void **state)
{
    static const float x[2] = { 0 };
    const struct rows rows = { DTYPE_F32, 2, 1, x };
    struct data data = { .x = rows };

    (void)state;
    data.values = (const float[]){ 0, 1, 0.5f, 1.5f };
    refused(&data, ACT_SIGMOID, COST_CROSS_ENTROPY, 2,
            "targets[1][1] must be 0 to 1 for cross_entropy, is 1.5");
    data.values = (const float[]){ 0.5f, 0.5f, 0.5f, 0.25f };
    refused(&data, ACT_SOFTMAX, COST_LOG_LIKELIHOOD, 2,
            "targets[1] must sum to 1 for log_likelihood, sums to 0.75");
    data.values = (const float[]){ 1.5f, -0.5f, 0, 1 };
    refused(&data, ACT_SOFTMAX, COST_LOG_LIKELIHOOD, 2,
            "targets[0][1] must be 0 or more for log_likelihood, is -0.5");
    data.values = (const float[]){ 1, 2, INFINITY, 0 };
    refused(&data, ACT_LINEAR, COST_MSE, 2, "targets[1][0] must be finite, is inf");
    data.values = NULL;
    data.classes = (const uint32_t[]){ 1, 2 };
    refused(&data, ACT_SOFTMAX, COST_LOG_LIKELIHOOD, 2,
            "labels[1] must be below 2, the number of outputs, is 2");
}

/* Softmax of the inputs themselves, so the largest input is the answer. Truth and answer:
 * 0 0, 0 1, 1 1, 2 0; the data's classes come in another order than the outputs. */
static void answers_are_counted_by_truth_and_answer(void **state)
{
    static const float x[4][3] = { { 9, 0, 0 }, { 0, 9, 0 }, { 0, 9, 0 }, { 9, 0, 0 } };
    static const float unit[9] = { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, zeros[3] = { 0 };
    static const uint32_t classes[4] = { 2, 2, 0, 1 }, map[3] = { 1, 2, 0 };
    static _Alignas(64) unsigned char scratch[1 << 17];
    const struct net_spec spec = {
        .inputs = 3, .n_layers = 1, .layers = { { 3, ACT_SOFTMAX } }, .cost = COST_LOG_LIKELIHOOD
    };
    const struct data data = { .x = { DTYPE_F32, 4, 3, x }, .classes = classes, .map = map };

    (void)state;
    EACH_KERNEL(kernel)
    {
        static const uint64_t want[9] = { 1, 1, 0, 0, 1, 0, 1, 0, 0 };
        uint64_t confusion[9] = { 0 };
        struct eval eval = { .confusion = confusion };
        struct err err = { 0 };
        struct net *net;

        assert_true(net_create(&spec, &net, &err));
        net_set_layer(net, 0, unit, zeros);
        assert_true(net_scratch(net) <= sizeof scratch);
        assert_true(net_evaluate(net, &data, scratch, NULL, &eval, &err));
        assert_int_equal(eval.rows, 4);
        assert_int_equal(eval.correct, 2);
        assert_memory_equal(confusion, want, sizeof want);
        /* ln(e^9 + 2) - 9 where it is right, ln(e^9 + 2) where it is wrong */
        assert_near(eval.loss, log(exp(9.0) + 2.0) - 4.5, 1e-6);
        net_free(net);
    }
}

/* The lowest index wins. */
static void of_equal_outputs_the_first_is_the_answer(void **state)
{
    static const float x = 0.0f;
    static const uint32_t class = 0;
    static _Alignas(64) unsigned char scratch[1 << 17];
    const struct net_spec spec = {
        .inputs = 1, .n_layers = 1, .layers = { { 4, ACT_SOFTMAX } }, .cost = COST_LOG_LIKELIHOOD
    };
    const struct data data = { .x = { DTYPE_F32, 1, 1, &x }, .classes = &class };

    (void)state;
    EACH_KERNEL(kernel)
    {
        struct eval eval = { 0 };
        struct err err = { 0 };
        struct net *net;

        assert_true(net_create(&spec, &net, &err));
        assert_true(net_evaluate(net, &data, scratch, NULL, &eval, &err));
        assert_int_equal(eval.correct, 1);
        net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_gathered_by_index_and_padded),
        cmocka_unit_test(small_inputs_are_flushed),
        cmocka_unit_test(normalisation_is_learned_from_columns),
        cmocka_unit_test(targets_have_to_suit_the_cost),
        cmocka_unit_test(answers_are_counted_by_truth_and_answer),
        cmocka_unit_test(of_equal_outputs_the_first_is_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
