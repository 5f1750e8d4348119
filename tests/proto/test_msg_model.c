#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "fail_malloc.h"
#include "msg_model.h"
#include "rng.h"

static const struct model_limits limits = { .max_layers = 64,
                                            .max_units = 65536,
                                            .max_params = 1000000 };

static bool model_encode(struct text *text, const struct net *net, const struct labels *labels,
                         struct err *err)
{
    struct exporter e = { .format = export_format_find("json"), .net = net, .labels = labels };

    return export_all(&e, text, err);
}

static void a_spec_with_defaults_is_read(void **state)
{
    static const char body[] =
        "{\"inputs\": 784, \"layers\": [{\"units\": 30, \"activation\": \"sigmoid\"}, "
        "{\"activation\": \"softmax\", \"units\": 10}], \"cost\": \"log_likelihood\"}";
    struct arena arena = { 0 };
    struct msg_model msg;
    struct err err = { 0 };

    (void)state;
    assert_true(msg_model_decode(body, sizeof body - 1, &limits, &arena, &msg, &err));
    assert_int_equal(msg.spec.inputs, 784);
    assert_int_equal(msg.spec.n_layers, 2);
    assert_int_equal(msg.spec.layers[0].units, 30);
    assert_int_equal(msg.spec.layers[0].act, ACT_SIGMOID);
    assert_int_equal(msg.spec.layers[1].units, 10);
    assert_int_equal(msg.spec.layers[1].act, ACT_SOFTMAX);
    assert_int_equal(msg.spec.cost, COST_LOG_LIKELIHOOD);
    assert_int_equal(msg.spec.init, INIT_SCALED_NORMAL);
    assert_int_equal(msg.spec.bias_init, BIAS_ZEROS);
    assert_int_equal(msg.spec.norm, NORM_NONE);
    assert_int_equal(msg.spec.seed, 0);
    assert_null(msg.labels);
    assert_false(msg.has_weights);
    assert_true(msg.shift == NULL && msg.scale == NULL);
    arena_done(&arena);
}

static void weights_arrive_layer_by_layer(void **state)
{
    /* The layers come before what says how wide they are. */
    static const char body[] =
        "{\"shift\": [7, 8], \"layers\": ["
        "{\"weights\": [[1, 2], [3, 4], [5, 6]], \"biases\": [-1, -2, -3], "
        "\"units\": 3, \"activation\": \"tanh\"}, "
        "{\"units\": 1, \"activation\": \"linear\", \"biases\": [0.5], "
        "\"weights\": [[0.25, -0.25, 1e-40]]}], "
        "\"normalize\": \"standard\", \"scale\": [1, 2], \"labels\": [\"it\"], "
        "\"cost\": \"mse\", \"inputs\": 2}";
    static const float w0[] = { 1.0F, 2.0F, 3.0F, 4.0F, 5.0F, 6.0F },
                       b0[] = { -1.0F, -2.0F, -3.0F };
    static const float w1[] = { 0.25F, -0.25F, 1e-40F };
    struct arena arena = { 0 };
    struct msg_model msg;
    struct err err = { 0 };

    (void)state;
    assert_true(msg_model_decode(body, sizeof body - 1, &limits, &arena, &msg, &err));
    assert_true(msg.has_weights);
    assert_memory_equal(msg.weights[0], w0, sizeof w0);
    assert_memory_equal(msg.biases[0], b0, sizeof b0);
    assert_memory_equal(msg.weights[1], w1, sizeof w1);
    assert_true(msg.biases[1][0] == 0.5F);
    assert_true(msg.shift[1] == 8.0F && msg.scale[1] == 2.0F);
    assert_string_equal(msg.labels->name[0], "it");
    labels_free(msg.labels);
    arena_done(&arena);
}

/* A shape with far too many parameters is refused without asking for memory to hold them: the
 * arrays that would say otherwise are a few bytes long. */
static void a_huge_shape_is_refused_before_its_arrays_are_read(void **state)
{
    static const char body[] =
        "{\"inputs\": 65536, \"layers\": [{\"units\": 65536, \"activation\": \"sigmoid\", "
        "\"weights\": [[1]], \"biases\": [1]}], \"cost\": \"mse\"}";
    struct arena arena = { 0 };
    struct msg_model msg;
    struct err err = { 0 };

    (void)state;
    assert_false(msg_model_decode(body, sizeof body - 1, &limits, &arena, &msg, &err));
    assert_int_equal(err.code, ERR_FIELD);
    assert_string_equal(err.where, "layers");
    arena_done(&arena);
}

static void a_pair_that_does_not_belong_together_is_refused(void **state)
{
    static const char body[] = "{\"inputs\": 2, \"layers\": [{\"units\": 2, \"activation\": "
                               "\"softmax\"}], \"cost\": \"mse\"}";
    struct arena arena = { 0 };
    struct msg_model msg;
    struct err err = { 0 };

    (void)state;
    assert_false(msg_model_decode(body, sizeof body - 1, &limits, &arena, &msg, &err));
    assert_int_equal(err.code, ERR_FIELD);
    assert_string_equal(err.where, "cost");
    arena_done(&arena);
}

/* A net of any finite bits, also the smallest and largest there are. */
static struct net *net_make(struct rng *rng)
{
    const struct net_spec spec = {
        .inputs = 5,
        .n_layers = 2,
        .layers = { { 7, ACT_RELU }, { 3, ACT_SOFTMAX } },
        .cost = COST_LOG_LIKELIHOOD,
        .init = INIT_HE,
        .bias_init = BIAS_NORMAL,
        .norm = NORM_MINMAX,
        .seed = INT64_MAX,
    };
    float values[35];
    struct net *net = NULL;
    struct err err = { 0 };

    assert_true(net_create(&spec, &net, &err));
    for (size_t i = 0; i < 35; i++) {
        do {
            const uint32_t bits = (uint32_t)rng_next(rng);

            memcpy(&values[i], &bits, sizeof bits);
        } while (!isfinite(values[i]));
    }
    values[0] = -0.0F;
    net_set_layer(net, 0, values, values + 20);
    net_set_layer(net, 1, values + 10, values + 1);
    assert_true(net_set_norm(net, values, values + 5, &err));
    return net;
}

static void an_exported_model_reads_back_to_the_same_bits(void **state)
{
    static const char *const names[] = { "a", "\"quoted\"", "\xc3\xa9t\xc3\xa9" };
    struct labels *labels = NULL;
    struct err err = { 0 };
    struct rng rng;

    (void)state;
    rng_init(&rng, 5);
    assert_true(labels_create(names, 3, &labels, &err));
    for (int i = 0; i < 1000; i++) {
        struct net *net = net_make(&rng);
        struct arena arena = { 0 };
        struct text text = { 0 };
        struct msg_model msg;
        float w[35], b[7];

        assert_true(model_encode(&text, net, labels, &err));
        assert_int_equal(text.data[text.len - 1], '\n');
        assert_true(msg_model_decode(text.data, text.len, &limits, &arena, &msg, &err));
        assert_true(msg.has_weights);
        assert_int_equal(msg.spec.seed, INT64_MAX);
        assert_int_equal(msg.spec.init, INIT_HE);
        assert_int_equal(msg.spec.bias_init, BIAS_NORMAL);
        assert_int_equal(msg.spec.norm, NORM_MINMAX);
        assert_true(labels_equal(msg.labels, labels));
        for (size_t l = 0; l < 2; l++) {
            const size_t units = net->layer[l].out, inputs = net->layer[l].in;

            net_get_layer(net, l, w, b);
            assert_memory_equal(msg.weights[l], w, units * inputs * sizeof *w);
            assert_memory_equal(msg.biases[l], b, units * sizeof *b);
        }
        assert_memory_equal(msg.shift, net->shift, 5 * sizeof *w);
        assert_memory_equal(msg.scale, net->scale, 5 * sizeof *w);
        labels_free(msg.labels);
        arena_done(&arena);
        text_done(&text);
        net_free(net);
    }
    labels_free(labels);
}

static void an_export_without_memory_is_none(void **state)
{
    struct rng rng;
    struct net *net;
    size_t k = 0;
    bool failed;

    (void)state;
    rng_init(&rng, 6);
    net = net_make(&rng);
    do {
        struct text text = { 0 };
        char *bytes;
        size_t len;
        struct err err = { 0 };

        fail_malloc_start(++k);
        failed = !model_encode(&text, net, NULL, &err);
        fail_malloc_at = 0;
        assert_int_equal(failed, k <= fail_malloc_calls);
        assert_int_equal(err.code, failed ? ERR_MEMORY : ERR_NONE);
        bytes = text_detach(&text, &len);
        free(bytes);
        assert_int_equal(fail_malloc_live, 0);
    } while (failed);
    assert_true(k > 5);
    net_free(net);
}

static void a_spec_is_written_as_it_is_read(void **state)
{
    const struct net_spec spec = {
        .inputs = 4,
        .n_layers = 2,
        .layers = { { 3, ACT_TANH }, { 2, ACT_SIGMOID } },
        .cost = COST_CROSS_ENTROPY,
        .init = INIT_XAVIER,
        .norm = NORM_UNIT,
        .seed = 7,
    };
    static const char *const names[] = { "no", "yes" };
    struct labels *labels = NULL;
    struct text text = { 0 };
    struct err err = { 0 };

    (void)state;
    assert_true(labels_create(names, 2, &labels, &err));
    msg_spec_encode(&text, &spec, labels);
    assert_string_equal(text.data,
                        "\"inputs\": 4, \"layers\": [{\"units\": 3, \"activation\": \"tanh\"}, "
                        "{\"units\": 2, \"activation\": \"sigmoid\"}], "
                        "\"cost\": \"cross_entropy\", \"init\": \"xavier\", "
                        "\"bias_init\": \"zeros\", \"seed\": 7, \"labels\": [\"no\", \"yes\"], "
                        "\"normalize\": \"unit\"");
    text_done(&text);
    labels_free(labels);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(a_spec_with_defaults_is_read),
        cmocka_unit_test(weights_arrive_layer_by_layer),
        cmocka_unit_test(a_huge_shape_is_refused_before_its_arrays_are_read),
        cmocka_unit_test(a_pair_that_does_not_belong_together_is_refused),
        cmocka_unit_test(an_exported_model_reads_back_to_the_same_bits),
        cmocka_unit_test(an_export_without_memory_is_none),
        cmocka_unit_test(a_spec_is_written_as_it_is_read),
    };

    return cmocka_run_group_tests_name("msg_model", all, NULL, NULL);
}
