#include "onnx_tensor.h"

#include <inttypes.h>

#include "quote.h"
#include "value.h"

#define CHUNK 1024 /* values on their way */

enum { FLOAT_DATA = 4, INT32_DATA = 5, INT64_DATA = 7, DOUBLE_DATA = 10 };

/* What can be read: how its values lie in raw_data, and where else. */
struct kind {
    uint64_t type;
    enum array_type array;
    size_t size;
    uint32_t data;
    enum protobuf_type each;
};

static const struct kind *kind_find(uint64_t type)
{
    static const struct kind kinds[] = {
        { ONNX_FLOAT, ARRAY_F32, 4, FLOAT_DATA, PROTOBUF_4 },
        { ONNX_DOUBLE, ARRAY_F64, 8, DOUBLE_DATA, PROTOBUF_8 },
        { ONNX_FLOAT16, ARRAY_F16, 2, INT32_DATA, PROTOBUF_VARINT },
        { ONNX_BFLOAT16, ARRAY_BF16, 2, INT32_DATA, PROTOBUF_VARINT },
        { ONNX_INT32, ARRAY_I32, 4, INT32_DATA, PROTOBUF_VARINT },
        { ONNX_INT64, ARRAY_I64, 8, INT64_DATA, PROTOBUF_VARINT },
        { ONNX_BOOL, ARRAY_U8, 1, INT32_DATA, PROTOBUF_VARINT },
    };

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].type == type) {
            return &kinds[i];
        }
    }
    return NULL;
}

bool onnx_type_is_float(uint64_t type)
{
    return type == ONNX_FLOAT || type == ONNX_DOUBLE || type == ONNX_FLOAT16 ||
           type == ONNX_BFLOAT16;
}

bool onnx_type_is_whole(uint64_t type)
{
    return (type >= ONNX_UINT8 && type <= ONNX_INT64) || type == ONNX_UINT32 || type == ONNX_UINT64;
}

/* What was set at "" is about the tensor. */
static bool tensor_in(const struct onnx_tensor *tensor, struct err *err)
{
    return value_in(err, "tensor '%s'", quote(tensor->name.at, protobuf_len(&tensor->name)).text);
}

bool onnx_tensor_refuse(const struct onnx_tensor *tensor, const char *what, struct err *err)
{
    err_set(err, ERR_FIELD, "", "%s", what);
    return tensor_in(tensor, err);
}

/* ---- head ---- */

static bool dims_read(struct onnx_tensor *tensor, struct err *err)
{
    struct protobuf_numbers dims = protobuf_numbers(tensor->message, 1, PROTOBUF_VARINT);
    uint64_t dim;
    bool more;

    tensor->count = 1;
    for (;;) {
        if (!protobuf_numbers_next(&dims, &dim, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (tensor->rank == ONNX_RANK_MAX) {
            return err_set(err, ERR_FIELD, "", "has more than %d dimensions", ONNX_RANK_MAX);
        }
        if (__builtin_mul_overflow(tensor->count, dim, &tensor->count)) {
            return err_set(err, ERR_FIELD, "", "has dimensions whose product is beyond 64 bits");
        }
        tensor->dims[tensor->rank++] = dim;
    }
}

static bool data_count(const struct onnx_tensor *tensor, const struct kind *kind, uint64_t *ret,
                       struct err *err)
{
    struct protobuf_numbers data = protobuf_numbers(tensor->message, tensor->data, kind->each);
    uint64_t bits, n = 0;
    bool more = true;

    while (more) {
        if (!protobuf_numbers_next(&data, &bits, &more, err)) {
            return false;
        }
        n += more ? 1 : 0;
    }
    *ret = n;
    return true;
}

/* Its data are as many as its dimensions say: from here on count is no claim any more. */
static bool data_fit(struct onnx_tensor *tensor, struct err *err)
{
    const struct kind *kind = kind_find(tensor->type);
    const size_t raw = protobuf_len(&tensor->raw);
    uint64_t n;

    if (kind == NULL) {
        return true;
    }
    tensor->data = kind->data;
    if (tensor->has_raw) {
        n = raw / kind->size;
        if (raw % kind->size != 0) {
            return err_set(err, ERR_FIELD, "", "has %zu bytes of raw_data, no multiple of %zu", raw,
                           kind->size);
        }
    } else if (!data_count(tensor, kind, &n, err)) {
        return false;
    }
    return n == tensor->count ||
           err_set(err, ERR_FIELD, "", "has %" PRIu64 " values, its dimensions need %" PRIu64, n,
                   tensor->count);
}

static bool field_take(struct onnx_tensor *tensor, const struct protobuf_field *field,
                       struct err *err)
{
    if (protobuf_is(field, 2, PROTOBUF_VARINT)) {
        tensor->type = field->bits;
    } else if (protobuf_is(field, 8, PROTOBUF_BYTES)) {
        tensor->name = field->bytes;
    } else if (protobuf_is(field, 9, PROTOBUF_BYTES)) {
        tensor->raw = field->bytes;
        tensor->has_raw = true;
    } else if (protobuf_is(field, 13, PROTOBUF_BYTES) ||
               (protobuf_is(field, 14, PROTOBUF_VARINT) && field->bits != 0)) {
        return err_set(err, ERR_FIELD, "",
                       "has its data in another file: save the model as one file");
    } else if (protobuf_is(field, 3, PROTOBUF_BYTES)) {
        return err_set(err, ERR_FIELD, "", "is a segment of one: only whole tensors are read");
    }
    return true;
}

bool onnx_tensor_read(struct protobuf message, struct onnx_tensor *ret, struct err *err)
{
    struct onnx_tensor tensor = { .message = message };
    struct protobuf_field field;
    bool more, ok = true;

    for (;;) {
        if (!protobuf_next(&message, &field, &more, err)) {
            return false;
        }
        if (!more) {
            break;
        }
        /* The name may come behind what is wrong. */
        ok = field_take(&tensor, &field, err) && ok;
    }
    if (!ok || !dims_read(&tensor, err) || !data_fit(&tensor, err)) {
        return tensor_in(&tensor, err);
    }
    *ret = tensor;
    return true;
}

bool onnx_tensor_list(struct protobuf message, uint32_t data, struct protobuf name,
                      struct onnx_tensor *ret, struct err *err)
{
    struct onnx_tensor tensor = {
        .name = name, .message = message, .data = data, .type = ONNX_FLOAT, .rank = 1
    };

    if (!data_count(&tensor, kind_find(ONNX_FLOAT), &tensor.count, err)) {
        return tensor_in(&tensor, err);
    }
    tensor.dims[0] = tensor.count;
    *ret = tensor;
    return true;
}

/* ---- values ---- */

/* Where values are read from, in their order. */
struct source {
    const struct onnx_tensor *tensor;
    const struct kind *kind;
    struct protobuf_numbers data;
    uint64_t at;
};

static struct source source_of(const struct onnx_tensor *tensor)
{
    const struct kind *kind = kind_find(tensor->type);

    return (struct source){ .tensor = tensor,
                            .kind = kind,
                            .data = protobuf_numbers(tensor->message, tensor->data, kind->each) };
}

/* The next n values as float32, any; n is no more than are left. */
static bool floats_next(struct source *source, size_t n, float *ret, struct err *err)
{
    struct array array = { .type = source->kind->array };
    char bytes[8];
    uint64_t bits;
    bool more;

    if (source->tensor->has_raw) {
        array.bytes = source->tensor->raw.at;
        array_floats(&array, (size_t)source->at, n, ret);
        source->at += n;
        return true;
    }
    array.bytes = bytes;
    for (size_t i = 0; i < n; i++) {
        if (!protobuf_numbers_next(&source->data, &bits, &more, err)) {
            return false;
        }
        for (size_t b = 0; b < sizeof bytes; b++) {
            bytes[b] = (char)(bits >> (8 * b) & 0xff);
        }
        array_floats(&array, 0, 1, ret + i);
    }
    source->at += n;
    return true;
}

static bool finite_check(const float *values, size_t n, uint64_t first, struct err *err)
{
    size_t i = 0;

    if (array_finite(values, n)) {
        return true;
    }
    while (array_finite(values + i, 1)) {
        i++;
    }
    return err_set(err, ERR_RANGE, "",
                   "has a value that is not finite, or too large for float32, at %" PRIu64,
                   first + i);
}

bool onnx_tensor_floats(const struct onnx_tensor *tensor, size_t cols, float *ret, struct err *err)
{
    const size_t n = (size_t)tensor->count, rows = cols > 0 ? n / cols : 0;
    struct source source;
    float values[CHUNK];

    if (!onnx_type_is_float(tensor->type)) {
        return onnx_tensor_refuse(tensor, "must be FLOAT, DOUBLE, FLOAT16 or BFLOAT16", err);
    }
    source = source_of(tensor);
    for (size_t first = 0; first < n; first += CHUNK) {
        const size_t count = n - first < CHUNK ? n - first : CHUNK;

        if (!floats_next(&source, count, values, err) || !finite_check(values, count, first, err)) {
            return tensor_in(tensor, err);
        }
        for (size_t i = 0; i < count; i++) {
            const size_t at = first + i;

            ret[cols > 0 ? at % cols * rows + at / cols : at] = values[i];
        }
    }
    return true;
}

bool onnx_tensor_whole(const struct onnx_tensor *tensor, uint64_t i, int64_t *ret, struct err *err)
{
    const struct kind *kind = kind_find(tensor->type);
    struct protobuf_numbers data;
    uint64_t bits = 0;
    bool more;

    if (kind == NULL || onnx_type_is_float(tensor->type)) {
        return onnx_tensor_refuse(tensor, "must be INT32, INT64 or BOOL", err);
    }
    if (tensor->has_raw) {
        for (size_t b = 0; b < kind->size; b++) {
            const unsigned char byte = (unsigned char)tensor->raw.at[i * kind->size + b];

            bits |= (uint64_t)byte << (8 * b);
        }
    } else {
        data = protobuf_numbers(tensor->message, tensor->data, kind->each);
        for (uint64_t n = 0; n <= i; n++) {
            if (!protobuf_numbers_next(&data, &bits, &more, err)) {
                return tensor_in(tensor, err);
            }
        }
    }
    *ret = kind->size == 4 ? (int32_t)(uint32_t)bits : (int64_t)bits;
    return true;
}
