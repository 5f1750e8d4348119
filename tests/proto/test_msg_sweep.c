/* Sweeps: what is asked for, their tables, and both in a job's record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "job_file.h"
#include "msg_trial.h"

#define GRID                                                                                       \
    "{\"method\": \"grid\", \"over\": {\"learning_rate\": [0.1, 0.5], \"layers\": [[], [30, "      \
    "20]]}, \"halving\": {\"factor\": 3, \"min_epochs\": 2}, \"monitor\": \"validation.loss\"}"
#define RANDOM                                                                                     \
    "{\"method\": \"random\", \"seed\": 5, \"over\": {\"learning_rate\": {\"from\": 0.001, "       \
    "\"to\": 1, \"scale\": \"log\"}, \"batch_size\": {\"from\": 1, \"to\": 64, \"scale\": "        \
    "\"linear\"}, \"l2\": [0, 2.5]}, \"monitor\": \"loss\", \"trials\": 3}"

static void assert_text(struct text *text, const char *is)
{
    assert_false(text->failed);
    assert_string_equal(text->data, is);
    text_done(text);
    *text = (struct text){ 0 };
}

static struct msg_sweep *sweep_of(const char *body)
{
    struct msg_sweep *msg = malloc(sizeof *msg);
    struct scan scan;
    struct err err = { 0 };

    assert_non_null(msg);
    scan_init(&scan, body, strlen(body));
    if (!msg_sweep_read(&scan, msg, &err) || !scan_end(&scan, &err)) {
        fail_msg("%s %s", err.where, err.text);
    }
    assert_true(msg_sweep_settle(msg, 100, true, &err));
    return msg;
}

static struct sweep_trial *trials_of(const struct msg_sweep *msg)
{
    struct sweep_trial *trials = calloc(msg->sweep.trials, sizeof *trials);

    assert_non_null(trials);
    sweep_draw(&msg->sweep, trials);
    return trials;
}

static void what_is_asked_for_is_said_again(void **state)
{
    static const char *const bodies[] = { GRID, RANDOM };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct msg_sweep *msg = sweep_of(bodies[i]);
        struct text text = { 0 };

        msg_sweep_encode(&text, msg);
        assert_text(&text, bodies[i]);
        free(msg);
    }
}

static void what_a_sweep_does_not_say_has_its_default(void **state)
{
    struct msg_sweep *msg = sweep_of("{\"method\": \"random\", \"over\": {\"l2\": {\"from\": 0, "
                                     "\"to\": 1}}, \"halving\": {}}");
    struct err err = { 0 };

    (void)state;
    assert_int_equal(msg->sweep.trials, 20);
    assert_int_equal(msg->sweep.seed, 0);
    assert_false(msg->sweep.over[AXIS_L2].log);
    assert_int_equal(msg->sweep.factor, 3);
    assert_int_equal(msg->sweep.min_epochs, 1);
    assert_int_equal(msg->monitor, METRIC_VALIDATION_LOSS);
    assert_true(msg_sweep_settle(msg, 100, false, &err));
    assert_int_equal(msg->monitor, METRIC_LOSS);
    free(msg);
    msg = sweep_of("{\"method\": \"random\", \"over\": {\"l2\": [1, 2, 3], \"batch_size\": [5]}}");
    assert_int_equal(msg->sweep.trials, 3); /* there are no more */
    assert_int_equal(msg->sweep.factor, 0);
    free(msg);
}

static void a_table_tells_what_was_searched(void **state)
{
    struct msg_sweep *msg = sweep_of(GRID);
    struct sweep_trial *trials = trials_of(msg);
    struct text text = { 0 };

    (void)state;
    trials[1].state = TRIAL_BEST;
    trials[1].epochs = 9;
    trials[1].epoch = 8;
    trials[1].loss = 0.5;
    trials[1].validation_loss = 0.25;
    trials[1].validation_accuracy = 0.75;
    trials[1].seconds = 1.5;
    msg_trial_encode(&text, msg, trials, 1, true);
    assert_text(&text, "{\"trial\": 2, \"state\": \"best\", \"learning_rate\": 0.1, \"layers\": "
                       "[30, 20], \"epochs\": 9, \"epoch\": 8, \"loss\": 0.5, \"accuracy\": null, "
                       "\"validation_loss\": 0.25, \"validation_accuracy\": 0.75, \"seconds\": "
                       "1.5}");
    msg_trial_encode(&text, msg, trials, 0, true);
    assert_text(&text, "{\"trial\": 1, \"state\": \"skipped\", \"learning_rate\": 0.1, "
                       "\"layers\": [], \"epochs\": 0, \"epoch\": null, \"loss\": null, "
                       "\"accuracy\": null, \"validation_loss\": null, \"validation_accuracy\": "
                       "null, \"seconds\": 0}");
    msg_trial_line(&text, msg, trials, 1);
    assert_text(&text, "trial 2/4  learning_rate 0.1  layers [30, 20]  epochs 9  loss 0.5000  "
                       "validation loss 0.2500  validation accuracy 75.00 %  best");
    msg_sweep_table_encode(&text, msg, trials, false, true);
    assert_text(&text, "{\"method\": \"grid\", \"over\": {\"learning_rate\": [0.1, 0.5], "
                       "\"layers\": [[], [30, 20]]}, \"halving\": {\"factor\": 3, \"min_epochs\": "
                       "2}, \"monitor\": \"validation.loss\", \"best\": 2}");
    free(trials);
    free(msg);
}

static void same(const struct sweep_trial *a, const struct sweep_trial *b)
{
    assert_memory_equal(a->value, b->value, sizeof a->value);
    assert_int_equal(a->state, b->state);
    assert_int_equal(a->rounds, b->rounds);
    assert_int_equal(a->order, b->order);
    assert_int_equal(a->epochs, b->epochs);
    assert_int_equal(a->epoch, b->epoch);
    assert_true(a->loss == b->loss && a->accuracy == b->accuracy);
    assert_true(a->validation_loss == b->validation_loss);
    assert_true(a->validation_accuracy == b->validation_accuracy);
    assert_true(a->score == b->score && a->seconds == b->seconds);
}

static void a_record_brings_it_all_back(void **state)
{
    struct job_file file = { .id = 7, .model = "m", .folder = "m@1", .epochs = 30 }, again;
    struct text text = { 0 };
    struct err err = { 0 };

    (void)state;
    file.sweep = sweep_of(RANDOM);
    file.trials = trials_of(file.sweep);
    for (size_t i = 0; i < 2; i++) {
        struct sweep_trial *trial = &file.trials[i];

        trial->state = i == 0 ? TRIAL_HALVED : TRIAL_RUNNING;
        trial->rounds = 1 + i;
        trial->order = 4 - i;
        trial->epochs = 3;
        trial->epoch = 2;
        trial->loss = 1.0 / 3.0;
        trial->accuracy = trial->validation_accuracy = 0.1;
        trial->validation_loss = 7.0;
        trial->score = -1.0 / 3.0;
        trial->seconds = 0.7;
    }
    job_file_encode(&text, &file);
    assert_false(text.failed);
    if (!job_file_decode(text.data, text.len, &again, &err)) {
        fail_msg("%s %s", err.where, err.text);
    }
    assert_int_equal(again.sweep->sweep.trials, 3);
    for (size_t i = 0; i < 2; i++) {
        same(&again.trials[i], &file.trials[i]);
    }
    assert_int_equal(again.trials[2].state, TRIAL_QUEUED);
    assert_true(isnan(again.trials[2].loss) && isinf(again.trials[2].score));
    assert_memory_equal(again.trials[2].value, file.trials[2].value, sizeof file.trials[2].value);
    text_done(&text);
    job_file_done(&file);
    job_file_done(&again);
}

/* A table of another length, or one that is not all there. */
static void a_record_s_table_has_to_fit(void **state)
{
    static const char *const tables[] = {
        "[]",
        "[[0, 0, 0, 0, 0, null, null, null, null, null, 0]]",
        "[[0, 0, 0, 0, 0, 1, 1, 1, 1, 1], [], []]",
        "[[9, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1], [], []]",
        "[[0, null, 0, 0, 0, 1, 1, 1, 1, 1, 1], [], []]",
        "{}",
    };
    struct msg_sweep *msg = sweep_of(RANDOM);
    struct sweep_trial *trials = trials_of(msg);

    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        struct scan scan;
        struct err err = { 0 };

        scan_init(&scan, tables[i], strlen(tables[i]));
        assert_false(msg_trials_read(&scan, msg, trials, &err));
        assert_int_equal(err.code, ERR_FIELD);
    }
    free(trials);
    free(msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_for_is_said_again),
        cmocka_unit_test(what_a_sweep_does_not_say_has_its_default),
        cmocka_unit_test(a_table_tells_what_was_searched),
        cmocka_unit_test(a_record_brings_it_all_back),
        cmocka_unit_test(a_record_s_table_has_to_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
