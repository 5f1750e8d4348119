#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "err.h"

/* The first error wins, and the place is put together from the outside in. */
static void first_error_wins_and_tells_where(void **state)
{
    struct err err = { 0 };
    char detail[64];

    (void)state;
    assert_false(err_set(&err, ERR_FIELD, "units", "must be 1 to %d, is %d", 9, 0));
    assert_false(err_set(&err, ERR_MEMORY, "", "no memory"));
    assert_false(err_in(&err, "layers[%d]", 2));
    assert_int_equal(err.code, ERR_FIELD);
    err_detail(&err, detail, sizeof detail);
    assert_string_equal(detail, "layers[2].units must be 1 to 9, is 0");
}

static void inner_brackets_join_without_a_dot(void **state)
{
    struct err err = { 0 };

    (void)state;
    err_set(&err, ERR_RANGE, "[3][2]", "does not fit float32");
    err_in(&err, "inputs");
    assert_string_equal(err.where, "inputs[3][2]");
}

/* A text longer than its room is cut, never written past. */
static void long_texts_are_cut(void **state)
{
    struct err err = { 0 };
    char detail[8];

    (void)state;
    err_set(&err, ERR_FIELD, "name", "%0400d", 7);
    err_in(&err, "%0200d", 7);
    err_detail(&err, detail, sizeof detail);
    assert_string_equal(detail, "0000000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_error_wins_and_tells_where),
        cmocka_unit_test(inner_brackets_join_without_a_dot),
        cmocka_unit_test(long_texts_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
