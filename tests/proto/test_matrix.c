/* Media types as clients ask for them, and rows of numbers as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "accept.h"
#include "arena.h"
#include "matrix.h"
#include "msg_predict.h"

static void the_best_of_what_is_on_offer_is_chosen(void **state)
{
    static const char *const types[] = { "application/json", "application/octet-stream",
                                         "application/x-npy" };
    static const struct {
        const char *accept;
        int want; /* -1: none */
    } cases[] = {
        { NULL, 0 },
        { "", 0 },
        { "*/*", 0 },
        { "application/*", 0 },
        { "application/x-npy", 2 },
        { "APPLICATION/X-NPY", 2 },
        { "text/html, application/x-npy", 2 },
        { "application/json;q=0.5, application/octet-stream", 1 },
        { "application/json; q=0.5, application/octet-stream;q=0.501", 1 },
        { "application/json;q=0.9,*/*;q=0.1", 0 },
        { "*/*, application/json;q=0", 1 }, /* the closest range counts, not the first */
        { "application/json;q=0, */*;q=0.1, application/octet-stream;q=0.05", 2 },
        { "text/*", -1 },
        { "application/jso", -1 },
        { "application/json;q=0", -1 },
        { "application/json;q=0.000, text/plain", -1 },
        { "application/json;charset=utf-8;q=0.2, application/x-npy;q=0.3", 2 },
        { ",,application/x-npy ,", 2 },
        { "json", -1 },
        { "*", 0 },
        { ";q=1", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t got = 9;
        const bool ok = accept_choose(cases[i].accept, types, 3, &got);

        if (ok != (cases[i].want >= 0) || (ok && got != (size_t)cases[i].want)) {
            print_error("'%s' gives %s %zu\n", cases[i].accept, ok ? "yes" : "no", got);
            assert_true(false);
        }
    }
    assert_true(accept_is("Application/JSON; charset=utf-8", "application/json"));
    assert_true(accept_is("application/json", "application/json"));
    assert_false(accept_is("application/json5", "application/json"));
    assert_false(accept_is("", "application/json"));
}

static void refused(bool ok, const struct err *err, enum err_code code, const char *detail)
{
    char text[256];

    assert_false(ok);
    err_detail(err, text, sizeof text);
    assert_string_equal(text, detail);
    assert_int_equal(err->code, code);
}

static void float32_is_taken_where_it_lies(void **state)
{
    float values[] = { 1, 2, 3, 4, 5, 6 };
    struct matrix matrix;
    struct err err = { 0 };

    (void)state;
    assert_true(matrix_raw((char *)values, sizeof values, 3, 10, "body", &matrix, &err));
    assert_int_equal(matrix.rows, 2);
    assert_int_equal(matrix.cols, 3);
    assert_ptr_equal(matrix.data, values);
    refused(matrix_raw((char *)values, 0, 3, 10, "body", &matrix, &err), &err, ERR_FIELD,
            "body must be whole rows of 3 float32, 12 bytes each, is 0 bytes");
    err = (struct err){ 0 };
    refused(matrix_raw((char *)values, 23, 3, 10, "body", &matrix, &err), &err, ERR_FIELD,
            "body must be whole rows of 3 float32, 12 bytes each, is 23 bytes");
    err = (struct err){ 0 };
    refused(matrix_raw((char *)values, 24, 3, 1, "body", &matrix, &err), &err, ERR_TOO_LARGE,
            "body has 2 rows, more than 1");
}

/* Wherever it stands among its neighbours, what is not finite is found and told. */
static void what_is_not_finite_is_found_at_every_place(void **state)
{
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    float values[21];

    (void)state;
    for (size_t at = 0; at < 21; at++) {
        for (size_t b = 0; b < 3; b++) {
            struct matrix matrix = { 7, 3, values };
            struct err err = { 0 };
            char detail[64];

            for (size_t i = 0; i < 21; i++) {
                values[i] = i % 2 == 0 ? 3e38f : -3e38f; /* large, and sums of it overflow */
            }
            assert_true(matrix_finite(&matrix, 0, &err));
            values[at] = bad[b];
            snprintf(detail, sizeof detail, "in[%zu][%zu] must be finite, is %g", at / 3, at % 3,
                     (double)bad[b]);
            refused(matrix_raw((char *)values, sizeof values, 3, 10, "in", &matrix, &err), &err,
                    ERR_RANGE, detail);
            err = (struct err){ 0 };
            snprintf(detail, sizeof detail, "outputs[%zu] is not finite", at / 3);
            refused(matrix_finite(&matrix, 0, &err), &err, ERR_NUMBER, detail);
        }
    }
}

/* What is written reads back: the header of NPY has a length that is a multiple of 64. */
static void npy_reads_back(void **state)
{
    float values[] = { 1.5f, -2.25f, 3e-30f, 4, 5, 6 };
    const struct matrix matrix = { 2, 3, values };
    struct text text = { 0 };
    struct arena arena = { 0 };
    struct matrix again;
    struct err err = { 0 };

    (void)state;
    matrix_npy_encode(&text, &matrix);
    assert_int_equal((text.len - sizeof values) % 64, 0);
    assert_true(matrix_npy(text.data, text.len, 3, 10, "inputs", &arena, &again, &err));
    assert_int_equal(again.rows, 2);
    assert_memory_equal(again.data, values, sizeof values);
    refused(matrix_npy(text.data, text.len, 4, 10, "inputs", &arena, &again, &err), &err, ERR_FIELD,
            "inputs has 3 values a row, expected 4");
    for (size_t len = 0; len < text.len; len++) {
        err = (struct err){ 0 };
        assert_false(matrix_npy(text.data, len, 3, 10, "inputs", &arena, &again, &err));
    }
    text_done(&text);
    arena_done(&arena);
}

/* Bytes and float64 become float32. */
static void other_types_are_converted(void **state)
{
    static const uint8_t bytes[] = { 0, 1, 254, 255 };
    static const double doubles[] = { 0.5, -1e-3, 1e300, 2 };
    struct array array = { .type = ARRAY_U8,
                           .rank = 2,
                           .shape = { 2, 2 },
                           .shape_apart = true,
                           .bytes = (const char *)bytes,
                           .len = sizeof bytes };
    struct arena arena = { 0 };
    struct matrix matrix;
    struct err err = { 0 };

    (void)state;
    assert_true(matrix_array(&array, 2, 10, "x", &arena, &matrix, &err));
    for (size_t i = 0; i < 4; i++) {
        assert_true(matrix.data[i] == (float)bytes[i]);
    }
    array.type = ARRAY_F64;
    array.bytes = (const char *)doubles;
    array.len = 2 * sizeof *doubles;
    array.shape[0] = 1;
    assert_true(matrix_array(&array, 2, 10, "x", &arena, &matrix, &err));
    assert_true(matrix.data[0] == 0.5f && matrix.data[1] == -1e-3f);
    array.len = sizeof doubles;
    array.shape[0] = 2;
    assert_false(matrix_array(&array, 2, 10, "x", &arena, &matrix, &err));
    assert_int_equal(err.code, ERR_RANGE);
    assert_string_equal(err.where, "x[1][0]");
    arena_done(&arena);
}

static void the_largest_come_first_and_of_equals_the_lower_index(void **state)
{
    static const float values[] = { 3, 9, 9, -1, 7, 9, 0 };
    static const size_t want[] = { 1, 2, 5, 4, 0, 6, 3 };
    size_t got[7];

    (void)state;
    for (size_t k = 1; k <= 7; k++) {
        largest_k(values, 7, k, got);
        assert_memory_equal(got, want, k * sizeof *got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_of_what_is_on_offer_is_chosen),
        cmocka_unit_test(float32_is_taken_where_it_lies),
        cmocka_unit_test(what_is_not_finite_is_found_at_every_place),
        cmocka_unit_test(npy_reads_back),
        cmocka_unit_test(other_types_are_converted),
        cmocka_unit_test(the_largest_come_first_and_of_equals_the_lower_index),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
