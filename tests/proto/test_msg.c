#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msg_predict.h"
#include "msg_train.h"
#include "text.h"

#define N(a) (sizeof(a) / sizeof(a)[0])

static struct arena arena; /* released by each test that uses it */

static void assert_text(struct text *text, const char *is)
{
    assert_false(text->failed);
    assert_string_equal(text->data, is);
    text_done(text);
}

static struct labels *labels_of(const char *const *names, size_t n)
{
    struct labels *labels = NULL;
    struct err err = { 0 };

    assert_true(labels_create(names, n, &labels, &err));
    return labels;
}

/* --- predict --- */

static void rows_arrive_in_order(void **state)
{
    static const char body[] = "{\"inputs\": [[1, 2.5, -3e2], [0, -0, 1e-45]]}";
    static const float is[] = { 1.0F, 2.5F, -300.0F, 0.0F, -0.0F, 0x1p-149F };
    const struct rows_limits limits = { .max_rows = 10 };
    struct msg_predict msg;
    struct err err = { 0 };

    (void)state;
    assert_true(msg_predict_decode(body, sizeof body - 1, &limits, &arena, &msg, &err));
    assert_int_equal(msg.inputs.rows, 2);
    assert_int_equal(msg.inputs.cols, 3);
    assert_int_equal((uintptr_t)msg.inputs.data % 64, 0);
    assert_memory_equal(msg.inputs.data, is, sizeof is);
    arena_done(&arena);
}

/* Rows short at first and long later defeat any guess from the first ones. */
static void long_bodies_of_uneven_text_are_read_whole(void **state)
{
    enum { ROWS = 20000, COLS = 3 };
    const struct rows_limits limits = { .inputs_cols = COLS, .max_rows = ROWS };
    struct text text = { 0 };
    struct msg_predict msg;
    struct err err = { 0 };

    (void)state;
    text_str(&text, "{\"inputs\": [");
    for (int i = 0; i < ROWS; i++) {
        text_printf(&text, i < 40 ? "%s[%.20f,%.20f,%.20f]" : "%s[%.0f,%.0f,%.0f]",
                    i == 0 ? "" : ",", 1.0 * i, 2.0 * i, 3.0 * i);
    }
    text_str(&text, "]}");
    assert_true(msg_predict_decode(text.data, text.len, &limits, &arena, &msg, &err));
    assert_int_equal(msg.inputs.rows, ROWS);
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLS; j++) {
            assert_true(msg.inputs.data[i * COLS + j] == (float)(i * (j + 1)));
        }
    }
    text_done(&text);
    arena_done(&arena);
}

static void a_failed_decode_leaves_its_result_alone(void **state)
{
    static const char body[] = "{\"inputs\": [[1, 2], [3]]}";
    const struct rows_limits limits = { .max_rows = 10 };
    struct msg_predict msg = { .inputs = { .rows = 77 } };
    struct err err = { 0 };

    (void)state;
    assert_false(msg_predict_decode(body, sizeof body - 1, &limits, &arena, &msg, &err));
    assert_int_equal(msg.inputs.rows, 77);
    arena_done(&arena);
}

static void outputs_are_answered_with_the_largest_s_name(void **state)
{
    static const char *const names[] = { "no", "yes \"!\"", "maybe" };
    float values[] = { 0.25F, 0.5F, 0.25F, 1.0F, 0.0F, 1.0F };
    const struct matrix outputs = { .rows = 2, .cols = 3, .data = values };
    struct labels *labels = labels_of(names, N(names));
    struct text text = { 0 };

    (void)state;
    msg_predict_encode(&text, &(struct msg_answer){ "m", 12, &outputs, labels, 0, NULL });
    assert_text(&text, "{\"model\": \"m\", \"version\": 12, "
                       "\"outputs\": [[0.25, 0.5, 0.25], [1, 0, 1]], "
                       "\"labels\": [\"yes \\\"!\\\"\", \"no\"]}");
    msg_predict_encode(&text, &(struct msg_answer){ "m", 1, &outputs, NULL, 0, NULL });
    assert_text(&text, "{\"model\": \"m\", \"version\": 1, "
                       "\"outputs\": [[0.25, 0.5, 0.25], [1, 0, 1]]}");
    msg_predict_encode(&text, &(struct msg_answer){ "m", 1, &outputs, labels, 2, "ab-1" });
    assert_text(&text, "{\"model\": \"m\", \"version\": 1, \"top\": ["
                       "[{\"label\": \"yes \\\"!\\\"\", \"index\": 1, \"probability\": 0.5}, "
                       "{\"label\": \"no\", \"index\": 0, \"probability\": 0.25}], "
                       "[{\"label\": \"no\", \"index\": 0, \"probability\": 1}, "
                       "{\"label\": \"maybe\", \"index\": 2, \"probability\": 1}]], "
                       "\"prediction\": \"ab-1\"}");
    text_done(&text);
    labels_free(labels);
}

/* --- train, learn, evaluate, promote --- */

static const struct rows_limits limits = { .max_rows = 100 };

static void what_train_does_not_say_has_its_default(void **state)
{
    static const char body[] = "{\"dataset\": \"mnist-train\"}";
    struct msg_train msg;
    struct text text = { 0 };
    struct err err = { 0 };

    (void)state;
    assert_true(msg_train_decode(body, sizeof body - 1, &limits, &arena, &msg, &err));
    assert_string_equal(msg.source.dataset, "mnist-train");
    assert_false(msg.source.rows.has_inputs || msg.has_validation);
    assert_int_equal(msg.epochs, 1);
    assert_int_equal(msg.publish, PUBLISH_EPOCH);
    assert_true(msg.publish_seconds == 1.0);
    msg_plan_encode(&text, &msg.plan);
    assert_text(&text, "\"batch_size\": 32, \"optimizer\": {\"name\": \"sgd\", \"learning_rate\": "
                       "0.1, \"momentum\": 0, \"nesterov\": false}, \"l2\": 0, \"seed\": 0");
}

static void what_train_says_arrives(void **state)
{
    static const char body[] =
        "{\"seed\": 9223372036854775807, \"publish_seconds\": 0.1, \"publish\": \"best\", "
        "\"optimizer\": {\"nesterov\": true, \"momentum\": 0.9, \"learning_rate\": 0.5, "
        "\"name\": \"sgd\"}, \"l2\": 5, \"batch_size\": 10, \"epochs\": 30, "
        "\"validation\": {\"labels\": [1], \"inputs\": [[7, 8]]}, "
        "\"targets\": [[1], [0]], \"inputs\": [[1, 2], [3, 4]]}";
    struct msg_train msg;
    struct text text = { 0 };
    struct err err = { 0 };

    (void)state;
    assert_true(msg_train_decode(body, sizeof body - 1, &limits, &arena, &msg, &err));
    assert_string_equal(msg.source.dataset, "");
    assert_true(msg.source.rows.has_inputs && msg.source.rows.has_targets);
    assert_true(msg.source.rows.inputs.data[3] == 4.0F);
    assert_true(msg.source.rows.targets.data[0] == 1.0F);
    assert_true(msg.has_validation && msg.validation.rows.has_labels);
    assert_true(msg.validation.rows.inputs.data[1] == 8.0F);
    assert_int_equal(msg.validation.rows.labels[0].index, 1);
    assert_int_equal(msg.epochs, 30);
    assert_int_equal(msg.publish, PUBLISH_BEST);
    assert_string_equal(publish_name(msg.publish), "best");
    assert_true(msg.publish_seconds == 0.1);
    msg_plan_encode(&text, &msg.plan);
    assert_text(&text, "\"batch_size\": 10, \"optimizer\": {\"name\": \"sgd\", \"learning_rate\": "
                       "0.5, \"momentum\": 0.9, \"nesterov\": true}, \"l2\": 5, "
                       "\"seed\": 9223372036854775807");
    arena_done(&arena);
}

static void learn_tells_what_was_said_from_what_was_not(void **state)
{
    static const char some[] = "{\"inputs\": [[1], [2]], \"labels\": [\"a\", 3], \"l2\": 0.5}";
    static const char more[] =
        "{\"inputs\": [[1]], \"targets\": [[2]], \"optimizer\": {\"name\": \"sgd\"}}";
    struct msg_learn msg;
    struct err err = { 0 };

    (void)state;
    assert_true(msg_learn_decode(some, sizeof some - 1, &limits, &arena, &msg, &err));
    assert_true(!msg.has_optimizer && msg.has_l2 && msg.plan.l2 == 0.5F);
    assert_int_equal(msg.plan.batch_size, 2);
    assert_string_equal(msg.rows.labels[0].name, "a");
    assert_null(msg.rows.labels[1].name);
    assert_int_equal(msg.rows.labels[1].index, 3);
    assert_true(msg_learn_decode(more, sizeof more - 1, &limits, &arena, &msg, &err));
    assert_true(msg.has_optimizer && !msg.has_l2);
    assert_true(msg.plan.learning_rate == 0.1F);
    assert_string_equal(msg.prediction, "");
    arena_done(&arena);
}

static void learn_takes_a_prediction_in_place_of_inputs(void **state)
{
    static const char body[] = "{\"labels\": [1], \"prediction\": \"ab-1\"}";
    struct msg_learn msg;
    struct err err = { 0 };

    (void)state;
    assert_true(msg_learn_decode(body, sizeof body - 1, &limits, &arena, &msg, &err));
    assert_string_equal(msg.prediction, "ab-1");
    assert_true(!msg.rows.has_inputs && msg.rows.has_labels);
    msg.rows.inputs.rows = 2;
    assert_false(msg_rows_count_check(&msg.rows, "prediction", &err));
    assert_string_equal(err.where, "labels");
    assert_string_equal(err.text, "has 1 entries, prediction has 2 rows");
    arena_done(&arena);
}

static void as_many_labels_as_rows_are_kept(void **state)
{
    struct text text = { 0 };
    struct msg_learn msg;
    struct err err = { 0 };

    (void)state;
    text_str(&text, "{\"labels\": [");
    for (int i = 0; i < 100; i++) {
        text_printf(&text, i % 2 == 0 ? "%s%d" : "%s\"class %d\"", i == 0 ? "" : ", ", i);
    }
    text_str(&text, "], \"inputs\": [");
    for (int i = 0; i < 100; i++) {
        text_printf(&text, "%s[%d]", i == 0 ? "" : ", ", i);
    }
    text_str(&text, "]}");
    assert_true(msg_learn_decode(text.data, text.len, &limits, &arena, &msg, &err));
    assert_int_equal(msg.rows.n_labels, 100);
    assert_int_equal(msg.rows.labels[98].index, 98);
    assert_null(msg.rows.labels[98].name);
    assert_string_equal(msg.rows.labels[99].name, "class 99");
    assert_true(msg.rows.inputs.data[99] == 99.0F);
    text_done(&text);
    arena_done(&arena);
}

/* Where nobody says how wide rows are, the first one does. */
static void a_first_row_must_have_a_width(void **state)
{
    static const char empty[] = "{\"inputs\": [[]], \"labels\": [1]}";
    static const char ragged[] = "{\"inputs\": [[1, 2], [1]], \"labels\": [1]}";
    struct msg_learn msg;
    struct err err = { 0 }, err2 = { 0 };

    (void)state;
    assert_false(msg_learn_decode(empty, sizeof empty - 1, &limits, &arena, &msg, &err));
    assert_string_equal(err.where, "inputs[0]");
    assert_string_equal(err.text, "has no values");
    assert_false(msg_learn_decode(ragged, sizeof ragged - 1, &limits, &arena, &msg, &err2));
    assert_string_equal(err2.where, "inputs[1]");
    assert_string_equal(err2.text, "has 1 values, expected 2");
    arena_done(&arena);
}

static void promote_takes_a_version(void **state)
{
    static const char body[] = "{\"version\": 12}";
    uint64_t version = 0;
    struct err err = { 0 };

    (void)state;
    assert_true(msg_promote_decode(body, sizeof body - 1, &version, &err));
    assert_int_equal(version, 12);
}

static void names_are_checked_byte_by_byte(void **state)
{
    static const char *const bad[] = { "",    ".",   "..",   "-a",       "_a",
                                       "a/b", "a b", "a\\b", "\xc3\xa9", "a%00" };
    static const char *const good[] = { "a", "0", "mnist-train", "A.b_c-9", "a.." };

    (void)state;
    for (size_t i = 0; i < N(bad); i++) {
        struct err err = { 0 };

        assert_false(name_check(bad[i], strlen(bad[i]), "dataset", &err));
        assert_int_equal(err.code, ERR_FIELD);
        assert_string_equal(err.where, "dataset");
    }
    for (size_t i = 0; i < N(good); i++) {
        struct err err = { 0 };

        assert_true(name_check(good[i], strlen(good[i]), "dataset", &err));
        assert_false(name_check("a\0b", 3, "", &err)); /* its length counts */
    }
}

static void labels_become_indices(void **state)
{
    static const char *const names[] = { "cat", "dog" };
    struct label_ref refs[] = { { .name = "dog" }, { .index = 0 }, { .name = "cat" } };
    struct msg_rows rows = { .has_labels = true, .labels = refs, .n_labels = N(refs) };
    struct labels *labels = labels_of(names, N(names));
    struct err err = { 0 }, none = { 0 }, large = { 0 };
    uint32_t index[N(refs)];

    (void)state;
    assert_true(msg_labels_resolve(&rows, labels, 2, index, &err));
    assert_true(index[0] == 1 && index[1] == 0 && index[2] == 0);
    refs[2].name = "catt";
    assert_false(msg_labels_resolve(&rows, labels, 2, index, &err));
    assert_string_equal(err.where, "labels[2]");
    assert_string_equal(err.text, "'catt' is not a label of the model");
    assert_false(msg_labels_resolve(&rows, NULL, 2, index, &none));
    assert_string_equal(none.where, "labels[0]");
    assert_string_equal(none.text, "'dog' is a name, but the model has no labels: give indices");
    refs[1].index = 2;
    assert_false(msg_labels_resolve(&rows, labels, 2, index, &large));
    assert_string_equal(large.where, "labels[1]");
    assert_string_equal(large.text, "must be below 2, is 2");
    labels_free(labels);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(rows_arrive_in_order),
        cmocka_unit_test(long_bodies_of_uneven_text_are_read_whole),
        cmocka_unit_test(a_failed_decode_leaves_its_result_alone),
        cmocka_unit_test(outputs_are_answered_with_the_largest_s_name),
        cmocka_unit_test(what_train_does_not_say_has_its_default),
        cmocka_unit_test(what_train_says_arrives),
        cmocka_unit_test(learn_tells_what_was_said_from_what_was_not),
        cmocka_unit_test(learn_takes_a_prediction_in_place_of_inputs),
        cmocka_unit_test(as_many_labels_as_rows_are_kept),
        cmocka_unit_test(a_first_row_must_have_a_width),
        cmocka_unit_test(promote_takes_a_version),
        cmocka_unit_test(names_are_checked_byte_by_byte),
        cmocka_unit_test(labels_become_indices),
    };

    return cmocka_run_group_tests_name("msg", all, NULL, NULL);
}
