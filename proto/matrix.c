#include "matrix.h"

#include <math.h>
#include <string.h>

#include "table.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "float32 is taken as memory has it");

/* Index of the first that is NaN or infinite; n: none is. Looks at eight at a time. */
static size_t first_infinite(const float *x, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        float sum = 0.0f; /* 0 * x is 0 for every finite x */

        for (size_t k = 0; k < 8; k++) {
            sum += 0.0f * x[i + k];
        }
        if (sum != 0.0f) {
            break;
        }
    }
    while (i < n && isfinite(x[i])) {
        i++;
    }
    return i;
}

static bool rows_check(size_t rows, size_t max_rows, const char *where, struct err *err)
{
    return rows <= max_rows ||
           err_set(err, ERR_TOO_LARGE, where, "has %zu rows, more than %zu", rows, max_rows);
}

bool matrix_raw(char *bytes, size_t len, size_t cols, size_t max_rows, const char *where,
                struct matrix *ret, struct err *err)
{
    const size_t row = cols * sizeof(float), rows = len / row;
    float *data = (float *)(void *)bytes;
    size_t bad;

    if (len == 0 || len % row != 0) {
        return err_set(err, ERR_FIELD, where,
                       "must be whole rows of %zu float32, %zu bytes each, is %zu bytes", cols, row,
                       len);
    }
    if (!rows_check(rows, max_rows, where, err)) {
        return false;
    }
    bad = first_infinite(data, rows * cols);
    if (bad < rows * cols) {
        err_set(err, ERR_RANGE, "", "must be finite, is %g", (double)data[bad]);
        return err_in(err, "%s[%zu][%zu]", where, bad / cols, bad % cols);
    }
    *ret = (struct matrix){ rows, cols, data };
    return true;
}

/* What a reader hands over, in one piece of memory that grows. */
struct collect {
    struct table_sink sink; /* first, so that one is the other */
    struct arena *arena;
    char *bytes;
    size_t len, cap;
};

static bool collect_add(struct table_sink *sink, const void *bytes, size_t len, struct err *err)
{
    struct collect *collect = (struct collect *)sink;

    if (len > collect->cap - collect->len) {
        const size_t cap =
            2 * collect->cap > collect->len + len ? 2 * collect->cap : collect->len + len;
        char *grown = arena_alloc(collect->arena, cap, 1);

        if (grown == NULL) {
            return err_set(err, ERR_MEMORY, "", "does not fit into memory");
        }
        if (collect->len > 0) {
            memcpy(grown, collect->bytes, collect->len);
        }
        collect->bytes = grown;
        collect->cap = cap;
    }
    memcpy(collect->bytes + collect->len, bytes, len);
    collect->len += len;
    return true;
}

static bool collect_finish(struct collect *collect, const struct table_info *info, size_t cols,
                           struct matrix *ret, struct err *err)
{
    float *wide;

    if (info->x_width != cols) {
        return err_set(err, ERR_FIELD, "", "has %zu values a row, expected %zu", info->x_width,
                       cols);
    }
    *ret = (struct matrix){ info->rows, cols, (float *)(void *)collect->bytes };
    if (info->x_dtype == DTYPE_F32) {
        return true;
    }
    wide = arena_alloc(collect->arena, info->rows * cols, sizeof *wide);
    if (wide == NULL) {
        return err_set(err, ERR_MEMORY, "", "does not fit into memory");
    }
    for (size_t i = 0; i < info->rows * cols; i++) {
        wide[i] = (float)((const uint8_t *)collect->bytes)[i];
    }
    ret->data = wide;
    return true;
}

/* Errors that are about the array stand at where; those about the bytes stay. */
static bool placed(struct err *err, const char *where)
{
    return strcmp(err->where, "body") == 0 ? false : err_in(err, "%s", where);
}

bool matrix_npy(const char *bytes, size_t len, size_t cols, size_t max_rows, const char *where,
                struct arena *arena, struct matrix *ret, struct err *err)
{
    const struct table_limits limits = { SPEC_UNITS_MAX, max_rows };
    struct collect collect = { .sink = { collect_add, NULL }, .arena = arena };
    struct table_info info = { 0 };

    return (npy_read(bytes, len, CSV_FEATURES, TARGET_NUMBERS, &limits, &collect.sink, &info,
                     err) &&
            collect_finish(&collect, &info, cols, ret, err)) ||
           placed(err, where);
}

bool matrix_array(const struct array *array, size_t cols, size_t max_rows, const char *where,
                  struct arena *arena, struct matrix *ret, struct err *err)
{
    const struct table_limits limits = { SPEC_UNITS_MAX, max_rows };
    struct collect collect = { .sink = { collect_add, NULL }, .arena = arena };
    struct table_info info = { 0 };

    return (array_read(array, CSV_FEATURES, TARGET_NUMBERS, &limits, &collect.sink, &info, err) &&
            collect_finish(&collect, &info, cols, ret, err)) ||
           placed(err, where);
}

void matrix_raw_encode(struct text *text, const struct matrix *matrix)
{
    text_add(text, (const char *)matrix->data, matrix->rows * matrix->cols * sizeof(float));
}

void matrix_npy_encode(struct text *text, const struct matrix *matrix)
{
    npy_head_encode(text, "<f4", matrix->rows, matrix->cols);
    matrix_raw_encode(text, matrix);
}

bool matrix_finite(const struct matrix *matrix, size_t first, struct err *err)
{
    const size_t bad = first_infinite(matrix->data, matrix->rows * matrix->cols);

    if (bad < matrix->rows * matrix->cols) {
        err_set(err, ERR_NUMBER, "", "is not finite");
        return err_in(err, "outputs[%zu]", first + bad / matrix->cols);
    }
    return true;
}
