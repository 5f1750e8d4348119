/* What a network may look like, and what is told of one that may not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "spec.h"

static struct net_spec spec_of(size_t inputs, size_t units, enum act act, enum cost cost)
{
    return (struct net_spec){
        .inputs = inputs, .n_layers = 1, .layers = { { units, act } }, .cost = cost
    };
}

static void refused(const struct net_spec *spec, size_t layers, size_t params, const char *where,
                    const char *text)
{
    struct err err = { 0 };
    char detail[512];

    assert_false(spec_check(spec, layers, params, &err));
    assert_int_equal(err.code, ERR_FIELD);
    assert_string_equal(err.where, where);
    err_detail(&err, detail, sizeof detail);
    if (strstr(detail, text) == NULL) {
        print_error("'%s' does not say '%s'\n", detail, text);
        assert_non_null(strstr(detail, text));
    }
}

/* Every output activation with every cost: five belong together, the rest is refused at "cost". */
static void outputs_and_costs_go_together_or_are_refused(void **state)
{
    static const bool good[ACT_COUNT][COST_COUNT] = {
        [ACT_SIGMOID] = { [COST_MSE] = true, [COST_CROSS_ENTROPY] = true },
        [ACT_TANH] = { [COST_MSE] = true },
        [ACT_LINEAR] = { [COST_MSE] = true },
        [ACT_SOFTMAX] = { [COST_LOG_LIKELIHOOD] = true },
    };

    (void)state;
    for (int act = 0; act < ACT_COUNT; act++) {
        for (int cost = 0; cost < COST_COUNT; cost++) {
            const struct net_spec spec = spec_of(2, 3, (enum act)act, (enum cost)cost);
            struct err err = { 0 };

            if (act == ACT_RELU) {
                refused(&spec, 64, 1000, "layers[0].activation", "no cost goes with it");
            } else if (good[act][cost]) {
                assert_true(spec_check(&spec, 64, 1000, &err));
            } else {
                refused(&spec, 64, 1000, "cost", cost_name((enum cost)cost));
            }
        }
    }
}

static void sizes_out_of_their_limits_are_told_with_them(void **state)
{
    struct net_spec spec = spec_of(0, 1, ACT_LINEAR, COST_MSE);

    (void)state;
    refused(&spec, 64, 1000, "inputs", "must be 1 to 65536, is 0");
    spec = spec_of(65537, 1, ACT_LINEAR, COST_MSE);
    refused(&spec, 64, 1000000, "inputs", "is 65537");
    spec = spec_of(1, 0, ACT_LINEAR, COST_MSE);
    refused(&spec, 64, 1000, "layers[0].units", "must be 1 to 65536, is 0");
    spec = spec_of(1, 65537, ACT_LINEAR, COST_MSE);
    refused(&spec, 64, 1000000, "layers[0].units", "is 65537");
    spec.n_layers = 0;
    refused(&spec, 64, 1000, "layers", "must be 1 to 64, are 0");
    spec.n_layers = 3;
    refused(&spec, 2, 1000, "layers", "must be 1 to 2, are 3");
    spec = spec_of(2, 3, ACT_LINEAR, COST_MSE);
    refused(&spec, 64, 8, "layers", "at most 8 weights and biases, have 9");
}

static void softmax_is_for_the_last_layer(void **state)
{
    struct net_spec spec = { .inputs = 2,
                             .n_layers = 2,
                             .layers = { { 2, ACT_SOFTMAX }, { 2, ACT_SOFTMAX } },
                             .cost = COST_LOG_LIKELIHOOD };

    (void)state;
    refused(&spec, 64, 1000, "layers[0].activation", "only in the last layer");
}

/* 65536 x 65536 x 64 is more than fits many machines, and nothing is allocated to find that out;
 * what does not even fit size_t is as many as there can be. */
static void parameters_are_counted_without_overflow(void **state)
{
    struct net_spec spec = { .inputs = SPEC_UNITS_MAX, .n_layers = SPEC_LAYERS_MAX };

    (void)state;
    for (size_t l = 0; l < SPEC_LAYERS_MAX; l++) {
        spec.layers[l] = (struct layer_spec){ SPEC_UNITS_MAX, ACT_LINEAR };
    }
    assert_true(spec_params(&spec) ==
                (size_t)SPEC_LAYERS_MAX * SPEC_UNITS_MAX * (SPEC_UNITS_MAX + 1));
    refused(&spec, 64, SIZE_MAX >> 32, "layers", "weights and biases");
    spec.inputs = SIZE_MAX / 2;
    assert_true(spec_params(&spec) == SIZE_MAX);
}

static void every_name_finds_its_value(void **state)
{
    enum act act;
    enum cost cost;
    enum init init;
    enum bias_init bias;
    enum norm norm;

    (void)state;
    for (int i = 0; i < ACT_COUNT; i++) {
        assert_true(act_find(act_name((enum act)i), &act) && (int)act == i);
    }
    for (int i = 0; i < COST_COUNT; i++) {
        assert_true(cost_find(cost_name((enum cost)i), &cost) && (int)cost == i);
    }
    for (int i = 0; i < INIT_COUNT; i++) {
        assert_true(init_find(init_name((enum init)i), &init) && (int)init == i);
    }
    for (int i = 0; i < BIAS_COUNT; i++) {
        assert_true(bias_init_find(bias_init_name((enum bias_init)i), &bias) && (int)bias == i);
    }
    for (int i = 0; i < NORM_COUNT; i++) {
        assert_true(norm_find(norm_name((enum norm)i), &norm) && (int)norm == i);
    }
    act = ACT_TANH;
    assert_false(act_find("Sigmoid", &act) || act_find("", &act) || act_find("relu ", &act));
    assert_int_equal(act, ACT_TANH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_and_costs_go_together_or_are_refused),
        cmocka_unit_test(sizes_out_of_their_limits_are_told_with_them),
        cmocka_unit_test(softmax_is_for_the_last_layer),
        cmocka_unit_test(parameters_are_counted_without_overflow),
        cmocka_unit_test(every_name_finds_its_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
