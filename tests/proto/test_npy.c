#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "array_reader.h"
#include "fail_malloc.h"

/* A file of that version up to the values: the dict, padded as numpy does. */
static struct bytes header(unsigned version, const char *dict)
{
    struct bytes bytes = { .len = 0 };
    const size_t prefix = version == 1 ? 10 : 12;
    size_t len = strlen(dict) + 1;

    len += (64 - (prefix + len) % 64) % 64;
    put(&bytes, 0x93, 1, false);
    memcpy(bytes.data + 1, "NUMPY", 5);
    bytes.len = 6;
    put(&bytes, version, 2, false);
    put(&bytes, len, version == 1 ? 2 : 4, false);
    memset(bytes.data + bytes.len, ' ', len);
    memcpy(bytes.data + bytes.len, dict, strlen(dict));
    bytes.len += len;
    bytes.data[bytes.len - 1] = '\n';
    return bytes;
}

static struct bytes plain(const char *descr, const char *shape)
{
    char dict[512];

    snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr,
             shape);
    return header(1, dict);
}

static void bytes_stay_bytes_and_keep_their_shape(void **state)
{
    struct bytes bytes = plain("|u1", "(2, 2, 3)");
    struct array_read read;

    (void)state;
    put(&bytes, 0x0102030405fffe00, 8, true);
    put(&bytes, 0x0a0b0c0d, 4, true);
    read = read_array(npy_read, bytes.data, bytes.len, CSV_FEATURES, TARGET_NONE);
    assert_true(read.ok);
    assert_int_equal(read.info.rows, 2);
    assert_int_equal(read.info.x_dtype, DTYPE_U8);
    assert_int_equal(read.info.x_rank, 3);
    assert_int_equal(read.info.x_shape[2], 3);
    assert_int_equal(read.info.x_width, 6);
    assert_int_equal(read.sink.x.len, 12);
    assert_memory_equal(read.sink.x.bytes, bytes.data + bytes.len - 12, 12);
    array_read_done(&read);
}

static void every_type_becomes_float32(void **state)
{
    static const struct {
        const char *descr;
        size_t size;
        uint64_t bits[4];
        float expect[4];
    } cases[] = {
        { "i1", 1, { 1, 0x7f, 0x80, 0xff }, { 1, 127, -128, -1 } },
        { "u2", 2, { 1, 0x7fff, 0x8000, 0xffff }, { 1, 32767, 32768, 65535 } },
        { "i2", 2, { 1, 0x7fff, 0x8000, 0xffff }, { 1, 32767, -32768, -1 } },
        { "u4", 4, { 1, 16777217, 0x80000000, 0xffffffff }, { 1, 16777216, 0x1p31F, 0x1p32F } },
        { "i4", 4, { 1, 16777219, 0x80000000, 0xffffffff }, { 1, 16777220, -0x1p31F, -1 } },
        { "u8",
          8,
          { 1, 0x8000008000000001, 0x8000008000000000, 0xffffffffffffffff },
          { 1, 0x1.000002p63F, 0x1p63F, 0x1p64F } },
        { "i8",
          8,
          { 1, 0x8000000000000000, 0x4000002000000001, 0xffffffffffffffff },
          { 1, -0x1p63F, 0x1p62F, -1 } },
        { "f2", 2, { 0x3c00, 0x0001, 0x7bff, 0x8000 }, { 1, 0x1p-24F, 65504, -0.0F } },
        { "f2",
          2,
          { 0xc248, 0x03ff, 0x0400, 0x8001 },
          { -3.140625F, 0x3ffp-24F, 0x1p-14F, -0x1p-24F } },
        { "f4",
          4,
          { 0x3f800000, 0x80000000, 1, 0x7f7fffff },
          { 1, -0.0F, 0x1p-149F, 0x1.fffffep127F } },
        { "f8",
          8,
          { 0x3fb999999999999a, 0x3ff0000030000000, 0x47efffffefffffff, 0x8000000000000000 },
          { 0.1F, 0x1.000004p0F, 0x1.fffffep127F, -0.0F } },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        for (int big = 0; big < 2; big++) {
            char descr[4];
            struct bytes bytes;
            struct array_read read;

            snprintf(descr, sizeof descr, "%c%s", big ? '>' : '<', cases[i].descr);
            bytes = plain(descr, "(2, 2)");
            for (size_t k = 0; k < 4; k++) {
                put(&bytes, cases[i].bits[k], cases[i].size, big);
            }
            read = read_array(npy_read, bytes.data, bytes.len, CSV_FEATURES, TARGET_NONE);
            assert_true(read.ok);
            assert_int_equal(read.info.x_dtype, DTYPE_F32);
            check_floats(&read.sink.x, cases[i].expect, 4);
            array_read_done(&read);
        }
    }
}

/* The value of a half is what its definition says, for all 65,536 of them. */
static void every_half_is_exact(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 65536; bits++) {
        const int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
        const double size = exponent == 0 ? ldexp((double)fraction, -24)
                                          : ldexp(1.0 + (double)fraction / 1024.0, exponent - 15);
        struct bytes bytes = plain("<f2", "(1,)");
        struct array_read read;

        put(&bytes, bits, 2, false);
        read = read_array(npy_read, bytes.data, bytes.len, CSV_FEATURES, TARGET_NONE);
        assert_int_equal(read.ok, exponent != 31);
        if (read.ok) {
            const float value = memory_float(&read.sink.x, 0);

            assert_true((double)value == ((bits & 0x8000) != 0 ? -size : size));
            assert_int_equal(signbit(value) != 0, bits >> 15);
        } else {
            assert_string_equal(read.err.where, "[0]");
        }
        array_read_done(&read);
    }
}

static void labels_are_whole_numbers_of_any_type(void **state)
{
    static const char *const u64[] = { "18446744073709551615", "0" };
    static const char *const i64[] = { "-9223372036854775808", "7" };
    static const char *const boolean[] = { "1", "0" };
    struct bytes bytes = plain("<u8", "(2,)");
    struct array_read read;

    (void)state;
    put(&bytes, UINT64_MAX, 8, false);
    put(&bytes, 0, 8, false);
    read = read_array(npy_read, bytes.data, bytes.len, CSV_TARGETS, TARGET_LABELS);
    assert_true(read.ok);
    check_names(&read, u64, 2);
    array_read_done(&read);

    bytes = plain("<i8", "(2,)");
    put(&bytes, (uint64_t)INT64_MIN, 8, false);
    put(&bytes, 7, 8, false);
    read = read_array(npy_read, bytes.data, bytes.len, CSV_TARGETS, TARGET_LABELS);
    assert_true(read.ok);
    check_names(&read, i64, 2);
    array_read_done(&read);

    bytes = plain("|b1", "(2,)");
    put(&bytes, 1, 2, false);
    read = read_array(npy_read, bytes.data, bytes.len, CSV_TARGETS, TARGET_LABELS);
    assert_true(read.ok);
    check_names(&read, boolean, 2);
    array_read_done(&read);
}

static void headers_are_read_as_python_would(void **state)
{
    static const char *const same[] = {
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)}",
        "{\"shape\":(3,),\"fortran_order\":False,\"descr\":\"|u1\"}",
        " { 'shape' : ( 3 , ) , 'descr' : '<u1' , 'fortran_order' : True , } \n ",
        "{'descr': '|b1', 'fortran_order': False, 'shape': (3L,), }",
        "{'descr':'>u1','fortran_order':False,'shape':(0003,),}",
    };

    (void)state;
    for (unsigned version = 1; version <= 3; version++) {
        for (size_t i = 0; i < N(same); i++) {
            struct bytes bytes = header(version, same[i]);
            struct array_read read;

            put(&bytes, 0x010203, 3, true);
            read = read_array(npy_read, bytes.data, bytes.len, CSV_FEATURES, TARGET_NONE);
            assert_true(read.ok);
            assert_int_equal(read.info.rows, 3);
            assert_int_equal(read.info.x_rank, 1);
            assert_memory_equal(read.sink.x.bytes, "\x01\x02\x03", 3);
            array_read_done(&read);
        }
    }
}

static const struct {
    const char *dict, *text;
    enum err_code code;
} bad_headers[] = {
#define DICT(descr, order, shape)                                                                  \
    "{'descr': " descr ", 'fortran_order': " order ", 'shape': " shape ", }"
    { DICT("'|O'", "False", "(3,)"), "holds Python objects, which are never read", ERR_SYNTAX },
    { DICT("'<c8'", "False", "(3,)"),
      "must hold b1, u1, i1, u2, i2, u4, i4, u8, i8, f2, f4 or f8, has type '<c8'", ERR_SYNTAX },
    { DICT("'|f4'", "False", "(3,)"),
      "must hold b1, u1, i1, u2, i2, u4, i4, u8, i8, f2, f4 or f8, has type '|f4'", ERR_SYNTAX },
    { DICT("'f4'", "False", "(3,)"),
      "must hold b1, u1, i1, u2, i2, u4, i4, u8, i8, f2, f4 or f8, has type 'f4'", ERR_SYNTAX },
    { DICT("'<U7'", "False", "(3,)"),
      "must hold b1, u1, i1, u2, i2, u4, i4, u8, i8, f2, f4 or f8, has type '<U7'", ERR_SYNTAX },
    { DICT("[('a', '<f4')]", "False", "(3,)"),
      "must be a plain array of numbers, its NPY header has no type name at '[('a', '<f4')], "
      "'fortran_order': False, ...'",
      ERR_SYNTAX },
    { DICT("'|u1'", "True", "(3, 1)"), "must be in C order: save numpy.ascontiguousarray(array)",
      ERR_SYNTAX },
    { DICT("'|u1'", "Yes", "(3,)"),
      "has an NPY header with no True or False at 'Yes, 'shape': (3,), }   ", ERR_SYNTAX },
    { DICT("'|u1'", "False", "()"), "must have a dimension of rows, has none", ERR_SYNTAX },
    { DICT("'|u1'", "False", "(0,)"), "must not be empty: dimension 0 is 0", ERR_SYNTAX },
    { DICT("'|u1'", "False", "(3)"), "has an NPY header with no ',' in a shape of one at ",
      ERR_SYNTAX },
    { DICT("'|u1'", "False", "3"), "has an NPY header with no '(' of a shape at ", ERR_SYNTAX },
    { DICT("'|u1'", "False", "(-3,)"), "has an NPY header with no size at '-3,", ERR_SYNTAX },
    { DICT("'|u1'", "False", "(3 4)"), "has an NPY header with no ',' or ')' at '4)", ERR_SYNTAX },
    { DICT("'|u1'", "False", "(,)"), "has an NPY header with no size at ',)", ERR_SYNTAX },
    { DICT("'|u1'", "False", "(1,1,1,1,1,1,1,1,1)"), "must have at most 8 dimensions", ERR_SYNTAX },
    { DICT("'|u1'", "False", "(18446744073709551616,)"), "has a shape that cannot be counted",
      ERR_SYNTAX },
    { DICT("'<f8'", "False", "(1,4294967296,4294967296,4294967296)"),
      "must have over 18446744073709551615 bytes of values, has 3", ERR_SYNTAX },
    { DICT("'|u1'", "False", "(18446744073709551615,)"),
      "must have 18446744073709551615 bytes of values, has 3", ERR_SYNTAX },
    { "{'descr': '|u1', 'fortran_order': False}", "has an NPY header without 'shape'", ERR_SYNTAX },
    { "{'descr': '|u1', 'shape': (3,)}", "has an NPY header without 'fortran_order'", ERR_SYNTAX },
    { "{}", "has an NPY header without 'descr'", ERR_SYNTAX },
    { "", "has an NPY header with no '{' at ", ERR_SYNTAX },
    { "{'descr': '|u1', 'descr': '|u1'}", "has an NPY header with a repeated key 'descr'",
      ERR_SYNTAX },
    { "{'more': 1}", "has an NPY header with an unknown key 'more'", ERR_SYNTAX },
    { "{'descr' '|u1'}", "has an NPY header with no key at ''descr' '|u1'}", ERR_SYNTAX },
    { "{'descr': '|u1' 'shape': (3,)}", "has an NPY header with no key at ''shape'", ERR_SYNTAX },
    { "{'descr': 'a\\'b'}", "must be a plain array of numbers", ERR_SYNTAX },
    { "{'descr': '|u1", "must be a plain array of numbers", ERR_SYNTAX },
    { DICT("'|u1'", "False", "(3,)") " x", "has an NPY header with no end at 'x", ERR_SYNTAX },
#undef DICT
};

static void bad_headers_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < N(bad_headers); i++) {
        struct bytes bytes = header(1, bad_headers[i].dict);
        struct array_read read;

        put(&bytes, 0x010203, 3, true);
        read = read_array(npy_read, bytes.data, bytes.len, CSV_FEATURES, TARGET_NONE);
        assert_false(read.ok);
        read.err.text[strlen(bad_headers[i].text)] = '\0'; /* the rest is the header's padding */
        assert_string_equal(read.err.text, bad_headers[i].text);
        assert_string_equal(read.err.where, "body");
        assert_int_equal(read.err.code, bad_headers[i].code);
        array_read_done(&read);
    }
}

static void bad_beginnings_are_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *text;
    } cases[] = {
        { "", 0, "is not NPY: must begin with 93 'NUMPY'" },
        { "\x93NUMPX\1\0\0\0", 10, "is not NPY: must begin with 93 'NUMPY'" },
        { "PK\3\4 a zip of them", 18, "is not NPY: must begin with 93 'NUMPY'" },
        { "\x93NUMPY\0\0\0\0", 10, "must be NPY 1.0, 2.0 or 3.0, is 0.0" },
        { "\x93NUMPY\4\0\0\0", 10, "must be NPY 1.0, 2.0 or 3.0, is 4.0" },
        { "\x93NUMPY\1\1\0\0", 10, "must be NPY 1.0, 2.0 or 3.0, is 1.1" },
        { "\x93NUMPY\2\0\1\0\0", 11, "ends within its NPY header" },
        { "\x93NUMPY\1\0\2\0{", 11, "ends within its NPY header of 2 bytes" },
        { "\x93NUMPY\2\0\xff\xff\xff\xff{", 13,
          "must have an NPY header of at most 65536 bytes, has 4294967295" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct bytes bytes = { .len = cases[i].len };

        memcpy(bytes.data, cases[i].bytes, cases[i].len);
        check_refused(npy_read, &bytes, CSV_FEATURES, TARGET_NONE, ERR_SYNTAX, "body",
                      cases[i].text);
    }
}

static void lengths_must_be_what_the_shape_needs(void **state)
{
    struct bytes bytes = plain("<f4", "(2, 3)");

    (void)state;
    put(&bytes, 0, 23, false);
    check_refused(npy_read, &bytes, CSV_FEATURES, TARGET_NONE, ERR_SYNTAX, "body",
                  "must have 24 bytes of values, has 23");
    put(&bytes, 0, 2, false);
    check_refused(npy_read, &bytes, CSV_FEATURES, TARGET_NONE, ERR_SYNTAX, "body",
                  "must have 24 bytes of values, has 25");
}

static void cut_and_flipped_bytes_never_read_astray(void **state)
{
    struct bytes bytes = plain("<f4", "(3,)");

    (void)state;
    put_f32(&bytes, 1.0F, false);
    put_f32(&bytes, 2.0F, false);
    put_f32(&bytes, 1.0F, false);
    check_cut_and_flipped(npy_read, &bytes);
    bytes = header(2, "{'shape':(1,2,),'fortran_order':False,'descr':'|u1'}");
    put(&bytes, 0, 2, false);
    check_cut_and_flipped(npy_read, &bytes);
}

static void no_memory_is_reported_and_nothing_leaks(void **state)
{
    struct bytes bytes = plain("<i2", "(100,)");

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        put(&bytes, i, 2, false);
    }
    check_starved(npy_read, &bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_stay_bytes_and_keep_their_shape),
        cmocka_unit_test(every_type_becomes_float32),
        cmocka_unit_test(every_half_is_exact),
        cmocka_unit_test(labels_are_whole_numbers_of_any_type),
        cmocka_unit_test(headers_are_read_as_python_would),
        cmocka_unit_test(bad_headers_are_refused),
        cmocka_unit_test(bad_beginnings_are_refused),
        cmocka_unit_test(lengths_must_be_what_the_shape_needs),
        cmocka_unit_test(cut_and_flipped_bytes_never_read_astray),
        cmocka_unit_test(no_memory_is_reported_and_nothing_leaks),
    };

    return cmocka_run_group_tests_name("npy", tests, NULL, NULL);
}
