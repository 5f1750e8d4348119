/* Which rows validate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "split.h"

enum { ROWS = 1000 };

static uint32_t classes[ROWS];

/* 900 rows of class 0, 99 of class 2, one of class 1. */
static struct data data_make(void)
{
    for (int i = 0; i < ROWS; i++) {
        classes[i] = i == 500 ? 1 : i % 10 == 3 ? 2 : 0;
    }
    classes[3] = 0;
    return (struct data){ .x = { DTYPE_F32, ROWS, 1, classes }, .classes = classes };
}

/* Each row once, both parts ascending; how many of each class the second has. */
static void parts_check(const uint32_t *order, size_t n_train, size_t held[3])
{
    static bool seen[ROWS];

    memset(seen, 0, sizeof seen);
    held[0] = held[1] = held[2] = 0;
    for (size_t i = 0; i < ROWS; i++) {
        assert_true(order[i] < ROWS && !seen[order[i]]);
        seen[order[i]] = true;
        assert_true(i == 0 || i == n_train || order[i] > order[i - 1]);
        held[classes[order[i]]] += i >= n_train;
    }
}

static void last_rows(void **state)
{
    const struct data data = data_make();
    const struct split split = { .last = 200 };
    struct err err = { 0 };
    uint32_t *order;
    size_t n;

    (void)state;
    assert_true(split_make(&split, &data, 1, &order, &n, &err));
    assert_int_equal(n, 800);
    for (uint32_t i = 0; i < ROWS; i++) {
        assert_int_equal(order[i], i);
    }
    free(order);
}

static void a_fraction(void **state)
{
    const struct data data = data_make();
    const struct split split = { .fraction = 0.2505 };
    struct err err = { 0 };
    uint32_t *a, *b, *c;
    size_t n, held[3], spread = 0;

    (void)state;
    assert_true(split_make(&split, &data, 1, &a, &n, &err));
    assert_int_equal(n, ROWS - 251); /* rounded half up */
    parts_check(a, n, held);
    for (size_t i = n; i < ROWS; i++) {
        spread += a[i] < ROWS / 2;
    }
    assert_in_range(spread, 90, 160);
    assert_true(split_make(&split, &data, 1, &b, &n, &err));
    assert_memory_equal(a, b, ROWS * sizeof *a);
    assert_true(split_make(&split, &data, 2, &c, &n, &err));
    assert_memory_not_equal(a, c, ROWS * sizeof *a);
    free(a);
    free(b);
    free(c);
}

static void of_each_class(void **state)
{
    const struct data data = data_make();
    const struct split split = { .fraction = 0.1, .stratified = true };
    struct err err = { 0 };
    uint32_t *order;
    size_t n, held[3];

    (void)state;
    assert_true(split_make(&split, &data, 7, &order, &n, &err));
    parts_check(order, n, held);
    assert_int_equal(held[0], 90);
    assert_int_equal(held[1], 0); /* the only one is trained on */
    assert_int_equal(held[2], 10);
    free(order);
}

static void refuse(const struct split *split, const struct data *data, const char *text)
{
    struct err err = { 0 };
    uint32_t *order;
    size_t n;

    assert_false(split_make(split, data, 1, &order, &n, &err));
    assert_string_equal(err.where, "validation");
    assert_string_equal(err.text, text);
}

static void refusals(void **state)
{
    struct data data = data_make();

    (void)state;
    refuse(&(struct split){ .last = ROWS }, &data,
           "takes 1000 of 1000 rows: none is left to train on");
    refuse(&(struct split){ .last = 2 * ROWS }, &data,
           "takes 1000 of 1000 rows: none is left to train on");
    refuse(&(struct split){ .fraction = 0.0001 }, &data, "takes 0 of 1000 rows: there are too few");
    data.classes = NULL;
    refuse(&(struct split){ .fraction = 0.5, .stratified = true }, &data,
           "cannot be stratified: the targets are numbers, not classes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_rows),
        cmocka_unit_test(a_fraction),
        cmocka_unit_test(of_each_class),
        cmocka_unit_test(refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
