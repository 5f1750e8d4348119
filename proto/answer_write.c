#include "answer_write.h"

#include "array.h"
#include "matrix.h"
#include "table_write.h"

uint64_t answer_total(const struct answer_writer *w)
{
    const uint64_t values = (uint64_t)w->rows * w->cols * sizeof(float);

    return w->form == ANSWER_RAW ? values : w->form == ANSWER_NPY ? NPY_HEAD_LEN + values : 0;
}

static void csv_head(const struct answer_writer *w, struct text *text)
{
    const struct labels *labels = w->answer.labels;

    text_str(text, labels != NULL ? "label" : "");
    for (size_t j = 0; j < w->cols; j++) {
        text_str(text, j > 0 || labels != NULL ? "," : "");
        if (labels != NULL) {
            table_csv_text(text, labels->name[j]);
        } else {
            text_printf(text, "y%zu", j);
        }
    }
    text_str(text, "\n");
}

static void csv_rows(const struct answer_writer *w, const struct matrix *out, struct text *text)
{
    const struct labels *labels = w->answer.labels;

    for (size_t i = 0; i < out->rows; i++) {
        const float *row = out->data + i * out->cols;
        size_t best = 0;

        if (labels != NULL) {
            largest_k(row, out->cols, 1, &best);
            table_csv_text(text, labels->name[best]);
        }
        for (size_t j = 0; j < out->cols; j++) {
            text_str(text, j > 0 || labels != NULL ? "," : "");
            text_float(text, row[j]);
        }
        text_str(text, "\n");
    }
}

static void json_rows(struct answer_writer *w, const struct matrix *out, struct text *text)
{
    const bool labels = w->answer.labels != NULL && w->answer.top == 0;
    const bool last = w->row + out->rows == w->rows;

    w->answer.outputs = out;
    if (w->again) {
        msg_predict_labels(text, &w->answer, w->row);
    } else {
        msg_predict_rows(text, &w->answer, w->row);
    }
    text_str(text, !last ? "" : labels && !w->again ? "]" : "]}");
}

void answer_add(struct answer_writer *w, const struct matrix *out, struct text *text, bool *end)
{
    const bool twice = w->form == ANSWER_JSON && w->answer.labels != NULL && w->answer.top == 0;

    if (w->row == 0 && !w->again) {
        switch (w->form) {
        case ANSWER_JSON:
            msg_predict_begin(text, &w->answer);
            break;
        case ANSWER_NPY:
            npy_head_encode(text, "<f4", w->rows, w->cols);
            break;
        case ANSWER_CSV:
            csv_head(w, text);
            break;
        case ANSWER_RAW:
            break;
        }
    }
    if (w->form == ANSWER_JSON) {
        json_rows(w, out, text);
    } else if (w->form == ANSWER_CSV) {
        csv_rows(w, out, text);
    } else {
        matrix_raw_encode(text, out);
    }
    w->row += out->rows;
    *end = w->row == w->rows && (w->again || !twice);
    if (w->row == w->rows && !*end) {
        w->row = 0;
        w->again = true;
    }
}
