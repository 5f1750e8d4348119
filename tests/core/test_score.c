/* Scores worked out by hand, and, for more rows than a hand would do, those of scikit-learn:
 * scores.py says what is scored, and made scores.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fail_malloc.h"
#include "near.h"
#include "net.h"
#include "score.h"
#include "scores.h"

#define EPS 1e-15  /* of a few float64 roundings around 1 */
#define GOLD 1e-12 /* scikit-learn adds in another order */
#define N(array) (sizeof(array) / sizeof *(array))

static struct net_spec spec_of(size_t outputs, enum act act)
{
    const enum cost cost = act == ACT_SOFTMAX   ? COST_LOG_LIKELIHOOD
                           : act == ACT_SIGMOID ? COST_CROSS_ENTROPY
                                                : COST_MSE;

    return (struct net_spec){
        .inputs = 1, .n_layers = 1, .layers = { { outputs, act } }, .cost = cost
    };
}

/* Of equals the first, as net_evaluate has it. */
static size_t largest(const float *v, size_t n)
{
    size_t best = 0;

    if (n == 1) {
        return v[0] >= 0.5f;
    }
    for (size_t j = 1; j < n; j++) {
        best = v[j] > v[best] ? j : best;
    }
    return best;
}

/* n rows of answers a; their targets are truth, or, where that is NULL, y. */
static struct score score_of(enum act act, size_t outputs, size_t n, const float *a,
                             const uint32_t *truth, const float *y, size_t k)
{
    static float row[8];
    const struct net_spec spec = spec_of(outputs, act);
    const struct data data = { .x = { .n = n }, .classes = truth, .values = y };
    struct err err = { 0 };
    struct score score;

    assert_true(outputs <= N(row));
    assert_true(score_init(&score, &data, &spec, k, &err));
    for (size_t i = 0; i < n; i++) {
        const float *want = y != NULL ? y + i * outputs : row;

        if (y == NULL) {
            memset(row, 0, sizeof row);
            row[truth[i]] = 1.0f;
        }
        score_add(&score, a + i * outputs, want, largest(want, outputs),
                  largest(a + i * outputs, outputs));
    }
    score_finish(&score);
    return score;
}

/* --- what is scored as what --- */

static enum score_kind kind_of(enum act act, size_t outputs, size_t n, const float *y)
{
    const struct net_spec spec = spec_of(outputs, act);
    const struct data data = { .x = { .n = n }, .values = y };

    return score_kind(&data, &spec);
}

static void targets_of_one_1_among_zeros_are_classes(void **state)
{
    static const float hot[] = { 0, 1, 0, 0, 0, 1 }, two[] = { 0, 1, 0, 1, 0, 1 },
                       none[] = { 0, 1, 0, 0, 0, 0 }, soft[] = { 0, 1, 0, 0.5f, 0.5f, 0 },
                       flags[] = { 0, 1, 1, 0 }, half[] = { 0, 1, 0.5f, 0 };
    const struct net_spec one = spec_of(1, ACT_SIGMOID), three = spec_of(3, ACT_LINEAR);
    const uint32_t labels[] = { 0, 0 };
    const struct data labelled = { .x = { .n = 2 }, .classes = labels };

    (void)state;
    assert_int_equal(kind_of(ACT_SOFTMAX, 3, 2, hot), SCORE_CLASSES);
    assert_int_equal(kind_of(ACT_SIGMOID, 3, 2, hot), SCORE_CLASSES);
    assert_int_equal(kind_of(ACT_SIGMOID, 3, 2, two), SCORE_NUMBERS);
    assert_int_equal(kind_of(ACT_SIGMOID, 3, 2, none), SCORE_NUMBERS);
    assert_int_equal(kind_of(ACT_SOFTMAX, 3, 2, soft), SCORE_NUMBERS);
    assert_int_equal(kind_of(ACT_LINEAR, 3, 2, hot), SCORE_NUMBERS);
    assert_int_equal(kind_of(ACT_TANH, 1, 4, flags), SCORE_NUMBERS);
    assert_int_equal(kind_of(ACT_SIGMOID, 1, 4, flags), SCORE_CLASSES);
    assert_int_equal(kind_of(ACT_SIGMOID, 1, 4, half), SCORE_NUMBERS);
    assert_int_equal(score_kind(&labelled, &three), SCORE_CLASSES);
    assert_int_equal(score_kind(&labelled, &one), SCORE_NUMBERS); /* there is but one label */
}

/* Of the rows only those picked are looked at, and they alone make the memory. */
static void rows_that_are_not_picked_do_not_count(void **state)
{
    static const float y[] = { 0.5f, 1, 0 };
    static const uint32_t pick[] = { 2, 1 };
    const struct net_spec spec = spec_of(1, ACT_SIGMOID);
    const struct data data = { .x = { .n = 3 }, .values = y, .pick = pick, .n_pick = 2 };
    struct score score;
    struct err err = { 0 };

    (void)state;
    assert_int_equal(score_kind(&data, &spec), SCORE_CLASSES);
    assert_true(score_init(&score, &data, &spec, 0, &err));
    assert_int_equal(score.rows_max, 2);
    score_done(&score);
}

static void k_is_5_or_2_unless_it_is_said(void **state)
{
    static const float a[8] = { 1, 0, 0, 0, 0, 0, 0, 0 };
    static const uint32_t truth[] = { 0 };
    static const struct {
        size_t outputs, k, want;
    } cases[] = { { 2, 0, 0 }, { 3, 0, 2 }, { 5, 0, 2 }, { 6, 0, 5 }, { 8, 0, 5 }, { 8, 3, 3 } };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct score score = score_of(ACT_SOFTMAX, cases[i].outputs, 1, a, truth, NULL, cases[i].k);

        assert_int_equal(score.k, cases[i].want);
        score_done(&score);
    }
}

static void numbers_have_no_top_k(void **state)
{
    const struct net_spec spec = spec_of(2, ACT_LINEAR);
    const float y[] = { 1, 2 };
    const struct data data = { .x = { .n = 1 }, .values = y };
    struct score score = { .rows = 7 };
    struct err err = { 0 };

    (void)state;
    assert_false(score_init(&score, &data, &spec, 1, &err));
    assert_int_equal(err.code, ERR_FIELD);
    assert_string_equal(err.where, "top_k");
    assert_string_equal(err.text, "needs targets that are classes; these are numbers");
    assert_int_equal(score.rows, 7);
}

/* --- classes by hand --- */

/* p_t = 1/2, 1/4, 1/8, 1: -ln p_t = (1 + 2 + 3 + 0) ln 2, a mean of 3/2 ln 2.
 * Brier: 1/4 + 1/16 + 1/16 = 3/8; 1/4 + 9/16 + 1/16 = 7/8; 25/64 + 49/64 + 1/16 = 39/32; 0.
 * Confidences 1/2, 1/2, 5/8, 1; right, wrong, wrong, right. Of the two of 1/2 half are right, which
 * leaves ece = 5/8 / 4. */
static void probabilities_by_hand(void **state)
{
    static const float a[] = { 0.5f,   0.25f,  0.25f, 0.5f, 0.25f, 0.25f,
                               0.625f, 0.125f, 0.25f, 0,    0,     1 };
    static const uint32_t truth[] = { 0, 1, 1, 2 };
    struct score score = score_of(ACT_SOFTMAX, 3, 4, a, truth, NULL, 1);

    (void)state;
    assert_near(score.log_loss, 1.5 * log(2.0), EPS);
    assert_near(score.brier, (3.0 / 8 + 7.0 / 8 + 39.0 / 32) / 4, EPS);
    assert_near(score.ece, 5.0 / 32, EPS);
    assert_near(score.top_k, 0.5, 0);
    assert_int_equal(score.bin[4].rows, 2); /* 1/2 is the upper end of the fifth */
    assert_near(score.bin[4].accuracy, 0.5, 0);
    assert_near(score.bin[4].confidence, 0.5, 0);
    assert_int_equal(score.bin[6].rows, 1);
    assert_int_equal(score.bin[9].rows, 1);
    assert_int_equal(score.bin[0].rows, 0);
    assert_true(isnan(score.bin[0].accuracy) && isnan(score.bin[0].confidence));
    assert_true(isnan(score.auc)); /* of three */
    score_done(&score);
}

/* Of equals the lower index goes first, so that k = 1 is accuracy. */
static void equal_outputs_take_places_by_index(void **state)
{
    static const float a[] = { 0.25f, 0.25f, 0.25f, 0.25f };
    static const uint32_t truth[] = { 2 };

    (void)state;
    for (size_t k = 1; k <= 4; k++) {
        struct score score = score_of(ACT_SOFTMAX, 4, 1, a, truth, NULL, k);

        assert_near(score.top_k, k >= 3 ? 1.0 : 0.0, 0);
        score_done(&score);
    }
}

/* p = 1/4, 1/2, 1/4 of (1/4, 1/2, 1/4), and of twice that; all zeros are 1/3 each. */
static void sigmoids_are_made_to_sum_to_1(void **state)
{
    static const float a[] = { 0.25f, 0.5f, 0.25f, 0.5f, 1, 0.5f, 0, 0, 0 };
    static const uint32_t truth[] = { 1, 0, 2 };
    struct score score = score_of(ACT_SIGMOID, 3, 3, a, truth, NULL, 0);

    (void)state;
    assert_near(score.log_loss, (log(2.0) + log(4.0) + log(3.0)) / 3, EPS);
    assert_near(score.brier, (3.0 / 8 + 7.0 / 8 + 6.0 / 9) / 3, EPS);
    score_done(&score);
}

/* ln p has a floor, 2^-52; nothing is infinite. */
static void an_impossible_truth_costs_52_bits(void **state)
{
    static const float a[] = { 1, 0 };
    static const uint32_t truth[] = { 1 };
    struct score score = score_of(ACT_SOFTMAX, 2, 1, a, truth, NULL, 0);

    (void)state;
    assert_near(score.log_loss, 52 * log(2.0), 1e-13);
    assert_near(score.brier, 1.0, 0); /* the form for two: 2 by that for many */
    assert_true(isnan(score.auc));    /* no pair */
    score_done(&score);
}

/* Class 1 at 3/4, 1/2, 1/4; class 0 at 1/2, 1/8: of 6 pairs 4 in order, one even: 4.5/6. One output
 * or two, it is the same. */
static void auc_counts_pairs(void **state)
{
    static const float one[] = { 0.75f, 0.5f, 0.5f, 0.125f, 0.25f };
    static const float two[] = {
        0.25f, 0.75f, 0.5f, 0.5f, 0.5f, 0.5f, 0.875f, 0.125f, 0.75f, 0.25f
    };
    static const float y[] = { 1, 0, 1, 0, 1 };
    static const uint32_t truth[] = { 1, 0, 1, 0, 1 };
    const double brier = (1.0 / 16 + 1.0 / 4 + 1.0 / 4 + 1.0 / 64 + 9.0 / 16) / 5;
    struct score a = score_of(ACT_SIGMOID, 1, 5, one, NULL, y, 0);
    struct score b = score_of(ACT_SOFTMAX, 2, 5, two, truth, NULL, 0);

    (void)state;
    assert_near(a.auc, 4.5 / 6, EPS);
    assert_near(b.auc, 4.5 / 6, EPS);
    assert_near(a.brier, brier, EPS);
    assert_near(b.brier, brier, EPS);
    assert_near(a.log_loss, b.log_loss, 0);
    assert_int_equal(a.classes, 2);
    assert_int_equal(a.bin[4].right, 1); /* at 1/2 one output says 1, two say 0 */
    assert_int_equal(b.bin[4].right, 1);
    score_done(&a);
    score_done(&b);
}

/* Ranked by a_1 - a_0; nothing is a probability. */
static void linear_outputs_with_labels_are_ranked(void **state)
{
    static const float a[] = { 5, 4, -3, 2, 1, 8, 0, -9 };
    static const uint32_t truth[] = { 0, 1, 1, 0 };
    struct score score = score_of(ACT_LINEAR, 2, 4, a, truth, NULL, 2);

    (void)state;
    assert_near(score.auc, 1.0, 0);
    assert_near(score.top_k, 1.0, 0);
    assert_true(isnan(score.log_loss) && isnan(score.brier) && isnan(score.ece));
    score_done(&score);
}

/* --- numbers by hand --- */

/* First output: e = 1, -1, 0, 2 to y = 0, 1, 2, 3: mae 1, rmse sqrt(6/4), r2 = 1 - 6/5. The second
 * is constant: e = 1, 1, 1, 1. */
static void errors_by_hand(void **state)
{
    static const float y[] = { 0, 0.1f, 1, 0.1f, 2, 0.1f, 3, 0.1f };
    static const float a[] = { 1, 1.1f, 0, 1.1f, 2, 1.1f, 5, 1.1f };
    const double off = (double)1.1f - (double)0.1f;
    struct score score = score_of(ACT_LINEAR, 2, 4, a, NULL, y, 0);
    const struct score_errors first = score_errors(&score, 0), second = score_errors(&score, 1);

    (void)state;
    assert_near(first.mae, 1.0, EPS);
    assert_near(first.rmse, sqrt(1.5), EPS);
    assert_near(first.r2, -0.2, EPS);
    assert_near(second.mae, off, EPS);
    assert_near(second.rmse, off, EPS);
    assert_true(isnan(second.r2));
    assert_near(score.errors.mae, (1.0 + off) / 2, EPS);
    assert_near(score.errors.rmse, (sqrt(1.5) + off) / 2, EPS);
    assert_true(isnan(score.errors.r2));
    score_done(&score);
}

/* --- against scikit-learn --- */

static void classes_as_scikit_learn_has_them(void **state)
{
    static const double top[] = { GOLDEN_MANY_TOP_1, GOLDEN_MANY_TOP_2, GOLDEN_MANY_TOP_3, 1.0 };
    float y[GOLDEN_ROWS];
    struct score score;

    (void)state;
    for (size_t k = 1; k <= 4; k++) {
        score = score_of(ACT_SOFTMAX, 4, GOLDEN_ROWS, golden_many, golden_many_truth, NULL, k);
        assert_near(score.top_k, top[k - 1], EPS);
        assert_near(score.log_loss, GOLDEN_MANY_LOG_LOSS, GOLD);
        assert_near(score.brier, GOLDEN_MANY_BRIER, GOLD);
        assert_near(score.ece, GOLDEN_MANY_ECE, GOLD);
        score_done(&score);
    }
    score = score_of(ACT_SIGMOID, 3, GOLDEN_ROWS, golden_sigmoids, golden_sigmoids_truth, NULL, 0);
    assert_near(score.log_loss, GOLDEN_SIGMOIDS_LOG_LOSS, GOLD);
    assert_near(score.brier, GOLDEN_SIGMOIDS_BRIER, GOLD);
    assert_near(score.ece, GOLDEN_SIGMOIDS_ECE, GOLD);
    score_done(&score);
    for (size_t i = 0; i < GOLDEN_ROWS; i++) {
        y[i] = (float)golden_one_truth[i];
    }
    score = score_of(ACT_SIGMOID, 1, GOLDEN_ROWS, golden_one, NULL, y, 0);
    assert_near(score.log_loss, GOLDEN_ONE_LOG_LOSS, GOLD);
    assert_near(score.brier, GOLDEN_ONE_BRIER, GOLD);
    assert_near(score.auc, GOLDEN_ONE_AUC, GOLD);
    score_done(&score);
}

static void numbers_as_scikit_learn_has_them(void **state)
{
    static const struct score_errors want[] = {
        { GOLDEN_LINEAR_MAE_0, GOLDEN_LINEAR_RMSE_0, GOLDEN_LINEAR_R2_0 },
        { GOLDEN_LINEAR_MAE_1, GOLDEN_LINEAR_RMSE_1, GOLDEN_LINEAR_R2_1 },
        { GOLDEN_LINEAR_MAE_2, GOLDEN_LINEAR_RMSE_2, GOLDEN_LINEAR_R2_2 },
    };
    struct score score =
        score_of(ACT_LINEAR, 3, GOLDEN_ROWS, golden_linear, NULL, golden_linear_want, 0);

    (void)state;
    for (size_t j = 0; j < 3; j++) {
        const struct score_errors is = score_errors(&score, j);

        assert_near(is.mae, want[j].mae, GOLD);
        assert_near(is.rmse, want[j].rmse, GOLD);
        assert_near(is.r2, want[j].r2, GOLD);
    }
    assert_near(score.errors.mae, GOLDEN_LINEAR_MAE, GOLD);
    assert_near(score.errors.rmse, GOLDEN_LINEAR_RMSE, GOLD);
    assert_near(score.errors.r2, GOLDEN_LINEAR_R2, GOLD);
    score_done(&score);
}

/* --- many rows, shared out; and no memory --- */

enum { ROWS = 1000, INPUTS = 3 };

static void run_backwards(struct share *share, share_piece *piece, void *arg, size_t n)
{
    (void)share;
    while (n-- > 0) {
        piece(arg, n);
    }
}

/* The auc of many rows against one that compares every pair; and whatever the rows are shared out
 * to, all of a score has the same bits. */
static void ways_do_not_change_a_bit(void **state)
{
    static _Alignas(64) unsigned char scratch[1 << 20];
    static float x[ROWS][INPUTS], a[ROWS], y[ROWS];
    const struct net_spec spec = {
        .inputs = INPUTS, .n_layers = 1, .layers = { { 1, ACT_SIGMOID } }, .cost = COST_MSE
    };
    const struct data data = { .x = { DTYPE_F32, ROWS, INPUTS, x }, .values = y };
    struct score score[3];
    struct err err = { 0 };
    struct net *net;
    uint64_t twice = 0, pairs = 0;

    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < INPUTS; j++) {
            x[i][j] = (float)((i * 7 + j * 3 + i * i * (j + 1)) % 5) - 2.0f; /* many are equal */
        }
        y[i] = (float)(x[i][0] + (float)(i % 4) > 1.0f);
    }
    assert_true(net_create(&spec, &net, &err));
    net_init(net);
    assert_true(net_scratch(net) <= sizeof scratch);
    for (size_t i = 0; i < 3; i++) {
        struct share share = { .ways = 1 + 3 * i, .run = run_backwards };
        struct eval eval = { .score = &score[i] };

        assert_true(score_init(&score[i], &data, &spec, 0, &err));
        assert_true(net_evaluate(net, &data, scratch, &share, &eval, &err));
        assert_int_equal(score[i].rows, ROWS);
        free(score[i].rank);
        score[i].rank = NULL; /* what is left are values */
        assert_memory_equal(&score[i], &score[0], sizeof *score);
    }
    net_predict(net, &data.x, 0, ROWS, a, scratch, NULL);
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < ROWS; j++) {
            if (y[i] == 1.0f && y[j] == 0.0f) {
                twice += a[i] > a[j] ? 2 : a[i] == a[j];
                pairs++;
            }
        }
    }
    assert_near(score[0].auc, (double)twice / 2.0 / (double)pairs, EPS);
    net_free(net);
}

/* Memory is known in advance: 128 MB at most. */
static void too_many_rows_are_not_ranked(void **state)
{
    static const float a[] = { 0.25f, 0.75f }, y[] = { 0, 1 };
    static const uint32_t truth[] = { 1 };
    const struct net_spec spec = spec_of(2, ACT_SOFTMAX);
    const struct data data = { .x = { .n = (size_t)SCORE_AUC_ROWS_MAX + 1 }, .classes = truth };
    struct score score;
    struct err err = { 0 };

    (void)state;
    fail_malloc_start(1);
    assert_true(score_init(&score, &data, &spec, 0, &err));
    assert_int_equal(fail_malloc_calls, 0);
    fail_malloc_start(0);
    score_add(&score, a, y, 1, 1);
    score_finish(&score);
    assert_true(isnan(score.auc));
    assert_near(score.log_loss, -log(0.75), EPS);
    score_done(&score);
}

static void without_memory_it_says_so(void **state)
{
    static const float y[] = { 0, 1, 0, 0.5f };
    const struct net_spec one = spec_of(1, ACT_SIGMOID), two = spec_of(2, ACT_TANH);
    const struct data flags = { .x = { .n = 3 }, .values = y };
    const struct data numbers = { .x = { .n = 2 }, .values = y };
    struct score score = { .rows = 7 };
    struct err err = { 0 }, other = { 0 };

    (void)state;
    fail_malloc_start(1);
    assert_false(score_init(&score, &flags, &one, 0, &err));
    assert_int_equal(err.code, ERR_MEMORY);
    fail_malloc_start(1);
    assert_false(score_init(&score, &numbers, &two, 0, &other));
    assert_int_equal(other.code, ERR_MEMORY);
    assert_int_equal(fail_malloc_live, 0);
    assert_int_equal(score.rows, 7);
    fail_malloc_start(0);
    assert_true(score_init(&score, &flags, &one, 0, &err));
    score_done(&score);
    assert_true(score_init(&score, &numbers, &two, 0, &err));
    score_done(&score);
    assert_int_equal(fail_malloc_live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_of_one_1_among_zeros_are_classes),
        cmocka_unit_test(rows_that_are_not_picked_do_not_count),
        cmocka_unit_test(k_is_5_or_2_unless_it_is_said),
        cmocka_unit_test(numbers_have_no_top_k),
        cmocka_unit_test(probabilities_by_hand),
        cmocka_unit_test(equal_outputs_take_places_by_index),
        cmocka_unit_test(sigmoids_are_made_to_sum_to_1),
        cmocka_unit_test(an_impossible_truth_costs_52_bits),
        cmocka_unit_test(auc_counts_pairs),
        cmocka_unit_test(linear_outputs_with_labels_are_ranked),
        cmocka_unit_test(errors_by_hand),
        cmocka_unit_test(classes_as_scikit_learn_has_them),
        cmocka_unit_test(numbers_as_scikit_learn_has_them),
        cmocka_unit_test(ways_do_not_change_a_bit),
        cmocka_unit_test(too_many_rows_are_not_ranked),
        cmocka_unit_test(without_memory_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
