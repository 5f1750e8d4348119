/* What infer is answered with. */
#include "msg_infer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "matrix.h"
#include "msg_predict.h"

/* "value:index:label" of each row's k largest outputs, one after another, each ended by a NUL. */
static void classes_write(struct text *text, const struct matrix *out, size_t k,
                          const struct labels *labels)
{
    size_t *order = malloc(k * sizeof *order);

    if (order == NULL) {
        text->failed = true;
        return;
    }
    for (size_t i = 0; i < out->rows; i++) {
        const float *row = out->data + i * out->cols;

        largest_k(row, out->cols, k, order);
        for (size_t c = 0; c < k; c++) {
            text_float(text, row[order[c]]);
            text_printf(text, ":%zu", order[c]);
            if (labels != NULL) {
                text_str(text, ":");
                text_str(text, labels->name[order[c]]);
            }
            text_add(text, "", 1);
        }
    }
    free(order);
}

/* BYTES in JSON: strings; behind it: each with its length, 4 bytes, before it. */
static void classes_encode(struct text *text, const struct text *classes, bool binary)
{
    for (size_t at = 0; at < classes->len;) {
        const size_t len = strlen(classes->data + at);

        if (binary) {
            const char head[4] = { (char)(len & 0xff), (char)(len >> 8 & 0xff),
                                   (char)(len >> 16 & 0xff), (char)(len >> 24 & 0xff) };

            text_add(text, head, sizeof head);
            text_add(text, classes->data + at, len);
        } else {
            text_str(text, at == 0 ? "" : ", ");
            text_json(text, classes->data + at);
        }
        at += len + 1;
    }
}

static void data_encode(struct text *text, const struct msg_infer *msg, const struct matrix *out,
                        const struct text *classes)
{
    text_str(text, ", \"data\": ");
    if (msg->classification > 0) {
        text_str(text, "[");
        classes_encode(text, classes, false);
        text_str(text, "]");
    } else {
        text_floats(text, out->data, out->rows * out->cols);
    }
}

void msg_infer_encode(struct text *text, const char *model, uint64_t version,
                      const struct msg_infer *msg, const struct matrix *out,
                      const struct labels *labels, size_t *json_len)
{
    const size_t k = msg->classification;
    struct text classes = { 0 }, binary = { 0 };

    if (k > 0) {
        classes_write(&classes, out, k, labels);
    }
    if (msg->binary && k > 0) {
        classes_encode(&binary, &classes, true);
    } else if (msg->binary) {
        matrix_raw_encode(&binary, out);
    }
    text_str(text, "{\"model_name\": ");
    text_json(text, model);
    text_printf(text, ", \"model_version\": \"%" PRIu64 "\", ", version);
    if (msg->id != NULL) {
        text_str(text, "\"id\": ");
        text_json(text, msg->id);
        text_str(text, ", ");
    }
    text_printf(text,
                "\"outputs\": [{\"name\": \"" INFER_OUTPUT "\", \"datatype\": \"%s\", "
                "\"shape\": [%zu, %zu]",
                k > 0 ? "BYTES" : "FP32", out->rows, k > 0 ? k : out->cols);
    if (msg->binary) {
        text_printf(text, ", \"parameters\": {\"binary_data_size\": %zu}", binary.len);
    } else {
        data_encode(text, msg, out, &classes);
    }
    text_str(text, "}]}");
    *json_len = text->len;
    text->failed = text->failed || classes.failed || binary.failed;
    if (binary.len > 0) {
        text_add(text, binary.data, binary.len);
    }
    text_done(&classes);
    text_done(&binary);
}
