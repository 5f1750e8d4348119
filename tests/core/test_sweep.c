/* Which settings are tried, and who goes on: against what can be counted by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "sweep.h"

static void list(struct sweep *sweep, enum sweep_axis axis, size_t n, const double *values)
{
    sweep->over[axis].n = n;
    memcpy(sweep->over[axis].values, values, n * sizeof *values);
}

static struct sweep grid_2_3(void)
{
    struct sweep sweep = { .method = SWEEP_GRID, .trials = 6 };

    list(&sweep, AXIS_LEARNING_RATE, 2, (double[]){ 0.5, 0.25 });
    list(&sweep, AXIS_L2, 3, (double[]){ 0.0, 1.0, 4.0 });
    return sweep;
}

static void a_grid_has_every_combination_in_order(void **state)
{
    static const double l2[3] = { 0.0, 1.0, 4.0 };
    const struct sweep sweep = grid_2_3();
    struct sweep_trial trials[6];

    (void)state;
    assert_int_equal(sweep_combinations(&sweep), 6);
    sweep_draw(&sweep, trials);
    for (size_t i = 0; i < 6; i++) {
        assert_true(trials[i].value[AXIS_LEARNING_RATE] == (i < 3 ? 0.5 : 0.25));
        assert_true(trials[i].value[AXIS_L2] == l2[i % 3]);
        assert_true(trials[i].value[AXIS_BATCH_SIZE] == 0.0);
        assert_int_equal(trials[i].state, TRIAL_QUEUED);
        assert_true(isnan(trials[i].loss));
    }
}

/* As many draws as there are combinations are all of them, in another order for another seed. */
static void lists_are_drawn_from_without_putting_back(void **state)
{
    struct sweep sweep = grid_2_3();
    struct sweep_trial trials[6], again[6], others[6];
    size_t moved = 0;

    (void)state;
    sweep.method = SWEEP_RANDOM;
    sweep_draw(&sweep, trials);
    sweep_draw(&sweep, again);
    sweep.seed = 1;
    sweep_draw(&sweep, others);
    for (size_t i = 0; i < 6; i++) {
        for (size_t j = 0; j < i; j++) {
            assert_memory_not_equal(trials[i].value, trials[j].value, sizeof trials[i].value);
        }
        assert_memory_equal(trials[i].value, again[i].value, sizeof trials[i].value);
        moved += memcmp(trials[i].value, others[i].value, sizeof trials[i].value) != 0;
    }
    assert_true(moved > 0);
}

enum { MANY = SWEEP_TRIALS_MAX };

static const struct sweep_trial *drawn(struct sweep_over over, enum sweep_axis axis)
{
    static struct sweep sweep;
    static struct sweep_trial trials[MANY];

    sweep = (struct sweep){ .method = SWEEP_RANDOM, .trials = MANY, .seed = 7 };
    sweep.over[axis] = over;
    assert_true(sweep_combinations(&sweep) == SIZE_MAX);
    sweep_draw(&sweep, trials);
    return trials;
}

/* Counts that should be MANY / parts are so within five standard deviations. */
static void even(const size_t *counts, size_t parts)
{
    const double mean = (double)MANY / (double)parts;

    for (size_t i = 0; i < parts; i++) {
        if (fabs((double)counts[i] - mean) > 5.0 * sqrt(mean)) {
            print_error("%zu of %d in part %zu of %zu\n", counts[i], MANY, i, parts);
            fail();
        }
    }
}

static void a_linear_range_is_even(void **state)
{
    const struct sweep_trial *trials =
        drawn((struct sweep_over){ .is_range = true, .from = 1.0, .to = 3.0 }, AXIS_L2);
    size_t counts[4] = { 0 };

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        const double x = trials[i].value[AXIS_L2];

        assert_true(x >= 1.0 && x <= 3.0 && x == (double)(float)x);
        counts[x < 3.0 ? (size_t)((x - 1.0) * 2.0) : 3]++;
    }
    even(counts, 4);
}

/* Each factor of ten as often as another. */
static void a_log_range_is_even_in_its_logarithm(void **state)
{
    const struct sweep_trial *trials =
        drawn((struct sweep_over){ .is_range = true, .log = true, .from = 1e-4, .to = 1.0 },
              AXIS_LEARNING_RATE);
    size_t counts[4] = { 0 };

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        const double x = trials[i].value[AXIS_LEARNING_RATE];

        assert_true(x >= (double)1e-4f && x <= 1.0 && x == (double)(float)x);
        counts[x < 1e-3 ? 0 : x < 1e-2 ? 1 : x < 1e-1 ? 2 : 3]++;
    }
    even(counts, 4);
}

static void whole_numbers_have_both_ends(void **state)
{
    const struct sweep_trial *trials =
        drawn((struct sweep_over){ .is_range = true, .from = 3.0, .to = 6.0 }, AXIS_BATCH_SIZE);
    size_t counts[4] = { 0 };

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        const double x = trials[i].value[AXIS_BATCH_SIZE];

        assert_true(x >= 3.0 && x <= 6.0 && x == floor(x));
        counts[(size_t)x - 3]++;
    }
    even(counts, 4);
}

/* 1 .. 15 by logarithm: 1, 2-3, 4-7 and 8-15 are as likely as each other. */
static void whole_numbers_by_logarithm_too(void **state)
{
    const struct sweep_trial *trials =
        drawn((struct sweep_over){ .is_range = true, .log = true, .from = 1.0, .to = 15.0 },
              AXIS_BATCH_SIZE);
    size_t counts[4] = { 0 };

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        const double x = trials[i].value[AXIS_BATCH_SIZE];

        assert_true(x >= 1.0 && x <= 15.0 && x == floor(x));
        counts[x < 2.0 ? 0 : x < 4.0 ? 1 : x < 8.0 ? 2 : 3]++;
    }
    even(counts, 4);
}

static void rounds(const struct sweep *sweep, size_t epochs, size_t n, const size_t *sizes,
                   const size_t *goals)
{
    size_t work = 0;

    assert_int_equal(sweep_rounds(sweep, epochs), n);
    for (size_t r = 0; r < n; r++) {
        assert_int_equal(sweep_size(sweep, r), sizes[r]);
        assert_int_equal(sweep_goal(sweep, epochs, r), goals[r]);
        work += sizes[r] * (goals[r] - (r > 0 ? goals[r - 1] : 0));
    }
    assert_int_equal(sweep_work(sweep, epochs), work);
}

static void halving_goes_down_by_its_factor(void **state)
{
    const struct sweep none = { .trials = 20 };
    const struct sweep thirds = { .trials = 27, .factor = 3, .min_epochs = 1 };
    const struct sweep uneven = { .trials = 20, .factor = 3, .min_epochs = 2 };
    const struct sweep halves = { .trials = 8, .factor = 2, .min_epochs = 4 };

    (void)state;
    rounds(&none, 30, 1, (size_t[]){ 20 }, (size_t[]){ 30 });
    rounds(&thirds, 27, 4, (size_t[]){ 27, 9, 3, 1 }, (size_t[]){ 1, 3, 9, 27 });
    /* who is alone goes all the way, and several may be there at the end */
    rounds(&uneven, 1000, 4, (size_t[]){ 20, 7, 3, 1 }, (size_t[]){ 2, 6, 18, 1000 });
    rounds(&halves, 10, 3, (size_t[]){ 8, 4, 2 }, (size_t[]){ 4, 8, 10 });
}

/* Runs a sweep whose trials have these scores at once; below 0, they fail. */
static size_t play(const struct sweep *sweep, size_t epochs, const double *scores,
                   struct sweep_trial *trials, size_t *order)
{
    size_t at, goal, n = 0;

    sweep_draw(sweep, trials);
    while (sweep_next(sweep, epochs, trials, &at, &goal)) {
        order[n++] = at;
        trials[at].rounds++;
        trials[at].epochs = goal;
        trials[at].score = scores[at];
        sweep_mark(sweep, trials, at, scores[at] < 0.0 ? TRIAL_FAILED : TRIAL_DONE);
    }
    return n;
}

static void the_better_go_on(void **state)
{
    struct sweep sweep = { .method = SWEEP_GRID, .trials = 5, .factor = 2, .min_epochs = 1 };
    const double scores[5] = { 1.0, 5.0, 3.0, 5.0, 2.0 };
    const size_t want[] = { 0, 1, 2, 3, 4, 1, 2, 3, 1, 3, 1 };
    struct sweep_trial trials[5];
    size_t order[16], at;

    (void)state;
    list(&sweep, AXIS_L2, 5, (double[]){ 0.0, 1.0, 2.0, 3.0, 4.0 });
    /* 5 at 1, 3 at 2, 2 at 4, 1 at 8 */
    assert_int_equal(play(&sweep, 8, scores, trials, order), 11);
    assert_memory_equal(order, want, sizeof want);
    assert_int_equal(sweep_done(&sweep, 8, trials), sweep_work(&sweep, 8));
    assert_true(sweep_best(&sweep, trials, &at));
    assert_int_equal(at, 1); /* as good as 3, and before it */
    assert_int_equal(trials[1].epochs, 8);
    assert_int_equal(trials[3].state, TRIAL_HALVED);
    assert_int_equal(trials[3].epochs, 4);
    assert_int_equal(trials[0].epochs, 1);
    /* every change has been counted: 11 ends, 4 that were sorted out */
    assert_int_equal(trials[1].order, 15);
    assert_int_equal(trials[3].order, 14);
}

static void failures_make_room_for_nobody_worse_than_left(void **state)
{
    struct sweep sweep = { .method = SWEEP_GRID, .trials = 4, .factor = 2, .min_epochs = 1 };
    const double some[4] = { -1.0, -1.0, 3.0, -1.0 }, none[4] = { -1.0, -1.0, -1.0, -1.0 };
    struct sweep_trial trials[4];
    size_t order[16], at = 99;

    (void)state;
    list(&sweep, AXIS_L2, 4, (double[]){ 0.0, 1.0, 2.0, 3.0 });
    assert_int_equal(play(&sweep, 4, some, trials, order), 6); /* 4 at 1, 1 at 2, 1 at 4 */
    assert_true(sweep_best(&sweep, trials, &at));
    assert_int_equal(at, 2);
    assert_int_equal(play(&sweep, 4, none, trials, order), 4);
    assert_false(sweep_best(&sweep, trials, &at));
    assert_int_equal(at, 2);
}

/* A sweep that is cut off has its best among those that have come farthest. */
static void farther_is_better(void **state)
{
    struct sweep sweep = { .method = SWEEP_GRID, .trials = 3 };
    struct sweep_trial trials[3];
    size_t at = 99;

    (void)state;
    list(&sweep, AXIS_L2, 3, (double[]){ 0.0, 1.0, 2.0 });
    sweep_draw(&sweep, trials);
    assert_false(sweep_best(&sweep, trials, &at));
    trials[0].rounds = 1;
    trials[0].score = 9.0;
    assert_true(sweep_best(&sweep, trials, &at));
    assert_int_equal(at, 0);
    trials[2].rounds = 2;
    trials[2].score = -4.0;
    assert_true(sweep_best(&sweep, trials, &at));
    assert_int_equal(at, 2);
}

static void hidden_layers_take_the_first_one_s_activation(void **state)
{
    const struct sweep_hidden none = { 0 }, two = { 2, { 30, 20 } };
    const struct net_spec spec = { .inputs = 5,
                                   .n_layers = 2,
                                   .layers = { { 7, ACT_RELU }, { 3, ACT_SOFTMAX } },
                                   .cost = COST_LOG_LIKELIHOOD };
    struct net_spec changed = spec;
    struct err err = { 0 };

    (void)state;
    assert_true(sweep_shape(&two, &changed, &err));
    assert_int_equal(changed.n_layers, 3);
    assert_int_equal(changed.layers[0].units, 30);
    assert_int_equal(changed.layers[1].units, 20);
    assert_int_equal(changed.layers[1].act, ACT_RELU);
    assert_int_equal(changed.layers[2].units, 3);
    assert_int_equal(changed.layers[2].act, ACT_SOFTMAX);
    assert_true(sweep_shape(&none, &changed, &err));
    assert_int_equal(changed.n_layers, 1);
    assert_int_equal(changed.layers[0].act, ACT_SOFTMAX);
    assert_true(sweep_shape(&none, &changed, &err));
    assert_false(sweep_shape(&two, &changed, &err));
    assert_string_equal(err.where, "layers");
    assert_int_equal(changed.n_layers, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grid_has_every_combination_in_order),
        cmocka_unit_test(lists_are_drawn_from_without_putting_back),
        cmocka_unit_test(a_linear_range_is_even),
        cmocka_unit_test(a_log_range_is_even_in_its_logarithm),
        cmocka_unit_test(whole_numbers_have_both_ends),
        cmocka_unit_test(whole_numbers_by_logarithm_too),
        cmocka_unit_test(halving_goes_down_by_its_factor),
        cmocka_unit_test(the_better_go_on),
        cmocka_unit_test(failures_make_room_for_nobody_worse_than_left),
        cmocka_unit_test(farther_is_better),
        cmocka_unit_test(hidden_layers_take_the_first_one_s_activation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
