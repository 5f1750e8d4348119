/* What is remembered of predictions: found by id and model, within its memory and its time, and by
 * one call at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "remembered.h"
#include "server.h"

/* main.c's, which no test here calls. */
void server_request_ended(struct server *server)
{
    (void)server;
}

static struct remembered *create(size_t bytes, size_t seconds)
{
    struct remembered *remembered = NULL;
    struct err err = { 0 };

    assert_true(remembered_create(bytes, seconds, &remembered, &err));
    assert_int_equal(remembered_count(remembered), 0);
    return remembered;
}

/* A row of two values is remembered; id is what it is called. */
static void add(struct remembered *remembered, const char *model, float value, double now,
                char id[PREDICTION_ID_LEN])
{
    const float values[2] = { value, -value };
    const struct rows x = { DTYPE_F32, 1, 2, values };
    const uint64_t number = remembered_number(remembered);
    struct prediction *prediction = NULL;
    struct err err = { 0 };

    remembered_id(remembered, number, id);
    assert_true(prediction_create(remembered, model, number, &x, &prediction, &err));
    remembered_add(remembered, prediction, now);
}

static struct prediction *take(struct remembered *remembered, const char *id, const char *model,
                               double now)
{
    struct err err = { 0 };
    struct prediction *prediction = remembered_take(remembered, id, model, now, &err);

    assert_int_equal(prediction != NULL, err.code == ERR_NONE);
    return prediction;
}

static void check_error(struct remembered *remembered, const char *id, const char *model,
                        double now, enum err_code code, const char *text)
{
    struct err err = { 0 };

    assert_null(remembered_take(remembered, id, model, now, &err));
    assert_int_equal(err.code, code);
    assert_string_equal(err.where, "prediction");
    assert_non_null(strstr(err.text, text));
}

static void rows_are_found_by_id_and_model(void **state)
{
    struct remembered *remembered = create(1 << 20, 100);
    struct prediction *prediction;
    char id[2][PREDICTION_ID_LEN], wrong[PREDICTION_ID_LEN + 8];

    (void)state;
    add(remembered, "a", 1.5F, 0.0, id[0]);
    add(remembered, "b", 2.5F, 0.0, id[1]);
    assert_string_not_equal(id[0], id[1]);
    check_error(remembered, id[0], "b", 0.0, ERR_NOT_FOUND, id[0]);
    check_error(remembered, "", "a", 0.0, ERR_NOT_FOUND, "''");
    check_error(remembered, "-", "a", 0.0, ERR_NOT_FOUND, "'-'");
    check_error(remembered, "1", "a", 0.0, ERR_NOT_FOUND, "older than 100 s");
    snprintf(wrong, sizeof wrong, "%s ", id[0]);
    check_error(remembered, wrong, "a", 0.0, ERR_NOT_FOUND, "restart");
    memcpy(wrong, id[0], 17); /* a zero in front of the number */
    snprintf(wrong + 17, sizeof wrong - 17, "0%d", 1);
    check_error(remembered, wrong, "a", 0.0, ERR_NOT_FOUND, "restart");
    snprintf(wrong, sizeof wrong, "%s", id[0]);
    wrong[3] = wrong[3] == '0' ? '1' : '0'; /* another process's */
    check_error(remembered, wrong, "a", 0.0, ERR_NOT_FOUND, "restart");
    prediction = take(remembered, id[1], "b", 0.0);
    assert_non_null(prediction);
    assert_true(prediction->rows == 1 && prediction->cols == 2);
    assert_true(prediction->values[0] == 2.5F && prediction->values[1] == -2.5F);
    remembered_give_back(remembered, prediction, false);
    remembered_free(remembered);
}

static void one_call_at_a_time_learns_and_uses_it_up(void **state)
{
    struct remembered *remembered = create(1 << 20, 100);
    struct prediction *prediction;
    char id[PREDICTION_ID_LEN];

    (void)state;
    add(remembered, "a", 1.0F, 0.0, id);
    prediction = take(remembered, id, "a", 1.0);
    check_error(remembered, id, "a", 1.0, ERR_BUSY, "another request");
    remembered_give_back(remembered, prediction, false);
    prediction = take(remembered, id, "a", 2.0); /* what failed has not used it up */
    assert_non_null(prediction);
    remembered_give_back(remembered, prediction, true);
    check_error(remembered, id, "a", 2.0, ERR_NOT_FOUND, "learned from already");
    assert_int_equal(remembered_count(remembered), 0);
    assert_int_equal(remembered_bytes(remembered), 0);
    remembered_free(remembered);
}

static void time_passes(void **state)
{
    struct remembered *remembered = create(1 << 20, 10);
    struct prediction *prediction;
    char id[3][PREDICTION_ID_LEN];

    (void)state;
    add(remembered, "a", 1.0F, 100.0, id[0]);
    add(remembered, "a", 2.0F, 105.0, id[1]);
    prediction = take(remembered, id[0], "a", 109.5);
    assert_non_null(prediction);
    check_error(remembered, id[0], "a", 110.0, ERR_NOT_FOUND, "older than 10 s");
    assert_int_equal(remembered_count(remembered), 1);
    assert_true(prediction->values[0] == 1.0F); /* but who has it keeps it */
    remembered_give_back(remembered, prediction, true);
    add(remembered, "a", 3.0F, 115.0, id[2]); /* and whoever comes sweeps */
    assert_int_equal(remembered_count(remembered), 1);
    check_error(remembered, id[1], "a", 115.0, ERR_NOT_FOUND, id[1]);
    remembered_free(remembered);
}

static void the_oldest_give_way_to_newer_ones(void **state)
{
    enum { MANY = 5000 };
    struct remembered *remembered = create(100000, 1000);
    struct prediction *taken = NULL;
    static char id[MANY][PREDICTION_ID_LEN];
    size_t kept;

    (void)state;
    for (int i = 0; i < MANY; i++) {
        add(remembered, "a", (float)i, 0.0, id[i]);
        assert_true(remembered_bytes(remembered) <= 100000);
        if (i == 0) {
            taken = take(remembered, id[0], "a", 0.0);
        }
    }
    kept = remembered_count(remembered);
    assert_true(kept > 300 && kept < MANY);
    for (size_t i = 0; i < MANY; i++) {
        struct err err = { 0 };
        struct prediction *prediction = remembered_take(remembered, id[i], "a", 0.0, &err);

        assert_int_equal(prediction != NULL, i >= MANY - kept);
        if (prediction != NULL) {
            assert_true(prediction->values[0] == (float)i);
            remembered_give_back(remembered, prediction, i % 2 == 0);
        }
    }
    assert_true(taken != NULL && taken->values[1] == 0.0F);
    remembered_give_back(remembered, taken, false);
    assert_int_equal(remembered_count(remembered), kept / 2);
    remembered_free(remembered);
}

static void what_never_fits_is_refused(void **state)
{
    struct remembered *remembered = create(1000, 10), *none = create(0, 10);
    static const float values[250];
    struct rows x = { DTYPE_F32, 1, 250, values };
    struct prediction *prediction = NULL;
    struct err err = { 0 };

    (void)state;
    assert_false(prediction_create(remembered, "a", 1, &x, &prediction, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_string_equal(err.where, "remember");
    assert_non_null(strstr(err.text, "--prediction-memory is 1000"));
    assert_null(prediction);
    x.width = 1;
    err = (struct err){ 0 };
    assert_false(prediction_create(none, "a", 1, &x, &prediction, &err));
    assert_non_null(strstr(err.text, "--prediction-memory is 0"));
    err = (struct err){ 0 };
    assert_true(prediction_create(remembered, "a", 1, &x, &prediction, &err));
    prediction_free(prediction);
    remembered_free(remembered);
    remembered_free(none);
}

static void a_model_s_are_forgotten_together(void **state)
{
    struct remembered *remembered = create(1 << 20, 100);
    char id[200][PREDICTION_ID_LEN];
    struct prediction *taken;

    (void)state;
    for (int i = 0; i < 200; i++) {
        add(remembered, i % 2 == 0 ? "even" : "odd", (float)i, 0.0, id[i]);
    }
    taken = take(remembered, id[4], "even", 0.0);
    remembered_forget(remembered, "even");
    remembered_forget(remembered, "nobody");
    assert_int_equal(remembered_count(remembered), 100);
    assert_true(taken->values[0] == 4.0F);
    remembered_give_back(remembered, taken, false);
    check_error(remembered, id[4], "even", 0.0, ERR_NOT_FOUND, id[4]);
    for (int i = 1; i < 200; i += 2) {
        struct prediction *prediction = take(remembered, id[i], "odd", 0.0);

        assert_true(prediction->values[0] == (float)i);
        remembered_give_back(remembered, prediction, true);
    }
    remembered_free(remembered);
}

static void no_id_comes_again_after_a_restart(void **state)
{
    struct remembered *before = create(1000, 10), *after = create(1000, 10);
    char id[2][PREDICTION_ID_LEN];

    (void)state;
    remembered_id(before, remembered_number(before), id[0]);
    remembered_id(after, remembered_number(after), id[1]);
    assert_string_not_equal(id[0], id[1]);
    remembered_id(before, UINT64_MAX, id[0]);
    assert_int_equal(strlen(id[0]), PREDICTION_ID_LEN - 1);
    remembered_free(before);
    remembered_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_found_by_id_and_model),
        cmocka_unit_test(one_call_at_a_time_learns_and_uses_it_up),
        cmocka_unit_test(time_passes),
        cmocka_unit_test(the_oldest_give_way_to_newer_ones),
        cmocka_unit_test(what_never_fits_is_refused),
        cmocka_unit_test(a_model_s_are_forgotten_together),
        cmocka_unit_test(no_id_comes_again_after_a_restart),
    };

    return cmocka_run_group_tests_name("remembered", tests, NULL, NULL);
}
