#include "score.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define P_LEAST 0x1p-52

/* --- what there is to score --- */

/* One 1 among zeros; of a single value, 0 or 1. */
static bool is_hard(const float *y, size_t n)
{
    size_t ones = 0;

    for (size_t j = 0; j < n; j++) {
        if (y[j] != 0.0f && y[j] != 1.0f) {
            return false;
        }
        ones += y[j] == 1.0f;
    }
    return n == 1 || ones == 1;
}

static enum act output_act(const struct net_spec *spec)
{
    return spec->layers[spec->n_layers - 1].act;
}

enum score_kind score_kind(const struct data *data, const struct net_spec *spec)
{
    const size_t outputs = spec_outputs(spec);
    const enum act act = output_act(spec);

    if (data->classes != NULL) {
        return outputs > 1 ? SCORE_CLASSES : SCORE_NUMBERS;
    }
    if (act != ACT_SIGMOID && (act != ACT_SOFTMAX || outputs == 1)) {
        return SCORE_NUMBERS;
    }
    for (size_t i = 0; i < data_rows(data); i++) {
        if (!is_hard(data->values + data_row(data, i) * outputs, outputs)) {
            return SCORE_NUMBERS;
        }
    }
    return SCORE_CLASSES;
}

static size_t usual_k(size_t classes)
{
    return classes > 5 ? 5 : classes > 2 ? 2 : 0;
}

bool score_init(struct score *ret, const struct data *data, const struct net_spec *spec, size_t k,
                struct err *err)
{
    const size_t outputs = spec_outputs(spec);
    struct score score = { .kind = score_kind(data, spec),
                           .act = output_act(spec),
                           .outputs = outputs,
                           .rows_max = data_rows(data) };

    if (score.kind == SCORE_NUMBERS) {
        if (k > 0) {
            return err_set(err, ERR_FIELD, "top_k",
                           "needs targets that are classes; these are numbers");
        }
        score.output = calloc(outputs, sizeof *score.output);
        if (score.output == NULL) {
            return err_set(err, ERR_MEMORY, "", "there is no memory to sum up %zu outputs",
                           outputs);
        }
    } else {
        score.classes = outputs == 1 ? 2 : outputs;
        score.probable = score.act == ACT_SIGMOID || score.act == ACT_SOFTMAX;
        score.k = k > 0 ? k : usual_k(score.classes);
        if (score.classes == 2 && score.rows_max >= 1 && score.rows_max <= SCORE_AUC_ROWS_MAX) {
            score.rank = malloc(score.rows_max * sizeof *score.rank);
            if (score.rank == NULL) {
                return err_set(err, ERR_MEMORY, "", "there is no memory to rank %zu rows",
                               score.rows_max);
            }
        }
    }
    *ret = score;
    return true;
}

void score_done(struct score *score)
{
    free(score->rank);
    free(score->output);
    *score = (struct score){ 0 };
}

/* --- rows --- */

/* What p_j is a share of. */
static double whole(const struct score *score, const float *a)
{
    double sum = 0.0;

    if (score->act != ACT_SIGMOID || score->outputs == 1) {
        return 1.0;
    }
    for (size_t j = 0; j < score->outputs; j++) {
        sum += (double)a[j];
    }
    return sum;
}

static double probability(const struct score *score, const float *a, double sum, size_t j)
{
    if (score->outputs == 1) {
        return j == 1 ? (double)a[0] : 1.0 - (double)a[0];
    }
    return sum > 0.0 ? (double)a[j] / sum : 1.0 / (double)score->classes;
}

/* The b with (b - 1)/B < p <= b/B, from 0. */
static size_t bin_of(double p)
{
    size_t b = 0;

    while (b < SCORE_BINS - 1 && p > (double)(b + 1) / SCORE_BINS) {
        b++;
    }
    return b;
}

static void add_probabilities(struct score *score, const float *a, size_t truth, size_t answer)
{
    const double sum = whole(score, a);
    const double sure = probability(score, a, sum, answer);
    struct score_bin *bin = &score->bin[bin_of(sure)];
    double squares = 0.0;

    for (size_t j = score->classes == 2; j < score->classes; j++) {
        const double e = probability(score, a, sum, j) - (j == truth ? 1.0 : 0.0);

        squares += e * e;
    }
    score->brier += squares;
    score->log_loss -= log(fmax(probability(score, a, sum, truth), P_LEAST));
    bin->rows++;
    bin->right += truth == answer;
    bin->confidence += sure;
}

static void add_rank(struct score *score, const float *a, size_t truth)
{
    const double at =
        score->probable ? probability(score, a, whole(score, a), 1) : (double)a[1] - (double)a[0];
    const size_t n = score->n_rank[truth]++;

    score->rank[truth == 0 ? n : score->rows_max - 1 - n] = at;
}

/* How many outputs go before that of the truth. Of equals the first is the answer, so too here. */
static size_t place(const float *a, size_t n, size_t truth)
{
    size_t before = 0;

    for (size_t j = 0; j < n; j++) {
        before += a[j] > a[truth] || (j < truth && a[j] == a[truth]);
    }
    return before;
}

static void add_numbers(struct score *score, const float *a, const float *y)
{
    const double part = 1.0 / (double)score->rows; /* this row counted */

    for (size_t j = 0; j < score->outputs; j++) {
        struct score_output *out = &score->output[j];
        const double e = (double)a[j] - (double)y[j], off = (double)y[j] - out->mean;

        out->distance += fabs(e);
        out->squares += e * e;
        out->mean += off * part;
        out->spread += off * ((double)y[j] - out->mean);
    }
}

void score_add(struct score *score, const float *a, const float *y, size_t truth, size_t answer)
{
    assert(score->rows < score->rows_max);
    score->rows++;
    if (score->kind == SCORE_NUMBERS) {
        add_numbers(score, a, y);
        return;
    }
    assert(truth < score->classes && answer < score->classes);
    if (score->probable) {
        add_probabilities(score, a, truth, answer);
    }
    if (score->rank != NULL) {
        add_rank(score, a, truth);
    }
    if (score->k > 0) {
        score->within +=
            score->outputs == 1 ? truth == answer : place(a, score->outputs, truth) < score->k;
    }
}

/* --- after the last row --- */

static void sift(double *v, size_t root, size_t n)
{
    const double at = v[root];

    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        child += child + 1 < n && v[child] < v[child + 1];
        if (!(at < v[child])) {
            break;
        }
        v[root] = v[child];
    }
    v[root] = at;
}

/* Heapsort: qsort may allocate as much again behind our back, and quicksort may take for ever. */
static void sort(double *v, size_t n)
{
    for (size_t i = n / 2; i-- > 0;) {
        sift(v, i, n);
    }
    for (size_t i = n; i-- > 1;) {
        const double top = v[0];

        v[0] = v[i];
        v[i] = top;
        sift(v, 0, i);
    }
}

static double auc_of(const struct score *score)
{
    const size_t n0 = score->n_rank[0], n1 = score->n_rank[1];
    double *zero = score->rank, *one = score->rank + (score->rows_max - n1);
    size_t below = 0, up_to = 0;
    uint64_t twice = 0; /* pairs, an equal one counting 1: at most 2^48 */

    if (n0 == 0 || n1 == 0) {
        return (double)NAN;
    }
    sort(zero, n0);
    sort(one, n1);
    for (size_t i = 0; i < n1; i++) {
        while (below < n0 && zero[below] < one[i]) {
            below++;
        }
        while (up_to < n0 && zero[up_to] <= one[i]) {
            up_to++;
        }
        twice += below + up_to;
    }
    return (double)twice / (2.0 * (double)n0 * (double)n1);
}

static double ece_of(struct score *score)
{
    double sum = 0.0;

    for (size_t b = 0; b < SCORE_BINS; b++) {
        struct score_bin *bin = &score->bin[b];
        const double n = (double)bin->rows;

        bin->accuracy = (double)bin->right / n; /* NAN of none, as is the next */
        bin->confidence /= n;
        sum += bin->rows > 0 ? n * fabs(bin->accuracy - bin->confidence) : 0.0;
    }
    return sum / (double)score->rows;
}

struct score_errors score_errors(const struct score *score, size_t output)
{
    const struct score_output *out = &score->output[output];
    const double n = (double)score->rows;

    return (struct score_errors){ .mae = out->distance / n,
                                  .rmse = sqrt(out->squares / n),
                                  .r2 = out->spread > 0.0 ? 1.0 - out->squares / out->spread
                                                          : (double)NAN };
}

static void finish_numbers(struct score *score)
{
    const double n = (double)score->outputs;

    score->errors = (struct score_errors){ 0 };
    for (size_t j = 0; j < score->outputs; j++) {
        const struct score_errors one = score_errors(score, j);

        score->errors.mae += one.mae;
        score->errors.rmse += one.rmse;
        score->errors.r2 += one.r2;
    }
    score->errors.mae /= n;
    score->errors.rmse /= n;
    score->errors.r2 /= n;
}

void score_finish(struct score *score)
{
    const double n = (double)score->rows;

    score->top_k = score->k > 0 ? (double)score->within / n : (double)NAN;
    score->auc = score->rank != NULL ? auc_of(score) : (double)NAN;
    if (score->kind == SCORE_NUMBERS) {
        finish_numbers(score);
    }
    if (score->probable) {
        score->log_loss /= n;
        score->brier /= n;
        score->ece = ece_of(score);
    } else {
        score->log_loss = score->brier = score->ece = (double)NAN;
    }
}
