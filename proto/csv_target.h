/* Which columns of a CSV are targets. */
#ifndef CSV_TARGET_H
#define CSV_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "csv_field.h"
#include "err.h"

#define CSV_TARGETS_MAX 1024

struct csv_target {
    size_t column; /* from 0 */
    size_t place;  /* among a row's targets */
};

/* Finds the columns that text names, NULL for the last: one header name as it stands, or names and
 * indices with commas between, spaces around them aside; a name goes before an index, and -1 is
 * the last column. header stands at the header's record, or is NULL; the record was
 * read once without an error. Places follow the order in text. *ret is malloc'd, ascending by
 * column, the caller's. Errors: ERR_FIELD at "target". */
bool csv_target_find(const char *text, const struct csv_cursor *header, size_t columns,
                     struct csv_target **ret, size_t *ret_n, struct err *err);

#endif
