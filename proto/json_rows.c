#include "json_rows.h"

#include <stdlib.h>

#include "quote.h"
#include "value.h"

bool json_rows_init(size_t width, const struct table_limits *limits, struct json_rows *ret,
                    struct err *err)
{
    struct json_rows rows = { .width = width };

    if (width == 0) {
        return err_set(err, ERR_FIELD, "", "has no values");
    }
    if (width > limits->max_features) {
        return err_set(err, ERR_TOO_LARGE, "", "has %zu values, more than %zu", width,
                       limits->max_features);
    }
    rows.cap = width > JSON_ROWS_VALUES ? width : JSON_ROWS_VALUES;
    rows.values = malloc(rows.cap * sizeof *rows.values);
    if (rows.values == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory for a row");
    }
    *ret = rows;
    return true;
}

bool json_rows_create(const struct scan *scan, const struct table_limits *limits,
                      struct json_rows *ret, struct err *err)
{
    struct scan ahead = *scan;
    size_t width;

    return value_row(&ahead, NULL, 0, &width, err) && json_rows_init(width, limits, ret, err);
}

void json_rows_done(struct json_rows *rows)
{
    free(rows->values);
    *rows = (struct json_rows){ .values = NULL };
}

bool json_rows_flush(struct json_rows *rows, struct table_sink *sink, json_rows_put *put,
                     struct err *err)
{
    const size_t len = rows->n * sizeof *rows->values;

    rows->n = 0;
    return len == 0 || put(sink, rows->values, len, err);
}

float *json_rows_room(struct json_rows *rows, struct table_sink *sink, json_rows_put *put,
                      struct err *err)
{
    if (rows->cap - rows->n < rows->width && !json_rows_flush(rows, sink, put, err)) {
        return NULL;
    }
    return rows->values + rows->n;
}

bool json_rows_read(struct json_rows *rows, struct scan *scan, struct table_sink *sink,
                    json_rows_put *put, struct err *err)
{
    float *row = json_rows_room(rows, sink, put, err);

    if (row == NULL || !value_row_of(scan, row, rows->width, err)) {
        return false;
    }
    rows->n += rows->width;
    return true;
}

bool json_label(struct scan *scan, struct label_set *set, uint32_t *ret, struct err *err)
{
    char name[LABEL_LEN_MAX + 1];
    const char *raw = name;
    enum scan_kind kind;
    float ignored;
    size_t len;
    bool fits;

    if (!scan_peek(scan, &kind, err)) {
        return false;
    }
    if (kind == SCAN_STRING) {
        return value_string(scan, name, sizeof name, &len, err) &&
               label_set_add(set, name, len, ret, err);
    }
    if (kind != SCAN_NUMBER) {
        return err_set(err, ERR_FIELD, "", "must be a string or a whole number, is %s",
                       scan_kind_name(kind));
    }
    if (!scan_number(scan, &ignored, &fits, &raw, err)) {
        return false;
    }
    len = (size_t)(scan->at - raw);
    for (size_t i = 0; i < len; i++) {
        if ((raw[i] < '0' || raw[i] > '9') && raw[i] != '-') {
            return err_set(err, ERR_FIELD, "", "must be a string or a whole number, is %s",
                           quote(raw, len).text);
        }
    }
    return label_set_add(set, raw, len, ret, err);
}
