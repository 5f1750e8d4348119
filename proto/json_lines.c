#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_rows.h"
#include "table.h"
#include "value.h"

#define COUNT(fields) (sizeof(fields) / sizeof *(fields))

struct lines {
    const struct table_limits *limits; /* borrowed, as is sink */
    struct table_sink *sink;
    enum csv_part part;
    enum target_kind kind;  /* of what does not say so itself */
    enum target_kind found; /* of the first row; TARGET_NONE before */
    size_t line;            /* from 1 */
    size_t rows;
    struct json_rows x, y;
    struct label_set *set; /* owned; NULL before the first label, as is */
    uint32_t *index; /* owned; JSON_ROWS_VALUES, of the labels that the sink has not got yet, */
    size_t n_index;  /* so many */
    bool has_target; /* the line at hand has one */
};

/* ---- Values of a line ---- */

static bool target_first(struct lines *lines, enum target_kind kind, struct err *err)
{
    static const char *const names[] = { "", "a label", "numbers" };

    if (lines->has_target) {
        return err_set(err, ERR_FIELD, "", "is there beside %s: give one of them",
                       kind == TARGET_LABELS ? "targets" : "label");
    }
    if (lines->found != TARGET_NONE && lines->found != kind) {
        return err_set(err, ERR_FIELD, "", "must be %s as in the first row", names[lines->found]);
    }
    lines->has_target = true;
    lines->found = kind;
    return true;
}

static bool read_inputs(struct scan *scan, void *into, struct err *err)
{
    struct lines *lines = into;

    return (lines->x.values != NULL || json_rows_create(scan, lines->limits, &lines->x, err)) &&
           json_rows_read(&lines->x, scan, lines->sink, lines->sink->features, err);
}

static bool read_targets(struct scan *scan, void *into, struct err *err)
{
    struct lines *lines = into;

    return target_first(lines, TARGET_NUMBERS, err) &&
           (lines->y.values != NULL || json_rows_create(scan, lines->limits, &lines->y, err)) &&
           json_rows_read(&lines->y, scan, lines->sink, lines->sink->targets, err);
}

/* A number that is the only target. */
static bool read_target(struct scan *scan, struct lines *lines, struct err *err)
{
    float *row;

    if (!target_first(lines, TARGET_NUMBERS, err) ||
        (lines->y.values == NULL && !json_rows_init(1, lines->limits, &lines->y, err))) {
        return false;
    }
    if (lines->y.width != 1) {
        return err_set(err, ERR_FIELD, "", "has 1 target, expected %zu", lines->y.width);
    }
    row = json_rows_room(&lines->y, lines->sink, lines->sink->targets, err);
    if (row == NULL || !value_float(scan, row, err)) {
        return false;
    }
    lines->y.n++;
    return true;
}

static bool labels_flush(struct lines *lines, struct err *err)
{
    const size_t len = lines->n_index * sizeof *lines->index;

    lines->n_index = 0;
    return len == 0 || lines->sink->targets(lines->sink, lines->index, len, err);
}

static bool read_label(struct scan *scan, void *into, struct err *err)
{
    struct lines *lines = into;

    if (!target_first(lines, TARGET_LABELS, err)) {
        return false;
    }
    if (lines->set == NULL) {
        if (!label_set_create(&lines->set, err)) {
            return false;
        }
        lines->index = malloc(JSON_ROWS_VALUES * sizeof *lines->index);
        if (lines->index == NULL) {
            return err_set(err, ERR_MEMORY, "", "no memory for labels");
        }
    }
    if ((lines->n_index == JSON_ROWS_VALUES && !labels_flush(lines, err)) ||
        !json_label(scan, lines->set, &lines->index[lines->n_index], err)) {
        return false;
    }
    lines->n_index++;
    return true;
}

/* ---- A line ---- */

static bool object_read(struct scan *scan, struct lines *lines, struct err *err)
{
    static const struct value_field fields[] = {
        { "inputs", read_inputs, true },
        { "label", read_label, false },
        { "targets", read_targets, false },
    };

    if (!value_object(scan, "a row", fields, COUNT(fields), lines, err)) {
        return false;
    }
    return lines->has_target ||
           err_set(err, ERR_FIELD, "targets", "is missing, and so is label: give one of them");
}

/* The number of values in the array that begins here. */
static bool array_count(const struct scan *scan, size_t *ret, struct err *err)
{
    struct scan ahead = *scan;
    bool more = false;
    size_t n;

    if (!scan_enter(&ahead, err)) {
        return false;
    }
    for (n = 0; scan_next(&ahead, &more, err) && more; n++) {
        if (!scan_skip(&ahead, err)) {
            return false;
        }
    }
    *ret = n;
    return err->code == ERR_NONE;
}

static bool array_first(const struct scan *scan, struct lines *lines, struct err *err)
{
    size_t n = 0;

    if (!array_count(scan, &n, err)) {
        return false;
    }
    if (n < 2) {
        return err_set(err, ERR_FIELD, "", "must have a feature and a target, has %zu value%s", n,
                       n == 1 ? "" : "s");
    }
    return json_rows_init(n - 1, lines->limits, &lines->x, err);
}

/* To the n-th value of the array, of which there must be one or, at the end, none. */
static bool value_at(struct scan *scan, size_t n, size_t expected, struct err *err)
{
    bool more;

    if (!scan_next(scan, &more, err)) {
        return false;
    }
    if (more == (n < expected)) {
        return true;
    }
    return more ? err_set(err, ERR_FIELD, "", "has more than %zu values", expected)
                : err_set(err, ERR_FIELD, "", "has %zu values, expected %zu", n, expected);
}

/* Features with their target behind them. */
static bool array_read(struct scan *scan, struct lines *lines, struct err *err)
{
    const size_t width =
        lines->x.values != NULL || array_first(scan, lines, err) ? lines->x.width : 0;
    float *row;

    if (width == 0 || !scan_enter(scan, err) ||
        (row = json_rows_room(&lines->x, lines->sink, lines->sink->features, err)) == NULL) {
        return false;
    }
    for (size_t got = 0, n; got < width; got += n) {
        if (!value_at(scan, got, width + 1, err)) {
            return false;
        }
        n = scan_numbers(scan, row + got, width - got);
        if (n == 0) {
            if (!value_float(scan, row + got, err)) {
                return value_in(err, "[%zu]", got);
            }
            n = 1;
        }
    }
    lines->x.n += width;
    if (!value_at(scan, width, width + 1, err)) {
        return false;
    }
    if (!(lines->kind == TARGET_NUMBERS ? read_target(scan, lines, err)
                                        : read_label(scan, lines, err))) {
        return value_in(err, "[%zu]", width);
    }
    return value_at(scan, width + 1, width + 1, err);
}

/* A row of CSV_TARGETS. */
static bool target_read(struct scan *scan, struct lines *lines, struct err *err)
{
    enum scan_kind kind;

    if (!scan_peek(scan, &kind, err)) {
        return false;
    }
    return kind == SCAN_ARRAY              ? read_targets(scan, lines, err)
           : lines->kind == TARGET_NUMBERS ? read_target(scan, lines, err)
                                           : read_label(scan, lines, err);
}

static bool row_read(struct scan *scan, struct lines *lines, struct err *err)
{
    enum scan_kind kind;

    lines->has_target = false;
    if (lines->part == CSV_FEATURES) {
        return read_inputs(scan, lines, err);
    }
    if (lines->part == CSV_TARGETS) {
        return target_read(scan, lines, err);
    }
    if (!scan_peek(scan, &kind, err)) {
        return false;
    }
    if (kind != SCAN_ARRAY && kind != SCAN_OBJECT) {
        return err_set(err, ERR_FIELD, "", "must be an object or an array of numbers, is %s",
                       scan_kind_name(kind));
    }
    return kind == SCAN_ARRAY ? array_read(scan, lines, err) : object_read(scan, lines, err);
}

/* ---- The whole ---- */

static const char *blank_end(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r')) {
        at++;
    }
    return at;
}

/* That the row is refused, for why; unless its line by itself is no JSON, which says more than what
 * came of reading on behind it. */
static bool line_refuse(const struct lines *lines, struct scan line, const struct err *why,
                        struct err *err)
{
    struct err place = *why;

    if (!scan_skip(&line, err) || !scan_end(&line, err)) {
        return false;
    }
    if (why->code == ERR_FIELD || why->code == ERR_RANGE || why->code == ERR_TOO_LARGE ||
        why->code == ERR_LIMIT) {
        snprintf(place.where, sizeof place.where, "line %zu%s%.100s", lines->line,
                 why->where[0] == '\0' ? "" : " ", why->where);
    }
    *err = place;
    return false;
}

/* The row that begins here, in a line that ends at `end`. The scan sees the whole body, since
 * numbers are read fastest where more bytes follow. */
static bool line_read(struct scan *scan, const char *end, struct lines *lines, struct err *err)
{
    struct scan line = *scan;
    struct err why = { 0 };

    line.end = end;
    line.line = true;
    if (lines->rows == lines->limits->max_rows) {
        err_set(&why, ERR_TOO_LARGE, "", "is row %zu, at most %zu are taken", lines->rows + 1,
                lines->rows);
        return line_refuse(lines, line, &why, err);
    }
    if (!row_read(scan, lines, &why) || scan->at > end || blank_end(scan->at, end) < end) {
        return line_refuse(lines, line, &why, err);
    }
    lines->rows++;
    return true;
}

static bool lines_read(const char *bytes, size_t len, struct lines *lines, struct err *err)
{
    struct scan scan;
    const char *end;

    scan_init(&scan, bytes, len);
    for (; scan.at < scan.end; scan.at = end < scan.end ? end + 1 : end) {
        end = memchr(scan.at, '\n', (size_t)(scan.end - scan.at));
        end = end != NULL ? end : scan.end;
        lines->line++;
        if (blank_end(scan.at, end) < end && !line_read(&scan, end, lines, err)) {
            return false;
        }
    }
    if (lines->rows == 0) {
        return err_set(err, ERR_SYNTAX, "body", "has no rows");
    }
    return json_rows_flush(&lines->x, lines->sink, lines->sink->features, err) &&
           json_rows_flush(&lines->y, lines->sink, lines->sink->targets, err) &&
           labels_flush(lines, err);
}

bool json_lines_read(const char *bytes, size_t len, enum csv_part part, enum target_kind kind,
                     const struct table_limits *limits, struct table_sink *sink,
                     struct table_info *ret, struct err *err)
{
    struct lines lines = { .limits = limits, .sink = sink, .part = part, .kind = kind };
    struct table_info info = { .x_dtype = DTYPE_F32 };
    bool ok = lines_read(bytes, len, &lines, err) &&
              (lines.set == NULL || label_set_finish(lines.set, &info.classes, &info.remap, err));

    info.rows = lines.rows;
    info.kind = lines.found;
    info.y_width = lines.found == TARGET_LABELS ? 1 : lines.y.width;
    if (lines.x.width > 0) {
        info.x_rank = 2;
        info.x_shape[0] = info.rows;
        info.x_shape[1] = info.x_width = lines.x.width;
    }
    label_set_free(lines.set);
    json_rows_done(&lines.x);
    json_rows_done(&lines.y);
    free(lines.index);
    if (ok) {
        *ret = info;
    }
    return ok;
}

/* ---- The guess ---- */

/* Whether the array that begins here has something in it, which is no array. */
static bool is_row(struct scan *scan)
{
    struct err none = { 0 };
    enum scan_kind kind;
    bool more;

    return scan_enter(scan, &none) && scan_next(scan, &more, &none) && more &&
           scan_peek(scan, &kind, &none) && kind != SCAN_ARRAY;
}

/* Whether another value follows the one that begins here. */
static bool more_follow(struct scan scan)
{
    struct err none = { 0 };
    enum scan_kind kind;

    return scan_skip(&scan, &none) && scan_peek(&scan, &kind, &none);
}

/* Whether the object that begins here is a row: its first field tells. */
static bool is_row_object(struct scan *scan)
{
    struct err none = { 0 };
    enum scan_kind kind;
    char key[16];
    size_t len;
    bool more;

    return scan_enter(scan, &none) && scan_key(scan, key, sizeof key, &len, &more, &none) && more &&
           (strcmp(key, "label") == 0 || (scan_peek(scan, &kind, &none) && kind == SCAN_ARRAY &&
                                          strcmp(key, "labels") != 0 && is_row(scan)));
}

bool json_lines_guess(const char *bytes, size_t len, enum csv_part part)
{
    struct err none = { 0 };
    enum scan_kind kind;
    struct scan scan, whole;

    scan_init(&scan, bytes, len);
    whole = scan;
    if (!scan_peek(&scan, &kind, &none)) {
        return false;
    }
    if (kind == SCAN_OBJECT) {
        return is_row_object(&scan);
    }
    /* One array of labels is JSON; several, each of targets, are lines. */
    return kind == SCAN_ARRAY && is_row(&scan) && (part != CSV_TARGETS || more_follow(whole));
}
