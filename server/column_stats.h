/* Minimum, maximum, mean and deviation of columns, or of all values where there are many columns
 * (table_stats in table.h): one pass over rows that come a few at a time. Thread: any. */
#ifndef COLUMN_STATS_H
#define COLUMN_STATS_H

#include <stdbool.h>

#include "err.h"
#include "rows.h"
#include "table.h"

struct column_stats;

/* Errors: ERR_MEMORY. */
bool column_stats_begin(size_t width, struct column_stats **ret, struct err *err);
/* More rows, width values each, which need not be aligned. */
void column_stats_add(struct column_stats *stats, const struct rows *x);
/* There have been rows. Frees stats. Nothing counts as imputed. */
void column_stats_end(struct column_stats *stats, struct table_stats *ret);
void column_stats_free(struct column_stats *stats);

#endif
