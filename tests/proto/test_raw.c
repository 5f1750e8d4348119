#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "array_reader.h"
#include "fail_malloc.h"

static size_t shape[TABLE_RANK_MAX + 1];
static size_t rank;

/* raw_read with the shape that stands above. */
static bool shaped_read(const char *bytes, size_t len, enum csv_part part, enum target_kind kind,
                        const struct table_limits *limits, struct table_sink *sink,
                        struct table_info *ret, struct err *err)
{
    return raw_read(bytes, len, shape, rank, part, kind, limits, sink, ret, err);
}

static void set_shape(size_t n, size_t a, size_t b)
{
    for (size_t i = 0; i < N(shape); i++) {
        shape[i] = i == 0 ? a : i == 1 ? b : 1;
    }
    rank = n;
}

static struct bytes six(void)
{
    struct bytes bytes = { .len = 0 };

    for (int i = 0; i < 6; i++) {
        put_f32(&bytes, (float)i - 2.5F, false);
    }
    return bytes;
}

static void rows_come_as_they_were_sent(void **state)
{
    const float expect[] = { -2.5F, -1.5F, -0.5F, 0.5F, 1.5F, 2.5F };
    struct bytes bytes = six();
    struct array_read read;

    (void)state;
    set_shape(2, 2, 3);
    read = read_array(shaped_read, bytes.data, bytes.len, CSV_FEATURES, TARGET_NONE);
    assert_true(read.ok);
    assert_int_equal(read.info.rows, 2);
    assert_int_equal(read.info.x_dtype, DTYPE_F32);
    assert_int_equal(read.info.x_rank, 2);
    assert_int_equal(read.info.x_shape[1], 3);
    assert_int_equal(read.info.x_width, 3);
    check_floats(&read.sink.x, expect, 6);
    array_read_done(&read);

    read = read_array(shaped_read, bytes.data, bytes.len, CSV_TARGETS, TARGET_NUMBERS);
    assert_true(read.ok);
    assert_int_equal(read.info.y_width, 3);
    check_floats(&read.sink.y, expect, 6);
    array_read_done(&read);
}

static void labels_are_whole_numbers(void **state)
{
    static const char *const names[] = { "3", "-1", "3", "16777216" };
    struct bytes bytes = { .len = 0 };
    struct array_read read;

    (void)state;
    put_f32(&bytes, 3.0F, false);
    put_f32(&bytes, -1.0F, false);
    put_f32(&bytes, 3.0F, false);
    put_f32(&bytes, 0x1p24F, false);
    set_shape(1, 4, 1);
    read = read_array(shaped_read, bytes.data, bytes.len, CSV_TARGETS, TARGET_LABELS);
    assert_true(read.ok);
    check_names(&read, names, 4);
    array_read_done(&read);
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    const struct {
        size_t rank, a, b;
        enum err_code code;
        const char *where, *text;
    } cases[] = {
        { 0, 6, 1, ERR_FIELD, "shape", "must have a dimension of rows, has none" },
        { 9, 6, 1, ERR_FIELD, "shape", "must have 1 to 8 dimensions, has 9" },
        { 2, 0, 3, ERR_FIELD, "shape", "must not be empty: dimension 0 is 0" },
        { 2, 2, 0, ERR_FIELD, "shape", "must not be empty: dimension 1 is 0" },
        { 2, 3, 3, ERR_SYNTAX, "body", "must have 36 bytes of values, has 24" },
        { 1, 6000, 1, ERR_SYNTAX, "body", "must have 24000 bytes of values, has 24" },
        { 2, SIZE_MAX, SIZE_MAX, ERR_SYNTAX, "body",
          "must have over 18446744073709551615 bytes of values, has 24" },
    };
    struct bytes bytes = six();

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        set_shape(cases[i].rank, cases[i].a, cases[i].b);
        check_refused(shaped_read, &bytes, CSV_FEATURES, TARGET_NONE, cases[i].code, cases[i].where,
                      cases[i].text);
    }
}

static void sizes_that_overflow_are_refused(void **state)
{
    const size_t shapes[][2] = { { SIZE_MAX, 1 },
                                 { SIZE_MAX / 4 + 1, 1 },
                                 { 1, SIZE_MAX / 2 },
                                 { (size_t)1 << 32, (size_t)1 << 32 },
                                 { (size_t)1 << 62, 1 } };
    struct bytes none = { .len = 0 };

    (void)state;
    for (size_t i = 0; i < N(shapes); i++) {
        set_shape(2, shapes[i][0], shapes[i][1]);
        check_refused(shaped_read, &none, CSV_FEATURES, TARGET_NONE, ERR_SYNTAX, "body",
                      "must have over 18446744073709551615 bytes of values, has 0");
    }
}

static void shapes_over_the_limits_are_refused(void **state)
{
    const struct table_limits limits = { .max_features = 2, .max_rows = 5 };
    struct memory_sink sink = memory_sink();
    struct bytes bytes = six();
    struct table_info info;
    struct err err = { 0 };

    (void)state;
    set_shape(2, 2, 3);
    assert_false(shaped_read(bytes.data, bytes.len, CSV_FEATURES, TARGET_NONE, &limits, &sink.sink,
                             &info, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_string_equal(err.where, "shape");
    assert_string_equal(err.text, "must have at most 2 values a row, has 3");
}

static void values_that_are_not_finite_are_refused(void **state)
{
    struct bytes bytes = six();

    (void)state;
    bytes.len -= 4;
    put_f32(&bytes, NAN, false);
    set_shape(2, 3, 2);
    check_refused(shaped_read, &bytes, CSV_FEATURES, TARGET_NONE, ERR_RANGE, "[2][1]",
                  "must be finite, is NaN");
    bytes.len -= 4;
    put_f32(&bytes, INFINITY, false);
    check_refused(shaped_read, &bytes, CSV_TARGETS, TARGET_NUMBERS, ERR_RANGE, "[2][1]",
                  "must be finite, is infinity");
    set_shape(1, 6, 1);
    check_refused(shaped_read, &bytes, CSV_TARGETS, TARGET_LABELS, ERR_RANGE, "[0]",
                  "must be a whole number up to 2^53 to name a class, is -2.5");
}

static void too_many_classes_are_refused_at_their_row(void **state)
{
    enum { CLASSES = 65537 };
    char *bytes = malloc(CLASSES * sizeof(float));
    struct array_read read;

    (void)state;
    assert_non_null(bytes);
    for (int i = 0; i < CLASSES; i++) {
        const float value = (float)i;

        memcpy(bytes + (size_t)i * sizeof value, &value, sizeof value); /* little-endian hosts */
    }
    set_shape(1, CLASSES, 1);
    read = read_array(shaped_read, bytes, CLASSES * sizeof(float), CSV_TARGETS, TARGET_LABELS);
    assert_int_equal(read.err.code, ERR_LIMIT);
    assert_string_equal(read.err.where, "[65536]");
    array_read_done(&read);
    free(bytes);
}

static void cut_and_flipped_bytes_never_read_astray(void **state)
{
    struct bytes bytes = six();

    (void)state;
    set_shape(1, 6, 1);
    check_cut_and_flipped(shaped_read, &bytes);
    set_shape(2, 3, 2);
    check_cut_and_flipped(shaped_read, &bytes);
}

static void a_sink_that_refuses_stops_the_reader(void **state)
{
    const enum target_kind kinds[] = { TARGET_LABELS, TARGET_NUMBERS };
    const struct table_limits limits = { 10, 10 };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct bytes bytes = { .len = 0 };
        struct memory_sink sink = memory_sink();
        struct table_info info = { .rows = 99 };
        struct err err = { 0 };

        put(&bytes, 0, 24, false);
        set_shape(1, 6, 1);
        sink.fail_at = 1;
        assert_false(shaped_read(bytes.data, bytes.len, i < 2 ? CSV_TARGETS : CSV_FEATURES,
                                 kinds[i % 2], &limits, &sink.sink, &info, &err));
        assert_int_equal(err.code, ERR_FULL);
        assert_int_equal(info.rows, 99);
        memory_sink_done(&sink);
    }
}

static void no_memory_is_reported_and_nothing_leaks(void **state)
{
    struct bytes bytes = { .len = 0 };

    (void)state;
    for (int i = 0; i < 100; i++) {
        put_f32(&bytes, (float)i, false);
    }
    set_shape(1, 100, 1);
    check_starved(shaped_read, &bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_as_they_were_sent),
        cmocka_unit_test(labels_are_whole_numbers),
        cmocka_unit_test(shapes_that_do_not_fit_are_refused),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(shapes_over_the_limits_are_refused),
        cmocka_unit_test(values_that_are_not_finite_are_refused),
        cmocka_unit_test(too_many_classes_are_refused_at_their_row),
        cmocka_unit_test(cut_and_flipped_bytes_never_read_astray),
        cmocka_unit_test(a_sink_that_refuses_stops_the_reader),
        cmocka_unit_test(no_memory_is_reported_and_nothing_leaks),
    };

    return cmocka_run_group_tests_name("raw", tests, NULL, NULL);
}
