#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "onnx_write.h"
#include "wire_write.h"

static const struct msg_version facts = { .version = 3,
                                          .created = 1e9,
                                          .source = "train",
                                          .loss = 0.25,
                                          .accuracy = NAN,
                                          .digest = "00ff",
                                          .key = "",
                                          .request = "" };

/* One layer of one unit: sigma(x[0] - 2 x[1] + 0.5). */
static struct net *net_make(enum act act, enum cost cost)
{
    static const float w[] = { 1.0F, -2.0F }, b[] = { 0.5F };
    const struct net_spec spec = {
        .inputs = 2, .n_layers = 1, .layers = { { 1, act } }, .cost = cost, .seed = 4
    };
    struct err err = { 0 };
    struct net *net;

    assert_true(net_create(&spec, &net, &err));
    net_set_layer(net, 0, w, b);
    return net;
}

static struct exporter exporter_make(const struct net *net, enum export_part part)
{
    return (struct exporter){ .format = export_format_find("onnx"),
                              .model = "m",
                              .release = "0.1.0",
                              .net = net,
                              .facts = &facts,
                              .options = { .part = part } };
}

static void file_make(const struct net *net, enum export_part part, struct text *ret)
{
    struct exporter e = exporter_make(net, part);
    struct err err = { 0 };

    assert_true(export_all(&e, ret, &err));
    assert_int_equal(e.total, ret->len);
}

static bool contains(const struct text *text, const char *bytes)
{
    const size_t len = strlen(bytes);
    bool found = false;

    for (size_t i = 0; i + len <= text->len && !found; i++) {
        found = memcmp(text->data + i, bytes, len) == 0;
    }
    return found;
}

/* Tags and lengths by hand, after onnx.proto. */
/* clang-format off */
static const char whole[] =
    "\x08\x07"                                     /* ir_version */
    "\x12\x06" "sigmad" "\x1a\x05" "0.1.0"         /* producer_name, producer_version */
    "\x28\x03"                                     /* model_version */
    "\x3a\x80\x02"                                 /* graph, 256 bytes */
      "\x0a\x55"                                   /* node */
        "\x0a\x06" "inputs" "\x0a\x0f" "layers.0.weight" "\x0a\x0d" "layers.0.bias"
        "\x12\x0a" "layers.0.z" "\x1a\x0a" "layers.0.z" "\x22\x04" "Gemm"
        "\x2a\x0d" "\x0a\x06" "transB" "\x18\x01" "\xa0\x01\x02"
      "\x0a\x27"                                   /* node */
        "\x0a\x0a" "layers.0.z" "\x12\x07" "outputs" "\x1a\x0a" "layers.0.a" "\x22\x04" "Tanh"
      "\x12\x01" "m"                               /* name */
      "\x2a\x21" "\x08\x01\x08\x02" "\x10\x01"     /* dims, data_type, name, raw_data */
        "\x42\x0f" "layers.0.weight" "\x4a\x08" "\x00\x00\x80\x3f\x00\x00\x00\xc0"
      "\x2a\x19" "\x08\x01" "\x10\x01"
        "\x42\x0d" "layers.0.bias" "\x4a\x04" "\x00\x00\x00\x3f"
      "\x5a\x1d" "\x0a\x06" "inputs"               /* input: name, type { elem_type, shape } */
        "\x12\x13" "\x0a\x11" "\x08\x01" "\x12\x0d" "\x0a\x07" "\x12\x05" "batch" "\x0a\x02\x08\x02"
      "\x62\x1e" "\x0a\x07" "outputs"              /* output */
        "\x12\x13" "\x0a\x11" "\x08\x01" "\x12\x0d" "\x0a\x07" "\x12\x05" "batch" "\x0a\x02\x08\x01"
    "\x42\x02" "\x10\x0d"                          /* opset_import */
    "\x72\x0c" "\x0a\x07" "version" "\x12\x01" "3" /* metadata_props */
    "\x72\x0e" "\x0a\x06" "digest" "\x12\x04" "00ff"
    "\x72\xa4\x01" "\x0a\x04" "spec" "\x12\x9b\x01"
      "{\"inputs\": 2, \"layers\": [{\"units\": 1, \"activation\": \"tanh\"}], "
      "\"cost\": \"mse\", \"init\": \"scaled_normal\", \"bias_init\": \"zeros\", "
      "\"seed\": 4, \"normalize\": \"none\"}";
/* clang-format on */

static void each_byte_is_where_onnx_wants_it(void **state)
{
    struct net *net = net_make(ACT_TANH, COST_MSE);
    struct text text = { 0 };

    (void)state;
    file_make(net, EXPORT_WHOLE, &text);
    assert_int_equal(text.len, sizeof whole - 1);
    assert_memory_equal(text.data, whole, text.len);
    text_done(&text);
    net_free(net);
}

static void logits_are_without_the_last_activation(void **state)
{
    struct net *net = net_make(ACT_SIGMOID, COST_CROSS_ENTROPY);
    struct text all = { 0 }, part = { 0 };

    (void)state;
    file_make(net, EXPORT_WHOLE, &all);
    file_make(net, EXPORT_LOGITS, &part);
    assert_true(contains(&all, "Sigmoid") && !contains(&part, "Sigmoid"));
    assert_true(contains(&part, "\x12\x07outputs\x1a\x0alayers.0.z\"\x04Gemm"));
    assert_true(contains(&part, "\x72\x0e\x0a\x04part\x12\x06logits"));
    assert_false(contains(&part, "spec") || contains(&part, "digest"));
    text_done(&all);
    text_done(&part);
    net_free(net);
}

static void linear_outputs_have_nothing_to_leave_off(void **state)
{
    static const float shift[] = { 7.0F }, scale[] = { 0.5F };
    struct net *net = net_make(ACT_LINEAR, COST_MSE);
    struct text all = { 0 }, part = { 0 };
    struct err err = { 0 };

    (void)state;
    net->spec.target_norm = NORM_STANDARD;
    assert_true(net_set_target_norm(net, shift, scale, &err));
    file_make(net, EXPORT_WHOLE, &all);
    file_make(net, EXPORT_LOGITS, &part);
    assert_int_equal(all.len, part.len);
    assert_memory_equal(all.data, part.data, all.len);
    assert_true(contains(&all, "\x22\x03"
                               "Div") &&
                contains(&all, "\x22\x03"
                               "Add"));
    text_done(&all);
    text_done(&part);
    net_free(net);
}

/* Only its shape is looked at before it is refused. */
static void what_protobuf_cannot_hold_is_refused(void **state)
{
    struct net net = { .spec = { .inputs = 65536,
                                 .n_layers = 1,
                                 .layers = { { 8192, ACT_LINEAR } },
                                 .cost = COST_MSE },
                       .layer = { { .in = 65536, .out = 8192, .act = ACT_LINEAR } } };
    struct exporter e = exporter_make(&net, EXPORT_WHOLE);
    struct text text = { 0 };
    struct err err = { 0 };

    (void)state;
    assert_false(export_all(&e, &text, &err));
    assert_int_equal(err.code, ERR_FIELD);
    assert_string_equal(err.where, "format");
    assert_non_null(strstr(err.text, "below 2 GiB, would be 21475"));
    assert_int_equal(text.len, 0);
    text_done(&text);
}

static void numbers_are_varints(void **state)
{
    struct text text = { 0 };
    static const char want[] = "\x08\x00\x10\x7f\x18\xac\x02\x80\x01\x80\x80\x01"
                               "\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";

    (void)state;
    wire_write_number(&text, 1, 0);
    wire_write_number(&text, 2, 127);
    wire_write_number(&text, 3, 300);
    wire_write_number(&text, 16, 16384); /* its tag takes two bytes */
    wire_write_number(&text, 5, -1);
    assert_int_equal(text.len, sizeof want - 1);
    assert_memory_equal(text.data, want, text.len);
    text_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_is_where_onnx_wants_it),
        cmocka_unit_test(logits_are_without_the_last_activation),
        cmocka_unit_test(linear_outputs_have_nothing_to_leave_off),
        cmocka_unit_test(what_protobuf_cannot_hold_is_refused),
        cmocka_unit_test(numbers_are_varints),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
