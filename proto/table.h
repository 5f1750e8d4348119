/* Reading data sets: CSV, JSON, JSON lines, IDX, NPY, NPZ and raw bytes in; rows of numbers out.
 *
 * A reader gets the whole input as one span (the daemon maps the spooled upload) and hands rows to
 * a sink as it goes, so that its own memory does not grow with the data. Values are kept as they
 * came: bytes stay bytes, every other number becomes float32. NaN, infinity and what overflows
 * float32 are refused. Thread: any. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "labels.h"
#include "rows.h"

enum target_kind { TARGET_NONE, TARGET_LABELS, TARGET_NUMBERS };

#define TABLE_RANK_MAX 8

/* What was read. Object lifetime: filled by a reader, released by table_info_done. */
struct table_info {
    size_t rows;
    enum dtype x_dtype;
    size_t x_rank; /* of one part's array, first dimension rows included; 0: no features */
    size_t x_shape[TABLE_RANK_MAX]; /* 60000, 28, 28 */
    size_t x_width;                 /* values a row: 784 */
    enum target_kind kind;
    size_t y_width;         /* values a row when numbers; 1 when labels */
    struct labels *classes; /* owned; the class names when labels, in final order */
    uint32_t *remap; /* owned; provisional index, as handed to the sink -> index in classes */
    size_t *imputed; /* owned; x_width: how many values of each column were missing; NULL: none */
    float *fill;     /* owned; x_width: what is to take the place of the NaNs that the sink was
                      * handed for them; NULL: it was handed none */
};
void table_info_done(struct table_info *info);

/* What features are like. Of up to STATS_COLUMNS_MAX columns, each by itself; of more, all values
 * taken together. */
#define STATS_COLUMNS_MAX 1024
/* Deviations are of the population; imputed values are counted, and are in the others. */
enum stat_kind { STAT_MIN, STAT_MAX, STAT_MEAN, STAT_DEVIATION, STAT_IMPUTED, STAT_COUNT };
struct table_stats {
    size_t n;       /* columns; 1: all values; 0: none */
    bool columns;   /* each by itself */
    double *values; /* owned; n of each kind, one kind after the other */
};
void table_stats_done(struct table_stats *stats);

/* Where rows go. features: x_dtype values; targets: uint32 provisional class indices, or float32
 * numbers. Bytes come in order and in pieces of any whole number of values, which
 * need not be aligned. A false stops the
 * reader. */
struct table_sink {
    bool (*features)(struct table_sink *sink, const void *bytes, size_t len, struct err *err);
    bool (*targets)(struct table_sink *sink, const void *bytes, size_t len, struct err *err);
};

/* Limits on what one input may declare; sizes are checked against them before anything is used. */
struct table_limits {
    size_t max_features; /* values a row */
    size_t max_rows;
};

enum csv_header { CSV_HEADER_AUTO, CSV_HEADER_PRESENT, CSV_HEADER_ABSENT };

enum csv_part {
    CSV_BOTH,     /* features and targets; target columns named by target, default the last */
    CSV_FEATURES, /* every column is a feature */
    CSV_TARGETS   /* every column is a target (kind labels: exactly one column) */
};

/* What becomes of a feature that is missing, as csv_field_is_missing has it. */
enum csv_missing_act { MISSING_REFUSE, MISSING_MEAN };

struct csv_options {
    enum csv_header header;
    enum csv_part part;
    enum target_kind kind; /* TARGET_LABELS or TARGET_NUMBERS */
    const char *target;    /* NULL: the last column; or csv_target.h's names and indices */
    char delimiter; /* ',' unless asked; any blank, tab or sign that no number and no quote has */
    enum csv_missing_act missing;
    const float *fill; /* borrowed; n_fill means to take; NULL: those of the columns read */
    size_t n_fill;
};

/* RFC 4180, as csv_field.h has it: CRLF or LF, quotes doubled, a BOM passed over. Blank lines at
 * the end are passed over. Target numbers come in the order that options->target names their
 * columns. Errors: ERR_SYNTAX or ERR_RANGE at "line N", "line N column M" (1-based, N counts
 * physical lines, M fields), such as `line 3 column 2 must be a number, is 'abc'`, `line 9 has 4
 * fields, expected 5`; there too ERR_FIELD or ERR_LIMIT for what label_set_add refuses, and
 * ERR_TOO_LARGE beyond limits; ERR_SYNTAX at "body" when there are no rows; ERR_FIELD at "target"
 * for a column that does not exist or kinds that do not fit, and at "delimiter", "kind" and
 * "missing".
 *
 * With MISSING_MEAN the sink is handed a NaN for each missing feature, for info's fill to replace,
 * unless options have fill. Targets are never missing: what says so is then no class's name.
 * Errors: ERR_SYNTAX at "column M" for a feature that no row has. */
bool csv_read(const char *bytes, size_t len, const struct csv_options *options,
              const struct table_limits *limits, struct table_sink *sink, struct table_info *ret,
              struct err *err);

/* One array of any type IDX has (all but u8 become float32). As features: dimensions after the
 * first are flattened. As targets with kind TARGET_LABELS: one dimension, whole numbers, their
 * decimal text the class name; TARGET_NUMBERS: one or two dimensions. The length must be exactly
 * what the header says. Errors: ERR_SYNTAX at "body", and all of array.h's, such as ERR_RANGE at
 * "[row]" or "[row][column]" for NaN and the like. */
bool idx_read(const char *bytes, size_t len, enum csv_part part, enum target_kind kind,
              const struct table_limits *limits, struct table_sink *sink, struct table_info *ret,
              struct err *err);

/* NPY 1.0 to 3.0, C order, either byte order: u1 and b1 stay bytes; f4 f8 f2 and the other integers
 * become float32. Never object dtypes. Same rules for targets, same errors as IDX. */
bool npy_read(const char *bytes, size_t len, enum csv_part part, enum target_kind kind,
              const struct table_limits *limits, struct table_sink *sink, struct table_info *ret,
              struct err *err);

/* Little-endian float32 values, shape given beside (rank >= 1, the first dimension rows). Errors:
 * as IDX, those of the shape at "shape". */
bool raw_read(const char *bytes, size_t len, const size_t *shape, size_t rank, enum csv_part part,
              enum target_kind kind, const struct table_limits *limits, struct table_sink *sink,
              struct table_info *ret, struct err *err);

/* {"inputs": [[...]], "targets": [[...]]} or with "labels": ["cat", 3, ...] (strings are class
 * names; whole numbers are the names their digits spell), in any order, streamed past, nothing kept
 * but a row. Parts alone: CSV_FEATURES reads [[...], ...]; CSV_TARGETS reads [[...], ...] or
 * ["cat", ...]. Errors: as msg_rows.h names them. */
bool json_table_read(const char *bytes, size_t len, enum csv_part part,
                     const struct table_limits *limits, struct table_sink *sink,
                     struct table_info *ret, struct err *err);

/* JSON lines: a row a line, which ends with LF or CRLF; blank lines are passed over.
 *
 *   {"inputs": [1, 2], "label": "cat"}       a string is a class name, a whole number the name that
 *                                            its digits spell
 *   {"inputs": [1, 2], "targets": [0.5]}
 *   [1, 2, "cat"]                            the last is the target: with kind TARGET_LABELS a
 *                                            class name, as above, with TARGET_NUMBERS a number
 *
 * All rows have the first one's kind of target and its widths. Parts alone: CSV_FEATURES reads
 * [1, 2]; CSV_TARGETS reads [0.5, 1], "cat" or 3, which is a number with kind TARGET_NUMBERS,
 * else a class name. Nothing is kept but some rows. Errors: ERR_SYNTAX at "body", "line N column
 * M: ..."; ERR_FIELD, ERR_RANGE, ERR_TOO_LARGE and ERR_LIMIT at the place in its line, as
 * json_table_read names them: "line 3 inputs[1]". */
bool json_lines_read(const char *bytes, size_t len, enum csv_part part, enum target_kind kind,
                     const struct table_limits *limits, struct table_sink *sink,
                     struct table_info *ret, struct err *err);
/* Whether bytes that begin as JSON does are such lines rather than what json_table_read takes: the
 * first array with rows or values in it holds values, so that it is one row. */
bool json_lines_guess(const char *bytes, size_t len, enum csv_part part);

/* Where an array is inflated to, len > 0 bytes that stay until the reader is back. NULL is a
 * refusal: whoever has the room sees to the limit on all of it. */
struct table_room {
    char *(*take)(struct table_room *room, size_t len, struct err *err);
};

/* Which arrays of an archive are meant; NULL: by the names below. */
struct npz_names {
    const char *features, *targets;
};

/* NPZ: a zip archive (zip.h) of arrays, NAME.npy, each as npy_read has it, with the targets' kind.
 *
 *   features   x X features inputs data x_train X_train x_test X_test arr_0
 *   targets    y Y targets labels target y_train Y_train y_test Y_test arr_1
 *
 * Of each list there must be one; with CSV_BOTH nothing else may be in the archive, unless names
 * say which are meant. A part alone may also be the only array, called anything. Errors: as
 * zip_open and zip_read; at "features" or "target", as a client names them, ERR_FIELD when there
 * is none or several; npy_read's at the array's name; ERR_FIELD at "rows" when there are not as
 * many of both; the room's. */
bool npz_table_read(const char *bytes, size_t len, enum csv_part part, enum target_kind kind,
                    const struct npz_names *names, const struct table_limits *limits,
                    struct table_room *room, struct table_sink *sink, struct table_info *ret,
                    struct err *err);

#endif
