/* Output biases from what the data give on average: what a net whose weights are 0 then answers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "near.h"
#include "priors.h"

enum { ROWS = 8, OUT = 3 };

static const float x[ROWS];

static void answer(enum act act, enum cost cost, const struct data *data, float out[OUT])
{
    const struct net_spec spec = {
        .inputs = 1, .n_layers = 1, .layers = { { OUT, act } }, .cost = cost
    };
    _Alignas(64) static char scratch[1 << 20];
    struct err err = { 0 };
    struct net *net;

    assert_true(net_create(&spec, &net, &err));
    assert_true(net_set_priors(net, data, &err));
    assert_true(net_scratch(net) <= sizeof scratch);
    net_predict(net, &data->x, 0, 1, out, scratch, NULL);
    net_free(net);
}

static void classes_as_often_as_they_are(void **state)
{
    static const uint32_t classes[ROWS] = { 0, 1, 0, 0, 0, 0, 1, 0 }, map[2] = { 2, 0 };
    const struct data data = { .x = { DTYPE_F32, ROWS, 1, x }, .classes = classes, .map = map };
    float out[OUT];

    (void)state;
    answer(ACT_SIGMOID, COST_CROSS_ENTROPY, &data, out);
    assert_near((double)out[2], 0.75, 1e-6);
    assert_near((double)out[0], 0.25, 1e-6);
    assert_near((double)out[1], 0.5 / ROWS, 1e-6); /* never seen: as half a row */
    answer(ACT_SOFTMAX, COST_LOG_LIKELIHOOD, &data, out);
    assert_near((double)out[2], 0.75 / (1.0 + 0.5 / ROWS), 1e-6);
    assert_near((double)out[0], 0.25 / (1.0 + 0.5 / ROWS), 1e-6);
}

static void means_of_numbers(void **state)
{
    static const float y[ROWS * OUT] = { 1, 0, 20, 1, 1, 20, 1, 0, 20, 1, 0, 20,
                                         1, 0, 40, 1, 1, 20, 1, 0, 20, 1, 0, 20 };
    static const uint32_t pick[3] = { 0, 1, 4 };
    struct data data = { .x = { DTYPE_F32, ROWS, 1, x }, .values = y };
    float out[OUT];

    (void)state;
    answer(ACT_LINEAR, COST_MSE, &data, out);
    assert_true(out[0] == 1.0f && out[1] == 0.25f && out[2] == 22.5f);
    data.pick = pick;
    data.n_pick = 3;
    answer(ACT_LINEAR, COST_MSE, &data, out);
    assert_near((double)out[1], 1.0 / 3.0, 1e-7);
    assert_near((double)out[2], 80.0 / 3.0, 1e-5);
    answer(ACT_TANH, COST_MSE, &data, out);
    assert_true(out[0] == 0.0f && out[1] == 0.0f && out[2] == 0.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_as_often_as_they_are),
        cmocka_unit_test(means_of_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
