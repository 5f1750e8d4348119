/* Values that are missing from the features of a CSV, and what takes their place: the mean of their
 * column's other values,
 *
 *   m_j = 1/n_j sum_i x_ij     over the n_j rows i that have column j, summed in double, in the
 *                              order of the rows, rounded once to float32
 *
 * which is known only at the end: until then a NaN stands there, which no value is. Or it is known
 * from the start, and stands there at once. Thread: any. */
#ifndef CSV_MISSING_H
#define CSV_MISSING_H

#include <stdbool.h>
#include <stddef.h>

#include "csv_field.h"
#include "table.h"

/* Object lifetime: from csv_missing_begin to csv_missing_done; all zeros is done. */
struct csv_missing {
    size_t width;
    const float *fill; /* borrowed; n_fill means that are known; NULL: none are */
    size_t n_fill;
    size_t total;  /* missing so far, and */
    size_t *count; /* owned; of each column */
    double *sum;   /* owned; of the others; NULL when means are known */
};

/* Errors: ERR_MEMORY. */
bool csv_missing_begin(struct csv_missing *missing, size_t width, const struct csv_options *options,
                       struct err *err);
void csv_missing_done(struct csv_missing *missing);
/* One is missing in that column: counts it, returns what stands in its place. */
float csv_missing_take(struct csv_missing *missing, size_t column);
/* n more rows, in order. */
void csv_missing_add(struct csv_missing *missing, const float *rows, size_t n);
/* All n rows, at least one, have come: gives ret its imputed and, where NaNs stand, its fill.
 * False: a column, *bare, has no value at all, or there is no memory. Errors: ERR_MEMORY. */
bool csv_missing_end(struct csv_missing *missing, size_t n, struct table_info *ret, size_t *bare,
                     struct err *err);

/* The errors of a field that is missing though it must not be, and of a column (from 0) that has no
 * value at all; header stands at the header's record, or is NULL. */
bool csv_missing_refuse(const struct csv_field *field, struct err *err);
bool csv_missing_bare(const struct csv_cursor *header, size_t column, struct err *err);

#endif
