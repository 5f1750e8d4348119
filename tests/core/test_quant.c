#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>

#include "quant.h"

/* Rounded row by row; w has 3. */
static void row_is(enum quant quant, const float *w, const int32_t *q, float scale)
{
    int32_t got[3];
    float s;

    quant_row(quant, w, 3, got, &s);
    assert_true(s == scale);
    for (size_t k = 0; k < 3; k++) {
        assert_int_equal(got[k], q[k]);
    }
}

static void int8_has_a_scale_a_unit(void **state)
{
    (void)state;
    row_is(QUANT_INT8, (float[]){ -127.0F, 1.4F, 100.6F }, (int32_t[]){ -127, 1, 101 }, 1.0F);
    row_is(QUANT_INT8, (float[]){ 254.0F, 3.0F, -5.0F }, (int32_t[]){ 127, 2, -2 },
           2.0F); /* ties */
    row_is(QUANT_INT8, (float[]){ 0.0F, -0.0F, 0.0F }, (int32_t[]){ 0, 0, 0 }, 0.0F);
    row_is(QUANT_INT8, (float[]){ 1e-45F, 0.0F, 0.0F }, (int32_t[]){ 0, 0, 0 }, 0.0F);
    assert_true(quant_value(QUANT_INT8, -3, 0.5F) == -1.5F);
}

static void bf16_ties_go_to_even(void **state)
{
    (void)state;
    row_is(QUANT_BF16, (float[]){ 1.0F, -1.5F, 0x1.01p0F }, (int32_t[]){ 0x3f80, 0xbfc0, 0x3f80 },
           1.0F);
    row_is(QUANT_BF16, (float[]){ 0x1.03p0F, 0x1.010002p0F, -0.0F },
           (int32_t[]){ 0x3f82, 0x3f81, 0x8000 }, 1.0F);
    assert_true(quant_value(QUANT_BF16, 0xbfc0, 1.0F) == -1.5F);
}

static void outputs_are_compared(void **state)
{
    static const float x[] = { 1.0F, 2.0F, -1.0F, 0x1p120F };
    const struct net_spec spec = {
        .inputs = 1, .n_layers = 1, .layers = { { 1, ACT_LINEAR } }, .cost = COST_MSE
    };
    const float w = 0x1.01p-1F, b = 0.0F, huge = FLT_MAX;
    struct rows rows = { DTYPE_F32, 4, 1, x };
    struct quant_effect effect = { 0 };
    struct net *net, *rounded;
    struct err err = { 0 };

    (void)state;
    assert_true(net_create(&spec, &net, &err));
    net_set_layer(net, 0, &w, &b);
    assert_true(quant_net(net, QUANT_BF16, &rounded, &err)); /* to 0.5 */
    assert_true(quant_compare(net, rounded, &rows, 0, 2, &effect, &err));
    assert_true(quant_compare(net, rounded, &rows, 2, 1, &effect, &err));
    assert_int_equal(effect.rows, 3);
    assert_true(effect.most == 0x1p-8F && effect.sum == 0x1p-7);
    assert_int_equal(effect.changed, 0);

    net_set_layer(net, 0, &huge, &b);
    assert_false(quant_compare(net, rounded, &rows, 3, 1, &effect, &err));
    assert_int_equal(err.code, ERR_RANGE);
    assert_string_equal(err.where, "inputs[3]");
    net_free(rounded);
    net_free(net);
}

static void the_largest_stay_finite(void **state)
{
    static const float w[3] = { FLT_MAX, -FLT_MAX, 0x1.ffp127F };

    (void)state;
    for (enum quant quant = QUANT_BF16; quant < QUANT_COUNT; quant++) {
        int32_t q[3];
        float scale;

        quant_row(quant, w, 3, q, &scale);
        for (size_t k = 0; k < 3; k++) {
            assert_true(isfinite(quant_value(quant, q[k], scale)));
        }
        assert_int_equal(q[0], quant == QUANT_BF16 ? 0x7f7f : 127);
    }
}

static void a_net_of_fewer_bits(void **state)
{
    static const float w[] = { 127.0F, 1.25F, -0.5F, 63.5F }, b[] = { 0.3F, 0.7F };
    const struct net_spec spec = {
        .inputs = 2, .n_layers = 1, .layers = { { 2, ACT_LINEAR } }, .cost = COST_MSE
    };
    struct err err = { 0 };
    struct net *net, *fewer;
    float got[4], biases[2], most;

    (void)state;
    assert_true(net_create(&spec, &net, &err));
    net_set_layer(net, 0, w, b);
    assert_true(quant_net(net, QUANT_INT8, &fewer, &err));
    net_get_layer(fewer, 0, got, biases);
    assert_true(got[0] == 127.0F && got[1] == 1.0F && got[2] == -0.5F && got[3] == 63.5F);
    assert_true(biases[0] == 0.3F && biases[1] == 0.7F);
    assert_true(quant_error(net, QUANT_INT8, &most, &err));
    assert_true(most == 0.25F);
    assert_true(quant_error(net, QUANT_F32, &most, &err));
    assert_true(most == 0.0F);
    net_free(fewer);
    net_free(net);
}

static void names(void **state)
{
    enum quant quant = QUANT_F32;

    (void)state;
    for (enum quant i = QUANT_F32; i < QUANT_COUNT; i++) {
        assert_true(quant_find(quant_name(i), &quant));
        assert_int_equal(quant, i);
    }
    assert_false(quant_find("int4", &quant));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(int8_has_a_scale_a_unit), cmocka_unit_test(bf16_ties_go_to_even),
        cmocka_unit_test(the_largest_stay_finite), cmocka_unit_test(outputs_are_compared),
        cmocka_unit_test(a_net_of_fewer_bits),     cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
