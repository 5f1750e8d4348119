/* Rows of JSON numbers on their way to a sink, and labels: what data sets in JSON and in JSON lines
 * have in common. Errors: as value.h has them, and the sink's. Thread: any; only the arguments are
 * touched. */
#ifndef JSON_ROWS_H
#define JSON_ROWS_H

#include "labels.h"
#include "scan.h"
#include "table.h"

#define JSON_ROWS_VALUES 16384 /* handed to the sink at once, or one row if that is longer */

typedef bool json_rows_put(struct table_sink *sink, const void *bytes, size_t len, struct err *err);

/* As many rows as fit. Object lifetime: from json_rows_init or _create to json_rows_done. */
struct json_rows {
    float *values; /* owned; NULL: not begun */
    size_t cap, n, width;
};

/* Rows of that width. Errors: ERR_FIELD and ERR_TOO_LARGE at "" for a width of 0 and one over the
 * limit; ERR_MEMORY. */
bool json_rows_init(size_t width, const struct table_limits *limits, struct json_rows *ret,
                    struct err *err);
/* Rows as wide as the one that begins here, which is looked at only. */
bool json_rows_create(const struct scan *scan, const struct table_limits *limits,
                      struct json_rows *ret, struct err *err);
void json_rows_done(struct json_rows *rows);

/* Room for one more row, which the caller fills before it adds width to n. Rows that were there may
 * go to the sink. NULL: the sink failed. */
float *json_rows_room(struct json_rows *rows, struct table_sink *sink, json_rows_put *put,
                      struct err *err);
/* The row that begins here. */
bool json_rows_read(struct json_rows *rows, struct scan *scan, struct table_sink *sink,
                    json_rows_put *put, struct err *err);
bool json_rows_flush(struct json_rows *rows, struct table_sink *sink, json_rows_put *put,
                     struct err *err);

/* A class name, or a whole number, whose digits are one: its index in the set. */
bool json_label(struct scan *scan, struct label_set *set, uint32_t *ret, struct err *err);

#endif
