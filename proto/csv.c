#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "csv_field.h"
#include "csv_missing.h"
#include "csv_quick.h"
#include "csv_target.h"

#define BUFFER_VALUES 16384 /* rows are handed on when about this many values are there */
#define NO_FEATURE SIZE_MAX /* in place of a feature's index */

/* A row's columns are of two kinds: special ones, the targets among features or a class name, which
 * are few and taken one by one; and plain ones, numbers that go to one place in the order they
 * come. */
struct csv {
    const struct csv_options *options; /* borrowed, as are limits and sink */
    const struct table_limits *limits;
    struct table_sink *sink;
    struct csv_cursor cursor;
    size_t columns;
    bool plain_targets; /* plain columns are targets */
    size_t plain_width;
    struct csv_target *special; /* owned; ascending by column */
    size_t n_special;
    struct label_set *set;      /* owned; NULL unless class names are read */
    struct csv_cursor header;   /* at its record; */
    bool has_header;            /* if there is one */
    struct csv_missing missing; /* begun when it is no error that there are some */

    size_t rows;           /* of which the last `buffered` were not handed on yet */
    size_t buffered, room; /* rows */
    float *plain;          /* owned; room x plain_width */
    float *numbers;        /* owned; room x n_special, when they are numbers */
    uint32_t *classes;     /* owned; room, when they are class names */
};

static bool line_error(struct err *err, enum err_code code, size_t line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static bool line_error(struct err *err, enum err_code code, size_t line, const char *fmt, ...)
{
    char where[sizeof err->where], text[sizeof err->text];
    va_list args;

    snprintf(where, sizeof where, "line %zu", line);
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return err_set(err, code, where, "%s", text);
}

/* Whether the row has as many fields as the first, the one before the cursor being in `column`. */
static bool check_length(const struct csv *csv, size_t line, size_t column, bool last,
                         struct err *err)
{
    struct csv_cursor cursor = csv->cursor;
    struct csv_field field = { .last = last };
    size_t n = column + 1;

    while (!field.last) {
        if (!csv_field_next(&cursor, ++n, &field, err)) {
            return false;
        }
    }
    if (n != csv->columns) {
        return line_error(err, ERR_SYNTAX, line, "has %zu field%s, expected %zu", n,
                          n == 1 ? "" : "s", csv->columns);
    }
    return true;
}

/* Takes the field in `column` and reads its number, that of the feature-th feature or of a target.
 * When it has none, that the row is too short or too long says more, if it is. */
static bool read_number(struct csv *csv, size_t line, size_t column, size_t feature, float *ret,
                        bool *ret_last, struct err *err)
{
    struct csv_field field;
    struct err why = { 0 };

    if (!csv_field_next(&csv->cursor, column + 1, &field, err)) {
        return false;
    }
    if (feature != NO_FEATURE && csv_field_is_missing(&field)) {
        if (csv->missing.count != NULL) {
            *ret = csv_missing_take(&csv->missing, feature);
        } else {
            csv_missing_refuse(&field, &why);
        }
    } else {
        csv_field_number(&field, ret, &why);
    }
    if (why.code != ERR_NONE) {
        if (check_length(csv, line, column, field.last, err)) {
            *err = why;
        }
        return false;
    }
    *ret_last = field.last;
    return true;
}

/* The cursor is at a blank line that is not at the end. */
static bool blank(const struct csv *csv, struct err *err)
{
    return line_error(err, ERR_SYNTAX, csv->cursor.line, "is blank, with rows behind it");
}

static inline unsigned digit(char c)
{
    return (unsigned)(unsigned char)c - '0'; /* above 9: none */
}

/* Which feature of its row a plain column's place is. */
static size_t feature_at(const struct csv *csv, const float *out)
{
    return csv->plain_targets ? NO_FEATURE
                              : (size_t)(out - csv->plain) - csv->buffered * csv->plain_width;
}

/* Reads plain columns from `from` up to `to` into out. */
static bool read_plain(struct csv *csv, size_t line, size_t from, size_t to, float *out,
                       struct err *err)
{
    const char *end = csv->cursor.end;
    const char delimiter = csv->cursor.delimiter;
    const char *p = csv->cursor.at;

    for (size_t column = from; column < to; column++) {
        const char *next = NULL;
        bool last = false;

        if (end - p > CSV_QUICK_ROOM) {
            next = csv_quick_number(p, end, delimiter, out, &last);
        }
        if (next != NULL) {
            csv->cursor.line += last;
        } else {
            csv->cursor.at = p;
            if (!read_number(csv, line, column, feature_at(csv, out), out, &last, err)) {
                return false;
            }
            next = csv->cursor.at;
        }
        p = next;
        out++;
        if (last != (column + 1 == csv->columns)) {
            csv->cursor.at = p;
            return check_length(csv, line, column, last, err);
        }
    }
    csv->cursor.at = p;
    return true;
}

/* Takes the field in `column` and finds its class. */
static bool read_class(struct csv *csv, size_t column, uint32_t *ret, bool *ret_last,
                       struct err *err)
{
    char name[LABEL_LEN_MAX + 1]; /* one more, to be seen as too long */
    struct csv_field field;
    size_t len;

    if (!csv_field_next(&csv->cursor, column + 1, &field, err)) {
        return false;
    }
    len = csv_field_text(&field, name, sizeof name);
    if (len == 0) {
        return csv_field_error(&field, ERR_SYNTAX, "is empty, must be the name of a class", err);
    }
    if (csv->options->missing != MISSING_REFUSE && csv_field_is_missing(&field)) {
        return csv_field_error(&field, ERR_SYNTAX,
                               "must be the name of a class, as a target cannot be missing, is",
                               err);
    }
    *ret_last = field.last;
    return label_set_add(csv->set, name, len, ret, err) ||
           err_in(err, "line %zu column %zu", field.line, field.column);
}

static bool read_special(struct csv *csv, size_t line, const struct csv_target *target,
                         struct err *err)
{
    const size_t column = target->column;
    bool last, ok;

    if (csv->set != NULL) {
        ok = read_class(csv, column, &csv->classes[csv->buffered], &last, err);
    } else {
        float *row = csv->numbers + csv->buffered * csv->n_special;

        ok = read_number(csv, line, column, NO_FEATURE, &row[target->place], &last, err);
    }
    if (ok && last != (column + 1 == csv->columns)) {
        return check_length(csv, line, column, last, err);
    }
    return ok;
}

static bool read_row(struct csv *csv, struct err *err)
{
    const size_t line = csv->cursor.line;
    float *out = csv->plain + csv->buffered * csv->plain_width;
    size_t column = 0;

    for (size_t i = 0; i < csv->n_special; i++) {
        const struct csv_target *target = &csv->special[i];

        if (!read_plain(csv, line, column, target->column, out, err) ||
            !read_special(csv, line, target, err)) {
            return false;
        }
        out += target->column - column;
        column = target->column + 1;
    }
    return read_plain(csv, line, column, csv->columns, out, err);
}

/* Hands on what is buffered. */
static bool flush(struct csv *csv, struct err *err)
{
    struct table_sink *sink = csv->sink;
    const size_t n = csv->buffered;

    csv->buffered = 0;
    if (n == 0) {
        return true;
    }
    if (csv->missing.count != NULL) {
        csv_missing_add(&csv->missing, csv->plain, n);
    }
    if (csv->plain_width > 0 &&
        !(csv->plain_targets ? sink->targets : sink->features)(
            sink, csv->plain, n * csv->plain_width * sizeof *csv->plain, err)) {
        return false;
    }
    if (csv->n_special == 0) {
        return true;
    }
    return csv->set != NULL
               ? sink->targets(sink, csv->classes, n * sizeof *csv->classes, err)
               : sink->targets(sink, csv->numbers, n * csv->n_special * sizeof *csv->numbers, err);
}

static bool read_rows(struct csv *csv, struct err *err)
{
    while (csv->cursor.at < csv->cursor.end) {
        if (csv_field_blank(&csv->cursor)) {
            if (csv_field_done(&csv->cursor)) {
                break;
            }
            return blank(csv, err);
        }
        if (csv->rows == csv->limits->max_rows) {
            return line_error(err, ERR_TOO_LARGE, csv->cursor.line,
                              "is row %zu, at most %zu are taken", csv->rows + 1, csv->rows);
        }
        if (!read_row(csv, err)) {
            return false;
        }
        csv->rows++;
        if (++csv->buffered == csv->room && !flush(csv, err)) {
            return false;
        }
    }
    if (csv->rows == 0) {
        return err_set(err, ERR_SYNTAX, "body", "has no rows");
    }
    return flush(csv, err);
}

/* Counts the columns of the first record and says whether it is a header; the cursor goes behind.
 */
static bool read_first(struct csv *csv, bool *ret_header, struct err *err)
{
    struct csv_field field = { .last = false };
    size_t columns = 0, numbers = 0;

    if (csv_field_blank(&csv->cursor)) {
        return csv_field_done(&csv->cursor) ? err_set(err, ERR_SYNTAX, "body", "is empty")
                                            : blank(csv, err);
    }
    while (!field.last) {
        if (!csv_field_next(&csv->cursor, ++columns, &field, err)) {
            return false;
        }
        numbers += numbers == 0 && csv_field_is_number(&field);
    }
    csv->columns = columns;
    *ret_header = csv->options->header == CSV_HEADER_AUTO
                      ? numbers == 0
                      : csv->options->header == CSV_HEADER_PRESENT;
    return true;
}

static bool check_options(const struct csv_options *options, struct err *err)
{
    const char delimiter = options->delimiter;

    if (delimiter != '\t' &&
        (delimiter < ' ' || delimiter > '~' || strchr("\"+-._", delimiter) != NULL ||
         digit(delimiter) <= 9 || ((delimiter | 0x20) >= 'a' && (delimiter | 0x20) <= 'z'))) {
        return err_set(err, ERR_FIELD, "delimiter",
                       "must be a tab, a blank or a sign such as ',' ';' '|'");
    }
    if (options->part != CSV_BOTH && options->target != NULL) {
        return err_set(err, ERR_FIELD, "target", "must be left out where every column is %s",
                       options->part == CSV_TARGETS ? "a target" : "a feature");
    }
    if (options->part != CSV_FEATURES && options->kind == TARGET_NONE) {
        return err_set(err, ERR_FIELD, "kind", "must be labels or numbers");
    }
    if (options->part == CSV_TARGETS && options->missing != MISSING_REFUSE) {
        return err_set(err, ERR_FIELD, "missing",
                       "must be refuse where every column is a target: none may be missing");
    }
    return true;
}

/* The columns' roles are within limits and suit what was asked for. */
static bool check_plan(const struct csv *csv, size_t line, struct err *err)
{
    const struct csv_options *options = csv->options;
    const size_t max = csv->limits->max_features;

    if (csv->n_special > 0 && options->kind == TARGET_LABELS &&
        (csv->n_special > 1 || (csv->plain_targets && csv->columns > 1))) {
        return err_set(err, ERR_FIELD, "target", "must be one column to be labels, is %zu",
                       csv->plain_targets ? csv->columns : csv->n_special);
    }
    if (csv->plain_width == 0 && options->part != CSV_TARGETS) {
        return err_set(err, ERR_FIELD, "target", "must leave a column as a feature, of %zu",
                       csv->columns);
    }
    if (csv->plain_width > max) {
        return line_error(err, ERR_TOO_LARGE, line, "must have at most %zu %s, has %zu", max,
                          csv->plain_targets ? "targets" : "features", csv->plain_width);
    }
    return true;
}

/* Decides from the first record which columns are what; the cursor is then at the first row. */
static bool plan(struct csv *csv, struct err *err)
{
    const struct csv_options *options = csv->options;
    const bool labels = options->part != CSV_FEATURES && options->kind == TARGET_LABELS;
    const struct csv_cursor first = csv->cursor;
    bool header = false;

    if (!read_first(csv, &header, err)) {
        return false;
    }
    if ((options->part == CSV_BOTH || labels) &&
        !csv_target_find(options->target, header ? &first : NULL, csv->columns, &csv->special,
                         &csv->n_special, err)) {
        return false;
    }
    csv->header = first;
    csv->has_header = header;
    if (!header) {
        csv->cursor = first;
    }
    csv->plain_targets = options->part == CSV_TARGETS;
    csv->plain_width = csv->columns - csv->n_special;
    return check_plan(csv, first.line, err);
}

static bool allocate(struct csv *csv, struct err *err)
{
    const size_t most = csv->plain_width > csv->n_special ? csv->plain_width : csv->n_special;
    const bool labels = csv->n_special > 0 && csv->options->kind == TARGET_LABELS;

    csv->room = most < BUFFER_VALUES ? BUFFER_VALUES / most : 1;
    csv->plain = malloc((csv->room * csv->plain_width + 1) * sizeof *csv->plain);
    csv->numbers = labels ? NULL : malloc((csv->room * csv->n_special + 1) * sizeof *csv->numbers);
    csv->classes = labels ? malloc(csv->room * sizeof *csv->classes) : NULL;
    if (csv->plain == NULL || (labels ? csv->classes == NULL : csv->numbers == NULL)) {
        return err_set(err, ERR_MEMORY, "", "no memory for rows of %zu values", most);
    }
    if (csv->options->missing == MISSING_MEAN &&
        !csv_missing_begin(&csv->missing, csv->plain_width, csv->options, err)) {
        return false;
    }
    return !labels || label_set_create(&csv->set, err);
}

/* What was read, but for the labels. */
static struct table_info describe(const struct csv *csv)
{
    struct table_info info = { .rows = csv->rows, .x_dtype = DTYPE_F32 };

    if (!csv->plain_targets) {
        info.x_rank = 2;
        info.x_shape[0] = csv->rows;
        info.x_shape[1] = csv->plain_width;
        info.x_width = csv->plain_width;
    }
    if (csv->options->part != CSV_FEATURES) {
        info.kind = csv->options->kind;
        info.y_width = csv->n_special > 0 ? csv->n_special : csv->plain_width;
    }
    return info;
}

/* What was missing, in info. */
static bool missing_end(struct csv *csv, struct table_info *info, struct err *err)
{
    size_t column = 0;

    if (csv->missing.count == NULL ||
        csv_missing_end(&csv->missing, csv->rows, info, &column, err)) {
        return true;
    }
    for (size_t i = 0; i < csv->n_special; i++) {
        column += csv->special[i].column <= column;
    }
    return csv_missing_bare(csv->has_header ? &csv->header : NULL, column, err);
}

bool csv_read(const char *bytes, size_t len, const struct csv_options *options,
              const struct table_limits *limits, struct table_sink *sink, struct table_info *ret,
              struct err *err)
{
    struct csv csv = { .options = options, .limits = limits, .sink = sink };
    struct table_info info;
    bool ok = false;

    if (!check_options(options, err)) {
        return false;
    }
    if (len >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0)) {
        return err_set(err, ERR_SYNTAX, "body", "must be UTF-8, is UTF-16 by its first two bytes");
    }
    csv.cursor = (struct csv_cursor){ bytes, bytes + len, options->delimiter, 1 };
    if (len >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        csv.cursor.at += 3;
    }
    if (!plan(&csv, err) || !allocate(&csv, err) || !read_rows(&csv, err)) {
        goto out;
    }
    info = describe(&csv);
    if (!missing_end(&csv, &info, err) ||
        (csv.set != NULL && !label_set_finish(csv.set, &info.classes, &info.remap, err))) {
        table_info_done(&info);
        goto out;
    }
    *ret = info;
    ok = true;
out:
    label_set_free(csv.set);
    csv_missing_done(&csv.missing);
    free(csv.special);
    free(csv.plain);
    free(csv.numbers);
    free(csv.classes);
    return ok;
}
