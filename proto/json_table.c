#include <stdlib.h>
#include <string.h>

#include "json_rows.h"
#include "table.h"
#include "value.h"

#define COUNT(fields) (sizeof(fields) / sizeof *(fields))

struct table_in {
    const struct table_limits *limits;
    struct table_sink *sink;
    struct table_info info;
    struct label_set *set; /* owned; NULL until there are labels */
    bool has_inputs;
    size_t x_rows, y_rows;
};

static bool too_many(size_t max, const char *what, struct err *err)
{
    return err_set(err, ERR_TOO_LARGE, "", "has more than %zu %s", max, what);
}

static bool rows_pass(struct scan *scan, struct table_in *in, json_rows_put *put, size_t *rows,
                      size_t *width, struct err *err)
{
    struct json_rows chunk = { .values = NULL };
    bool ok = false, more;
    size_t n;

    if (!scan_expect(scan, SCAN_ARRAY, "an array of rows", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (n = 0;; n++) {
        if (!scan_next(scan, &more, err)) {
            goto out;
        }
        if (!more) {
            break;
        }
        if (n == in->limits->max_rows) {
            too_many(n, "rows", err);
            goto out;
        }
        if ((n == 0 && !json_rows_create(scan, in->limits, &chunk, err)) ||
            !json_rows_read(&chunk, scan, in->sink, put, err)) {
            value_in(err, "[%zu]", n);
            goto out;
        }
    }
    if (n == 0) {
        err_set(err, ERR_FIELD, "", "must have 1 row or more, has none");
        goto out;
    }
    ok = json_rows_flush(&chunk, in->sink, put, err);
    *rows = n;
    *width = chunk.width;
out:
    json_rows_done(&chunk);
    return ok;
}

static bool read_inputs(struct scan *scan, void *into, struct err *err)
{
    struct table_in *in = into;

    in->has_inputs = true;
    return rows_pass(scan, in, in->sink->features, &in->x_rows, &in->info.x_width, err);
}

/* The sink takes targets of one kind. */
static bool targets_first(const struct table_in *in, const char *other, struct err *err)
{
    return in->info.kind == TARGET_NONE ||
           err_set(err, ERR_FIELD, "", "is there beside %s: give one of them", other);
}

static bool read_targets(struct scan *scan, void *into, struct err *err)
{
    struct table_in *in = into;

    if (!targets_first(in, "labels", err)) {
        return false;
    }
    in->info.kind = TARGET_NUMBERS;
    return rows_pass(scan, in, in->sink->targets, &in->y_rows, &in->info.y_width, err);
}

/* --- Labels --- */

/* Expects in->y_rows, the labels that the sink has, to be 0. */
static bool labels_pass(struct scan *scan, struct table_in *in, uint32_t *chunk, struct err *err)
{
    size_t n = 0;
    bool more;

    for (;;) {
        if (!scan_next(scan, &more, err)) {
            return false;
        }
        if (!more || (n > 0 && n % JSON_ROWS_VALUES == 0)) {
            const size_t len = n - in->y_rows;

            if (len > 0 && !in->sink->targets(in->sink, chunk, len * sizeof *chunk, err)) {
                return false;
            }
            in->y_rows = n;
        }
        if (!more) {
            return true;
        }
        if (n == in->limits->max_rows) {
            return too_many(n, "labels", err);
        }
        if (!json_label(scan, in->set, &chunk[n - in->y_rows], err)) {
            return value_in(err, "[%zu]", n);
        }
        n++;
    }
}

static bool read_labels(struct scan *scan, void *into, struct err *err)
{
    struct table_in *in = into;
    uint32_t *chunk;
    bool ok;

    if (!targets_first(in, "targets", err)) {
        return false;
    }
    in->info.kind = TARGET_LABELS;
    in->info.y_width = 1;
    if (!scan_expect(scan, SCAN_ARRAY, "an array of labels", err) || !scan_enter(scan, err) ||
        !label_set_create(&in->set, err)) {
        return false;
    }
    chunk = malloc(JSON_ROWS_VALUES * sizeof *chunk);
    if (chunk == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory for labels");
    }
    ok = labels_pass(scan, in, chunk, err);
    free(chunk);
    if (ok && in->y_rows == 0) {
        return err_set(err, ERR_FIELD, "", "must have 1 label or more, has none");
    }
    return ok;
}

/* --- The whole --- */

/* [[...], ...] or ["cat", 3, ...]: the first entry tells. */
static bool targets_alone(struct scan *scan, struct table_in *in, struct err *err)
{
    struct scan ahead = *scan;
    enum scan_kind kind = SCAN_ARRAY;
    bool more;

    if (!scan_expect(&ahead, SCAN_ARRAY, "an array of rows or labels", err) ||
        !scan_enter(&ahead, err) || !scan_next(&ahead, &more, err) ||
        (more && !scan_peek(&ahead, &kind, err))) {
        return false;
    }
    return kind == SCAN_ARRAY ? read_targets(scan, in, err) : read_labels(scan, in, err);
}

static bool body_read(const char *bytes, size_t len, enum csv_part part, struct table_in *in,
                      struct err *err)
{
    static const struct value_field fields[] = {
        { "inputs", read_inputs, true },
        { "targets", read_targets, false },
        { "labels", read_labels, false },
    };
    struct scan scan;

    if (part == CSV_BOTH) {
        return value_body(bytes, len, "a data set", fields, COUNT(fields), in, err);
    }
    scan_init(&scan, bytes, len);
    if (!(part == CSV_FEATURES ? read_inputs(&scan, in, err) : targets_alone(&scan, in, err))) {
        /* What is wrong with the whole has no path. */
        return err->where[0] == '\0' ? value_in(err, "body") : false;
    }
    return scan_end(&scan, err);
}

static bool counts_check(const struct table_in *in, struct err *err)
{
    if (in->info.kind == TARGET_NONE) {
        return err_set(err, ERR_FIELD, "targets", "is missing, and so is labels: give one of them");
    }
    if (in->x_rows != in->y_rows) {
        const bool labels = in->info.kind == TARGET_LABELS;

        return err_set(err, ERR_FIELD, labels ? "labels" : "targets",
                       "has %zu %s, inputs has %zu rows", in->y_rows, labels ? "entries" : "rows",
                       in->x_rows);
    }
    return true;
}

bool json_table_read(const char *bytes, size_t len, enum csv_part part,
                     const struct table_limits *limits, struct table_sink *sink,
                     struct table_info *ret, struct err *err)
{
    struct table_in in = { .limits = limits, .sink = sink, .info = { .x_dtype = DTYPE_F32 } };
    bool ok = body_read(bytes, len, part, &in, err) &&
              (part != CSV_BOTH || counts_check(&in, err)) &&
              (in.set == NULL || label_set_finish(in.set, &in.info.classes, &in.info.remap, err));

    label_set_free(in.set);
    if (!ok) {
        return false;
    }
    in.info.rows = in.has_inputs ? in.x_rows : in.y_rows;
    if (in.has_inputs) {
        in.info.x_rank = 2;
        in.info.x_shape[0] = in.x_rows;
        in.info.x_shape[1] = in.info.x_width;
    }
    *ret = in.info;
    return true;
}
