#include "msg_predict.h"

#include <inttypes.h>
#include <math.h>

#include "value.h"

struct predict_in {
    const struct rows_limits *limits;
    struct arena *arena;
    struct msg_rows rows;
};

static bool read_inputs(struct scan *scan, void *into, struct err *err)
{
    struct predict_in *in = into;

    return msg_rows_inputs(scan, in->limits, in->arena, &in->rows, err);
}

bool msg_predict_decode(const char *body, size_t len, const struct rows_limits *limits,
                        struct arena *arena, struct msg_predict *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "inputs", read_inputs, true },
    };
    struct predict_in in = { .limits = limits, .arena = arena };

    if (!value_body(body, len, "predict", fields, sizeof fields / sizeof *fields, &in, err)) {
        return false;
    }
    ret->inputs = in.rows.inputs;
    return true;
}

/* The first of the largest. */
static size_t largest(const float *values, size_t n)
{
    size_t at = 0;

    for (size_t i = 1; i < n; i++) {
        if (values[i] > values[at]) {
            at = i;
        }
    }
    return at;
}

bool msg_predict_encode(struct text *text, const char *model, uint64_t version,
                        const struct matrix *outputs, const struct labels *labels, struct err *err)
{
    for (size_t i = 0; i < outputs->rows * outputs->cols; i++) {
        if (!isfinite(outputs->data[i])) {
            err_set(err, ERR_NUMBER, "", "is not finite");
            return err_in(err, "outputs[%zu]", i / outputs->cols);
        }
    }
    text_str(text, "{\"model\": ");
    text_json(text, model);
    text_printf(text, ", \"version\": %" PRIu64 ", \"outputs\": ", version);
    text_rows(text, outputs->data, outputs->rows, outputs->cols);
    if (labels != NULL) {
        text_str(text, ", \"labels\": [");
        for (size_t i = 0; i < outputs->rows; i++) {
            text_str(text, i == 0 ? "" : ", ");
            text_json(text,
                      labels->name[largest(outputs->data + i * outputs->cols, outputs->cols)]);
        }
        text_str(text, "]");
    }
    text_str(text, "}");
    return true;
}
