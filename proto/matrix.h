/* Rows of numbers as bytes: little-endian float32, NPY, or any array type of array.h; and back.
 * Thread: any. */
#ifndef MATRIX_H
#define MATRIX_H

#include "array.h"
#include "msg_rows.h"
#include "text.h"

/* Little-endian float32, row after row, as many rows as there are; ret->data points into bytes,
 * which are aligned for it. Errors, at where: ERR_FIELD when len is no whole number of rows or 0,
 * ERR_TOO_LARGE above max_rows, ERR_RANGE at "where[row][column]" for NaN and infinity. */
bool matrix_raw(char *bytes, size_t len, size_t cols, size_t max_rows, const char *where,
                struct matrix *ret, struct err *err);
/* NPY as npy_read takes it; dimensions after the first are one row, which must have cols values. */
bool matrix_npy(const char *bytes, size_t len, size_t cols, size_t max_rows, const char *where,
                struct arena *arena, struct matrix *ret, struct err *err);
/* The same of an array whose shape is known. */
bool matrix_array(const struct array *array, size_t cols, size_t max_rows, const char *where,
                  struct arena *arena, struct matrix *ret, struct err *err);

/* Adds the values as little-endian float32, or as NPY 1.0 with shape (rows, cols). */
void matrix_raw_encode(struct text *text, const struct matrix *matrix);
void matrix_npy_encode(struct text *text, const struct matrix *matrix);
/* Whether all are finite. Errors: ERR_NUMBER at "outputs[row]", the matrix's first being row first. */
bool matrix_finite(const struct matrix *matrix, size_t first, struct err *err);

#endif
