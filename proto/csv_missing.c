#include "csv_missing.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "labels.h"
#include "quote.h"

bool csv_missing_begin(struct csv_missing *missing, size_t width, const struct csv_options *options,
                       struct err *err)
{
    const bool sums = options->fill == NULL;

    *missing = (struct csv_missing){
        .width = width,
        .fill = options->fill,
        .n_fill = options->n_fill,
        .count = calloc(width, sizeof *missing->count),
        .sum = sums ? calloc(width, sizeof *missing->sum) : NULL,
    };
    if (missing->count == NULL || (sums && missing->sum == NULL)) {
        return err_set(err, ERR_MEMORY, "", "no memory for the means of %zu columns", width);
    }
    return true;
}

void csv_missing_done(struct csv_missing *missing)
{
    free(missing->count);
    free(missing->sum);
    *missing = (struct csv_missing){ 0 };
}

float csv_missing_take(struct csv_missing *missing, size_t column)
{
    missing->count[column]++;
    missing->total++;
    if (missing->fill == NULL) {
        return NAN;
    }
    return column < missing->n_fill ? missing->fill[column] : 0.0F; /* else refused for its width */
}

void csv_missing_add(struct csv_missing *missing, const float *rows, size_t n)
{
    double *sum = missing->sum;

    for (size_t i = 0; sum != NULL && i < n; i++, rows += missing->width) {
        for (size_t j = 0; j < missing->width; j++) {
            sum[j] += isnan(rows[j]) ? 0.0 : (double)rows[j];
        }
    }
}

bool csv_missing_end(struct csv_missing *missing, size_t n, struct table_info *ret, size_t *bare,
                     struct err *err)
{
    float *fill = NULL;

    if (missing->total == 0) {
        return true;
    }
    for (size_t j = 0; missing->sum != NULL && j < missing->width; j++) {
        if (missing->count[j] == n) {
            *bare = j;
            return false;
        }
    }
    if (missing->sum != NULL) {
        fill = malloc(missing->width * sizeof *fill);
        if (fill == NULL) {
            return err_set(err, ERR_MEMORY, "", "no memory for the means of %zu columns",
                           missing->width);
        }
        for (size_t j = 0; j < missing->width; j++) {
            fill[j] = (float)(missing->sum[j] / (double)(n - missing->count[j]));
        }
    }
    ret->fill = fill;
    ret->imputed = missing->count;
    missing->count = NULL; /* the caller's now */
    return true;
}

bool csv_missing_refuse(const struct csv_field *field, struct err *err)
{
    const struct csv_field text = csv_field_trim(field);

    return csv_field_error(&text, ERR_SYNTAX,
                           text.len == 0
                               ? "is empty, must be a number, unless ?missing=mean puts the mean "
                                 "of its column there"
                               : "must be a number, unless ?missing=mean puts the mean of its "
                                 "column there, is",
                           err);
}

bool csv_missing_bare(const struct csv_cursor *header, size_t column, struct err *err)
{
    struct csv_field field = { .last = false };
    char where[sizeof err->where], name[LABEL_LEN_MAX];
    size_t len;

    snprintf(where, sizeof where, "column %zu", column + 1);
    if (header != NULL) {
        struct csv_cursor cursor = *header;

        for (size_t i = 0; i <= column; i++) {
            if (!csv_field_next(&cursor, i + 1, &field, err)) {
                return false;
            }
        }
        len = csv_field_text(&field, name, sizeof name);
        return err_set(err, ERR_SYNTAX, where, "'%s' has no value to take the mean of",
                       quote(name, len < sizeof name ? len : sizeof name).text);
    }
    return err_set(err, ERR_SYNTAX, where, "has no value to take the mean of");
}
