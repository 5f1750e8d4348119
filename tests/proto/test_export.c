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
#include "safetensors.h"

static const struct msg_version facts = { .version = 3,
                                          .created = 1e9,
                                          .source = "train",
                                          .loss = 0.25,
                                          .accuracy = NAN,
                                          .digest = "00ff",
                                          .key = "",
                                          .request = "" };

/* 70 KB of weights in the first layer, so that they take more than one piece. */
static struct net *net_make(void)
{
    static const float shift[90] = { 1.0F, -2.0F }, scale[90] = { 0.5F, 3.0F };
    const struct net_spec spec = { .inputs = 90,
                                   .n_layers = 2,
                                   .layers = { { 200, ACT_TANH }, { 2, ACT_LINEAR } },
                                   .cost = COST_MSE,
                                   .norm = NORM_STANDARD,
                                   .target_norm = NORM_MINMAX,
                                   .seed = 4 };
    struct err err = { 0 };
    struct net *net;

    assert_true(net_create(&spec, &net, &err));
    net_init(net);
    assert_true(net_set_norm(net, shift, scale, &err));
    assert_true(net_set_target_norm(net, shift, scale, &err));
    return net;
}

static struct exporter exporter_make(const char *format, const struct net *net,
                                     const struct labels *labels, struct arena *arena)
{
    const struct export_format *found = export_format_find(format);

    assert_non_null(found);
    return (struct exporter){ .format = found,
                              .model = "m",
                              .release = "0.1.0",
                              .net = net,
                              .labels = labels,
                              .facts = &facts,
                              .arena = arena };
}

static void formats_have_names_of_their_own(void **state)
{
    const struct export_format *format;
    size_t n = 0;

    (void)state;
    while ((format = export_format_at(n)) != NULL) {
        assert_ptr_equal(export_format_find(format->name), format);
        n++;
    }
    assert_true(n > 0);
    assert_null(export_format_find("pickle"));
    assert_null(export_format_find(""));
}

static void no_piece_is_large(void **state)
{
    struct net *net = net_make();
    const struct export_format *format;

    (void)state;
    for (size_t i = 0; (format = export_format_at(i)) != NULL; i++) {
        struct arena arena = { 0 };
        struct exporter e = exporter_make(format->name, net, NULL, &arena);
        struct text text = { 0 };
        struct err err = { 0 };
        bool end = false;
        size_t pieces = 0;

        while (!end) {
            const size_t before = text.len;

            assert_true(export_next(&e, &text, &end, &err));
            assert_true(text.len - before <= 4 * EXPORT_PIECE);
            pieces++;
        }
        assert_true(pieces > 2 || text.len < 4096); /* what has no weights is one */
        assert_true(e.total == 0 || e.total == text.len);
        text_done(&text);
        arena_done(&arena);
    }
    net_free(net);
}

/* At every allocation that there is. */
static void without_memory_there_is_an_error(void **state)
{
    struct net *net = net_make();
    const struct export_format *format;

    (void)state;
    for (size_t i = 0; (format = export_format_at(i)) != NULL; i++) {
        bool ok = false;

        for (size_t k = 1; !ok; k++) {
            struct arena arena = { 0 };
            struct exporter e = exporter_make(format->name, net, NULL, &arena);
            struct text text = { 0 };
            struct err err = { 0 };

            fail_malloc_start(k);
            ok = export_all(&e, &text, &err);
            fail_malloc_at = 0;
            assert_int_equal(ok, k > fail_malloc_calls);
            assert_int_equal(err.code, ok ? ERR_NONE : ERR_MEMORY);
            text_done(&text);
            arena_done(&arena);
            assert_int_equal(fail_malloc_live, 0);
        }
    }
    net_free(net);
}

static void safetensors_read_back(void **state)
{
    static const struct model_limits limits = { 64, 65536, 1000000 };
    const char *const names[] = { "\"no\"", "yes" };
    struct net *net = net_make();
    struct arena arena = { 0 };
    struct labels *labels;
    struct exporter e;
    struct text text = { 0 };
    struct safetensors file;
    struct err err = { 0 };
    float *w = malloc(200 * 91 * sizeof *w);

    (void)state;
    assert_non_null(w);
    assert_true(labels_create(names, 2, &labels, &err));
    e = exporter_make("safetensors", net, labels, &arena);
    assert_true(export_all(&e, &text, &err));
    assert_true(safetensors_read(text.data, text.len, &limits, true, &arena, &file, &err));
    assert_true(labels_equal(file.model.labels, labels));
    assert_true(file.has_facts && !file.has_checksum);
    assert_int_equal(file.facts.version, 3);
    for (size_t l = 0; l < 2; l++) {
        const size_t out = net->layer[l].out, n = out * net->layer[l].in;

        net_get_layer(net, l, w, w + n);
        assert_memory_equal(file.model.weights[l], w, n * sizeof *w);
        assert_memory_equal(file.model.biases[l], w + n, out * sizeof *w);
    }
    assert_memory_equal(file.model.shift, net->shift, 90 * sizeof *w);
    assert_memory_equal(file.model.scale, net->scale, 90 * sizeof *w);
    assert_memory_equal(file.model.target_shift, net->target_shift, 2 * sizeof *w);
    assert_memory_equal(file.model.target_scale, net->target_scale, 2 * sizeof *w);
    labels_free(file.model.labels);
    labels_free(labels);
    text_done(&text);
    arena_done(&arena);
    net_free(net);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_have_names_of_their_own),
        cmocka_unit_test(no_piece_is_large),
        cmocka_unit_test(without_memory_there_is_an_error),
        cmocka_unit_test(safetensors_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
