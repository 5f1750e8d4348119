#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "array_reader.h"
#include "fail_malloc.h"

/* A header of that type code; sizes end with 0. */
static struct bytes header(unsigned char type, uint32_t a, uint32_t b, uint32_t c)
{
    const uint32_t sizes[3] = { a, b, c };
    struct bytes bytes = { .len = 0 };
    size_t rank = c != 0 ? 3 : b != 0 ? 2 : 1;

    put(&bytes, (uint64_t)type << 8 | rank, 4, true);
    for (size_t i = 0; i < rank; i++) {
        put(&bytes, sizes[i], 4, true);
    }
    return bytes;
}

static void images_stay_bytes_and_keep_their_shape(void **state)
{
    struct bytes bytes = header(0x08, 2, 3, 4);
    struct array_read read;

    (void)state;
    for (unsigned i = 0; i < 24; i++) {
        put(&bytes, i * 11 % 256, 1, true);
    }
    read = read_array(idx_read, bytes.data, bytes.len, CSV_FEATURES, TARGET_NONE);
    assert_true(read.ok);
    assert_int_equal(read.info.rows, 2);
    assert_int_equal(read.info.x_dtype, DTYPE_U8);
    assert_int_equal(read.info.x_rank, 3);
    assert_int_equal(read.info.x_shape[0], 2);
    assert_int_equal(read.info.x_shape[1], 3);
    assert_int_equal(read.info.x_shape[2], 4);
    assert_int_equal(read.info.x_width, 12);
    assert_int_equal(read.info.kind, TARGET_NONE);
    assert_int_equal(read.sink.x.len, 24);
    assert_int_equal(read.sink.x.calls, 1); /* handed on as they lie there */
    assert_memory_equal(read.sink.x.bytes, bytes.data + 16, 24);
    array_read_done(&read);
}

static void every_type_becomes_float32(void **state)
{
    static const struct {
        unsigned char type;
        size_t size;
        uint64_t bits[5];
        float expect[5];
    } cases[] = {
        { 0x09, 1, { 0, 1, 0x7f, 0x80, 0xff }, { 0, 1, 127, -128, -1 } },
        { 0x0b, 2, { 0, 1, 0x7fff, 0x8000, 0xffff }, { 0, 1, 32767, -32768, -1 } },
        { 0x0c,
          4,
          { 0, 16777217, 0x7fffffff, 0x80000000, 0xffffffff },
          { 0, 16777216, 0x1p31F, -0x1p31F, -1 } },
        { 0x0d,
          4,
          { 0x3f800000, 0x80000000, 0x00000001, 0x7f7fffff, 0xc0490fdb },
          { 1, -0.0F, 0x1p-149F, 0x1.fffffep127F, -0x1.921fb6p1F } },
        /* 1/3 rounds to nearest, 0x1.000001p0 is a tie and goes to even, 2^-150 is one to 0 */
        { 0x0e,
          8,
          { 0x3fd5555555555555, 0x3ff0000010000000, 0x3690000000000000, 0x47efffffe0000000,
            0xbff8000000000000 },
          { 0x1.555556p-2F, 1, 0, 0x1.fffffep127F, -1.5F } },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct bytes bytes = header(cases[i].type, 5, 0, 0);
        struct array_read read;

        for (size_t k = 0; k < 5; k++) {
            put(&bytes, cases[i].bits[k], cases[i].size, true);
        }
        read = read_array(idx_read, bytes.data, bytes.len, CSV_FEATURES, TARGET_NONE);
        assert_true(read.ok);
        assert_int_equal(read.info.x_dtype, DTYPE_F32);
        assert_int_equal(read.info.x_width, 1);
        check_floats(&read.sink.x, cases[i].expect, 5);
        array_read_done(&read);
        read = read_array(idx_read, bytes.data, bytes.len, CSV_TARGETS, TARGET_NUMBERS);
        assert_true(read.ok);
        assert_int_equal(read.info.y_width, 1);
        assert_int_equal(read.info.x_rank, 0);
        check_floats(&read.sink.y, cases[i].expect, 5);
        array_read_done(&read);
    }
}

static void labels_are_whole_numbers_of_any_type(void **state)
{
    static const char *const u8[] = { "9", "10", "9", "0" };
    static const char *const i32[] = { "16777217", "-2147483648", "0" };
    static const char *const f64[] = { "-3", "0", "9007199254740992" };
    struct bytes bytes = header(0x08, 4, 0, 0);
    struct array_read read;

    (void)state;
    put(&bytes, 0x090a0900, 4, true);
    read = read_array(idx_read, bytes.data, bytes.len, CSV_TARGETS, TARGET_LABELS);
    assert_true(read.ok);
    check_names(&read, u8, 4);
    assert_string_equal(read.info.classes->name[0], "0");
    assert_string_equal(read.info.classes->name[2], "10");
    array_read_done(&read);

    bytes = header(0x0c, 3, 0, 0);
    put(&bytes, 16777217, 4, true);
    put(&bytes, 0x80000000, 4, true);
    put(&bytes, 0, 4, true);
    read = read_array(idx_read, bytes.data, bytes.len, CSV_TARGETS, TARGET_LABELS);
    assert_true(read.ok);
    check_names(&read, i32, 3);
    array_read_done(&read);

    bytes = header(0x0e, 3, 0, 0);
    put_f64(&bytes, -3.0, true);
    put_f64(&bytes, -0.0, true);
    put_f64(&bytes, 0x1p53, true);
    read = read_array(idx_read, bytes.data, bytes.len, CSV_TARGETS, TARGET_LABELS);
    assert_true(read.ok);
    check_names(&read, f64, 3);
    array_read_done(&read);
}

static void targets_may_have_several_numbers_a_row(void **state)
{
    const float expect[] = { 1, -2, 3, -4, 5, -6 };
    struct bytes bytes = header(0x09, 3, 2, 0);
    struct array_read read;

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        put(&bytes, (uint64_t)(int64_t)expect[i], 1, true);
    }
    read = read_array(idx_read, bytes.data, bytes.len, CSV_TARGETS, TARGET_NUMBERS);
    assert_true(read.ok);
    assert_int_equal(read.info.rows, 3);
    assert_int_equal(read.info.y_width, 2);
    assert_int_equal(read.info.kind, TARGET_NUMBERS);
    check_floats(&read.sink.y, expect, 6);
    array_read_done(&read);
}

static void many_rows_cross_the_chunks(void **state)
{
    enum { ROWS = 20001 };
    struct bytes head = header(0x0b, ROWS, 0, 0);
    char *text = malloc(head.len + 2 * ROWS);
    struct array_read read;

    (void)state;
    assert_non_null(text);
    memcpy(text, head.data, head.len);
    for (int i = 0; i < ROWS; i++) {
        text[head.len + 2 * (size_t)i] = (char)(i >> 8);
        text[head.len + 2 * (size_t)i + 1] = (char)i;
    }
    read = read_array(idx_read, text, head.len + 2 * ROWS, CSV_FEATURES, TARGET_NONE);
    assert_true(read.ok);
    for (int i = 0; i < ROWS; i++) {
        assert_true(memory_float(&read.sink.x, (size_t)i) == (float)i);
    }
    array_read_done(&read);
    read = read_array(idx_read, text, head.len + 2 * ROWS, CSV_TARGETS, TARGET_LABELS);
    assert_true(read.ok);
    for (int i = 0; i < ROWS; i++) {
        const uint32_t index = read.info.remap[memory_index(&read.sink.y, (size_t)i)];

        assert_int_equal(atoi(read.info.classes->name[index]), i);
    }
    array_read_done(&read);
    free(text);
}

static void bad_headers_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum err_code code;
        const char *text;
    } cases[] = {
        { "", 0, ERR_SYNTAX, "is not IDX: must begin with 00 00, type, rank" },
        { "\0\0\x08", 3, ERR_SYNTAX, "is not IDX: must begin with 00 00, type, rank" },
        { "\0\x01\x08\x01\0\0\0\x01x", 9, ERR_SYNTAX,
          "is not IDX: must begin with 00 00, type, rank" },
        { "\0\0\x0a\x01\0\0\0\x01x", 9, ERR_SYNTAX,
          "has IDX type 0x0a, must be 0x08, 0x09, 0x0b, 0x0c, 0x0d or 0x0e" },
        { "\0\0\x08\0x", 5, ERR_SYNTAX, "must have 1 to 8 dimensions, has 0" },
        { "\0\0\x08\x09x", 5, ERR_SYNTAX, "must have 1 to 8 dimensions, has 9" },
        { "\0\0\x08\x02\0\0\0\x01\0\0\0", 11, ERR_SYNTAX, "ends within its header of 12 bytes" },
        { "\0\0\x08\x01\0\0\0\x02x", 9, ERR_SYNTAX, "must have 2 bytes of values, has 1" },
        { "\0\0\x08\x01\0\0\0\x02xyz", 11, ERR_SYNTAX, "must have 2 bytes of values, has 3" },
        { "\0\0\x08\x01\0\0\0\0", 8, ERR_SYNTAX, "must not be empty: dimension 0 is 0" },
        { "\0\0\x08\x02\0\0\0\x01\0\0\0\0", 12, ERR_SYNTAX, "must not be empty: dimension 1 is 0" },
        { "\0\0\x08\x01\xff\xff\xff\xff", 8, ERR_SYNTAX,
          "must have 4294967295 bytes of values, has 0" },
        { "\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xff", 12, ERR_SYNTAX,
          "must have 18446744065119617025 bytes of values, has 0" },
        { "\0\0\x0e\x04\0\0\0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 20, ERR_SYNTAX,
          "must have over 18446744073709551615 bytes of values, has 0" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct bytes bytes = { .len = cases[i].len };

        memcpy(bytes.data, cases[i].bytes, cases[i].len);
        check_refused(idx_read, &bytes, CSV_FEATURES, TARGET_NONE, cases[i].code, "body",
                      cases[i].text);
    }
}

static void sizes_over_the_limits_are_refused(void **state)
{
    const struct table_limits limits = { .max_features = 5, .max_rows = 2 };
    struct bytes wide = header(0x08, 2, 2, 3), high = header(0x08, 3, 0, 0);
    struct memory_sink sink = memory_sink();
    struct table_info info;
    struct err err = { 0 };

    (void)state;
    put(&wide, 0, 12, true);
    assert_false(
        idx_read(wide.data, wide.len, CSV_FEATURES, TARGET_NONE, &limits, &sink.sink, &info, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_string_equal(err.where, "body");
    assert_string_equal(err.text, "must have at most 5 values a row, has 6");
    err = (struct err){ 0 };
    put(&high, 0, 3, true);
    assert_false(idx_read(high.data, high.len, CSV_TARGETS, TARGET_LABELS, &limits, &sink.sink,
                          &info, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_string_equal(err.text, "must have at most 2 rows, has 3");
}

static void bad_values_are_refused_with_row_and_column(void **state)
{
    struct bytes bytes = header(0x0d, 2, 3, 0);

    (void)state;
    for (int i = 0; i < 5; i++) {
        put_f32(&bytes, 1.0F, true);
    }
    put_f32(&bytes, -INFINITY, true);
    check_refused(idx_read, &bytes, CSV_FEATURES, TARGET_NONE, ERR_RANGE, "[1][2]",
                  "must be finite, is -infinity");
    check_refused(idx_read, &bytes, CSV_TARGETS, TARGET_NUMBERS, ERR_RANGE, "[1][2]",
                  "must be finite, is -infinity");

    bytes = header(0x0e, 2, 0, 0);
    put_f64(&bytes, 1.0, true);
    put_f64(&bytes, NAN, true);
    check_refused(idx_read, &bytes, CSV_FEATURES, TARGET_NONE, ERR_RANGE, "[1]",
                  "must be finite, is NaN");
    check_refused(idx_read, &bytes, CSV_TARGETS, TARGET_LABELS, ERR_RANGE, "[1]",
                  "must be a whole number up to 2^53 to name a class, is NaN");

    bytes = header(0x0e, 1, 1, 0);
    put_f64(&bytes, -1e300, true);
    check_refused(idx_read, &bytes, CSV_TARGETS, TARGET_NUMBERS, ERR_RANGE, "[0]",
                  "is too large for float32: -1e300");

    bytes = header(0x0e, 1, 0, 0);
    put_f64(&bytes, 1e39, true);
    check_refused(idx_read, &bytes, CSV_FEATURES, TARGET_NONE, ERR_RANGE, "[0]",
                  "is too large for float32: 1e39");
    check_refused(idx_read, &bytes, CSV_TARGETS, TARGET_LABELS, ERR_RANGE, "[0]",
                  "must be a whole number up to 2^53 to name a class, is 1e39");

    bytes = header(0x0e, 1, 0, 0);
    put_f64(&bytes, 0.5, true);
    check_refused(idx_read, &bytes, CSV_TARGETS, TARGET_LABELS, ERR_RANGE, "[0]",
                  "must be a whole number up to 2^53 to name a class, is 0.5");
}

static void shapes_must_suit_the_part(void **state)
{
    struct bytes bytes = header(0x08, 1, 2, 0);

    (void)state;
    put(&bytes, 0, 2, true);
    check_refused(idx_read, &bytes, CSV_TARGETS, TARGET_LABELS, ERR_FIELD, "body",
                  "must have at most 1 dimension to be labels, has 2");
    bytes = header(0x08, 1, 1, 2);
    put(&bytes, 0, 2, true);
    check_refused(idx_read, &bytes, CSV_TARGETS, TARGET_NUMBERS, ERR_FIELD, "body",
                  "must have at most 2 dimensions to be targets, has 3");
    check_refused(idx_read, &bytes, CSV_BOTH, TARGET_LABELS, ERR_TYPE, "",
                  "one array is features or targets, not both: send each");
}

static void cut_and_flipped_bytes_never_read_astray(void **state)
{
    static const unsigned char types[] = { 0x08, 0x0b, 0x0d, 0x0e };
    static const size_t sizes[] = { 1, 2, 4, 8 };

    (void)state;
    for (size_t i = 0; i < N(types); i++) {
        struct bytes bytes = header(types[i], 3, 0, 0);

        put(&bytes, 0x0102030405060708, 8, true);
        put(&bytes, 0x4000000000000000, 8, true);
        put(&bytes, 0x3ff0000000000000, 8, true);
        bytes.len -= 24 - 3 * sizes[i];
        check_cut_and_flipped(idx_read, &bytes);
        bytes = header(types[i], 1, 1, 3);
        put(&bytes, 0, 24, true);
        bytes.len -= 24 - 3 * sizes[i];
        check_cut_and_flipped(idx_read, &bytes);
    }
}

static void no_memory_is_reported_and_nothing_leaks(void **state)
{
    struct bytes bytes = header(0x08, 100, 0, 0);

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        put(&bytes, i, 1, true);
    }
    check_starved(idx_read, &bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_stay_bytes_and_keep_their_shape),
        cmocka_unit_test(every_type_becomes_float32),
        cmocka_unit_test(labels_are_whole_numbers_of_any_type),
        cmocka_unit_test(targets_may_have_several_numbers_a_row),
        cmocka_unit_test(many_rows_cross_the_chunks),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(sizes_over_the_limits_are_refused),
        cmocka_unit_test(bad_values_are_refused_with_row_and_column),
        cmocka_unit_test(shapes_must_suit_the_part),
        cmocka_unit_test(cut_and_flipped_bytes_never_read_astray),
        cmocka_unit_test(no_memory_is_reported_and_nothing_leaks),
    };

    return cmocka_run_group_tests_name("idx", tests, NULL, NULL);
}
