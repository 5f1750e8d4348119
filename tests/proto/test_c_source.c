#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "c_source.h"

static void names_become_identifiers(void **state)
{
    static const char *const pairs[][2] = { { "digits", "digits" }, { "a.b-c_D", "a_b_c_D" },
                                            { "3d", "m3d" },        { "int", "int" },
                                            { "x--.", "x___" },     { "0", "m0" } };
    char name[C_NAME_LEN], longest[NAME_MAX_LEN + 1];

    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        c_name(pairs[i][0], name);
        assert_string_equal(name, pairs[i][1]);
    }
    memset(longest, '7', NAME_MAX_LEN);
    longest[NAME_MAX_LEN] = '\0';
    c_name(longest, name);
    assert_int_equal(strlen(name), NAME_MAX_LEN + 1);
    assert_string_equal(name + 1, longest);
}

/* 2 inputs, 2 tanh, 1 linear, with the numbers that are easy to write wrongly. */
static struct text export_of(const char *format, const struct labels *labels)
{
    static const float w0[] = { 1.0F, -0.0F, 1e-45F, 16777216.0F }, b0[] = { 0.1F, -2.5F };
    static const float w1[] = { 3.4028235e38F, -1e-5F }, b1[] = { 0.0F };
    const struct net_spec spec = { .inputs = 2,
                                   .n_layers = 2,
                                   .layers = { { 2, ACT_TANH }, { 1, ACT_LINEAR } },
                                   .cost = COST_MSE };
    const struct msg_version facts = { .version = 3, .accuracy = NAN, .digest = "00ff" };
    struct arena arena = { 0 };
    struct text text = { 0 };
    struct err err = { 0 };
    struct net *net;
    struct exporter e = { .format = export_format_find(format),
                          .model = "2-x",
                          .release = "0.1.0",
                          .labels = labels,
                          .facts = &facts,
                          .arena = &arena };

    assert_true(net_create(&spec, &net, &err));
    net_set_layer(net, 0, w0, b0);
    net_set_layer(net, 1, w1, b1);
    e.net = net;
    assert_true(export_all(&e, &text, &err));
    net_free(net);
    arena_done(&arena);
    return text;
}

static void contains(const struct text *text, const char *part)
{
    if (strstr(text->data, part) == NULL) {
        print_error("not there: %s\nin: %s", part, text->data);
        assert_true(false);
    }
}

static void a_tiny_model(void **state)
{
    struct text text = export_of("c", NULL);

    (void)state;
    contains(&text, "/* Model 2-x, version 3, written by sigmad 0.1.0.\n");
    contains(&text, " *   shape      2 inputs, 2 tanh, 1 linear\n *   parameters 9\n");
    contains(&text, " *   memory     36 bytes of constants, 16 of stack and a little\n");
    contains(&text, "enum { m2_x_inputs = 2, m2_x_outputs = 1 };\n");
    contains(&text,
             "\nstatic const float m2_x_weights0[4] = {\n"
             "    /* unit 0 */\n    1.0f, -0.0f,\n    /* unit 1 */\n    1e-45f, 16777216.0f,\n};\n"
             "\nstatic const float m2_x_biases0[2] = {\n    0.1f, -2.5f,\n};\n");
    contains(&text, "3.4028235e38f, -0.00001f,\n");
    contains(&text, "\nint m2_x_predict(const float *in, float *out)\n{\n    float a[2], b[2];\n"
                    "    size_t i;\n\n");
    contains(&text, "    m2_x_dense(m2_x_weights0, m2_x_biases0, 2, 2, a, b);\n");
    contains(&text, "    return out[0] >= 0.5f;\n}\n");
    assert_null(strchr(text.data, '@'));
    assert_null(strstr(text.data, "sigmoid"));
    text_done(&text);
}

static void a_header(void **state)
{
    const char *const names[] = { "a" };
    struct labels *labels;
    struct err err = { 0 };
    struct text text;

    (void)state;
    assert_true(labels_create(names, 1, &labels, &err));
    text = export_of("h", labels);
    contains(&text, "#ifndef m2_x_EXPORT_H\n#define m2_x_EXPORT_H\n");
    contains(&text, "extern const char *const m2_x_labels[m2_x_outputs];\n");
    contains(&text, "int m2_x_predict(const float *in, float *out);\n");
    assert_null(strstr(text.data, "weights"));
    text_done(&text);
    labels_free(labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_become_identifiers),
        cmocka_unit_test(a_tiny_model),
        cmocka_unit_test(a_header),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
