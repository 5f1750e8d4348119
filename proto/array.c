#include "array.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decimal.h"

#define CHUNK 4096 /* values on their way to the sink */

static const size_t size_of[ARRAY_TYPE_COUNT] = {
    [ARRAY_U8] = 1,  [ARRAY_I8] = 1,   [ARRAY_U16] = 2, [ARRAY_I16] = 2,
    [ARRAY_U32] = 4, [ARRAY_I32] = 4,  [ARRAY_U64] = 8, [ARRAY_I64] = 8,
    [ARRAY_F16] = 2, [ARRAY_BF16] = 2, [ARRAY_F32] = 4, [ARRAY_F64] = 8,
};

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define HOST_BIG true
#else
#define HOST_BIG false
#endif

static inline uint16_t load16(const char *bytes, size_t i, bool swap)
{
    uint16_t value;

    memcpy(&value, bytes + 2 * i, sizeof value);
    return swap ? __builtin_bswap16(value) : value;
}

static inline uint32_t load32(const char *bytes, size_t i, bool swap)
{
    uint32_t value;

    memcpy(&value, bytes + 4 * i, sizeof value);
    return swap ? __builtin_bswap32(value) : value;
}

static inline uint64_t load64(const char *bytes, size_t i, bool swap)
{
    uint64_t value;

    memcpy(&value, bytes + 8 * i, sizeof value);
    return swap ? __builtin_bswap64(value) : value;
}

static inline float as_float(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double as_double(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. Every one is a float32. */
static float half(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    const uint32_t exponent = bits >> 10 & 0x1f, fraction = bits & 0x3ff;

    if (exponent == 0) { /* fraction * 2^-24, exact in float32 */
        const float value = (float)fraction * 0x1p-24f;

        return sign != 0 ? -value : value;
    }
    if (exponent == 0x1f) {
        return as_float(sign | 0x7f800000 | fraction << 13);
    }
    return as_float(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

void array_floats(const struct array *array, size_t first, size_t n, float *out)
{
    const char *p = array->bytes + first * size_of[array->type];
    const bool swap = array->big_endian != HOST_BIG;

#define CONVERT(type, value)                                                                       \
    case type:                                                                                     \
        for (size_t i = 0; i < n; i++) {                                                           \
            out[i] = (float)(value);                                                               \
        }                                                                                          \
        break

    switch (array->type) {
        CONVERT(ARRAY_U8, (unsigned char)p[i]);
        CONVERT(ARRAY_I8, (signed char)p[i]);
        CONVERT(ARRAY_U16, load16(p, i, swap));
        CONVERT(ARRAY_I16, (int16_t)load16(p, i, swap));
        CONVERT(ARRAY_U32, load32(p, i, swap));
        CONVERT(ARRAY_I32, (int32_t)load32(p, i, swap));
        CONVERT(ARRAY_U64, load64(p, i, swap));
        CONVERT(ARRAY_I64, (int64_t)load64(p, i, swap));
        CONVERT(ARRAY_F16, half(load16(p, i, swap)));
        CONVERT(ARRAY_BF16, as_float((uint32_t)load16(p, i, swap) << 16)); /* its upper half */
        CONVERT(ARRAY_F32, as_float(load32(p, i, swap)));
        CONVERT(ARRAY_F64, as_double(load64(p, i, swap)));
    case ARRAY_TYPE_COUNT:
        break;
    }
#undef CONVERT
}

/* One value for a message or a class name; whole numbers of 64 bits only approximately. */
static double value_at(const struct array *array, size_t i)
{
    float value;

    if (array->type == ARRAY_F64) {
        return as_double(load64(array->bytes, i, array->big_endian != HOST_BIG));
    }
    array_floats(array, i, 1, &value);
    return (double)value;
}

/* "[row]", or "[row][column]" of rows that have several. */
static void place(size_t width, size_t i, char *ret, size_t room)
{
    if (width == 1) {
        snprintf(ret, room, "[%zu]", i);
    } else {
        snprintf(ret, room, "[%zu][%zu]", i / width, i % width);
    }
}

/* Four at a time: compilers do not do this by themselves at -O2. */
typedef uint32_t lanes __attribute__((vector_size(16)));

/* Their exponent is not all ones. */
bool array_finite(const void *floats, size_t n)
{
    const char *values = floats;
    const lanes ones = { 0x7f800000, 0x7f800000, 0x7f800000, 0x7f800000 };
    lanes bad = { 0 }, bits;
    size_t i = 0;

    for (; i + 4 <= n; i += 4) {
        memcpy(&bits, values + i * sizeof(float), sizeof bits);
        bad |= (lanes)((bits & ones) == ones);
    }
    for (; i < n; i++) {
        uint32_t one;

        memcpy(&one, values + i * sizeof one, sizeof one);
        bad[0] |= (one & ones[0]) == ones[0];
    }
    return (bad[0] | bad[1] | bad[2] | bad[3]) == 0;
}

/* A value as a message shows it, in any locale. */
struct shown {
    char text[DECIMAL_MAX];
};

static struct shown show(double value)
{
    struct shown shown = { "NaN" };

    if (isfinite(value)) {
        shown.text[decimal_f64(value, shown.text)] = '\0';
    } else if (isinf(value)) {
        strcpy(shown.text, value < 0.0 ? "-infinity" : "infinity");
    }
    return shown;
}

static bool refuse_value(const struct array *array, size_t width, size_t first, const float *values,
                         struct err *err)
{
    char where[64];
    double value;
    size_t i = 0;

    while (isfinite(values[i])) {
        i++;
    }
    value = value_at(array, first + i);
    place(width, first + i, where, sizeof where);
    return err_set(err, ERR_RANGE, where,
                   isfinite(value) ? "is too large for float32: %s" : "must be finite, is %s",
                   show(value).text);
}

bool array_is_kept(const struct array *array)
{
    return array->type == ARRAY_U8 || (array->type == ARRAY_F32 && array->big_endian == HOST_BIG);
}

typedef bool sink_write(struct table_sink *sink, const void *bytes, size_t len, struct err *err);

/* All n values as float32; what is that already goes to the sink in one piece, from where it lies.
 */
static bool write_floats(const struct array *array, size_t n, size_t width, sink_write *write,
                         struct table_sink *sink, struct err *err)
{
    const bool as_it_is = array->type == ARRAY_F32 && array_is_kept(array);
    float values[CHUNK];

    for (size_t first = 0; first < n; first += CHUNK) {
        const size_t count = n - first < CHUNK ? n - first : CHUNK;

        if (as_it_is && array_finite(array->bytes + first * sizeof(float), count)) {
            continue;
        }
        array_floats(array, first, count, values);
        if (!array_finite(values, count)) {
            return refuse_value(array, width, first, values, err);
        }
        if (!write(sink, values, count * sizeof *values, err)) {
            return false;
        }
    }
    return !as_it_is || write(sink, array->bytes, n * sizeof *values, err);
}

/* The decimal text of value i, which must be whole. ret has room for 24 bytes. */
static bool class_name(const struct array *array, size_t i, char *ret, struct err *err)
{
    const bool swap = array->big_endian != HOST_BIG;
    double value;
    char where[64];

    if (array->type == ARRAY_U64) {
        snprintf(ret, 24, "%" PRIu64, load64(array->bytes, i, swap));
        return true;
    }
    if (array->type == ARRAY_I64) {
        snprintf(ret, 24, "%" PRId64, (int64_t)load64(array->bytes, i, swap));
        return true;
    }
    if (array->type == ARRAY_U32 || array->type == ARRAY_I32) { /* float32 would round them */
        const uint32_t bits = load32(array->bytes, i, swap);

        snprintf(ret, 24, "%" PRId64, array->type == ARRAY_U32 ? bits : (int64_t)(int32_t)bits);
        return true;
    }
    value = value_at(array, i);
    if (!(fabs(value) <= 0x1p53) || value != trunc(value)) {
        place(1, i, where, sizeof where);
        return err_set(err, ERR_RANGE, where,
                       "must be a whole number up to 2^53 to name a class, is %s",
                       show(value).text);
    }
    snprintf(ret, 24, "%" PRId64, (int64_t)value);
    return true;
}

/* All n values as provisional class indices; info->classes and remap. */
static bool write_labels(const struct array *array, size_t n, struct table_sink *sink,
                         struct table_info *info, struct err *err)
{
    struct label_set *set = NULL;
    uint32_t index[CHUNK];
    uint32_t of_byte[256]; /* what u8 values have been given; most labels are such */
    bool ok = false;

    memset(of_byte, 0xff, sizeof of_byte);
    if (!label_set_create(&set, err)) {
        return false;
    }
    for (size_t first = 0; first < n; first += CHUNK) {
        const size_t count = n - first < CHUNK ? n - first : CHUNK;

        for (size_t i = 0; i < count; i++) {
            const unsigned char byte =
                array->type == ARRAY_U8 ? (unsigned char)array->bytes[first + i] : 0;
            char name[24], where[64];

            if (array->type == ARRAY_U8 && of_byte[byte] != UINT32_MAX) {
                index[i] = of_byte[byte];
                continue;
            }
            if (!class_name(array, first + i, name, err)) {
                goto out;
            }
            if (!label_set_add(set, name, strlen(name), &index[i], err)) {
                place(1, first + i, where, sizeof where);
                err_in(err, "%s", where);
                goto out;
            }
            of_byte[byte] = index[i]; /* read for u8 only */
        }
        if (!sink->targets(sink, index, count * sizeof *index, err)) {
            goto out;
        }
    }
    ok = label_set_finish(set, &info->classes, &info->remap, err);
out:
    label_set_free(set);
    return ok;
}

static const char *shape_at(const struct array *array)
{
    return array->shape_apart ? "shape" : "body";
}

/* len is what the shape needs, and rows and width are within limits; *ret_width. */
static bool check_sizes(const struct array *array, const struct table_limits *limits,
                        size_t *ret_width, struct err *err)
{
    size_t width = 1, need;
    bool over = false;

    if (array->rank == 0) {
        return err_set(err, array->shape_apart ? ERR_FIELD : ERR_SYNTAX, shape_at(array),
                       "must have a dimension of rows, has none");
    }
    for (size_t i = 0; i < array->rank; i++) {
        if (array->shape[i] == 0) {
            return err_set(err, array->shape_apart ? ERR_FIELD : ERR_SYNTAX, shape_at(array),
                           "must not be empty: dimension %zu is 0", i);
        }
        over = over || (i > 0 && __builtin_mul_overflow(width, array->shape[i], &width));
    }
    over = over || __builtin_mul_overflow(width, size_of[array->type], &need) ||
           __builtin_mul_overflow(need, array->shape[0], &need);
    if (over) {
        return err_set(err, ERR_SYNTAX, "body", "must have over %zu bytes of values, has %zu",
                       SIZE_MAX, array->len);
    }
    if (array->len != need) {
        return err_set(err, ERR_SYNTAX, "body", "must have %zu bytes of values, has %zu", need,
                       array->len);
    }
    if (array->shape[0] > limits->max_rows) {
        return err_set(err, ERR_TOO_LARGE, shape_at(array), "must have at most %zu rows, has %zu",
                       limits->max_rows, array->shape[0]);
    }
    if (width > limits->max_features) {
        return err_set(err, ERR_TOO_LARGE, shape_at(array),
                       "must have at most %zu values a row, has %zu", limits->max_features, width);
    }
    *ret_width = width;
    return true;
}

static void describe(const struct array *array, size_t width, struct table_info *info)
{
    info->x_dtype = array->type == ARRAY_U8 ? DTYPE_U8 : DTYPE_F32;
    info->x_rank = array->rank;
    memcpy(info->x_shape, array->shape, array->rank * sizeof *array->shape);
    info->x_width = width;
    info->rows = array->shape[0];
}

bool array_describe(const struct array *array, const struct table_limits *limits,
                    struct table_info *ret, struct err *err)
{
    struct table_info info = { .kind = TARGET_NONE };
    size_t width = 0;

    if (!check_sizes(array, limits, &width, err)) {
        return false;
    }
    describe(array, width, &info);
    *ret = info;
    return true;
}

static bool read_features(const struct array *array, size_t width, struct table_sink *sink,
                          struct table_info *info, struct err *err)
{
    describe(array, width, info);
    if (array->type == ARRAY_U8) {
        return sink->features(sink, array->bytes, array->len, err);
    }
    return write_floats(array, info->rows * width, width, sink->features, sink, err);
}

static bool read_targets(const struct array *array, size_t width, struct table_sink *sink,
                         struct table_info *info, struct err *err)
{
    const size_t rank_max = info->kind == TARGET_LABELS ? 1 : 2;

    if (array->rank > rank_max) {
        return err_set(err, ERR_FIELD, shape_at(array),
                       "must have at most %zu dimension%s to be %s, has %zu", rank_max,
                       rank_max == 1 ? "" : "s", rank_max == 1 ? "labels" : "targets", array->rank);
    }
    info->y_width = width;
    return info->kind == TARGET_LABELS
               ? write_labels(array, info->rows, sink, info, err)
               : write_floats(array, info->rows * width, width, sink->targets, sink, err);
}

bool array_read(const struct array *array, enum csv_part part, enum target_kind kind,
                const struct table_limits *limits, struct table_sink *sink, struct table_info *ret,
                struct err *err)
{
    struct table_info info = { .kind = part == CSV_TARGETS ? kind : TARGET_NONE };
    size_t width = 0;
    bool ok;

    if (part == CSV_BOTH) {
        return err_set(err, ERR_TYPE, "", "one array is features or targets, not both: send each");
    }
    if (!check_sizes(array, limits, &width, err)) {
        return false;
    }
    info.rows = array->shape[0];
    ok = part == CSV_FEATURES ? read_features(array, width, sink, &info, err)
                              : read_targets(array, width, sink, &info, err);
    if (!ok) {
        table_info_done(&info);
        return false;
    }
    *ret = info;
    return true;
}
