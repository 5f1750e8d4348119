#include "msg_rows.h"

#include <inttypes.h>
#include <string.h>

#include "quote.h"
#include "value.h"

#define ROWS_BEGIN 16 /* rows, or labels, that room is made for before their size is known */

/* Room for more rows of a matrix. How many may come is guessed from what is left of the body and
 * how much of it a row took so far, so that a long body is copied once or not at all; and it is
 * bounded by what the rest can hold at two bytes a value, so that it is no lever for a client. */
static bool matrix_grow(struct matrix *matrix, size_t *cap, const struct scan *scan,
                        const char *begin, size_t max_rows, struct arena *arena, struct err *err)
{
    const size_t used = (size_t)(scan->at - begin), left = (size_t)(scan->end - scan->at);
    const size_t guess = matrix->rows == 0 ? 0 : left / (used / matrix->rows + 1);
    const size_t most = left / 2 / matrix->cols + 1;
    size_t more = guess + guess / 16 + ROWS_BEGIN, rows, len;
    float *data;

    more = more < most ? more : most;
    rows = matrix->rows + more < max_rows ? matrix->rows + more : max_rows;
    data = __builtin_mul_overflow(rows, matrix->cols, &len) ? NULL
                                                            : arena_alloc(arena, len, sizeof *data);
    if (data == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory for %zu rows of %zu values", rows,
                       matrix->cols);
    }
    if (matrix->rows > 0) {
        memcpy(data, matrix->data, matrix->rows * matrix->cols * sizeof *data);
    }
    matrix->data = data;
    *cap = rows;
    return true;
}

/* How many values the row has that begins here. */
static bool row_count(const struct scan *scan, size_t *ret, struct err *err)
{
    struct scan ahead = *scan;

    if (!value_row(&ahead, NULL, 0, ret, err)) {
        return false;
    }
    return *ret > 0 || err_set(err, ERR_FIELD, "", "has no values");
}

static bool too_many(struct scan *scan, size_t n, size_t max, const char *what, struct err *err)
{
    bool more = true;

    /* n - 1 were read and one more begins here: the rest is only counted. */
    while (more) {
        if (!scan_skip(scan, err) || !scan_next(scan, &more, err)) {
            return false;
        }
        n += more;
    }
    return err_set(err, ERR_TOO_LARGE, "", "has %zu %s, more than %zu", n, what, max);
}

static bool matrix_read(struct scan *scan, size_t cols, size_t max_rows, struct arena *arena,
                        struct matrix *ret, struct err *err)
{
    struct matrix matrix = { .cols = cols };
    size_t cap = 0;
    const char *begin;
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array of rows", err) || !scan_enter(scan, err)) {
        return false;
    }
    begin = scan->at;
    for (;; matrix.rows++) {
        if (!scan_next(scan, &more, err)) {
            return false;
        }
        if (!more) {
            break;
        }
        if (matrix.rows == max_rows) {
            return too_many(scan, matrix.rows + 1, max_rows, "rows", err);
        }
        if (matrix.cols == 0 && !row_count(scan, &matrix.cols, err)) {
            return value_in(err, "[%zu]", matrix.rows);
        }
        if (matrix.rows == cap && !matrix_grow(&matrix, &cap, scan, begin, max_rows, arena, err)) {
            return false;
        }
        if (!value_row_of(scan, matrix.data + matrix.rows * matrix.cols, matrix.cols, err)) {
            return value_in(err, "[%zu]", matrix.rows);
        }
    }
    if (matrix.rows == 0) {
        return err_set(err, ERR_FIELD, "", "must have 1 row or more, has none");
    }
    *ret = matrix;
    return true;
}

bool msg_rows_inputs(struct scan *scan, const struct rows_limits *limits, struct arena *arena,
                     struct msg_rows *ret, struct err *err)
{
    ret->has_inputs = true;
    return matrix_read(scan, limits->inputs_cols, limits->max_rows, arena, &ret->inputs, err);
}

bool msg_rows_targets(struct scan *scan, const struct rows_limits *limits, struct arena *arena,
                      struct msg_rows *ret, struct err *err)
{
    ret->has_targets = true;
    return matrix_read(scan, limits->targets_cols, limits->max_rows, arena, &ret->targets, err);
}

static bool label_read(struct scan *scan, struct arena *arena, struct label_ref *ret,
                       struct err *err)
{
    char name[LABEL_LEN_MAX + 1];
    enum scan_kind kind;
    size_t len;

    *ret = (struct label_ref){ 0 };
    if (!scan_peek(scan, &kind, err)) {
        return false;
    }
    if (kind == SCAN_NUMBER) {
        return value_whole(scan, 0, INT64_MAX, &ret->index, err);
    }
    if (kind != SCAN_STRING) {
        return err_set(err, ERR_FIELD, "", "must be a string or a whole number, is %s",
                       scan_kind_name(kind));
    }
    if (!value_string(scan, name, sizeof name, &len, err)) {
        return false;
    }
    ret->name = arena_copy(arena, name, len);
    return ret->name != NULL || err_set(err, ERR_MEMORY, "", "no memory for a label");
}

static struct label_ref *labels_grow(const struct label_ref *labels, size_t n, size_t *cap,
                                     struct arena *arena, struct err *err)
{
    struct label_ref *ret;

    *cap = n == 0 ? ROWS_BEGIN : 2 * n;
    ret = arena_alloc(arena, *cap, sizeof *ret);
    if (ret == NULL) {
        err_set(err, ERR_MEMORY, "", "no memory for %zu labels", *cap);
    } else if (n > 0) {
        memcpy(ret, labels, n * sizeof *ret);
    }
    return ret;
}

bool msg_rows_labels(struct scan *scan, const struct rows_limits *limits, struct arena *arena,
                     struct msg_rows *ret, struct err *err)
{
    struct label_ref *labels = NULL;
    size_t n = 0, cap = 0;
    bool more;

    ret->has_labels = true;
    if (!scan_expect(scan, SCAN_ARRAY, "an array of labels", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (;; n++) {
        if (!scan_next(scan, &more, err)) {
            return false;
        }
        if (!more) {
            break;
        }
        if (n == limits->max_rows) {
            return too_many(scan, n + 1, limits->max_rows, "labels", err);
        }
        if (n == cap) {
            labels = labels_grow(labels, n, &cap, arena, err);
            if (labels == NULL) {
                return false;
            }
        }
        if (!label_read(scan, arena, &labels[n], err)) {
            return value_in(err, "[%zu]", n);
        }
    }
    ret->labels = labels;
    ret->n_labels = n;
    return true;
}

bool msg_rows_truth_check(const struct msg_rows *rows, struct err *err)
{
    if (rows->has_targets && rows->has_labels) {
        return err_set(err, ERR_FIELD, "labels", "is there beside targets: give one of them");
    }
    if (!rows->has_targets && !rows->has_labels) {
        return err_set(err, ERR_FIELD, "targets", "is missing, and so is labels: give one of them");
    }
    return true;
}

bool msg_rows_count_check(const struct msg_rows *rows, const char *inputs, struct err *err)
{
    if (rows->has_targets && rows->targets.rows != rows->inputs.rows) {
        return err_set(err, ERR_FIELD, "targets", "has %zu rows, %s has %zu", rows->targets.rows,
                       inputs, rows->inputs.rows);
    }
    if (rows->has_labels && rows->n_labels != rows->inputs.rows) {
        return err_set(err, ERR_FIELD, "labels", "has %zu entries, %s has %zu rows", rows->n_labels,
                       inputs, rows->inputs.rows);
    }
    return true;
}

bool msg_rows_check(const struct msg_rows *rows, struct err *err)
{
    if (!rows->has_inputs) {
        return err_set(err, ERR_FIELD, "inputs", "is missing");
    }
    return msg_rows_truth_check(rows, err) && msg_rows_count_check(rows, "inputs", err);
}

bool msg_labels_resolve(const struct msg_rows *rows, const struct labels *labels, size_t outputs,
                        uint32_t *ret, struct err *err)
{
    for (size_t i = 0; i < rows->n_labels; i++) {
        const struct label_ref *label = &rows->labels[i];

        if (label->name == NULL) {
            if (label->index >= outputs) {
                err_set(err, ERR_FIELD, "", "must be below %zu, is %" PRIu64, outputs,
                        label->index);
                return value_in(err, "labels[%zu]", i);
            }
            ret[i] = (uint32_t)label->index;
        } else if (labels == NULL ||
                   !labels_find(labels, label->name, strlen(label->name), &ret[i])) {
            err_set(err, ERR_FIELD, "", "'%s' %s", quote(label->name, strlen(label->name)).text,
                    labels == NULL ? "is a name, but the model has no labels: give indices"
                                   : "is not a label of the model");
            return value_in(err, "labels[%zu]", i);
        }
    }
    return true;
}
