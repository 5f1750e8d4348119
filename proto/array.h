/* One array of numbers as the features, or the targets, of a data set: what IDX, NPY and raw bytes
 * have in common once their headers are read. */
#ifndef ARRAY_H
#define ARRAY_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "table.h"
#include "text.h"

enum array_type {
    ARRAY_U8,
    ARRAY_I8,
    ARRAY_U16,
    ARRAY_I16,
    ARRAY_U32,
    ARRAY_I32,
    ARRAY_U64,
    ARRAY_I64,
    ARRAY_F16,
    ARRAY_BF16,
    ARRAY_F32,
    ARRAY_F64,
    ARRAY_TYPE_COUNT
};

struct array {
    enum array_type type;
    bool big_endian;
    size_t rank; /* 0 to TABLE_RANK_MAX; 0 is refused */
    size_t shape[TABLE_RANK_MAX];
    bool shape_apart;  /* the shape came beside the bytes, not in a header of theirs */
    const char *bytes; /* borrowed; all that follows the header */
    size_t len;
};

/* Hands the array to the sink as that part. Nothing is allocated but what labels need, and all
 * sizes are checked before. Errors: ERR_SYNTAX at "body" when len is not what the shape
 * needs, or the shape is empty; at "body", or at "shape" when it is apart, ERR_FIELD for a shape
 * that cannot be that part and ERR_TOO_LARGE for one over the limits; ERR_RANGE at "[row]", or
 * "[row][column]" of wider rows, for NaN, infinity, what overflows float32, and class names that
 * are not whole; ERR_TYPE at "" for CSV_BOTH. */
bool array_read(const struct array *array, enum csv_part part, enum target_kind kind,
                const struct table_limits *limits, struct table_sink *sink, struct table_info *ret,
                struct err *err);

/* What stands before the values of an NPY or IDX file, of which bytes[len] are the beginning or
 * all. ret->bytes is what is behind it. Errors: as npy_read and idx_read, of the head. */
bool npy_head(const char *bytes, size_t len, struct array *ret, struct err *err);
bool idx_head(const char *bytes, size_t len, struct array *ret, struct err *err);
/* Adds what stands before the values of NPY 1.0, NPY_HEAD_LEN bytes: descr is numpy's name of their
 * type, "<f4"; cols 0: of one dimension. */
#define NPY_HEAD_LEN 128
void npy_head_encode(struct text *text, const char *descr, size_t rows, size_t cols);
/* The same of any shape whose rows have fewer than 2^32 values, rank from 1 to TABLE_RANK_MAX. */
void npy_head_shape(struct text *text, const char *descr, const size_t *shape, size_t rank);

/* Whether its values are kept as they come: bytes, and float32 in the machine's order. */
bool array_is_kept(const struct array *array);
/* What array_read says of such an array as features, without a look at the values. Errors: as
 * there, of sizes. */
bool array_describe(const struct array *array, const struct table_limits *limits,
                    struct table_info *ret, struct err *err);
/* out[i] = value first + i, which lies within len, rounded to nearest; infinity when it does not
 * fit. */
void array_floats(const struct array *array, size_t first, size_t n, float *out);
/* Whether all n float32 are finite; they need not be aligned. */
bool array_finite(const void *values, size_t n);

#endif
