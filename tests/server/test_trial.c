/* Trials on a made-up clock: a step takes what the test says, alone and shared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "trial.h"

/* Runs steps for ns in all; how many ns of them were shared. */
static uint64_t run(struct trial *trial, uint64_t ns, uint64_t alone, uint64_t shared)
{
    uint64_t was_shared = 0;

    for (uint64_t at = 0; at < ns;) {
        const uint64_t step = trial->shared ? shared : alone;

        was_shared += trial->shared ? step : 0;
        at += step;
        trial_step(trial, step);
    }
    return was_shared;
}

#define SECOND 1000000000u

static void sharing_that_pays_is_kept(void **state)
{
    struct trial trial;

    (void)state;
    trial_init(&trial);
    assert_true(run(&trial, SECOND, 100000, 60000) > SECOND / 100 * 98);
}

static void sharing_that_does_not_is_given_up(void **state)
{
    struct trial trial;

    (void)state;
    trial_init(&trial);
    assert_true(run(&trial, SECOND, 100000, 110000) < SECOND / 10);
    assert_true(run(&trial, 10u * SECOND, 100000, 110000) < SECOND / 10);
    /* nor does it cost much when a shared step takes a time slice of somebody else's */
    assert_true(run(&trial, 10u * SECOND, 100000, 4000000) < SECOND / 2);
}

static void a_change_is_noticed_within_seconds(void **state)
{
    struct trial trial;

    (void)state;
    trial_init(&trial);
    run(&trial, 5u * SECOND, 100000, 300000);
    run(&trial, 2u * SECOND, 100000, 60000);
    assert_true(run(&trial, SECOND, 100000, 60000) > SECOND / 100 * 98);
    run(&trial, SECOND, 100000, 300000);
    assert_true(run(&trial, SECOND, 100000, 300000) < SECOND / 10);
}

/* The first steps alone can be slow for reasons of their own: pages that come from the disk. */
static void a_slow_first_trial_is_made_good(void **state)
{
    struct trial trial;

    (void)state;
    trial_init(&trial);
    run(&trial, (FIRST + 4) * TRIAL_NS, 1000000, 130000);
    assert_true(trial.alone_step > 900000);
    run(&trial, SECOND, 100000, 130000);
    assert_true(run(&trial, SECOND, 100000, 130000) < SECOND / 10);
}

static void one_interrupt_changes_nothing(void **state)
{
    struct trial trial;

    (void)state;
    trial_init(&trial);
    run(&trial, SECOND / 10, 100000, 60000);
    for (int i = 0; i < 100; i++) {
        assert_true(trial.shared || trial.penalty == 0);
        trial_step(&trial, (trial.shared ? 60000u : 100000u) + (i % 17 == 0 ? 60000u : 0u));
    }
    assert_true(trial.penalty == 0);
}

/* A step that is longer than any trial is tried once, and rarely again. */
static void long_steps_are_tried_once(void **state)
{
    struct trial trial;

    (void)state;
    trial_init(&trial);
    assert_true(run(&trial, 2u * SECOND, SECOND / 4, SECOND / 7) >= 2u * SECOND);
    assert_true(run(&trial, 30u * SECOND, SECOND / 4, SECOND / 7) > 29u * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sharing_that_pays_is_kept),
        cmocka_unit_test(sharing_that_does_not_is_given_up),
        cmocka_unit_test(a_change_is_noticed_within_seconds),
        cmocka_unit_test(a_slow_first_trial_is_made_good),
        cmocka_unit_test(one_interrupt_changes_nothing),
        cmocka_unit_test(long_steps_are_tried_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
