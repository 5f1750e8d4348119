/* evaluate: what it is asked with, and what it answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "msg_evaluate.h"
#include "msg_train.h"

#define N(a) (sizeof(a) / sizeof(a)[0])

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

static void k_is_kept_and_0_unless_said(void **state)
{
    static const struct rows_limits limits = { .max_rows = 9, .targets_cols = 10 };
    static const char asked[] = "{\"top_k\": 10, \"dataset\": \"d\"}",
                      bare[] = "{\"dataset\": \"d\"}";
    struct arena arena = { 0 };
    struct msg_evaluate msg;
    struct err err = { 0 };

    (void)state;
    assert_true(msg_evaluate_decode(asked, strlen(asked), &limits, &arena, &msg, &err));
    assert_int_equal(msg.top_k, 10);
    assert_string_equal(msg.source.dataset, "d");
    assert_true(msg_evaluate_decode(bare, strlen(bare), &limits, &arena, &msg, &err));
    assert_int_equal(msg.top_k, 0);
    arena_done(&arena);
}

/* Two classes: 3 rows of the first, of which 2 were found, 1 of the second, found. */
static void an_evaluation_sums_up_its_confusion(void **state)
{
    uint64_t confusion[] = { 2, 1, 0, 1 }, empty[] = { 0, 3, 0, 1 };
    struct score score = { .kind = SCORE_CLASSES, .outputs = 2, .classes = 2, .auc = NAN };
    struct eval eval = {
        .rows = 4, .loss = 0.5, .correct = 3, .confusion = confusion, .score = &score
    };
    static const char *const names[] = { "a", "b" };
    struct labels *labels = labels_of(names, N(names));
    struct msg_evaluation said = { .model = "m", .version = 3, .eval = &eval, .labels = labels };
    struct text text = { 0 };

    (void)state;
    msg_evaluate_encode(&text, &said);
    assert_text(&text, "{\"model\": \"m\", \"version\": 3, \"rows\": 4, \"loss\": 0.5, "
                       "\"accuracy\": 0.75, \"auc\": null, "
                       "\"confusion\": [[2, 1], [0, 1]], \"classes\": ["
                       "{\"label\": \"a\", \"precision\": 1, \"recall\": 0.6666666666666666, "
                       "\"f1\": 0.8, \"support\": 3}, "
                       "{\"label\": \"b\", \"precision\": 0.5, \"recall\": 1, "
                       "\"f1\": 0.6666666666666666, \"support\": 1}], "
                       "\"macro\": {\"precision\": 0.75, \"recall\": 0.8333333333333333, "
                       "\"f1\": 0.7333333333333334}, "
                       "\"weighted\": {\"precision\": 0.875, \"recall\": 0.75, "
                       "\"f1\": 0.7666666666666667}}");
    /* Nothing was answered "0": no precision. The label of one output is no class's. */
    eval.confusion = empty;
    eval.correct = 1;
    score.outputs = 1;
    msg_evaluate_encode(&text, &said);
    assert_text(&text, "{\"model\": \"m\", \"version\": 3, \"rows\": 4, \"loss\": 0.5, "
                       "\"accuracy\": 0.25, \"auc\": null, "
                       "\"confusion\": [[0, 3], [0, 1]], \"classes\": ["
                       "{\"label\": \"0\", \"precision\": null, \"recall\": 0, \"f1\": 0, "
                       "\"support\": 3}, {\"label\": \"1\", \"precision\": 0.25, \"recall\": 1, "
                       "\"f1\": 0.4, \"support\": 1}], "
                       "\"macro\": {\"precision\": 0.125, \"recall\": 0.5, \"f1\": 0.2}, "
                       "\"weighted\": {\"precision\": 0.0625, \"recall\": 0.25, \"f1\": 0.1}}");
    labels_free(labels);
}

#define EMPTY "{\"rows\": 0, \"confidence\": null, \"accuracy\": null}, "

static void probabilities_come_with_a_table(void **state)
{
    struct score score = { .kind = SCORE_CLASSES,
                           .probable = true,
                           .outputs = 2000, /* too many for a confusion */
                           .classes = 2000,
                           .k = 5,
                           .top_k = 0.75,
                           .log_loss = 0.5,
                           .brier = 0.25,
                           .ece = 0.125 };
    struct eval eval = { .rows = 4, .loss = 0.5, .correct = 3, .score = &score };
    const struct msg_evaluation said = { .model = "m", .version = 1, .eval = &eval };
    struct text text = { 0 };

    (void)state;
    for (size_t b = 0; b < SCORE_BINS; b++) {
        score.bin[b] = (struct score_bin){ .confidence = NAN, .accuracy = NAN };
    }
    score.bin[8] =
        (struct score_bin){ .rows = 4, .right = 3, .confidence = 0.875, .accuracy = 0.75 };
    msg_evaluate_encode(&text, &said);
    assert_text(&text,
                "{\"model\": \"m\", \"version\": 1, \"rows\": 4, \"loss\": 0.5, "
                "\"accuracy\": 0.75, \"top_k\": 5, \"top_k_accuracy\": 0.75, "
                "\"log_loss\": 0.5, \"brier\": 0.25, "
                "\"calibration\": {\"error\": 0.125, \"bins\": [" EMPTY EMPTY EMPTY EMPTY EMPTY
                    EMPTY EMPTY EMPTY "{\"rows\": 4, \"confidence\": 0.875, \"accuracy\": 0.75}, "
                "{\"rows\": 0, \"confidence\": null, \"accuracy\": null}]}}");
}

/* Of one row: mae and rmse are its error, r2 is none. */
static void numbers_have_errors(void **state)
{
    struct score_output output[] = { { .distance = 1, .squares = 4, .mean = 0, .spread = 8 },
                                     { .mean = 3 } };
    struct score score = { .kind = SCORE_NUMBERS, .outputs = 1, .rows = 1, .output = output };
    struct eval eval = { .rows = 1, .loss = 0.5, .correct = 1, .score = &score };
    struct msg_evaluation said = { .model = "m", .version = 1, .eval = &eval };
    struct text text = { 0 };

    (void)state;
    score.errors = (struct score_errors){ 1, 2, 0.5 };
    msg_evaluate_encode(&text, &said);
    assert_text(&text, "{\"model\": \"m\", \"version\": 1, \"rows\": 1, \"loss\": 0.5, "
                       "\"mae\": 1, \"rmse\": 2, \"r2\": 0.5}");
    score.errors.r2 = NAN;
    score.outputs = 2;
    said.has_accuracy = true;
    msg_evaluate_encode(&text, &said);
    assert_text(&text, "{\"model\": \"m\", \"version\": 1, \"rows\": 1, \"loss\": 0.5, "
                       "\"accuracy\": 1, \"mae\": 1, \"rmse\": 2, \"r2\": null, \"outputs\": ["
                       "{\"mae\": 1, \"rmse\": 2, \"r2\": 0.5}, "
                       "{\"mae\": 0, \"rmse\": 0, \"r2\": null}]}");
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(k_is_kept_and_0_unless_said),
        cmocka_unit_test(an_evaluation_sums_up_its_confusion),
        cmocka_unit_test(probabilities_come_with_a_table),
        cmocka_unit_test(numbers_have_errors),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
