#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "csv_reader.h"

static const struct csv_options mean = { .kind = TARGET_LABELS,
                                         .delimiter = ',',
                                         .missing = MISSING_MEAN };

static void what_is_missing_is_told_by_empty_fields_and_six_words(void **state)
{
    static const char *const words[] = { "",     " ",    "NA",      "N/A",  "NaN",     "nan",
                                         "null", "\"\"", "\" ? \"", " NA ", "\"N/A\"", "?" };

    (void)state;
    for (size_t i = 0; i < N(words); i++) {
        char text[64];
        struct read read;

        snprintf(text, sizeof text, "1,5,a\n%s,6,b\n4,7,a\n", words[i]);
        read = read_text(text, &mean);
        assert_true(read.ok);
        assert_int_equal(read.info.rows, 3);
        assert_true(isnan(memory_float(&read.sink.x, 2)));
        assert_int_equal(read.info.imputed[0], 1);
        assert_int_equal(read.info.imputed[1], 0);
        assert_true(read.info.fill[0] == 2.5F);
        assert_true(read.info.fill[1] == 6.0F);
        read_done(&read);
    }
}

static void other_words_are_not_missing_values(void **state)
{
    static const char *const words[] = { "na", "NAN", "Null", "NULL", "none", "-", "??", "NA NA" };

    (void)state;
    for (size_t i = 0; i < N(words); i++) {
        char text[64];
        struct read read;

        snprintf(text, sizeof text, "1,5,a\n%s,6,b\n", words[i]);
        read = read_text(text, &mean);
        assert_false(read.ok);
        assert_int_equal(read.err.code, ERR_SYNTAX);
        assert_string_equal(read.err.where, "line 2 column 1");
        read_done(&read);
    }
}

static void without_anything_missing_nothing_is_imputed(void **state)
{
    struct read read = read_text("1,5,a\n2,6,b\n", &mean);

    (void)state;
    assert_true(read.ok);
    assert_null(read.info.imputed);
    assert_null(read.info.fill);
    read_done(&read);
}

static void sums_are_of_double_in_the_order_of_the_rows(void **state)
{
    /* In float32 the ones would be lost beside 2^25, in another order so would be none of them. */
    struct read read = read_text("33554432,a\n1,a\n1,a\n1,a\nNA,a\n-33554432,a\n", &mean);

    (void)state;
    assert_true(read.ok);
    assert_true(read.info.fill[0] == 0.6F);
    read_done(&read);
}

static void means_cross_the_pieces_in_which_rows_come(void **state)
{
    enum { ROWS = 40000 };
    char *text = malloc(ROWS * 16);
    size_t len = 0;
    struct read read;

    (void)state;
    assert_non_null(text);
    for (int i = 0; i < ROWS; i++) {
        len += (size_t)(i % 3 == 0 ? sprintf(text + len, "%d,,c\n", i)
                                   : sprintf(text + len, "?,%d,c\n", i % 3));
    }
    read = read_len(text, len, &mean);
    assert_true(read.ok);
    assert_true(read.sink.x.calls > 1);
    assert_int_equal(read.info.imputed[0], 26666);
    assert_int_equal(read.info.imputed[1], 13334);
    assert_true(read.info.fill[0] == 19999.5F);
    assert_true(read.info.fill[1] == 1.5F);
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(isnan(memory_float(&read.sink.x, 2 * i)), i % 3 != 0);
        assert_int_equal(isnan(memory_float(&read.sink.x, 2 * i + 1)), i % 3 == 0);
    }
    read_done(&read);
    free(text);
}

static void columns_are_counted_without_targets_between(void **state)
{
    struct csv_options options = mean;
    struct read read;

    (void)state;
    options.kind = TARGET_NUMBERS;
    options.target = "y,1";
    read = read_text("a,x,b,y,c\n1,2,3,4,\n5,6,,8,9\n", &options);
    assert_true(read.ok);
    assert_int_equal(read.info.x_width, 3);
    assert_int_equal(read.info.imputed[0], 0);
    assert_int_equal(read.info.imputed[1], 1);
    assert_int_equal(read.info.imputed[2], 1);
    assert_true(read.info.fill[2] == 9.0F);
    read_done(&read);
}

static void known_means_are_taken_at_once(void **state)
{
    static const float known[] = { 0.5F, -1.0F };
    struct csv_options options = mean;
    struct read read;

    (void)state;
    options.fill = known;
    options.n_fill = N(known);
    read = read_text("NA,5,a\n?,,b\n", &options); /* a column of none is none's fault here */
    assert_true(read.ok);
    assert_null(read.info.fill);
    assert_int_equal(read.info.imputed[0], 2);
    assert_int_equal(read.info.imputed[1], 1);
    assert_true(memory_float(&read.sink.x, 0) == 0.5F);
    assert_true(memory_float(&read.sink.x, 1) == 5.0F);
    assert_true(memory_float(&read.sink.x, 2) == 0.5F);
    assert_true(memory_float(&read.sink.x, 3) == -1.0F);
    read_done(&read);

    options.n_fill = 1; /* too few: the caller sees it by the width */
    read = read_text("1,NA,a\n", &options);
    assert_true(read.ok);
    assert_int_equal(read.info.x_width, 2);
    read_done(&read);
}

static void a_class_may_be_called_na_unless_that_means_missing(void **state)
{
    struct read read = read_text("1,NA\n2,null\n3,?\n", &usual);

    (void)state;
    assert_true(read.ok);
    assert_int_equal(read.info.classes->n, 3);
    read_done(&read);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_told_by_empty_fields_and_six_words),
        cmocka_unit_test(other_words_are_not_missing_values),
        cmocka_unit_test(without_anything_missing_nothing_is_imputed),
        cmocka_unit_test(sums_are_of_double_in_the_order_of_the_rows),
        cmocka_unit_test(means_cross_the_pieces_in_which_rows_come),
        cmocka_unit_test(columns_are_counted_without_targets_between),
        cmocka_unit_test(known_means_are_taken_at_once),
        cmocka_unit_test(a_class_may_be_called_na_unless_that_means_missing),
    };

    return cmocka_run_group_tests_name("csv_missing", tests, NULL, NULL);
}
