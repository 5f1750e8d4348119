/* Graphs made by hand, and files of other tools; whole, cut and changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail_malloc.h"
#include "net.h"
#include "onnx_file.h"
#include "onnx_read.h"

static const struct model_limits limits = { 8, 64, 4096 };

/* In memory of exactly that size, so that a sanitizer sees every byte read beyond it. What is
 * accepted is a whole model; what is not has its reason. */
static bool read_bytes(const char *bytes, size_t len, struct arena *arena, struct msg_model *ret,
                       struct err *err)
{
    char *copy = malloc(len + (len == 0));
    const char *digest;
    bool ok;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    ok = onnx_read(copy, len, &limits, arena, ret, &digest, err);
    free(copy);
    assert_int_equal(ok, err->code == ERR_NONE);
    if (ok) {
        size_t in = ret->spec.inputs;

        assert_true(spec_check(&ret->spec, limits.max_layers, limits.max_params, err));
        for (size_t l = 0; l < ret->spec.n_layers; l++) {
            assert_true(floats_finite(ret->weights[l], in * ret->spec.layers[l].units));
            in = ret->spec.layers[l].units;
            assert_true(floats_finite(ret->biases[l], in));
        }
    }
    return ok;
}

static void accept(struct file *file, struct arena *arena, struct msg_model *ret)
{
    struct text text = file_end(file);
    struct err err = { 0 };

    if (!read_bytes(text.data, text.len, arena, ret, &err)) {
        fail_msg("%s %s", err.where, err.text);
    }
    text_done(&text);
}

static void refuse(struct file *file, const char *want)
{
    struct text text = file_end(file);
    struct arena arena = { 0 };
    struct msg_model model;
    struct err err = { 0 };
    char said[sizeof err.where + sizeof err.text + 1];

    assert_false(read_bytes(text.data, text.len, &arena, &model, &err));
    err_detail(&err, said, sizeof said);
    if (strncmp(said, want, strlen(want)) != 0) {
        fail_msg("expected '%s', is '%s'", want, said);
    }
    text_done(&text);
    arena_done(&arena);
}

/* ---- what is read ---- */

static const float w[6] = { 1, 2, 3, 4, 5, 6 }, b[3] = { 7, 8, 9 }, v[3] = { -1, -2, -3 };

/* Two inputs, three units by MatMul, one by Gemm; the nodes' order is not that of the chain. */
static struct file two_layers(void)
{
    struct file file = file_make(2);

    attribute_int(&file, "transB", 1);
    node(&file, "Gemm", "a v c", "y");
    node(&file, "Relu", "s", "a");
    node(&file, "Add", "b z", "s");
    node(&file, "MatMul", "x w", "z");
    floats(&file, "w", 2, 3, w);
    floats(&file, "b", 3, 0, b);
    floats(&file, "v", 1, 3, v);
    floats(&file, "c", 1, 0, b);
    return file;
}

static void a_chain_is_read_in_any_order(void **state)
{
    static const float turned[6] = { 1, 4, 2, 5, 3, 6 };
    struct file file = two_layers();
    struct arena arena = { 0 };
    struct msg_model model;

    (void)state;
    accept(&file, &arena, &model);
    assert_int_equal(model.spec.inputs, 2);
    assert_int_equal(model.spec.n_layers, 2);
    assert_int_equal(model.spec.layers[0].units, 3);
    assert_int_equal(model.spec.layers[0].act, ACT_RELU);
    assert_int_equal(model.spec.layers[1].act, ACT_LINEAR);
    assert_int_equal(model.spec.cost, COST_MSE);
    assert_int_equal(model.spec.norm, NORM_NONE);
    assert_memory_equal(model.weights[0], turned, sizeof turned);
    assert_memory_equal(model.biases[0], b, sizeof b);
    assert_memory_equal(model.weights[1], v, sizeof v);
    assert_true(model.biases[1][0] == 7.0F);
    assert_null(model.shift);
    assert_null(model.labels);
    arena_done(&arena);
}

static void outputs_have_their_cost(void **state)
{
    static const struct {
        const char *op;
        enum act act;
        enum cost cost;
    } outputs[] = { { "Sigmoid", ACT_SIGMOID, COST_CROSS_ENTROPY },
                    { "Tanh", ACT_TANH, COST_MSE },
                    { "Softmax", ACT_SOFTMAX, COST_LOG_LIKELIHOOD },
                    { "Identity", ACT_LINEAR, COST_MSE } };

    (void)state;
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        struct file file = file_make(0);
        struct arena arena = { 0 };
        struct msg_model model;

        node(&file, "MatMul", "x w", "z");
        node(&file, outputs[i].op, "z", "y");
        floats(&file, "w", 2, 3, w);
        accept(&file, &arena, &model);
        assert_int_equal(model.spec.layers[0].act, outputs[i].act);
        assert_int_equal(model.spec.cost, outputs[i].cost);
        assert_true(model.biases[0][2] == 0.0F);
        arena_done(&arena);
    }
}

static void weights_may_be_doubles_and_transposed(void **state)
{
    static const double values[6] = { 1, 2, 3, 4, 5, 1.0 / 3.0 };
    static const float want[6] = { 1, 2, 3, 4, 5, 1.0F / 3.0F };
    struct file file = file_make(2);
    struct arena arena = { 0 };
    struct msg_model model;

    (void)state;
    node(&file, "Transpose", "w", "t");
    node(&file, "Identity", "t", "i");
    node(&file, "MatMul", "x i", "y");
    doubles(&file, "w", 3, 2, values);
    accept(&file, &arena, &model);
    assert_memory_equal(model.weights[0], want, sizeof want);
    arena_done(&arena);
}

static void scalings_become_the_normalisation(void **state)
{
    static const float mean[2] = { 10, -4 }, deviation[2] = { 2, 4 }, half = 0.5F, one = 1.0F;
    struct file file = file_make(2);
    struct arena arena = { 0 };
    struct msg_model model;

    (void)state;
    node(&file, "Sub", "x mean", "p");
    node(&file, "Div", "p deviation", "q");
    node(&file, "MatMul", "q w", "z");
    node(&file, "Add", "z b", "s");
    node(&file, "Mul", "s half", "t");
    node(&file, "Sub", "one t", "y");
    floats(&file, "mean", 1, 2, mean);
    floats(&file, "deviation", 2, 0, deviation);
    floats(&file, "half", 0, 0, &half);
    floats(&file, "one", 1, 0, &one);
    floats(&file, "w", 2, 3, w);
    floats(&file, "b", 3, 0, b);
    accept(&file, &arena, &model);
    assert_int_equal(model.spec.norm, NORM_STANDARD);
    assert_int_equal(model.spec.target_norm, NORM_STANDARD);
    for (size_t i = 0; i < 2; i++) {
        assert_true(model.shift[i] == mean[i] && model.scale[i] == 1.0F / deviation[i]);
    }
    /* y = 1 - a/2 = a / -2 + 1 */
    assert_true(model.target_shift[2] == 1.0F && model.target_scale[2] == -2.0F);
    arena_done(&arena);
}

static void a_255th_is_unit(void **state)
{
    static const float by = 255.0F;
    struct file file = file_make(2);
    struct arena arena = { 0 };
    struct msg_model model;

    (void)state;
    node(&file, "Div", "x by", "p");
    node(&file, "MatMul", "p w", "y");
    floats(&file, "by", 0, 0, &by);
    floats(&file, "w", 2, 3, w);
    accept(&file, &arena, &model);
    assert_int_equal(model.spec.norm, NORM_UNIT);
    assert_true(model.scale[1] == (float)(1.0 / 255.0) && model.shift[1] == 0.0F);
    arena_done(&arena);
}

static void a_scaler_and_labels_are_read(void **state)
{
    static const float offset[2] = { 1, 2 }, scale = 3.0F;
    struct file file = file_make(2);
    struct arena arena = { 0 };
    struct msg_model model;

    (void)state;
    attribute_floats(&file, "offset", offset, 2);
    attribute_floats(&file, "scale", &scale, 1);
    node(&file, "Scaler", "x", "p");
    node(&file, "Reshape", "p flat", "q");
    node(&file, "MatMul", "q w", "y");
    wholes(&file, "flat", 0, -1);
    floats(&file, "w", 2, 3, w);
    prop(&file, "labels", "[\"a\", \"b\", \"c\"]");
    accept(&file, &arena, &model);
    assert_true(model.shift[1] == 2.0F && model.scale[0] == 3.0F);
    assert_int_equal(model.labels->n, 3);
    assert_string_equal(model.labels->name[2], "c");
    labels_free(model.labels);
    arena_done(&arena);
}

/* ---- what is refused ---- */

/* x -> op -> y, with w beside. */
static void refuse_node(const char *op, const char *in, const char *want)
{
    struct file file = file_make(2);

    node(&file, op, in, "y");
    floats(&file, "w", 2, 3, w);
    refuse(&file, want);
}

/* A layer, and that op behind it. */
static void refuse_behind(const char *op, const char *in, const char *want)
{
    struct file file = file_make(2);

    node(&file, "MatMul", "x w", "z");
    node(&file, op, in, "y");
    floats(&file, "w", 2, 3, w);
    refuse(&file, want);
}

static void what_is_no_layer_is_refused_by_name(void **state)
{
    (void)state;
    refuse_node("Conv", "x w", "node 'y' is a Conv: feed-forward networks have no such operator");
    refuse_node("MatMul", "w x", "node 'y' is a MatMul: must take the layer before");
    refuse_node("Add", "x x", "node 'y' is an Add: computes from 2 values");
    refuse_node("Relu", "x", "node 'y' is a Relu: must stand behind a layer's Gemm");
    refuse_node("Identity", "x", "graph has no Gemm or MatMul, so no layer");
    refuse_node("Identity", "w", "node 'y' is an Identity: computes from 0 values");
    refuse_node("Identity", "q", "node 'y' takes 'q', which nothing makes");
    refuse_node("Relu", "y", "graph has more than 512 nodes in a row");
    refuse_behind("Relu", "z", "node 'y' is a Relu: cannot be the last layer's");
    refuse_behind("LogSoftmax", "z", "node 'y' is a LogSoftmax: its outputs are logarithms");
    refuse_behind("Add", "z w", "node 'y' is an Add: must have 3 biases");
    refuse_behind("MatMul", "z w", "node 'y' is a MatMul: has weights for 2 inputs, but gets 3");
    refuse_behind("Identity", "x", "graph has no Gemm");
}

static void attributes_that_change_a_layer_are_refused(void **state)
{
    struct file file = file_make(2);

    (void)state;
    attribute_int(&file, "transA", 1);
    node(&file, "Gemm", "x w", "y");
    floats(&file, "w", 2, 3, w);
    refuse(&file, "node 'y' is a Gemm: must have alpha 1, beta 1 and transA 0, has 1, 1 and 1");

    file = file_make(2);
    node(&file, "MatMul", "x w", "z");
    attribute_int(&file, "axis", 0);
    node(&file, "Softmax", "z", "y");
    floats(&file, "w", 2, 3, w);
    refuse(&file, "node 'y' is a Softmax: must have axis -1 or 1, has 0");
}

static void versions_and_sizes_have_limits(void **state)
{
    static const float many[65] = { 0 }, huge[6] = { INFINITY };
    struct file file = two_layers();

    (void)state;
    file.ir = 99;
    refuse(&file, "ir_version must be 3 to 13, is 99");
    file = two_layers();
    file.opset = 6;
    refuse(&file, "opset_import must be 7 to 25 of ai.onnx, is 6");
    file = two_layers();
    floats(&file, "w", 2, 3, w);
    refuse(&file, "graph has two values called 'w'");
    file = file_make(0);
    node(&file, "MatMul", "x w", "y");
    floats(&file, "w", 1, 65, many);
    refuse(&file, "node 'y' is a MatMul: must have 1 to 64 inputs and units, has 1 and 65");
    file = file_make(2);
    node(&file, "MatMul", "x w", "y");
    floats(&file, "w", 2, 3, huge);
    refuse(&file, "tensor 'w' has a value that is not finite");
    file = file_make(65);
    node(&file, "MatMul", "x w", "y");
    floats(&file, "w", 2, 3, w);
    refuse(&file, "input 'x' has more than 64 values a row");
}

static void metadata_must_fit(void **state)
{
    struct file file = two_layers();

    (void)state;
    prop(&file, "labels", "[\"a\", \"b\"]");
    refuse(&file, "metadata_props.labels must have 1 to 1 names, has 2");
    file = two_layers();
    prop(&file, "labels", "[1]");
    refuse(&file, "metadata_props.labels [0] must be a string");
    file = two_layers();
    file.producer = "sigmad";
    prop(&file, "spec", "{");
    refuse(&file, "metadata_props.spec line 1");
    file = two_layers();
    file.producer = "sigmad";
    prop(&file, "spec",
         "{\"inputs\": 2, \"layers\": [{\"units\": 1, \"activation\": \"tanh\"}], \"cost\": "
         "\"mse\"}");
    refuse(&file, "metadata_props.spec must be of the graph's layers");
}

/* Without memory there is no model, and nothing stays behind. */
static void no_memory_is_told(void **state)
{
    struct file file = two_layers();
    struct text text;
    size_t k = 0;
    bool ok;

    (void)state;
    prop(&file, "labels", "[\"a\"]");
    text = file_end(&file);
    do {
        struct arena arena = { 0 };
        struct msg_model model = { .labels = NULL };
        struct err err = { 0 };
        const char *digest;

        fail_malloc_start(++k);
        ok = onnx_read(text.data, text.len, &limits, &arena, &model, &digest, &err);
        fail_malloc_at = 0;
        assert_int_equal(err.code, ok ? ERR_NONE : ERR_MEMORY);
        labels_free(model.labels);
        arena_done(&arena);
        assert_int_equal(fail_malloc_live, 0);
    } while (!ok);
    assert_true(k > 3);
    text_done(&text);
}

/* ---- bytes that are none of it ---- */

/* Each bit changed, and cut at each length. */
static void spoil(char *bytes, size_t len)
{
    for (size_t i = 0; i < len * 9; i++) {
        const size_t at = i / 9;
        const char was = bytes[at], bit = (char)(i % 9 == 8 ? 0 : 1 << i % 9);
        struct arena arena = { 0 };
        struct msg_model model;
        struct err err = { 0 };

        bytes[at] = (char)(was ^ bit);
        if (read_bytes(bytes, bit == 0 ? at : len, &arena, &model, &err)) {
            labels_free(model.labels);
        }
        bytes[at] = was;
        arena_done(&arena);
    }
}

static void cut_and_changed_graphs_do_no_harm(void **state)
{
    struct file file = two_layers();
    struct text text;

    (void)state;
    prop(&file, "labels", "[\"a\"]");
    text = file_end(&file);
    spoil(text.data, text.len);
    text_done(&text);
}

static void cut_and_changed_files_do_no_harm(void **state)
{
    char bytes[4096];
    glob_t found = { 0 };

    (void)state;
    assert_int_equal(glob("tests/data/onnx/*.onnx", 0, NULL, &found), 0);
    assert_int_equal(glob("tests/fuzz/corpus/fuzz_onnx/*", GLOB_APPEND, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct arena arena = { 0 };
        struct msg_model model;
        struct err err = { 0 };
        FILE *file = fopen(found.gl_pathv[i], "rb");
        size_t len;

        assert_non_null(file);
        len = fread(bytes, 1, sizeof bytes, file);
        fclose(file);
        assert_in_range(len, 1, sizeof bytes - 1);
        assert_true(read_bytes(bytes, len, &arena, &model, &err));
        labels_free(model.labels);
        arena_done(&arena);
        spoil(bytes, len);
    }
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chain_is_read_in_any_order),
        cmocka_unit_test(outputs_have_their_cost),
        cmocka_unit_test(weights_may_be_doubles_and_transposed),
        cmocka_unit_test(scalings_become_the_normalisation),
        cmocka_unit_test(a_255th_is_unit),
        cmocka_unit_test(a_scaler_and_labels_are_read),
        cmocka_unit_test(what_is_no_layer_is_refused_by_name),
        cmocka_unit_test(attributes_that_change_a_layer_are_refused),
        cmocka_unit_test(versions_and_sizes_have_limits),
        cmocka_unit_test(metadata_must_fit),
        cmocka_unit_test(no_memory_is_told),
        cmocka_unit_test(cut_and_changed_graphs_do_no_harm),
        cmocka_unit_test(cut_and_changed_files_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
