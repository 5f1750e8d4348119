/* How far names are from each other, and which one is meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "nearest.h"

static size_t distance(const char *a, const char *b)
{
    const size_t there = nearest_distance(a, strlen(a), b, strlen(b));

    assert_int_equal(nearest_distance(b, strlen(b), a, strlen(a)), there);
    return there;
}

static void a_distance_is_counted_in_slips(void **state)
{
    char longest[NEAREST_LEN_MAX + 1] = "";

    (void)state;
    assert_int_equal(distance("", ""), 0);
    assert_int_equal(distance("workers", "workers"), 0);
    assert_int_equal(distance("", "abc"), 3);
    assert_int_equal(distance("wokers", "workers"), 1);
    assert_int_equal(distance("workerss", "workers"), 1);
    assert_int_equal(distance("wrokers", "workers"), 1);
    assert_int_equal(distance("wxrkers", "workers"), 1);
    assert_int_equal(distance("kitten", "sitting"), 3);
    assert_int_equal(distance("ca", "abc"), 3); /* not 2: no byte is touched twice */
    assert_int_equal(distance("abcd", "badc"), 2);
    memset(longest, 'x', NEAREST_LEN_MAX);
    assert_int_equal(distance(longest, ""), NEAREST_LEN_MAX);
    assert_int_equal(distance(longest, longest), 0);
}

static const char *meant(const char *wrong)
{
    static const char *const names[] = { "max-rows", "max-jobs", "workers", "isa", "keep-jobs" };
    struct nearest nearest = { 0 };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        nearest_try(&nearest, wrong, strlen(wrong), names[i]);
    }
    return nearest.name;
}

static void the_nearest_is_found_and_the_first_of_equals(void **state)
{
    (void)state;
    assert_string_equal(meant("workers"), "workers");
    assert_string_equal(meant("worker"), "workers");
    assert_string_equal(meant("max-job"), "max-jobs");
    assert_string_equal(meant("max-robs"), "max-rows"); /* as far from max-jobs */
    assert_string_equal(meant("ias"), "isa");
}

static void what_is_far_from_all_is_like_none(void **state)
{
    char longer[NEAREST_LEN_MAX + 2] = "";
    struct nearest nearest = { 0 };

    (void)state;
    assert_null(meant(""));
    assert_null(meant("port"));
    assert_null(meant("x"));
    assert_null(meant("usa-x")); /* 3 of 5 */
    memset(longer, 'x', NEAREST_LEN_MAX + 1);
    nearest_try(&nearest, longer, strlen(longer), longer);
    assert_null(nearest.name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_distance_is_counted_in_slips),
        cmocka_unit_test(the_nearest_is_found_and_the_first_of_equals),
        cmocka_unit_test(what_is_far_from_all_is_like_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
