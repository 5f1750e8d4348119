#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fail_malloc.h"
#include "memory_sink.h"
#include "table_write.h"

static const struct table_limits limits = { 65536, 100000 };

static const struct table_format *format_find(enum csv_part part, const char *name)
{
    const struct table_format *format;

    for (size_t i = 0; (format = table_format_at(part, i)) != NULL; i++) {
        if (strcmp(format->name, name) == 0) {
            return format;
        }
    }
    return NULL;
}

static struct table_writer writer_make(enum csv_part part, const char *format,
                                       const struct table_info *info, const void *x, const void *y)
{
    const struct table_format *found = format_find(part, format);

    assert_non_null(found);
    return (struct table_writer){
        .format = found,
        .part = part,
        .info = info,
        .data = { .x = { info->x_dtype, info->rows, info->x_width, x },
                  .classes = info->kind == TARGET_LABELS ? y : NULL,
                  .values = info->kind == TARGET_NUMBERS ? y : NULL },
    };
}

/* All of it; no piece is large. */
static bool write_all(struct table_writer *w, struct text *text, struct err *err)
{
    bool end = false;

    while (!end) {
        const size_t before = text->len;

        if (!w->format->next(w, text, &end, err)) {
            return false;
        }
        if (text->failed) {
            return err_set(err, ERR_MEMORY, "", "no memory");
        }
        assert_true(text->len - before <= 4 * TABLE_PIECE);
        assert_true(end || text->len > before);
    }
    return true;
}

static void expect(struct table_writer w, const char *want, size_t len)
{
    struct text text = { 0 };
    struct err err = { 0 };

    assert_true(write_all(&w, &text, &err));
    assert_int_equal(text.len, len);
    assert_memory_equal(text.data, want, len);
    assert_true(w.total == 0 || w.total == len);
    text_done(&text);
}

static struct labels *labels_of(const char *const *names, size_t n)
{
    struct labels *labels;
    struct err err = { 0 };

    assert_true(labels_create(names, n, &labels, &err));
    return labels;
}

static void csv_has_a_header_and_quotes_what_needs_it(void **state)
{
    static const char *const names[] = { "a,b", "c\"d", " e", "plain", "f\ng" };
    static const char want[] =
        "x0,x1,label\n"
        "0,255,\"a,b\"\n1,2,\"c\"\"d\"\n3,4,\" e\"\n5,6,plain\n7,8,\"f\ng\"\n";
    static const uint8_t x[] = { 0, 255, 1, 2, 3, 4, 5, 6, 7, 8 };
    static const uint32_t y[] = { 0, 1, 2, 3, 4 };
    struct labels *labels = labels_of(names, 5);
    const struct table_info info = { .rows = 5,
                                     .x_dtype = DTYPE_U8,
                                     .x_rank = 2,
                                     .x_shape = { 5, 2 },
                                     .x_width = 2,
                                     .kind = TARGET_LABELS,
                                     .y_width = 1,
                                     .classes = labels };

    (void)state;
    expect(writer_make(CSV_BOTH, "csv", &info, x, y), want, sizeof want - 1);
    expect(writer_make(CSV_FEATURES, "csv", &info, x, y), "x0,x1\n0,255\n1,2\n3,4\n5,6\n7,8\n", 28);
    labels_free(labels);
}

static void csv_of_numbers_names_each(void **state)
{
    static const float x[] = { 0.1F, -0.0F }, y[] = { 1e-45F, 3.4028235e38F, -1.5F, 16777216.0F };
    static const char want[] = "x0,y0,y1\n0.1,1e-45,3.4028235e38\n-0.0,-1.5,16777216\n";
    const struct table_info info = { .rows = 2,
                                     .x_dtype = DTYPE_F32,
                                     .x_rank = 1,
                                     .x_shape = { 2 },
                                     .x_width = 1,
                                     .kind = TARGET_NUMBERS,
                                     .y_width = 2 };

    (void)state;
    expect(writer_make(CSV_BOTH, "csv", &info, x, y), want, sizeof want - 1);
    expect(writer_make(CSV_TARGETS, "csv", &info, x, y),
           "y0,y1\n1e-45,3.4028235e38\n-1.5,16777216\n", 39);
}

/* Wide rows and many rows, of bits of all kinds: what is read is what was written. */
static void what_is_read_back_has_the_same_bits(void **state)
{
    static const size_t shapes[][2] = { { 3, 40000 }, { 20000, 3 }, { 1, 1 }, { 500, 65 } };

    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        const size_t rows = shapes[s][0], width = shapes[s][1];
        const struct table_info info = { .rows = rows,
                                         .x_dtype = DTYPE_F32,
                                         .x_rank = 2,
                                         .x_shape = { rows, width },
                                         .x_width = width,
                                         .kind = TARGET_NUMBERS,
                                         .y_width = 1 };
        float *x = malloc(rows * width * sizeof *x);
        uint32_t bits = 1;

        assert_non_null(x);
        for (size_t i = 0; i < rows * width; i++) {
            bits = bits * 1664525 + 1013904223;
            if ((bits & 0x7f800000) == 0x7f800000) {
                bits ^= 0x40000000; /* was not finite */
            }
            memcpy(&x[i], &bits, sizeof bits);
        }
        for (size_t i = 0; i < 2; i++) {
            struct memory_sink sink = memory_sink();
            struct table_writer w = writer_make(CSV_FEATURES, i == 0 ? "csv" : "npy", &info, x, x);
            const struct csv_options options = { .part = CSV_FEATURES, .delimiter = ',' };
            struct table_info back = { 0 };
            struct text text = { 0 };
            struct err err = { 0 };

            assert_true(write_all(&w, &text, &err));
            assert_true(
                i == 0 ? csv_read(text.data, text.len, &options, &limits, &sink.sink, &back, &err)
                       : npy_read(text.data, text.len, CSV_FEATURES, TARGET_NUMBERS, &limits,
                                  &sink.sink, &back, &err));
            assert_int_equal(back.rows, rows);
            assert_int_equal(back.x_width, width);
            assert_int_equal(sink.x.len, rows * width * sizeof *x);
            assert_memory_equal(sink.x.bytes, x, sink.x.len);
            table_info_done(&back);
            memory_sink_done(&sink);
            text_done(&text);
        }
        free(x);
    }
}

static void npy_keeps_the_shape(void **state)
{
    static const uint8_t x[2 * 3 * 4] = { 9, 8, 7 };
    const struct table_info info = {
        .rows = 2, .x_dtype = DTYPE_U8, .x_rank = 3, .x_shape = { 2, 3, 4 }, .x_width = 12
    };
    struct table_writer w = writer_make(CSV_FEATURES, "npy", &info, x, NULL);
    struct text text = { 0 };
    struct err err = { 0 };

    (void)state;
    assert_true(write_all(&w, &text, &err));
    assert_int_equal(text.len, 128 + sizeof x);
    assert_non_null(strstr(text.data + 10, "'descr': '|u1'"));
    assert_non_null(strstr(text.data + 10, "'shape': (2, 3, 4), }"));
    assert_memory_equal(text.data + 128, x, sizeof x);
    text_done(&text);
}

static void npy_has_the_numbers_that_names_spell(void **state)
{
    static const char *const names[] = { "-3", "0", "9223372036854775807" };
    static const int64_t want[] = { INT64_MAX, -3, 0 };
    static const uint32_t y[] = { 2, 0, 1 };
    struct labels *labels = labels_of(names, 3);
    const struct table_info info = {
        .rows = 3, .kind = TARGET_LABELS, .y_width = 1, .classes = labels
    };
    struct table_writer w = writer_make(CSV_TARGETS, "npy", &info, NULL, y);
    struct text text = { 0 };
    struct err err = { 0 };

    (void)state;
    assert_true(write_all(&w, &text, &err));
    assert_non_null(strstr(text.data + 10, "'<i8', 'fortran_order': False, 'shape': (3,), }"));
    assert_int_equal(text.len, 128 + sizeof want);
    assert_memory_equal(text.data + 128, want, sizeof want);
    text_done(&text);
    labels_free(labels);
}

static void npy_refuses_other_names(void **state)
{
    static const char *const names[] = {
        "1.0", "01", "+1", "-0", " 1", "9223372036854775808", "cat"
    };
    static const uint32_t y[] = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct labels *labels = labels_of(&names[i], 1);
        const struct table_info info = {
            .rows = 1, .kind = TARGET_LABELS, .y_width = 1, .classes = labels
        };
        struct table_writer w = writer_make(CSV_TARGETS, "npy", &info, NULL, y);
        struct text text = { 0 };
        struct err err = { 0 };

        assert_false(write_all(&w, &text, &err));
        assert_int_equal(err.code, ERR_FIELD);
        assert_string_equal(err.where, "format");
        assert_int_equal(text.len, 0);
        text_done(&text);
        labels_free(labels);
    }
}

static void a_whole_set_is_not_one_array(void **state)
{
    (void)state;
    assert_null(format_find(CSV_BOTH, "npy"));
    assert_non_null(format_find(CSV_BOTH, "csv"));
    assert_non_null(format_find(CSV_TARGETS, "npy"));
}

static void without_memory_it_says_so(void **state)
{
    static const float x[3000];
    const struct table_info info = {
        .rows = 1000, .x_dtype = DTYPE_F32, .x_rank = 2, .x_shape = { 1000, 3 }, .x_width = 3
    };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bool ok = false;

        for (size_t k = 1; !ok; k++) {
            struct table_writer w =
                writer_make(CSV_FEATURES, i == 0 ? "csv" : "npy", &info, x, NULL);
            struct text text = { 0 };
            struct err err = { 0 };

            fail_malloc_start(k);
            ok = write_all(&w, &text, &err);
            fail_malloc_at = 0;
            assert_true(ok || err.code == ERR_MEMORY);
            text_done(&text);
            assert_int_equal(fail_malloc_live, 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_has_a_header_and_quotes_what_needs_it),
        cmocka_unit_test(csv_of_numbers_names_each),
        cmocka_unit_test(what_is_read_back_has_the_same_bits),
        cmocka_unit_test(npy_keeps_the_shape),
        cmocka_unit_test(npy_has_the_numbers_that_names_spell),
        cmocka_unit_test(npy_refuses_other_names),
        cmocka_unit_test(a_whole_set_is_not_one_array),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
