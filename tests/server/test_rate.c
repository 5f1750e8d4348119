/* The bucket of tokens, under a clock that the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rate.h"

#define SECOND UINT64_C(1000000000)
#define START UINT64_C(123456789012)

static size_t taken_at(struct rate *rate, uint64_t now)
{
    uint64_t wait;
    size_t n = 0;

    while (n < 2 * RATE_MAX && rate_take(rate, now, &wait)) {
        n++;
    }
    return n;
}

/* Whatever n is, divisors of 10^9 or not. */
static void a_full_bucket_holds_a_second(void **state)
{
    static const uint32_t ns[] = { 1, 2, 3, 7, 10, 999, 65537, RATE_MAX };

    (void)state;
    for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) {
        struct rate rate = { .n = ns[i] };

        assert_int_equal(taken_at(&rate, START), ns[i]);
        assert_int_equal(taken_at(&rate, START), 0);
        assert_int_equal(taken_at(&rate, START + SECOND), ns[i]);
        assert_int_equal(taken_at(&rate, START + 100 * SECOND), ns[i]); /* rest is not saved up */
    }
}

static void tokens_come_one_by_one(void **state)
{
    struct rate rate = { .n = 4 };

    (void)state;
    assert_int_equal(taken_at(&rate, START), 4);
    assert_int_equal(taken_at(&rate, START + SECOND / 4 - 1), 0);
    assert_int_equal(taken_at(&rate, START + SECOND / 4), 1);
    assert_int_equal(taken_at(&rate, START + SECOND), 3);
}

static void what_it_says_to_wait_is_enough_and_no_more(void **state)
{
    static const uint32_t ns[] = { 1, 3, 7, 1000, RATE_MAX };

    (void)state;
    for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) {
        struct rate rate = { .n = ns[i] };
        uint64_t now = START, wait = 0;

        taken_at(&rate, now);
        for (int k = 0; k < 10; k++) {
            uint64_t less;

            assert_false(rate_take(&rate, now, &wait));
            assert_in_range(wait, 1, SECOND / ns[i]);
            assert_false(rate_take(&rate, now + wait - 1, &less));
            assert_int_equal(less, 1);
            now += wait;
            assert_true(rate_take(&rate, now, &wait));
        }
    }
}

static void a_refusal_costs_nothing(void **state)
{
    struct rate rate = { .n = 2 };
    uint64_t wait;

    (void)state;
    assert_int_equal(taken_at(&rate, START), 2);
    for (int i = 0; i < 1000; i++) {
        assert_false(rate_take(&rate, START + 1, &wait));
    }
    assert_int_equal(taken_at(&rate, START + SECOND), 2);
}

static void none_is_no_limit(void **state)
{
    struct rate rate = { .n = 0 };

    (void)state;
    assert_int_equal(taken_at(&rate, START), 2 * RATE_MAX);
    assert_int_equal(rate.full_at, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_bucket_holds_a_second),
        cmocka_unit_test(tokens_come_one_by_one),
        cmocka_unit_test(what_it_says_to_wait_is_enough_and_no_more),
        cmocka_unit_test(a_refusal_costs_nothing),
        cmocka_unit_test(none_is_no_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
