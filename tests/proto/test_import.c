#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "export.h"
#include "import.h"

static const struct model_limits limits = { 8, 64, 4096 };

/* The bytes of a small model, as the exporter of that format has them. */
static struct text file_make(const char *format)
{
    static const float shift[2] = { 1.0F, -2.0F }, scale[2] = { 0.5F, 3.0F };
    const struct net_spec spec = { .inputs = 2,
                                   .n_layers = 2,
                                   .layers = { { 3, ACT_TANH }, { 1, ACT_LINEAR } },
                                   .cost = COST_MSE,
                                   .norm = NORM_STANDARD,
                                   .seed = 4 };
    const struct msg_version facts = { .version = 1,
                                       .source = "create",
                                       .loss = NAN,
                                       .accuracy = NAN,
                                       .digest = "",
                                       .key = "",
                                       .request = "" };
    struct arena arena = { 0 };
    struct err err = { 0 };
    struct text text = { 0 };
    struct exporter e = { .format = export_format_find(format),
                          .model = "m",
                          .release = "0",
                          .facts = &facts,
                          .arena = &arena };
    struct net *net;

    assert_true(net_create(&spec, &net, &err));
    net_init(net);
    assert_true(net_set_norm(net, shift, scale, &err));
    e.net = net;
    assert_true(export_all(&e, &text, &err));
    net_free(net);
    arena_done(&arena);
    return text;
}

/* In memory of exactly that size, so that a sanitizer sees every byte read beyond it. What is
 * accepted is a whole model; what is not has its reason. */
static bool file_read(const struct import_format *format, const char *bytes, size_t len,
                      const char *spec, struct err *err)
{
    char *copy = malloc(len + (len == 0));
    struct arena arena = { 0 };
    struct import import;
    bool ok;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    ok = import_read(&(struct import_file){ format, copy, len, spec }, &limits, &arena, &import,
                     err);
    if (ok) {
        for (size_t l = 0; import.model.has_weights && l < import.model.spec.n_layers; l++) {
            assert_true(isfinite(import.model.weights[l][0]));
            assert_true(isfinite(import.model.biases[l][0]));
        }
        labels_free(import.model.labels);
    }
    assert_int_equal(ok, err->code == ERR_NONE);
    arena_done(&arena);
    free(copy);
    return ok;
}

static void formats_are_found_as_their_exports_are_called(void **state)
{
    const struct import_format *format, *found;

    (void)state;
    for (size_t i = 0; (format = import_format_at(i)) != NULL; i++) {
        const struct export_format *out = export_format_find(format->name);
        struct text text = file_make(format->name);
        struct err err = { 0 };

        assert_string_equal(out->type, format->type);
        assert_true(import_format_find(format->name, "text/plain", &found, &err));
        assert_ptr_equal(found, format);
        assert_true(import_format_find(NULL, format->type, &found, &err));
        assert_ptr_equal(found, format);
        assert_ptr_equal(import_format_guess(text.data, text.len), format);
        assert_true(file_read(format, text.data, text.len, NULL, &err));
        text_done(&text);
    }
}

static void no_file_that_is_cut_is_read(void **state)
{
    const struct import_format *format;

    (void)state;
    for (size_t i = 0; (format = import_format_at(i)) != NULL; i++) {
        struct text text = file_make(format->name);
        /* JSON's newline at the end is nobody's loss */
        const size_t whole = text.data[text.len - 1] == '\n' ? text.len - 1 : text.len;

        for (size_t len = 0; len < whole; len++) {
            struct err err = { 0 };

            /* A protobuf message ends anywhere between two fields: here before the metadata. */
            assert_true(!file_read(format, text.data, len, NULL, &err) ||
                        strcmp(format->name, "onnx") == 0);
        }
        text_done(&text);
    }
}

static void changed_bytes_do_no_harm(void **state)
{
    const struct import_format *format;

    (void)state;
    for (size_t i = 0; (format = import_format_at(i)) != NULL; i++) {
        struct text text = file_make(format->name);

        for (size_t at = 0; at < text.len; at++) {
            struct err err = { 0 };

            text.data[at] = (char)~text.data[at];
            file_read(format, text.data, text.len, NULL, &err);
            text.data[at] = (char)~text.data[at];
        }
        text_done(&text);
    }
}

/* ---- Weights alone ---- */

static const char spec[] = "{\"inputs\": 1, \"layers\": [{\"units\": 2, \"activation\": \"tanh\"}, "
                           "{\"units\": 1, \"activation\": \"linear\"}], \"cost\": \"mse\"}";

/* A safetensors file of such weights, 1 everywhere, a layer's W and b under names like 3.weight. */
static struct text plain_make(void)
{
    static const char header[] =
        "{\"3.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[4,12]},"
        "\"3.bias\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[12,14]},"
        "\"0.weight\":{\"dtype\":\"F64\",\"shape\":[2,1],\"data_offsets\":[14,30]},"
        "\"0.bias\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]},"
        "\"__metadata__\":{\"format\":\"pt\"}}";
    static const unsigned char data[] = { 0x80, 0x3f, 0x80, 0x3f, 0, 0, 0x80, 0x3f, 0,    0,
                                          0x80, 0x3f, 0,    0x3c, 0, 0, 0,    0,    0,    0,
                                          0xf0, 0x3f, 0,    0,    0, 0, 0,    0,    0xf0, 0x3f };
    struct text text = { 0 };
    char length[8] = { 0 };

    text_add(&text, length, sizeof length);
    text_str(&text, header);
    text.data[0] = (char)((text.len - 8) & 0xff);
    text.data[1] = (char)((text.len - 8) >> 8);
    text_add(&text, (const char *)data, sizeof data);
    assert_false(text.failed);
    return text;
}

static void weights_alone_go_with_a_spec_beside(void **state)
{
    const struct import_format *format;
    struct text text = plain_make();
    struct arena arena = { 0 };
    struct import import;
    struct err err = { 0 };

    (void)state;
    format = import_format_guess(text.data, text.len);
    assert_string_equal(format->name, "safetensors");
    assert_true(import_read(&(struct import_file){ format, text.data, text.len, spec }, &limits,
                            &arena, &import, &err));
    for (size_t i = 0; i < 2; i++) {
        assert_true(import.model.weights[0][i] == 1.0F && import.model.weights[1][i] == 1.0F);
        assert_true(import.model.biases[0][i] == 1.0F);
    }
    assert_true(import.model.biases[1][0] == 1.0F);
    assert_false(import_read(&(struct import_file){ format, text.data, text.len, NULL }, &limits,
                             &arena, &import, &err));
    assert_string_equal(err.where, "spec");
    arena_done(&arena);
    text_done(&text);
}

static void weights_alone_are_read_whole_or_not_at_all(void **state)
{
    const struct import_format *format;
    struct text text = plain_make();

    (void)state;
    format = import_format_guess(text.data, text.len);
    for (size_t len = 0; len < text.len; len++) {
        struct err err = { 0 };

        assert_false(file_read(format, text.data, len, spec, &err));
    }
    for (size_t bit = 0; bit < 8 * text.len; bit++) {
        struct err err = { 0 };

        text.data[bit / 8] = (char)(text.data[bit / 8] ^ 1 << bit % 8);
        file_read(format, text.data, text.len, spec, &err);
        text.data[bit / 8] = (char)(text.data[bit / 8] ^ 1 << bit % 8);
    }
    text_done(&text);
    text = file_make("npz");
    format = import_format_guess(text.data, text.len);
    for (size_t at = 0; at < text.len; at++) {
        struct err err = { 0 };

        text.data[at] = (char)~text.data[at];
        file_read(format, text.data, text.len, spec, &err);
        text.data[at] = (char)~text.data[at];
    }
    text_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_found_as_their_exports_are_called),
        cmocka_unit_test(no_file_that_is_cut_is_read),
        cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(weights_alone_go_with_a_spec_beside),
        cmocka_unit_test(weights_alone_are_read_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
