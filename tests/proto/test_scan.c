#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"
#include "value.h"

#define N(a) (sizeof(a) / sizeof(a)[0])

static bool skip_all(const char *text, size_t len, struct err *err)
{
    struct scan scan;

    scan_init(&scan, text, len);
    return scan_skip(&scan, err) && scan_end(&scan, err);
}

static void json_of_all_kinds_is_passed_over(void **state)
{
    static const char *const texts[] = {
        "null",
        "true",
        "false",
        "0",
        "-1.5e-7",
        "\"\"",
        "[]",
        "{}",
        " [ ] ",
        "\n{\t}\r\n",
        "[1, 2, [3, [4]], \"five\", {\"six\": [null, true, false]}]",
        "{\"a\": {\"b\": {\"c\": [1.5, 2, 3]}}, \"\": \"\", \"d\": -0}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00 \xc3\xa9 \xf0\x9f\x98\x80\"",
        "[1e999]", /* a number, whoever wants it */
    };

    (void)state;
    for (size_t i = 0; i < N(texts); i++) {
        struct err err = { 0 };

        assert_true(skip_all(texts[i], strlen(texts[i]), &err));
    }
}

static void what_is_not_json_is_refused_with_line_and_column(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "", "line 1 column 1: expected a value, but the body ends" },
        { " \n ", "line 2 column 2: expected a value, but the body ends" },
        { "[1, 2 3]", "line 1 column 7: expected ',' or ']'" },
        { "[1, 2", "line 1 column 6: expected ',' or ']', but the body ends" },
        { "[1,\n 2,\n]", "line 3 column 1: expected a value" },
        { "[,1]", "line 1 column 2: expected a value" },
        { "[1}", "line 1 column 3: expected ',' or ']'" },
        { "{\"a\": 1]", "line 1 column 8: expected ',' or '}'" },
        { "{\"a\" 1}", "line 1 column 6: expected ':'" },
        { "{\"a\": }", "line 1 column 7: expected a value" },
        { "{a: 1}", "line 1 column 2: expected a field's name in quotes" },
        { "{\"a\": 1,}", "line 1 column 9: expected a field's name in quotes" },
        { "{\"\xc3\xa9\": 1 x}", "line 1 column 9: expected ',' or '}'" }, /* characters count */
        { "1 2", "line 1 column 3: expected the end" },
        { "nul", "line 1 column 1: expected a value" },
        { "True", "line 1 column 1: expected a value" },
        { "'a'", "line 1 column 1: expected a value" },
        { "[1, NaN]", "line 1 column 5: NaN and Infinity are not JSON" },
        { "[-Infinity]", "line 1 column 2: NaN and Infinity are not JSON" },
        { "[Infinity]", "line 1 column 2: NaN and Infinity are not JSON" },
        { "[-inf]", "line 1 column 3: expected a digit" },
        { "[+1]", "line 1 column 2: a number cannot begin with '+'" },
        { "[.5]", "line 1 column 2: a number cannot begin with '.'" },
        { "[1.]", "line 1 column 4: expected a digit" },
        { "[1e]", "line 1 column 4: expected a digit" },
        { "[01]", "line 1 column 2: a number cannot begin with a 0 before other digits" },
        { "[0x10]", "line 1 column 3: expected ',' or ']'" },
        { "[1 /* one */]", "line 1 column 4: expected ',' or ']'" },
        { "\xef\xbb\xbf[1]", "line 1 column 1: JSON cannot begin with a byte order mark" },
        { "\"abc", "line 1 column 5: expected the end of the string, but the body ends" },
        { "\"abc\\", "line 1 column 6: expected the end of the string, but the body ends" },
        { "\"a\nb\"", "line 1 column 3: a control character in a string must be escaped" },
        { "\"\\x41\"", "line 1 column 2: not an escape that JSON has" },
        { "\"\\u12g4\"", "line 1 column 2: \\u needs four hexadecimal digits" },
        { "\"\\u0000\"", "line 1 column 2: \\u0000 is not taken" },
        { "\"\\ud800\"", "line 1 column 2: half of a surrogate pair" },
        { "\"\\udc00\\ud800\"", "line 1 column 2: half of a surrogate pair" },
        { "\"\\ud800\\u0041\"", "line 1 column 2: half of a surrogate pair" },
        { "\"\xff\"", "line 1 column 2: not UTF-8" },
        { "\"\xc0\x80\"", "line 1 column 2: not UTF-8" },
        { "\"\xed\xa0\x80\"", "line 1 column 2: not UTF-8" },
        { "\"\xf4\x90\x80\x80\"", "line 1 column 2: not UTF-8" },
        { "\"\xe2\x82\"", "line 1 column 2: not UTF-8" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct err err = { 0 };

        assert_false(skip_all(cases[i].text, strlen(cases[i].text), &err));
        assert_int_equal(err.code, ERR_SYNTAX);
        assert_string_equal(err.where, "body");
        assert_string_equal(err.text, cases[i].why);
    }
}

static void a_nul_byte_is_not_the_end(void **state)
{
    static const char text[] = "[1,\0 2]", name[] = "\"a\0b\"";
    struct err err = { 0 }, err2 = { 0 };

    (void)state;
    assert_false(skip_all(text, sizeof text - 1, &err));
    assert_string_equal(err.text, "line 1 column 4: expected a value");
    assert_false(skip_all(name, sizeof name - 1, &err2));
    assert_string_equal(err2.text,
                        "line 1 column 3: a control character in a string must be escaped");
}

static void nesting_is_taken_to_64_and_no_deeper(void **state)
{
    char text[2 * (SCAN_DEPTH_MAX + 1) + 1];

    (void)state;
    for (int depth = SCAN_DEPTH_MAX; depth <= SCAN_DEPTH_MAX + 1; depth++) {
        struct err err = { 0 };

        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        assert_int_equal(skip_all(text, 2 * (size_t)depth, &err), depth <= SCAN_DEPTH_MAX);
        if (depth > SCAN_DEPTH_MAX) {
            assert_string_equal(err.text, "line 1 column 65: is nested over 64 deep");
        }
    }
}

static void strings_lose_their_escapes_and_keep_their_characters(void **state)
{
    static const char text[] =
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t \\u00E9\\u20ac\\uD83D\\uDE00 \xc3\xa9\"";
    static const char is[] = "\"\\/\b\f\n\r\t \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 \xc3\xa9";
    char buf[64];

    (void)state;
    /* In whatever room: what is kept is a beginning of it that ends with a whole character. */
    for (size_t cap = 1; cap <= sizeof buf; cap++) {
        struct err err = { 0 };
        struct scan scan;
        size_t len;

        memset(buf, 'x', sizeof buf);
        scan_init(&scan, text, sizeof text - 1);
        assert_true(scan_string(&scan, buf, cap, &len, &err));
        assert_true(scan_end(&scan, &err));
        assert_int_equal(len, sizeof is - 1);
        assert_true(strlen(buf) < cap);
        assert_memory_equal(buf, is, strlen(buf));
        assert_true(strlen(buf) == len || strlen(buf) + 4 >= cap);
        assert_true(((unsigned char)is[strlen(buf)] & 0xC0) != 0x80);
    }
}

static void whole_numbers_are_taken_within_their_limits_only(void **state)
{
    static const struct {
        const char *text;
        uint64_t is; /* when why is NULL */
        const char *why;
    } cases[] = {
        { "1", 1, NULL },
        { " 65536 ", 65536, NULL },
        { "0", 0, "must be 1 to 65536, is 0" },
        { "65537", 0, "must be 1 to 65536, is 65537" },
        { "-1", 0, "must be 1 to 65536, is -1" },
        { "18446744073709551617", 0, "must be 1 to 65536, is 18446744073709551617" }, /* 2^64 + 1 */
        { "1.0", 0, "must be a whole number, is 1.0" },
        { "1e3", 0, "must be a whole number, is 1e3" },
        { "1e999", 0, "must be a whole number, is 1e999" },
        { "\"1\"", 0, "must be a whole number, is a string" },
        { "true", 0, "must be a whole number, is a boolean" },
        { "null", 0, "must be a whole number, is null" },
        { "[1]", 0, "must be a whole number, is an array" },
        { "{}", 0, "must be a whole number, is an object" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct err err = { 0 };
        struct scan scan;
        uint64_t value = 99;

        scan_init(&scan, cases[i].text, strlen(cases[i].text));
        assert_int_equal(value_whole(&scan, 1, 65536, &value, &err), cases[i].why == NULL);
        if (cases[i].why != NULL) {
            assert_int_equal(err.code, ERR_FIELD);
            assert_string_equal(err.text, cases[i].why);
            assert_int_equal(value, 99);
        } else {
            assert_int_equal(value, cases[i].is);
        }
    }
}

static void float64_numbers_are_read_whole(void **state)
{
    static const struct {
        const char *text;
        double is;
    } cases[] = {
        { "0.1", 0.1 },
        { "86400", 86400.0 },
        { "1e308", 1e308 },
        { "-0.0", -0.0 },
        { "123456789012345678901234567890", 123456789012345678901234567890.0 },
    };
    struct err err = { 0 };
    struct scan scan;
    double value;

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        scan_init(&scan, cases[i].text, strlen(cases[i].text));
        assert_true(value_double(&scan, &value, &err));
        assert_memory_equal(&value, &cases[i].is, sizeof value);
    }
    scan_init(&scan, "1e309", 5);
    assert_false(value_double(&scan, &value, &err));
    assert_int_equal(err.code, ERR_RANGE);
    assert_string_equal(err.text, "1e309 is too large for float64");
}

static void rows_count_what_there_is_no_room_for(void **state)
{
    char text[8192] = "[0";
    struct err err = { 0 };
    float values[1000];
    struct scan scan;
    size_t len, n;

    (void)state;
    for (int i = 1; i < 1000; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), i % 7 ? ",%d" : " ,\n %d", i);
    }
    strcat(text, "]");
    len = strlen(text);
    for (size_t room = 0; room <= 1000; room++) {
        memset(values, 0, sizeof values);
        scan_init(&scan, text, len);
        assert_true(value_row(&scan, values, room, &n, &err));
        assert_true(scan_end(&scan, &err));
        assert_int_equal(n, 1000);
        for (size_t i = 0; i < 1000; i++) {
            assert_true(values[i] == (i < room ? (float)i : 0.0F));
        }
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(json_of_all_kinds_is_passed_over),
        cmocka_unit_test(what_is_not_json_is_refused_with_line_and_column),
        cmocka_unit_test(a_nul_byte_is_not_the_end),
        cmocka_unit_test(nesting_is_taken_to_64_and_no_deeper),
        cmocka_unit_test(strings_lose_their_escapes_and_keep_their_characters),
        cmocka_unit_test(whole_numbers_are_taken_within_their_limits_only),
        cmocka_unit_test(float64_numbers_are_read_whole),
        cmocka_unit_test(rows_count_what_there_is_no_room_for),
    };

    return cmocka_run_group_tests_name("scan", all, NULL, NULL);
}
