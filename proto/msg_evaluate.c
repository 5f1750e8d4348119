#include "msg_evaluate.h"

#include <inttypes.h>
#include <math.h>

/* What a class's row and column of the confusion matrix sum up to. */
struct class_sums {
    uint64_t truth, answered, both;
};

static struct class_sums class_sums(const uint64_t *confusion, size_t n, size_t i)
{
    struct class_sums sums = { .both = confusion[i * n + i] };

    for (size_t j = 0; j < n; j++) {
        sums.truth += confusion[i * n + j];
        sums.answered += confusion[j * n + i];
    }
    return sums;
}

/* NaN, and so null, when there is nothing to have a share of. */
static double ratio(uint64_t part, uint64_t whole)
{
    return whole == 0 ? (double)NAN : (double)part / (double)whole;
}

/* Of an object: ", \"name\": ", and then the value. */
static void member(struct text *text, const char *before, double value)
{
    text_str(text, before);
    text_double(text, value);
}

static void encode_class(struct text *text, const struct class_sums *sums, size_t i,
                         const struct labels *labels)
{
    text_str(text, "{\"label\": ");
    if (labels != NULL) {
        text_json(text, labels->name[i]);
    } else {
        text_printf(text, "\"%zu\"", i);
    }
    member(text, ", \"precision\": ", ratio(sums->both, sums->answered));
    member(text, ", \"recall\": ", ratio(sums->both, sums->truth));
    /* the harmonic mean of both, in whole numbers */
    member(text, ", \"f1\": ", ratio(2 * sums->both, sums->answered + sums->truth));
    text_printf(text, ", \"support\": %" PRIu64 "}", sums->truth);
}

/* Means over the classes that occur, as truths or as answers; a ratio of 0/0 counts as 0 in them,
 * as scikit-learn has it. */
struct means {
    double precision, recall, f1, weight; /* sums, and what they are to be divided by */
};

static void means_add(struct means *means, const struct class_sums *sums, double weight)
{
    if (sums->answered + sums->truth > 0) {
        means->precision += weight * fmax(0.0, ratio(sums->both, sums->answered));
        means->recall += weight * fmax(0.0, ratio(sums->both, sums->truth));
        means->f1 += weight * ratio(2 * sums->both, sums->answered + sums->truth);
        means->weight += weight;
    }
}

static void encode_means(struct text *text, const char *name, const struct means *means)
{
    text_printf(text, ", \"%s\": {\"precision\": ", name);
    text_double(text, means->precision / means->weight);
    member(text, ", \"recall\": ", means->recall / means->weight);
    member(text, ", \"f1\": ", means->f1 / means->weight);
    text_str(text, "}");
}

static void encode_classes(struct text *text, const uint64_t *confusion, size_t n,
                           const struct labels *labels)
{
    struct means macro = { 0 }, weighted = { 0 };

    text_str(text, ", \"classes\": [");
    for (size_t i = 0; i < n; i++) {
        const struct class_sums sums = class_sums(confusion, n, i);

        text_str(text, i == 0 ? "" : ", ");
        encode_class(text, &sums, i, labels);
        means_add(&macro, &sums, 1.0);
        means_add(&weighted, &sums, (double)sums.truth);
    }
    text_str(text, "]");
    encode_means(text, "macro", &macro);
    encode_means(text, "weighted", &weighted);
}

static void encode_confusion(struct text *text, const uint64_t *confusion, size_t n)
{
    text_str(text, ", \"confusion\": [");
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            text_printf(text, "%s%" PRIu64,
                        j > 0   ? ", "
                        : i > 0 ? ", ["
                                : "[",
                        confusion[i * n + j]);
        }
        text_str(text, "]");
    }
    text_str(text, "]");
}

static void encode_calibration(struct text *text, const struct score *score)
{
    member(text, ", \"calibration\": {\"error\": ", score->ece);
    text_str(text, ", \"bins\": [");
    for (size_t b = 0; b < SCORE_BINS; b++) {
        const struct score_bin *bin = &score->bin[b];

        text_printf(text, "%s{\"rows\": %zu", b == 0 ? "" : ", ", bin->rows);
        member(text, ", \"confidence\": ", bin->confidence);
        member(text, ", \"accuracy\": ", bin->accuracy);
        text_str(text, "}");
    }
    text_str(text, "]}");
}

static void encode_score(struct text *text, const struct score *score)
{
    if (score->k > 0) {
        text_printf(text, ", \"top_k\": %zu", score->k);
        member(text, ", \"top_k_accuracy\": ", score->top_k);
    }
    if (score->probable) {
        member(text, ", \"log_loss\": ", score->log_loss);
        member(text, ", \"brier\": ", score->brier);
    }
    if (score->classes == 2) {
        member(text, ", \"auc\": ", score->auc);
    }
    if (score->probable) {
        encode_calibration(text, score);
    }
}

static void encode_errors(struct text *text, const struct score_errors *errors)
{
    member(text, "\"mae\": ", errors->mae);
    member(text, ", \"rmse\": ", errors->rmse);
    member(text, ", \"r2\": ", errors->r2);
}

static void encode_numbers(struct text *text, const struct score *score)
{
    text_str(text, ", ");
    encode_errors(text, &score->errors);
    if (score->outputs == 1 || score->outputs > EVALUATE_OUTPUTS_MAX) {
        return;
    }
    text_str(text, ", \"outputs\": [");
    for (size_t j = 0; j < score->outputs; j++) {
        const struct score_errors one = score_errors(score, j);

        text_str(text, j == 0 ? "{" : ", {");
        encode_errors(text, &one);
        text_str(text, "}");
    }
    text_str(text, "]");
}

void msg_evaluate_encode(struct text *text, const struct msg_evaluation *said)
{
    const struct eval *eval = said->eval;
    const struct score *score = eval->score;

    text_str(text, "{\"model\": ");
    text_json(text, said->model);
    text_printf(text, ", \"version\": %" PRIu64 ", \"rows\": %zu", said->version, eval->rows);
    member(text, ", \"loss\": ", eval->loss);
    if (said->has_accuracy || score->kind == SCORE_CLASSES) {
        member(text, ", \"accuracy\": ", ratio(eval->correct, eval->rows));
    }
    if (score->kind == SCORE_NUMBERS) {
        encode_numbers(text, score);
    } else {
        encode_score(text, score);
        if (eval->confusion != NULL) {
            encode_confusion(text, eval->confusion, score->classes);
            encode_classes(text, eval->confusion, score->classes,
                           score->outputs == 1 ? NULL : said->labels);
        }
    }
    text_str(text, "}");
}
