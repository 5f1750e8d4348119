#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "fail_malloc.h"
#include "problem.h"
#include "text.h"

#define N(a) (sizeof(a) / sizeof(a)[0])

static void assert_text(struct text *text, const char *is)
{
    assert_false(text->failed);
    assert_string_equal(text->data, is);
    assert_int_equal(text->len, strlen(is));
    text_done(text);
}

static void pieces_are_joined_whatever_their_length(void **state)
{
    struct text text = { 0 };
    char *bytes;
    size_t len;

    (void)state;
    for (size_t i = 0; i < 2000; i++) {
        text_printf(&text, "%zu,", i);
        text_add(&text, "ab\0c", i % 5);
        text_str(&text, "");
        assert_true(text.len < text.cap && text.data[text.len] == '\0');
    }
    bytes = text_detach(&text, &len);
    assert_non_null(bytes);
    assert_null(text.data);
    assert_int_equal(text.len, 0);
    assert_memory_equal(bytes, "0,1,a2,ab3,ab\0004,ab\0c5,6,a", 25);
    free(bytes);
    /* Nothing is a text too. */
    bytes = text_detach(&text, &len);
    assert_non_null(bytes);
    assert_int_equal(len, 0);
    assert_string_equal(bytes, "");
    free(bytes);
}

static void strings_are_json_whatever_their_bytes(void **state)
{
    static const struct {
        const char *str, *is;
    } cases[] = {
        { "", "\"\"" },
        { "plain", "\"plain\"" },
        { "a\"b\\c/d", "\"a\\\"b\\\\c/d\"" },
        { "\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"" },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
        { "a\xff\xc3", "\"a\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct text text = { 0 };

        text_json(&text, cases[i].str);
        assert_text(&text, cases[i].is);
    }
}

static void numbers_and_rows_are_json(void **state)
{
    const float values[] = { 1.0F, -0.5F, 0.1F, NAN, INFINITY, 0.0F };
    struct text text = { 0 };

    (void)state;
    text_rows(&text, values, 2, 3);
    assert_text(&text, "[[1, -0.5, 0.1], [null, null, 0]]");
    text_rows(&text, values, 0, 3);
    assert_text(&text, "[]");
    text_double(&text, 0.1);
    text_double(&text, NAN);
    text_double(&text, -INFINITY);
    assert_text(&text, "0.1nullnull");
}

static void times_are_rfc_3339(void **state)
{
    static const struct {
        double seconds;
        const char *is;
    } cases[] = {
        { 0.0, "null" },
        { 0.5, "\"1970-01-01T00:00:00.500Z\"" },
        { 951782400.0, "\"2000-02-29T00:00:00.000Z\"" },
        { 1792800000.9996, "\"2026-10-24T00:00:00.999Z\"" },
        { -0.25, "\"1969-12-31T23:59:59.750Z\"" },
        { 253402300799.0, "\"9999-12-31T23:59:59.000Z\"" },
        { 253402300800.0, "null" },
        { 1e300, "null" },
    };
    struct text text = { 0 };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        text_time(&text, cases[i].seconds);
        assert_text(&text, cases[i].is);
    }
    text_time(&text, (double)NAN);
    assert_text(&text, "null");
}

static void a_problem_names_the_field_and_says_it_twice(void **state)
{
    struct text text = { 0 };
    struct err err = { 0 }, whole = { 0 };

    (void)state;
    err_set(&err, ERR_FIELD, "layers[2].units", "must be 1 to %d, is %d", 65536, 0);
    problem_encode(&text, &err, 422, "urn:sigmad:problem:field", "A field is wrong");
    assert_text(&text, "{\"type\": \"urn:sigmad:problem:field\", \"title\": \"A field is wrong\", "
                       "\"status\": 422, \"detail\": \"layers[2].units must be 1 to 65536, is 0\", "
                       "\"error\": \"layers[2].units must be 1 to 65536, is 0\", "
                       "\"field\": \"layers[2].units\"}");
    err_set(&whole, ERR_MEMORY, "", "no memory");
    problem_encode(&text, &whole, 503, "t", "u");
    assert_text(&text, "{\"type\": \"t\", \"title\": \"u\", \"status\": 503, "
                       "\"detail\": \"no memory\", \"error\": \"no memory\"}");
}

static void write_much(struct text *text)
{
    for (int i = 0; i < 300; i++) {
        text_printf(text, "%d", i);
        text_json(text, "a\nb\xff");
        text_float(text, 0.1F * (float)i);
        text_double(text, 0.1 * i);
    }
    text_time(text, 1.0);
}

static void running_out_of_memory_is_remembered(void **state)
{
    size_t k = 0, len;
    char *bytes;

    (void)state;
    do {
        struct text text = { 0 };

        fail_malloc_start(++k);
        write_much(&text);
        fail_malloc_at = 0;
        bytes = text_detach(&text, &len);
        assert_true((bytes == NULL) == (k <= fail_malloc_calls));
        free(bytes);
        text_done(&text);
        assert_int_equal(fail_malloc_live, 0);
    } while (bytes == NULL);
    assert_true(k > 3);
}

/* --- Arenas --- */

static void memory_is_aligned_and_its_own(void **state)
{
    struct arena arena = { 0 };
    unsigned char *piece[400];

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < N(piece); i++) {
            const size_t len = i % 50 == 0 ? i * 1000 : i;

            piece[i] = arena_alloc(&arena, len, 1);
            assert_non_null(piece[i]);
            assert_int_equal((uintptr_t)piece[i] % 64, 0);
            memset(piece[i], (int)(i & 255), len);
            assert_string_equal(arena_copy(&arena, "name and more", 4), "name");
        }
        for (size_t i = 0; i < N(piece); i++) {
            for (size_t j = 0; j < (i % 50 == 0 ? i * 1000 : i); j++) {
                assert_int_equal(piece[i][j], i & 255);
            }
        }
        arena_reset(&arena);
    }
    arena_done(&arena);
    assert_null(arena.head);
    arena_reset(&arena);
    arena_done(&arena);
}

static void sizes_that_overflow_are_refused(void **state)
{
    struct arena arena = { 0 };

    (void)state;
    assert_null(arena_alloc(&arena, SIZE_MAX / 2 + 1, 2));
    assert_null(arena_alloc(&arena, SIZE_MAX, 1));
    assert_null(arena_alloc(&arena, SIZE_MAX - 63, 1));
    assert_null(arena_copy(&arena, "", SIZE_MAX));
    assert_non_null(arena_alloc(&arena, 0, 8));
    arena_done(&arena);
}

static void a_reset_arena_keeps_one_ordinary_block(void **state)
{
    struct arena arena = { 0 };

    (void)state;
    fail_malloc_start(0);
    assert_non_null(arena_alloc(&arena, 100, 1));
    for (int i = 0; i < 10; i++) {
        assert_non_null(arena_alloc(&arena, 10000, 1));
        assert_non_null(arena_alloc(&arena, 1000000, 1));
    }
    assert_true(fail_malloc_live > 10);
    arena_reset(&arena);
    assert_int_equal(fail_malloc_live, 1);
    fail_malloc_start(1);
    assert_non_null(arena_alloc(&arena, 1000, 1)); /* without asking for more */
    assert_int_equal(fail_malloc_calls, 0);
    fail_malloc_at = 0;
    fail_malloc_live = 1; /* the one that was kept */
    arena_done(&arena);
    assert_int_equal(fail_malloc_live, 0);
    /* One of a size of its own is not kept. */
    fail_malloc_start(0);
    assert_non_null(arena_alloc(&arena, 1000000, 1));
    arena_reset(&arena);
    assert_null(arena.head);
    assert_int_equal(fail_malloc_live, 0);
}

static void an_arena_survives_having_no_memory(void **state)
{
    (void)state;
    for (size_t k = 1; k < 20; k++) {
        struct arena arena = { 0 };
        size_t got = 0;

        fail_malloc_start(k);
        for (size_t i = 0; i < 12; i++) {
            got += arena_alloc(&arena, 30000 * (i % 3 + 1), 1) != NULL;
            got += arena_copy(&arena, "name", 4) != NULL;
        }
        fail_malloc_at = 0;
        assert_int_equal(got, k <= fail_malloc_calls ? 23 : 24);
        arena_done(&arena);
        assert_int_equal(fail_malloc_live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(pieces_are_joined_whatever_their_length),
        cmocka_unit_test(strings_are_json_whatever_their_bytes),
        cmocka_unit_test(numbers_and_rows_are_json),
        cmocka_unit_test(times_are_rfc_3339),
        cmocka_unit_test(a_problem_names_the_field_and_says_it_twice),
        cmocka_unit_test(running_out_of_memory_is_remembered),
        cmocka_unit_test(memory_is_aligned_and_its_own),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_reset_arena_keeps_one_ordinary_block),
        cmocka_unit_test(an_arena_survives_having_no_memory),
    };

    return cmocka_run_group_tests_name("text", all, NULL, NULL);
}
