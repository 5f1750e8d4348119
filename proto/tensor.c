#include "tensor.h"

#include <math.h>
#include <string.h>

#include "matrix.h"
#include "value.h"

/* The protocol's element types. */
struct datatype {
    const char *name;
    enum array_type array; /* what binary data is read as */
    bool whole;
    double least, most;
};

/* clang-format off */
static const struct datatype datatypes[] = {
    { "FP32",   ARRAY_F32, false, -INFINITY, INFINITY },
    { "FP64",   ARRAY_F64, false, -INFINITY, INFINITY },
    { "FP16",   ARRAY_F16, false, -65504, 65504 },
    { "BF16",   ARRAY_BF16, false, -0x1.fep127, 0x1.fep127 },
    { "BOOL",   ARRAY_U8,  true, 0, 1 },
    { "UINT8",  ARRAY_U8,  true, 0, 255 },
    { "UINT16", ARRAY_U16, true, 0, 65535 },
    { "UINT32", ARRAY_U32, true, 0, 4294967295.0 },
    { "UINT64", ARRAY_U64, true, 0, 18446744073709551615.0 },
    { "INT8",   ARRAY_I8,  true, -128, 127 },
    { "INT16",  ARRAY_I16, true, -32768, 32767 },
    { "INT32",  ARRAY_I32, true, -2147483648.0, 2147483647.0 },
    { "INT64",  ARRAY_I64, true, -9223372036854775808.0, 9223372036854775807.0 },
};
/* clang-format on */
#define N_DATATYPES (sizeof datatypes / sizeof *datatypes)
#define IS_BOOL(type) ((type)->most == 1)

/* Whether a value is one of the type's. */
static bool value_fits(const struct datatype *type, float value, size_t at, struct err *err)
{
    const double v = value;

    if (type->whole && v != floor(v)) {
        err_set(err, ERR_RANGE, "", "must be whole for %s, is %g", type->name, v);
        return err_in(err, "[%zu]", at);
    }
    if (v < type->least || v > type->most) {
        err_set(err, ERR_RANGE, "", "must be %.17g to %.17g for %s, is %g", type->least, type->most,
                type->name, v);
        return err_in(err, "[%zu]", at);
    }
    return true;
}

/* The numbers, or booleans, of the array that has been entered, up to room of them to to. */
static bool numbers_read(struct scan *scan, const struct datatype *type, float *to, size_t room,
                         size_t *n, struct err *err)
{
    bool more, is;

    for (*n = 0;; (*n)++) {
        if (!scan_next(scan, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (*n == room) {
            return err_set(err, ERR_FIELD, "", "has more than %zu values here", room);
        }
        if (IS_BOOL(type)) {
            if (!value_boolean(scan, &is, err)) {
                return value_in(err, "[%zu]", *n);
            }
            to[*n] = is;
        } else {
            const size_t run = scan_numbers(scan, to + *n, room - *n);

            if (run == 0 && !value_float(scan, to + *n, err)) {
                return value_in(err, "[%zu]", *n);
            }
            *n += run > 0 ? run - 1 : 0;
        }
    }
}

/* Whether the array that begins here holds arrays. */
static bool is_nested(const struct scan *scan, bool *ret, struct err *err)
{
    struct scan ahead = *scan;
    enum scan_kind kind;
    bool more;

    if (!scan_enter(&ahead, err) || !scan_next(&ahead, &more, err)) {
        return false;
    }
    *ret = false;
    if (more) {
        if (!scan_peek(&ahead, &kind, err)) {
            return false;
        }
        *ret = kind == SCAN_ARRAY;
    }
    return true;
}

/* An array at that depth of the shape, or with all values in one where it is the outermost. count:
 * values of the shape from here on. */
static bool level_read(struct scan *scan, const struct tensor *tensor, size_t level, size_t count,
                       float *to, struct err *err)
{
    bool nested, more;
    size_t n = 0;

    if (!scan_expect(scan, SCAN_ARRAY, "an array", err) || !is_nested(scan, &nested, err) ||
        !scan_enter(scan, err)) {
        return false;
    }
    if (!nested) {
        if (level > 0 && level + 1 < tensor->rank) {
            return err_set(err, ERR_FIELD, "", "must be nested %zu deep as its shape is, or flat",
                           tensor->rank);
        }
        return numbers_read(scan, tensor->type, to, count, &n, err) &&
               (n == count ||
                err_set(err, ERR_FIELD, "", "has %zu values, expected %zu", n, count));
    }
    if (level + 1 >= tensor->rank) {
        return err_set(err, ERR_FIELD, "", "is nested deeper than its shape");
    }
    for (; scan_next(scan, &more, err) && more; n++) {
        const size_t part = count / tensor->shape[level];

        if (n == tensor->shape[level]) {
            return err_set(err, ERR_FIELD, "", "has more than %zu entries here", n);
        }
        if (!level_read(scan, tensor, level + 1, part, to + n * part, err)) {
            return value_in(err, "[%zu]", n);
        }
    }
    return err->code == ERR_NONE &&
           (n == tensor->shape[level] ||
            err_set(err, ERR_FIELD, "", "has %zu entries, expected %zu", n, tensor->shape[level]));
}

bool tensor_data_read(struct scan *scan, struct tensor *tensor, struct arena *arena,
                      struct err *err)
{
    float *to = arena_alloc(arena, tensor->count, sizeof *to);

    if (to == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory for %zu values", tensor->count);
    }
    if (!level_read(scan, tensor, 0, tensor->count, to, err)) {
        return false;
    }
    for (size_t i = 0; tensor->type->least > -INFINITY && i < tensor->count; i++) {
        if (!value_fits(tensor->type, to[i], i, err)) {
            return false;
        }
    }
    tensor->values = (struct matrix){ tensor->rows, tensor->count / tensor->rows, to };
    return true;
}

bool tensor_binary_read(struct tensor *tensor, char *bytes, size_t len, struct arena *arena,
                        struct err *err)
{
    struct matrix *ret = &tensor->values;
    const size_t cols = tensor->count / tensor->rows;
    struct array array = { .type = tensor->type->array,
                           .rank = tensor->rank,
                           .shape_apart = true,
                           .bytes = bytes,
                           .len = (size_t)tensor->size };

    if (tensor->size != len) {
        return err_set(err, ERR_FIELD, "inputs[0].parameters.binary_data_size",
                       "is %llu, but %zu bytes follow the JSON", (unsigned long long)tensor->size,
                       len);
    }
    memcpy(array.shape, tensor->shape, sizeof array.shape);
    if (array.type == ARRAY_F32 && (uintptr_t)bytes % _Alignof(float) == 0 &&
        len == tensor->count * sizeof(float)) {
        return matrix_raw(bytes, len, cols, tensor->rows, "inputs[0].data", ret, err);
    }
    if (!matrix_array(&array, cols, tensor->rows, "inputs[0].data", arena, ret, err)) {
        return false;
    }
    for (size_t i = 0; IS_BOOL(tensor->type) && i < tensor->count; i++) {
        if (!value_fits(tensor->type, ret->data[i], i, err)) {
            return err_in(err, "inputs[0].data");
        }
    }
    return true;
}

bool tensor_type_read(struct scan *scan, struct tensor *tensor, struct err *err)
{
    const char *names[N_DATATYPES];
    size_t at;

    for (size_t i = 0; i < N_DATATYPES; i++) {
        names[i] = datatypes[i].name;
    }
    if (!value_choice(scan, names, N_DATATYPES, &at, err)) {
        return false;
    }
    tensor->type = &datatypes[at];
    return true;
}

bool tensor_shape_read(struct scan *scan, struct tensor *tensor, const struct rows_limits *limits,
                       struct err *err)
{
    size_t width = 1;
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array of sizes", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (; scan_next(scan, &more, err) && more; tensor->rank++) {
        uint64_t size;

        if (tensor->rank == TABLE_RANK_MAX) {
            return err_set(err, ERR_FIELD, "", "must have 2 to %d sizes", TABLE_RANK_MAX);
        }
        if (!value_whole(scan, 1, INT32_MAX, &size, err)) {
            return value_in(err, "[%zu]", tensor->rank);
        }
        tensor->shape[tensor->rank] = (size_t)size;
        if (tensor->rank > 0 && width <= limits->inputs_cols) {
            width *= (size_t)size; /* below 2^16 times 2^31 */
        }
    }
    if (err->code != ERR_NONE) {
        return false;
    }
    if (tensor->rank < 2 || width != limits->inputs_cols) {
        return err_set(err, ERR_FIELD, "",
                       "must be [rows, %zu], or have sizes after the first that multiply to that",
                       limits->inputs_cols);
    }
    if (tensor->shape[0] > limits->max_rows) {
        return err_set(err, ERR_TOO_LARGE, "", "has %zu rows, more than %zu", tensor->shape[0],
                       limits->max_rows);
    }
    tensor->rows = tensor->shape[0];
    tensor->count = tensor->rows * width;
    return true;
}
