/* Rows in a JSON body, with or without what they should give: the part that predict, learn,
 * evaluate and train share.
 *
 *   "inputs":  [[0, 1], [1, 1]]      one array a row, all of the same length
 *   "targets": [[1], [0]]            rows of numbers, or
 *   "labels":  ["cat", "dog"]        strings are class names, whole numbers their indices
 *
 * Numbers must be finite as float32: 1e999 and 1e39 are refused, so are NaN and Infinity. */
#ifndef MSG_ROWS_H
#define MSG_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "labels.h"

struct matrix {
    size_t rows, cols;
    float *data; /* in the request's arena; rows x cols, row-major */
};

struct label_ref {
    const char *name; /* in the arena; NULL: index counts */
    uint64_t index;
};

struct msg_rows {
    bool has_inputs, has_targets, has_labels;
    struct matrix inputs;
    struct matrix targets;
    struct label_ref *labels; /* in the arena */
    size_t n_labels;
};

/* What the decoder holds rows to. cols 0: the first row's length decides. */
struct rows_limits {
    size_t inputs_cols, targets_cols;
    size_t max_rows;
};

/* Turns labels into class indices: names by labels (which may be NULL: then only indices are
 * taken), indices must be below outputs. ret[rows->n_labels]. Errors: ERR_FIELD at "labels[i]". */
bool msg_labels_resolve(const struct msg_rows *rows, const struct labels *labels, size_t outputs,
                        uint32_t *ret, struct err *err);

struct scan;

/* For the decoders of messages with rows in them: one field's value each, read where it begins.
 * Errors: as below, with places within the value: "[3][2]". */
bool msg_rows_inputs(struct scan *scan, const struct rows_limits *limits, struct arena *arena,
                     struct msg_rows *ret, struct err *err);
bool msg_rows_targets(struct scan *scan, const struct rows_limits *limits, struct arena *arena,
                      struct msg_rows *ret, struct err *err);
bool msg_rows_labels(struct scan *scan, const struct rows_limits *limits, struct arena *arena,
                     struct msg_rows *ret, struct err *err);
/* Inputs with either targets or labels, as many as there are inputs. Errors: ERR_FIELD. */
bool msg_rows_check(const struct msg_rows *rows, struct err *err);
/* The two halves of it, for inputs that come from elsewhere: either targets or labels are there; as
 * many as the inputs, which the message calls by that name. */
bool msg_rows_truth_check(const struct msg_rows *rows, struct err *err);
bool msg_rows_count_check(const struct msg_rows *rows, const char *inputs, struct err *err);

/* Errors, in all messages: ERR_SYNTAX at "body" with line and column for what is not JSON (nested
 * over 64 deep included); ERR_FIELD at the field's path: unknown or repeated fields, wrong types,
 * missing ones ("is missing"); `inputs[3] has 5 values, expected 4`; ERR_RANGE at `inputs[3][2]`
 * for a number that does not fit float32; ERR_LIMIT... at "inputs" above max_rows is ERR_TOO_LARGE.
 */

#endif
