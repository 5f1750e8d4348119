#include "msg_predict.h"

#include <inttypes.h>
#include <stdlib.h>

#include "value.h"

struct predict_in {
    const struct rows_limits *limits;
    struct arena *arena;
    struct msg_rows rows;
    bool remember;
};

static bool read_inputs(struct scan *scan, void *into, struct err *err)
{
    struct predict_in *in = into;

    return msg_rows_inputs(scan, in->limits, in->arena, &in->rows, err);
}

static bool read_remember(struct scan *scan, void *into, struct err *err)
{
    struct predict_in *in = into;

    return value_boolean(scan, &in->remember, err);
}

bool msg_predict_decode(const char *body, size_t len, const struct rows_limits *limits,
                        struct arena *arena, struct msg_predict *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "inputs", read_inputs, true },
        { "remember", read_remember, false },
    };
    struct predict_in in = { .limits = limits, .arena = arena };

    if (!value_body(body, len, "predict", fields, sizeof fields / sizeof *fields, &in, err)) {
        return false;
    }
    ret->inputs = in.rows.inputs;
    ret->remember = in.remember;
    return true;
}

void largest_k(const float *values, size_t n, size_t k, size_t *ret)
{
    size_t have = 0;

    /* Insertion into the sorted front: n k steps at most, and about n when k is small. */
    for (size_t i = 0; i < n; i++) {
        size_t at = have < k ? have++ : k;

        while (at > 0 && values[ret[at - 1]] < values[i]) {
            if (at < k) {
                ret[at] = ret[at - 1];
            }
            at--;
        }
        if (at < k) {
            ret[at] = i;
        }
    }
}

static void encode_label(struct text *text, const struct labels *labels, size_t i)
{
    if (labels != NULL) {
        text_json(text, labels->name[i]);
    } else {
        text_str(text, "null");
    }
}

static void encode_top(struct text *text, const struct msg_answer *answer, const float *row,
                       size_t cols)
{
    size_t *order = malloc(answer->top * sizeof *order);

    if (order == NULL) {
        text->failed = true;
        return;
    }
    largest_k(row, cols, answer->top, order);
    text_str(text, "[");
    for (size_t k = 0; k < answer->top; k++) {
        text_str(text, k == 0 ? "{\"label\": " : ", {\"label\": ");
        encode_label(text, answer->labels, order[k]);
        text_printf(text, ", \"index\": %zu, \"probability\": ", order[k]);
        text_float(text, row[order[k]]);
        text_str(text, "}");
    }
    text_str(text, "]");
    free(order);
}

void msg_predict_begin(struct text *text, const struct msg_answer *answer)
{
    text_str(text, "{\"model\": ");
    text_json(text, answer->model);
    text_printf(text, ", \"version\": %" PRIu64 ", ", answer->version);
    text_str(text, answer->top > 0 ? "\"top\": [" : "\"outputs\": [");
}

void msg_predict_rows(struct text *text, const struct msg_answer *answer, size_t first)
{
    const struct matrix *out = answer->outputs;

    for (size_t i = 0; i < out->rows; i++) {
        const float *row = out->data + i * out->cols;

        text_str(text, first + i > 0 ? ", " : "");
        if (answer->top > 0) {
            encode_top(text, answer, row, out->cols);
        } else {
            text_floats(text, row, out->cols);
        }
    }
}

void msg_predict_labels(struct text *text, const struct msg_answer *answer, size_t first)
{
    const struct matrix *out = answer->outputs;

    text_str(text, first == 0 ? ", \"labels\": [" : "");
    for (size_t i = 0; i < out->rows; i++) {
        size_t best = 0;

        largest_k(out->data + i * out->cols, out->cols, 1, &best);
        text_str(text, first + i > 0 ? ", " : "");
        text_json(text, answer->labels->name[best]);
    }
}

void msg_predict_encode(struct text *text, const struct msg_answer *answer)
{
    msg_predict_begin(text, answer);
    msg_predict_rows(text, answer, 0);
    text_str(text, "]");
    if (answer->top == 0 && answer->labels != NULL) {
        msg_predict_labels(text, answer, 0);
        text_str(text, "]");
    }
    if (answer->prediction != NULL) {
        text_printf(text, ", \"prediction\": \"%s\"", answer->prediction);
    }
    text_str(text, "}");
}
