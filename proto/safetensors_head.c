/* The header of a safetensors file: which tensors there are and where, and the metadata. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msg_train.h"
#include "safetensors_reader.h"
#include "value.h"

/* ---- of one tensor ---- */

size_t safetensors_header_len(const char *bytes, size_t len)
{
    uint64_t n = 0;

    for (size_t i = 0; i < 8 && len >= 8; i++) {
        n |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    }
    return len < 8 || n > len - 8 || n > SAFETENSORS_HEADER_MAX || n < 2 ? 0 : (size_t)n;
}

bool safetensors_shape_read(struct scan *scan, size_t *rank, size_t *shape, struct err *err)
{
    bool more;
    uint64_t n;

    if (!scan_expect(scan, SCAN_ARRAY, "an array", err) || !scan_enter(scan, err)) {
        return false;
    }
    while (scan_next(scan, &more, err)) {
        if (!more) {
            return *rank > 0 || err_set(err, ERR_FIELD, "", "must have 1 or 2 dimensions");
        }
        if (*rank == 2) {
            return err_set(err, ERR_FIELD, "", "must have 1 or 2 dimensions");
        }
        if (!value_whole(scan, 1, SPEC_UNITS_MAX, &n, err)) {
            return false;
        }
        shape[(*rank)++] = (size_t)n;
    }
    return false;
}

bool safetensors_extent_read(struct scan *scan, uint64_t data_len, struct extent *ret,
                             struct err *err)
{
    uint64_t at[2];
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        if (!scan_next(scan, &more, err)) {
            return false;
        }
        if (more != (i < 2)) {
            return err_set(err, ERR_FIELD, "", "must be two numbers");
        }
        if (more && !value_whole(scan, 0, data_len, &at[i], err)) {
            return false;
        }
    }
    *ret = (struct extent){ at[0], at[1] };
    return true;
}

static bool read_dtype(struct scan *scan, void *into, struct err *err)
{
    struct reader *reader = into;
    char dtype[8];
    size_t len;

    if (!value_string(scan, dtype, sizeof dtype, &len, err)) {
        return false;
    }
    reader->tensor->f32 = strcmp(dtype, "F32") == 0;
    return reader->tensor->f32 || strcmp(dtype, "U8") == 0 ||
           err_set(err, ERR_FIELD, "", "must be F32, is %s", dtype);
}

static bool read_shape(struct scan *scan, void *into, struct err *err)
{
    struct tensor *tensor = ((struct reader *)into)->tensor;

    return safetensors_shape_read(scan, &tensor->rank, tensor->shape, err);
}

static bool read_offsets(struct scan *scan, void *into, struct err *err)
{
    struct reader *reader = into;

    return safetensors_extent_read(scan, reader->data_len, &reader->tensor->extent, err);
}

/* Their names. */
static const char *const singles[SINGLES] = {
    [SHIFT] = "norm.shift",
    [SCALE] = "norm.scale",
    [TARGET_SHIFT] = "norm.target_shift",
    [TARGET_SCALE] = "norm.target_scale",
    [CHECKSUM] = "sigmad.checksum",
};

/* The struct that a tensor of this name fills; NULL when it is none of ours. */
static struct tensor *tensor_find(struct reader *reader, const char *name)
{
    struct tensors *tensors = &reader->net;
    char kind[8];
    unsigned l, block;
    int end = 0;

    for (size_t i = 0; i < SINGLES; i++) {
        if (strcmp(name, singles[i]) == 0) {
            return &reader->single[i];
        }
    }
    if (sscanf(name, "optimizer.%1u.%n", &block, &end) == 1 && end > 0 &&
        block < SAFETENSORS_BLOCKS) {
        tensors = &reader->block[block];
        name += end;
    }
    if (sscanf(name, "layers.%2u.%7s%n", &l, kind, &end) != 2 || name[end] != '\0' ||
        l >= SPEC_LAYERS_MAX) {
        return NULL;
    }
    return strcmp(kind, "weight") == 0 ? &tensors->weight[l]
           : strcmp(kind, "bias") == 0 ? &tensors->bias[l]
                                       : NULL;
}

static bool tensor_read(struct scan *scan, struct reader *reader, const char *name, struct err *err)
{
    static const struct value_field fields[] = { { "dtype", read_dtype, true },
                                                 { "shape", read_shape, true },
                                                 { "data_offsets", read_offsets, true } };
    struct tensor *tensor = tensor_find(reader, name);
    uint64_t bytes;

    if (tensor == NULL) {
        return err_set(err, ERR_FIELD, name, "is no tensor of a model");
    }
    if (tensor->there) {
        return err_set(err, ERR_FIELD, name, "is there twice");
    }
    reader->tensor = tensor;
    if (!value_object(scan, "a tensor", fields, 3, reader, err)) {
        return value_in(err, "%s", name);
    }
    tensor->there = true;
    bytes = tensor->shape[0] * (tensor->rank == 2 ? tensor->shape[1] : 1) * (tensor->f32 ? 4u : 1u);
    if (tensor->extent.from > tensor->extent.to ||
        tensor->extent.to - tensor->extent.from != bytes ||
        (tensor->f32 && tensor->extent.from % sizeof(float) != 0)) {
        return err_set(err, ERR_FIELD, name,
                       "has %" PRIu64 " to %" PRIu64
                       " as data_offsets, but its shape takes %" PRIu64 " bytes",
                       tensor->extent.from, tensor->extent.to, bytes);
    }
    reader->n_tensors++;
    return true;
}

/* "1.5" -> 1.5, "" -> NAN. */
static double fact_double(const char *text)
{
    return text[0] != '\0' ? strtod(text, NULL) : (double)NAN;
}

static bool fact_read(struct reader *reader, const char *key, const char *text, struct err *err)
{
    struct msg_version *facts = &reader->facts;

    if (strcmp(key, "format_version") == 0 &&
        (text[0] < '1' || text[0] > '0' + SAFETENSORS_FORMAT || text[1] != '\0')) {
        return err_set(err, ERR_FIELD, "format_version", "is %.32s, this server reads up to %d",
                       text, SAFETENSORS_FORMAT);
    } else if (strcmp(key, "version") == 0) {
        facts->version = strtoull(text, NULL, 10);
        reader->has_facts = facts->version > 0;
    } else if (strcmp(key, "created") == 0) {
        facts->created = fact_double(text);
    } else if (strcmp(key, "job") == 0) {
        facts->job = strtoull(text, NULL, 10);
    } else if (strcmp(key, "epoch") == 0) {
        facts->epoch = (size_t)strtoull(text, NULL, 10);
    } else if (strcmp(key, "loss") == 0) {
        facts->loss = fact_double(text);
    } else if (strcmp(key, "accuracy") == 0) {
        facts->accuracy = fact_double(text);
    } else if (strcmp(key, "source") == 0) {
        facts->source = text;
    } else if (strcmp(key, "digest") == 0) {
        facts->digest = text;
    } else if (strcmp(key, "model_created") == 0) {
        facts->model_created = fact_double(text);
    } else if (strcmp(key, "plan") == 0) {
        facts->has_plan = true;
        return msg_plan_decode(text, strlen(text), &facts->plan, err) || value_in(err, "plan");
    } else if (strcmp(key, "idempotency_key") == 0) {
        facts->key = text;
    } else if (strcmp(key, "request") == 0) {
        facts->request = text;
    } else if (strcmp(key, "carry") == 0) {
        reader->carry = text;
    } else if (strcmp(key, "spec") == 0) {
        reader->spec = text;
    }
    return true;
}

static bool metadata_read(struct scan *scan, struct reader *reader, struct err *err)
{
    char key[KEY_MAX];
    size_t len;
    bool more;

    if (!scan_expect(scan, SCAN_OBJECT, "an object", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (;;) {
        struct scan ahead;
        char *text, none[1];

        if (!scan_key(scan, key, sizeof key, &len, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (!scan_expect(scan, SCAN_STRING, "a string", err)) {
            return value_in(err, "%s", len < sizeof key ? key : "__metadata__");
        }
        ahead = *scan;
        if (!scan_string(&ahead, none, sizeof none, &len, err)) {
            return false;
        }
        text = arena_alloc(reader->arena, len + 1, 1);
        if (text == NULL) {
            return err_set(err, ERR_MEMORY, "__metadata__", "does not fit into memory");
        }
        if (!scan_string(scan, text, len + 1, &len, err) || !fact_read(reader, key, text, err)) {
            return false;
        }
    }
}

bool safetensors_header_read(const char *header, size_t len, struct reader *reader, struct err *err)
{
    struct scan scan;
    char key[KEY_MAX];
    size_t key_len;
    bool more, metadata = false;

    scan_init(&scan, header, len);
    if (!scan_expect(&scan, SCAN_OBJECT, "an object", err) || !scan_enter(&scan, err)) {
        return false;
    }
    for (;;) {
        if (!scan_key(&scan, key, sizeof key, &key_len, &more, err)) {
            return false;
        }
        if (!more) {
            return scan_end(&scan, err);
        }
        if (key_len >= sizeof key) {
            return err_set(err, ERR_FIELD, key, "is no tensor of a model");
        }
        if (strcmp(key, "__metadata__") != 0) {
            if (!tensor_read(&scan, reader, key, err)) {
                return false;
            }
        } else if (metadata) {
            return err_set(err, ERR_FIELD, key, "is there twice");
        } else if (!metadata_read(&scan, reader, err)) {
            return value_in(err, "__metadata__");
        }
        metadata = metadata || strcmp(key, "__metadata__") == 0;
    }
}

/* One of these that begins there; NULL when none does. */
static const struct tensor *tensors_at(const struct tensors *tensors, uint64_t from)
{
    for (size_t l = 0; l < SPEC_LAYERS_MAX; l++) {
        if (tensors->weight[l].there && tensors->weight[l].extent.from == from) {
            return &tensors->weight[l];
        }
        if (tensors->bias[l].there && tensors->bias[l].extent.from == from) {
            return &tensors->bias[l];
        }
    }
    return NULL;
}

/* The tensor that begins there; NULL when none does. */
static const struct tensor *tensor_at(const struct reader *reader, uint64_t from)
{
    const struct tensor *at = tensors_at(&reader->net, from);

    for (size_t i = 0; at == NULL && i < SAFETENSORS_BLOCKS; i++) {
        at = tensors_at(&reader->block[i], from);
    }
    for (size_t i = 0; at == NULL && i < SINGLES; i++) {
        const struct tensor *one = &reader->single[i];

        at = one->there && one->extent.from == from ? one : NULL;
    }
    return at;
}

bool safetensors_data_fit(const struct reader *reader, struct err *err)
{
    const struct tensor *tensor, *checksum = &reader->single[CHECKSUM];
    uint64_t at = 0;
    size_t met = 0;

    while (at < reader->data_len && (tensor = tensor_at(reader, at)) != NULL) {
        at = tensor->extent.to;
        met++;
    }
    if (at != reader->data_len || met != reader->n_tensors) {
        return err_set(err, ERR_SYNTAX, "body",
                       "has tensors that overlap or leave a hole in its %zu "
                       "bytes of data",
                       reader->data_len);
    }
    return !checksum->there ||
           (!checksum->f32 && checksum->extent.to == reader->data_len &&
            checksum->extent.to - checksum->extent.from == SAFETENSORS_CHECKSUM) ||
           err_set(err, ERR_FIELD, "sigmad.checksum", "must be the last %d bytes",
                   SAFETENSORS_CHECKSUM);
}
