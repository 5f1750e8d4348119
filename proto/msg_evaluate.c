/* The answer to evaluate; what it is asked with is in msg_train.c. */
#include <inttypes.h>
#include <math.h>

#include "msg_train.h"

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

static void encode_class(struct text *text, const struct class_sums *sums, size_t i,
                         const struct labels *labels)
{
    text_str(text, "{\"label\": ");
    if (labels != NULL) {
        text_json(text, labels->name[i]);
    } else {
        text_printf(text, "\"%zu\"", i);
    }
    text_str(text, ", \"precision\": ");
    text_double(text, ratio(sums->both, sums->answered));
    text_str(text, ", \"recall\": ");
    text_double(text, ratio(sums->both, sums->truth));
    text_str(text, ", \"f1\": "); /* the harmonic mean of both, in whole numbers */
    text_double(text, ratio(2 * sums->both, sums->answered + sums->truth));
    text_printf(text, ", \"support\": %" PRIu64 "}", sums->truth);
}

/* Means over the classes that occur, as truths or as answers; a ratio of 0/0 counts as 0 in them, as
 * scikit-learn has it. */
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
    text_str(text, ", \"recall\": ");
    text_double(text, means->recall / means->weight);
    text_str(text, ", \"f1\": ");
    text_double(text, means->f1 / means->weight);
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

void msg_evaluate_encode(struct text *text, const char *model, uint64_t version,
                         const struct eval *eval, bool has_accuracy, size_t outputs,
                         const struct labels *labels)
{
    text_str(text, "{\"model\": ");
    text_json(text, model);
    text_printf(text, ", \"version\": %" PRIu64 ", \"rows\": %zu, \"loss\": ", version, eval->rows);
    text_double(text, eval->loss);
    if (has_accuracy || eval->confusion != NULL) {
        text_str(text, ", \"accuracy\": ");
        text_double(text, ratio(eval->correct, eval->rows));
    }
    if (eval->confusion != NULL) {
        encode_confusion(text, eval->confusion, outputs);
        encode_classes(text, eval->confusion, outputs, labels);
    }
    text_str(text, "}");
}
