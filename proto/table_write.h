/* A data set on its way out, piece by piece, in formats that its upload takes: what is read back
 * has the same digest.
 *
 *   name  media type         of        what it is
 *   csv   text/csv           any part  a header line, then a line a row (LF): features, targets
 *   npy   application/x-npy  one part  NPY 1.0 in the shape that was sent: features |u1 or <f4
 *
 * CSV's columns are called x0, x1, ... and y0, y1, ..., or label. Numbers are the shortest that read
 * back to the same float32; class names stand in quotes where they need them. In NPY targets that
 * are numbers are <f4 (rows, columns), class names the whole numbers that they spell, <i8 (rows).
 * Thread: a writer belongs to one thread at a time; the data is only read. */
#ifndef TABLE_WRITE_H
#define TABLE_WRITE_H

#include "table.h"
#include "text.h"

#define TABLE_PIECE ((size_t)64 << 10) /* bytes of values in a piece, about */

struct table_writer;

struct table_format {
    const char *name, *type; /* the name is a file's extension, too */
    /* Adds what comes next, a piece at most. *end: that was the last. Errors, before the first
     * byte: ERR_FIELD at "format", what it cannot say. Out of memory: text->failed. */
    bool (*next)(struct table_writer *w, struct text *text, bool *end, struct err *err);
};

/* Object lifetime: the caller's storage; zeros but for what goes out. What part names is there. */
struct table_writer {
    const struct table_format *format;
    enum csv_part part; /* CSV_BOTH in CSV only */
    const struct table_info *info;
    struct data data; /* its rows, as they are stored; borrowed */

    size_t line, cell; /* of CSV, the header being line 0 */
    size_t at;         /* bytes or rows behind NPY's head that are out */
    bool begun;
    uint64_t total; /* bytes in all, if it is known by the first piece; else 0 */
};

/* The formats in which a part can be had, in the order above; NULL: no more. */
const struct table_format *table_format_at(enum csv_part part, size_t i);

/* A field of CSV, in quotes where RFC 4180 wants them. */
void table_csv_text(struct text *text, const char *field);

#endif
