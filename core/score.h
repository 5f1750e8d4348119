/* How good a net's answers are, beyond its cost: sums over the rows, one after the other in
 * float64, so that they have the same bits however the rows were shared out.
 *
 * For classes, with p_j the probability that output j gives to its class, t the true one, y_j 1
 * for j = t and 0 for the others, n rows and m classes:
 *
 *   p          softmax: p_j = a_j;  sigmoid: p_j = a_j / sum_k a_k, or 1/m when all are 0;
 *              one sigmoid output: p_1 = a, p_0 = 1 - a; linear and tanh: none
 *   top k      share of the rows with #{j: a_j > a_t} + #{j < t: a_j = a_t} < k
 *   log loss   -1/n sum_x ln max(p_t, 2^-52)
 *   brier      1/n sum_x sum_j (p_j - y_j)^2;  two classes: 1/n sum_x (p_1 - y_1)^2
 *   auc        two classes: share of the pairs of a row of class 1 and one of class 0 in which
 *              the former's score is larger, equal ones counting 1/2; the score is p_1, or
 *              a_1 - a_0 of linear and tanh outputs
 *   bins       a row falls into bin b of B = 10 by its confidence, p of its answer:
 *              (b - 1)/B < p <= b/B
 *   ece        sum_b n_b/n |right_b/n_b - confidence_b|, the latter the mean over the bin's rows
 *
 * For numbers, with e = a_j - y_j, of each output j; the mean of each over the outputs stands for
 * all of them:
 *
 *   mae        1/n sum_x |e|
 *   rmse       sqrt(1/n sum_x e^2)
 *   r2         1 - sum_x e^2 / sum_x (y_j - mean y_j)^2;  NAN when all y_j are equal, and so is
 *              then the mean over the outputs
 *
 * Sources: as scikit-learn 1.2 has log_loss (its smallest p of float64), top_k_accuracy_score (but
 * for ties), brier_score_loss (two classes), roc_auc_score, mean_absolute_error,
 * mean_squared_error with squared=False, r2_score with force_finite=False. Brier, Monthly Weather
 * Review 78, 1950, eq. 2 (many classes). Hanley and McNeil, Radiology 143, 1982 (auc as the
 * Mann-Whitney statistic). Guo et al., On Calibration of Modern Neural Networks, 2017, eq. 3 (ece).
 * sum_x (y - mean)^2 is kept by Welford's recurrence, Technometrics 4, 1962, which is 0 exactly for
 * a constant. */
#ifndef SCORE_H
#define SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "rows.h"
#include "spec.h"

#define SCORE_BINS 10
#define SCORE_AUC_ROWS_MAX (1u << 24) /* 128 MB of scores; of more rows there is no auc */

enum score_kind {
    SCORE_CLASSES, /* labels; or numbers that are 1 for one sigmoid or softmax output and 0 for the
                      others, or 0 and 1 of a single sigmoid output */
    SCORE_NUMBERS, /* all else */
};

/* Sums until score_finish, then means; of no rows NAN. */
struct score_bin {
    size_t rows, right;
    double confidence, accuracy;
};

struct score_errors {
    double mae, rmse, r2;
};

struct score_output {
    double distance, squares; /* sum_x |e|, sum_x e^2 */
    double mean, spread;      /* of y so far; sum_x (y - mean)^2 */
};

/* Lifetime: score_init to score_done. Thread: one at a time. Memory: 8 bytes a row for two classes,
 * 32 an output for numbers, nothing else that grows. */
struct score {
    enum score_kind kind;
    enum act act;
    bool probable;           /* there is a p */
    size_t outputs, classes; /* classes: outputs, or two of one output; 0 for numbers */
    size_t k;                /* of top k; 0: not asked for */
    size_t rows, rows_max;   /* seen so far; to come in all */

    size_t within; /* rows whose truth is among the k largest */
    struct score_bin bin[SCORE_BINS];
    double log_loss, brier; /* sums until score_finish, then means; NAN unless probable */
    double ece, auc, top_k; /* by score_finish; NAN where there is none; auc: of one class, too */

    double *rank; /* owned; [rows_max], class 0's scores from the front, class 1's from the back */
    size_t n_rank[2];

    struct score_output *output; /* owned; [outputs] for numbers */
    struct score_errors errors;  /* by score_finish: means over the outputs */
};

/* What those targets are to that net. Walks through all of them. */
enum score_kind score_kind(const struct data *data, const struct net_spec *spec);

/* k: 1 to the outputs, or 0 for what is usual: 5 (Keras), of 3 to 5 classes 2 (scikit-learn), of
 * fewer none. Errors: ERR_FIELD at "top_k", when it is not 0, if the targets are numbers;
 * ERR_MEMORY. */
bool score_init(struct score *ret, const struct data *data, const struct net_spec *spec, size_t k,
                struct err *err);
void score_done(struct score *score);

/* The next row: its outputs a and targets y, [outputs] each; of classes the true one and the
 * answer. */
void score_add(struct score *score, const float *a, const float *y, size_t truth, size_t answer);
/* Once, after the last row. Takes O(rows ln rows) for the auc, in place. */
void score_finish(struct score *score);
/* Of one output, after score_finish; SCORE_NUMBERS only. */
struct score_errors score_errors(const struct score *score, size_t output);

#endif
