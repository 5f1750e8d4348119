#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "csv_reader.h"

static void check_floats(const struct memory_part *part, const float *expect, size_t n)
{
    assert_int_equal(part->len, n * sizeof *expect);
    for (size_t i = 0; i < n; i++) {
        assert_true(memory_float(part, i) == expect[i]);
    }
}

/* Row i's class is called expect[i]. */
static void check_names(const struct read *read, const char *const *expect, size_t n)
{
    assert_int_equal(read->sink.y.len, n * sizeof(uint32_t));
    for (size_t i = 0; i < n; i++) {
        const uint32_t index = read->info.remap[memory_index(&read->sink.y, i)];

        assert_string_equal(read->info.classes->name[index], expect[i]);
    }
}

static void features_and_labels_come_from_one_text(void **state)
{
    /* The same table said in as many ways as there are. */
    static const char *const same[] = {
        "x1,x2,y\n1,2.5,b\n-3,4e1,a\n",
        "x1,x2,y\r\n1,2.5,b\r\n-3,4e1,a\r\n",
        "x1,x2,y\n1,2.5,b\n-3,4e1,a",
        "x1,x2,y\r\n1,2.5,b\r\n-3,4e1,a\r",
        "1,2.5,b\n-3,4e1,a\n\n\n",
        "1,2.5,b\n-3,4e1,a\n \r\n\t",
        "\xef\xbb\xbf\x31,2.5,b\n-3,4e1,a\n",
        "\xef\xbb\xbf\"x1\",\"x2\",\"y\"\n1,2.5,b\n-3,4e1,a\n",
        "\"1\",\"2.5\",\"b\"\n\" -3 \",\"4e1\",\"a\"\n",
        " 1 ,\t2.5 , b \n  -3,4e1,\ta\n",
        " \"1\" ,2.5, \"b\"\t\n-3,4e1,a\n",
        "+1,+2.5,b\n-3.,40.,a\n",
        "001,02.50,b\n-03,4.E+1,a\n",
    };
    const float x[] = { 1.0F, 2.5F, -3.0F, 40.0F };
    const char *const y[] = { "b", "a" };

    (void)state;
    for (size_t i = 0; i < N(same); i++) {
        struct read read = read_text(same[i], &usual);

        assert_true(read.ok);
        assert_int_equal(read.info.rows, 2);
        assert_int_equal(read.info.x_dtype, DTYPE_F32);
        assert_int_equal(read.info.x_rank, 2);
        assert_int_equal(read.info.x_shape[0], 2);
        assert_int_equal(read.info.x_shape[1], 2);
        assert_int_equal(read.info.x_width, 2);
        assert_int_equal(read.info.kind, TARGET_LABELS);
        assert_int_equal(read.info.y_width, 1);
        assert_int_equal(read.info.classes->n, 2);
        assert_string_equal(read.info.classes->name[0], "a");
        check_floats(&read.sink.x, x, N(x));
        check_names(&read, y, N(y));
        assert_int_equal(memory_index(&read.sink.y, 0), 0); /* in the order they were met */
        read_done(&read);
    }
}

static void quoted_fields_hold_anything(void **state)
{
    const char *const y[] = { "a,b", "say \"hi\"", "two\nlines", "two\r\nlines", " kept ", "\"" };
    struct read read = read_text("1,\"a,b\"\n2,\"say \"\"hi\"\"\"\r\n3,\"two\nlines\"\n"
                                 "4,\"two\r\nlines\"\n5,\" kept \"\n6,\"\"\"\"",
                                 &usual);
    const float x[] = { 1, 2, 3, 4, 5, 6 };

    (void)state;
    assert_true(read.ok);
    check_floats(&read.sink.x, x, N(x));
    check_names(&read, y, N(y));
    read_done(&read);
}

static void a_header_is_a_line_without_any_number(void **state)
{
    static const struct {
        const char *text;
        enum csv_header header;
        size_t rows;
    } cases[] = {
        { "a,b\n1,2\n", CSV_HEADER_AUTO, 1 },     { "a,1\n1,2\n", CSV_HEADER_AUTO, 0 },
        { "1,a\n1,2\n", CSV_HEADER_AUTO, 2 },     { "\"1\",a\n1,2\n", CSV_HEADER_AUTO, 2 },
        { "1,2\n1,2\n", CSV_HEADER_PRESENT, 1 },  { "1,2\n1,2\n", CSV_HEADER_ABSENT, 2 },
        { ",\n1,2\n", CSV_HEADER_AUTO, 1 },       { "a,\" .5 \"\n1,2\n", CSV_HEADER_AUTO, 0 },
        { "1e999,a\n1,2\n", CSV_HEADER_AUTO, 0 },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct csv_options options = usual;
        struct read read;

        options.header = cases[i].header;
        read = read_text(cases[i].text, &options);
        assert_int_equal(read.ok, cases[i].rows > 0); /* 0: the first line is a bad row */
        assert_int_equal(read.info.rows, cases[i].rows);
        read_done(&read);
    }
}

static void targets_are_found_by_name_and_by_index(void **state)
{
    /* Columns a b 0 "c,d" with 10 20 30 40 in them. */
    static const struct {
        const char *target;
        size_t n;
        float y[4], x[4];
    } cases[] = {
        { NULL, 1, { 40 }, { 10, 20, 30 } },      { "-1", 1, { 40 }, { 10, 20, 30 } },
        { "a", 1, { 10 }, { 20, 30, 40 } },       { "1", 1, { 20 }, { 10, 30, 40 } },
        { "0", 1, { 30 }, { 10, 20, 40 } }, /* the name goes before the index */
        { "c,d", 1, { 40 }, { 10, 20, 30 } },     { "0,a", 2, { 30, 10 }, { 20, 40 } },
        { "b,a", 2, { 20, 10 }, { 30, 40 } }, /* in the order asked for */
        { " a , 0 ", 2, { 10, 30 }, { 20, 40 } }, { "-1,b,0", 3, { 40, 20, 30 }, { 10 } },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        const struct csv_options options = { .header = CSV_HEADER_PRESENT,
                                             .kind = TARGET_NUMBERS,
                                             .target = cases[i].target,
                                             .delimiter = ',' };
        struct read read = read_text("a,b,\"0\",\"c,d\"\n10,20,30,40\n", &options);

        assert_true(read.ok);
        assert_int_equal(read.info.kind, TARGET_NUMBERS);
        assert_null(read.info.classes);
        assert_int_equal(read.info.y_width, cases[i].n);
        assert_int_equal(read.info.x_width, 4 - cases[i].n);
        check_floats(&read.sink.y, cases[i].y, cases[i].n);
        check_floats(&read.sink.x, cases[i].x, 4 - cases[i].n);
        read_done(&read);
    }
}

static void a_part_alone_takes_every_column(void **state)
{
    struct csv_options options = usual;
    const float all[] = { 1, 2, 3, 4 };
    const char *const names[] = { "10", "9", "10" };
    struct read read;

    (void)state;
    options.part = CSV_FEATURES;
    read = read_text("1,2\n3,4\n", &options);
    assert_true(read.ok);
    assert_int_equal(read.info.kind, TARGET_NONE);
    assert_int_equal(read.info.y_width, 0);
    assert_int_equal(read.info.x_width, 2);
    check_floats(&read.sink.x, all, 4);
    assert_int_equal(read.sink.y.len, 0);
    read_done(&read);

    options.part = CSV_TARGETS;
    options.kind = TARGET_NUMBERS;
    read = read_text("1,2\n3,4\n", &options);
    assert_true(read.ok);
    assert_int_equal(read.info.x_rank, 0);
    assert_int_equal(read.info.y_width, 2);
    check_floats(&read.sink.y, all, 4);
    assert_int_equal(read.sink.x.len, 0);
    read_done(&read);

    options.kind = TARGET_LABELS;
    read = read_text("10\n9\n10\n", &options);
    assert_true(read.ok);
    assert_string_equal(read.info.classes->name[0], "9"); /* as numbers */
    check_names(&read, names, N(names));
    read_done(&read);
}

static void other_delimiters_are_taken(void **state)
{
    static const struct {
        char delimiter;
        const char *text;
    } cases[] = { { ';', "1;2;x,y\n" },
                  { '\t', "1\t 2\tx,y\n" },
                  { '|', " 1 | 2 | x,y \n" },
                  { ' ', "1 2 x,y\n" },
                  { ' ', "\t1 \"2\"\t x,y\n" } };
    const float x[] = { 1, 2 };
    const char *const y[] = { "x,y" };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct csv_options options = usual;
        struct read read;

        options.delimiter = cases[i].delimiter;
        read = read_text(cases[i].text, &options);
        assert_true(read.ok);
        check_floats(&read.sink.x, x, N(x));
        check_names(&read, y, N(y));
        read_done(&read);
    }
}

/* A number's text has one value, whether it is read in place or, near the end of the text or in
 * quotes or among blanks, as a field; and that value is libc's. */
static void numbers_are_read_as_strtof_does(void **state)
{
    static const char *const forms[] = { "%.0f",  "%.1f", "%.3f",  "%.6f", "%.9g",  "%.17g",
                                         "%+.2f", "%.3e", "%.20e", "%g",   "%#.0f", "%08.2f" };
    static const double scales[] = { 1.0, 10.0, 300.0, 1e6, 1e-3, 1e-30, 1e-44, 1e30 };
    struct csv_options options = usual;
    uint64_t random = 7;
    char text[64], rows[1024];

    (void)state;
    options.part = CSV_FEATURES;
    for (int i = 0; i < 20000; i++) {
        struct read read;
        float expect;

        random = random * 6364136223846793005u + 1442695040888963407u;
        snprintf(text, sizeof text, forms[(random >> 33) % N(forms)],
                 ((double)(random >> 40) * 0x1p-23 - 1.0) * scales[(random >> 36) % N(scales)]);
        expect = strtof(text, NULL);
        snprintf(rows, sizeof rows, "%s,%s,%s,%s\n%s,%s,%s,%s\r\n%s,\"%s\", %s ,%s\n", text, text,
                 text, text, text, text, text, text, text, text, text, text);
        read = read_text(rows, &options);
        assert_true(read.ok);
        for (size_t k = 0; k < 12; k++) {
            const float value = memory_float(&read.sink.x, k);

            assert_memory_equal(&value, &expect, sizeof value);
        }
        read_done(&read);
    }
}

/* All that csv_quick.h reads by itself: one to three digits, a point and up to three more, a sign. */
static void every_short_number_is_read_as_strtof_does(void **state)
{
    enum { FIELDS = 2 * (1 + 10 + 100 + 1000), LEN = 10 };
    char *const row = malloc(FIELDS * LEN), *const texts = malloc(FIELDS * LEN);
    struct csv_options options = usual;

    (void)state;
    assert_non_null(row);
    assert_non_null(texts);
    options.part = CSV_FEATURES;
    for (int whole = 0; whole < 1000; whole++) {
        struct read read;
        size_t len = 0, n = 0;

        options.delimiter = ",;\t "[whole % 4];
        for (int places = 0, most = 1; places <= 3; places++, most *= 10) {
            for (int i = 0; i < 2 * most; i++, n++) {
                char *const text = texts + n * LEN;

                snprintf(text, LEN, places > 0 ? "%s%d.%0*d" : "%s%d", i % 2 == 1 ? "-" : "", whole,
                         places, i / 2);
                len += (size_t)sprintf(row + len, "%s%c", text,
                                       n + 1 < FIELDS ? options.delimiter : '\n');
            }
        }
        read = read_len(row, len, &options);
        assert_true(read.ok);
        for (size_t k = 0; k < FIELDS; k++) {
            const float value = memory_float(&read.sink.x, k),
                        expect = strtof(texts + k * LEN, NULL);

            assert_memory_equal(&value, &expect, sizeof value);
        }
        read_done(&read);
    }
    free(row);
    free(texts);
}

static void many_rows_come_in_pieces_and_in_order(void **state)
{
    enum { ROWS = 70001 };
    struct csv_options options = usual;
    char *text = malloc(ROWS * 24);
    size_t len = 0;
    struct read read;

    (void)state;
    assert_non_null(text);
    for (int i = 0; i < ROWS; i++) {
        len += (size_t)sprintf(text + len, "%d,c%d,%d\n", i, i % 7, -i);
    }
    options.target = "1";
    read = read_len(text, len, &options);
    assert_true(read.ok);
    assert_int_equal(read.info.rows, ROWS);
    assert_true(read.sink.x.calls > 1 && read.sink.x.calls < 100);
    assert_int_equal(read.sink.x.len, ROWS * 2 * sizeof(float));
    for (int i = 0; i < ROWS; i++) {
        assert_true(memory_float(&read.sink.x, (size_t)i * 2) == (float)i);
        assert_true(memory_float(&read.sink.x, (size_t)i * 2 + 1) == (float)-i);
        assert_int_equal(memory_index(&read.sink.y, (size_t)i), i % 7);
    }
    read_done(&read);
    free(text);
}

static void a_row_may_be_wider_than_the_buffer(void **state)
{
    enum { WIDTH = 50000 };
    char *text = malloc(WIDTH * 16);
    size_t len = 0;
    struct read read;

    (void)state;
    assert_non_null(text);
    for (int row = 0; row < 2; row++) {
        for (int i = 0; i < WIDTH; i++) {
            len += (size_t)sprintf(text + len, "%d,", i);
        }
        len += (size_t)sprintf(text + len, "c\n");
    }
    read = read_len(text, len, &usual);
    assert_true(read.ok);
    assert_int_equal(read.info.x_width, WIDTH);
    assert_int_equal(read.sink.x.calls, 2);
    for (size_t i = 0; i < 2 * (size_t)WIDTH; i++) {
        assert_true(memory_float(&read.sink.x, i) == (float)(i % WIDTH));
    }
    read_done(&read);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_and_labels_come_from_one_text),
        cmocka_unit_test(quoted_fields_hold_anything),
        cmocka_unit_test(a_header_is_a_line_without_any_number),
        cmocka_unit_test(targets_are_found_by_name_and_by_index),
        cmocka_unit_test(a_part_alone_takes_every_column),
        cmocka_unit_test(other_delimiters_are_taken),
        cmocka_unit_test(numbers_are_read_as_strtof_does),
        cmocka_unit_test(every_short_number_is_read_as_strtof_does),
        cmocka_unit_test(many_rows_come_in_pieces_and_in_order),
        cmocka_unit_test(a_row_may_be_wider_than_the_buffer),
    };

    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
