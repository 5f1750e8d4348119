/* Predictions of many rows on their way out, as many rows at a time as there are outputs of.
 *
 *   json  as msg_predict.h says, to the byte what predict answers for all rows at once. Labels
 *         stand behind all outputs: for them every row is wanted twice
 *   raw   little-endian float32
 *   npy   NPY 1.0, <f4 (rows, outputs)
 *   csv   a header line: label and the labels, or y0,y1,... without; then a line a row (LF): the
 *         name of its largest output, and all outputs
 *
 * Thread: a writer belongs to one thread at a time. */
#ifndef ANSWER_WRITE_H
#define ANSWER_WRITE_H

#include "msg_predict.h"

enum answer_form { ANSWER_JSON, ANSWER_RAW, ANSWER_NPY, ANSWER_CSV };

/* Object lifetime: the caller's storage; zeros but for the first members. */
struct answer_writer {
    enum answer_form form;
    struct msg_answer answer; /* its outputs are answer_add's */
    size_t rows, cols;        /* in all, rows >= 1; outputs a row */

    size_t row; /* the next that is wanted */
    bool again; /* for their labels */
};

/* Bytes in all; 0: not known. */
uint64_t answer_total(const struct answer_writer *w);
/* Adds the next rows, at least one, out from w->row on, all finite. *end: they were the last. */
void answer_add(struct answer_writer *w, const struct matrix *out, struct text *text, bool *end);

#endif
