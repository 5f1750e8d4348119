/* The learning rate of each epoch, against the formulas by libm. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "schedule.h"

#define NEAR 1e-14

static void near(double got, double want)
{
    if (!(fabs(got - want) <= NEAR)) {
        print_error("%.17g, not %.17g\n", got, want);
        fail();
    }
}

static void each_is_what_its_formula_says(void **state)
{
    enum { EPOCHS = 137 };
    const struct schedule constant = { .kind = SCHEDULE_CONSTANT };
    const struct schedule step = { .kind = SCHEDULE_STEP, .every = 7, .factor = 0.3 };
    const struct schedule exponential = { .kind = SCHEDULE_EXPONENTIAL, .factor = 0.95 };
    const struct schedule cosine = { .kind = SCHEDULE_COSINE, .least = 0.1 };
    const struct schedule plateau = { .kind = SCHEDULE_PLATEAU, .factor = 0.5 };

    (void)state;
    for (size_t e = 1; e <= EPOCHS; e++) {
        const double passed = (double)(e - 1);

        near(schedule_share(&constant, e, EPOCHS, 0), 1.0);
        near(schedule_share(&step, e, EPOCHS, 0), pow(0.3, floor(passed / 7.0)));
        near(schedule_share(&exponential, e, EPOCHS, 0), pow(0.95, passed));
        near(schedule_share(&cosine, e, EPOCHS, 0),
             0.1 + 0.9 * (1.0 + cos(acos(-1.0) * passed / EPOCHS)) / 2.0);
        near(schedule_share(&plateau, e, EPOCHS, e % 8), pow(0.5, (double)(e % 8)));
    }
    near(schedule_share(&exponential, 1000000, 1000000, 0), 0.0);
}

static void a_warm_up_rises_to_the_rate(void **state)
{
    const struct schedule schedule = { .kind = SCHEDULE_EXPONENTIAL, .factor = 0.5, .warmup = 4 };

    (void)state;
    for (size_t e = 1; e <= 10; e++) {
        const double warm = e <= 4 ? (double)e / 5.0 : 1.0;

        near(schedule_share(&schedule, e, 10, 0), warm * pow(0.5, (double)(e - 1)));
    }
}

/* Nielsen's: down to 1/128, then no further. */
static void a_plateau_ends_at_its_least(void **state)
{
    const struct schedule schedule = { .kind = SCHEDULE_PLATEAU,
                                       .factor = 0.5,
                                       .least = 1.0 / 128.0 };

    (void)state;
    for (size_t cuts = 0; cuts < 7; cuts++) {
        assert_false(schedule_is_spent(&schedule, cuts));
    }
    assert_true(schedule_is_spent(&schedule, 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_what_its_formula_says),
        cmocka_unit_test(a_warm_up_rises_to_the_rate),
        cmocka_unit_test(a_plateau_ends_at_its_least),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
