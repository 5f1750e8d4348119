#include "safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "msg_train.h"
#include "value.h"

#define KEY_MAX 64 /* longest tensor name or metadata key we know, and more */

/* What the header says of one tensor. */
struct tensor {
    bool there, f32;
    size_t rank, shape[2];
    uint64_t from, to;
};

/* A net's parameters, or a block of an optimiser that looks like them. */
struct tensors {
    struct tensor weight[SPEC_LAYERS_MAX], bias[SPEC_LAYERS_MAX];
};

struct reader {
    struct arena *arena;
    const struct model_limits *limits;
    const char *data; /* behind the header */
    size_t data_len;
    size_t n_tensors;
    struct tensors net, block[SAFETENSORS_BLOCKS];
    struct tensor shift, scale, target_shift, target_scale, checksum;
    char *spec;        /* in the arena */
    const char *carry; /* likewise; NULL: nothing is carried */
    struct msg_version facts;
    bool has_facts;
    bool values;           /* look at the weights */
    struct tensor *tensor; /* being read */
};

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
    struct reader *reader = into;
    struct tensor *tensor = reader->tensor;
    bool more;
    uint64_t n;

    if (!scan_expect(scan, SCAN_ARRAY, "an array", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (;;) {
        if (!scan_next(scan, &more, err)) {
            return false;
        }
        if (!more) {
            return tensor->rank > 0 || err_set(err, ERR_FIELD, "", "must have 1 or 2 dimensions");
        }
        if (tensor->rank == 2) {
            return err_set(err, ERR_FIELD, "", "must have 1 or 2 dimensions");
        }
        if (!value_whole(scan, 1, SPEC_UNITS_MAX, &n, err)) {
            return false;
        }
        tensor->shape[tensor->rank++] = (size_t)n;
    }
}

static bool read_offsets(struct scan *scan, void *into, struct err *err)
{
    struct reader *reader = into;
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
        if (more && !value_whole(scan, 0, reader->data_len, &at[i], err)) {
            return false;
        }
    }
    reader->tensor->from = at[0];
    reader->tensor->to = at[1];
    return true;
}

/* Tensors that belong to no layer. */
static const struct {
    const char *name;
    size_t at; /* in struct reader */
} singles[] = {
    { "norm.shift", offsetof(struct reader, shift) },
    { "norm.scale", offsetof(struct reader, scale) },
    { "norm.target_shift", offsetof(struct reader, target_shift) },
    { "norm.target_scale", offsetof(struct reader, target_scale) },
    { "sigmad.checksum", offsetof(struct reader, checksum) },
};

#define SINGLES (sizeof singles / sizeof singles[0])

static struct tensor *single(struct reader *reader, size_t i)
{
    return (struct tensor *)(void *)((char *)reader + singles[i].at);
}

/* The struct that a tensor of this name fills; NULL when it is none of ours. */
static struct tensor *tensor_find(struct reader *reader, const char *name)
{
    struct tensors *tensors = &reader->net;
    char kind[8];
    unsigned l, block;
    int end = 0;

    for (size_t i = 0; i < SINGLES; i++) {
        if (strcmp(name, singles[i].name) == 0) {
            return single(reader, i);
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
    if (tensor->from > tensor->to || tensor->to - tensor->from != bytes ||
        (tensor->f32 && tensor->from % sizeof(float) != 0)) {
        return err_set(err, ERR_FIELD, name,
                       "has %" PRIu64 " to %" PRIu64
                       " as data_offsets, but its shape takes %" PRIu64 " bytes",
                       tensor->from, tensor->to, bytes);
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
        reader->spec = arena_copy(reader->arena, text, strlen(text));
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

static bool header_read(const char *header, size_t len, struct reader *reader, struct err *err)
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

/* One tensor of exactly this shape; cols 0: of one dimension. */
static bool tensor_fit(const struct reader *reader, const struct tensor *tensor, const char *name,
                       size_t rows, size_t cols, const float **ret, struct err *err)
{
    const size_t n = rows * (cols > 0 ? cols : 1);
    const float *values;

    if (!tensor->there) {
        return err_set(err, ERR_FIELD, name, "is missing");
    }
    if (!tensor->f32 || tensor->rank != (cols > 0 ? 2u : 1u) || tensor->shape[0] != rows ||
        (cols > 0 && tensor->shape[1] != cols)) {
        return err_set(err, ERR_FIELD, name, "must be F32 of %zu x %zu", rows, cols > 0 ? cols : 1);
    }
    if ((uintptr_t)(reader->data + tensor->from) % sizeof(float) == 0) {
        values = (const float *)(const void *)(reader->data + tensor->from);
    } else { /* a header that is not padded */
        float *copy = arena_alloc(reader->arena, n, sizeof *copy);

        if (copy == NULL) {
            return err_set(err, ERR_MEMORY, name, "does not fit into memory");
        }
        values = memcpy(copy, reader->data + tensor->from, n * sizeof *copy);
    }
    *ret = values;
    for (size_t i = 0; reader->values && i < n; i++) {
        if (!isfinite(values[i])) {
            return err_set(err, ERR_RANGE, name, "has a value that is not finite, at %zu", i);
        }
    }
    return true;
}

/* Weights and biases of all layers, as spec has them, under names that begin with prefix. */
static bool layers_fit(struct reader *reader, const struct tensors *tensors, const char *prefix,
                       const struct net_spec *spec, const float ***weights, const float ***biases,
                       struct err *err)
{
    char name[KEY_MAX];
    size_t in = spec->inputs;

    *weights = arena_alloc(reader->arena, spec->n_layers, sizeof **weights);
    *biases = arena_alloc(reader->arena, spec->n_layers, sizeof **biases);
    if (*weights == NULL || *biases == NULL) {
        return err_set(err, ERR_MEMORY, "layers", "do not fit into memory");
    }
    for (size_t l = 0; l < spec->n_layers; l++) {
        const size_t out = spec->layers[l].units;

        snprintf(name, sizeof name, "%slayers.%zu.weight", prefix, l);
        if (!tensor_fit(reader, &tensors->weight[l], name, out, in, &(*weights)[l], err)) {
            return false;
        }
        snprintf(name, sizeof name, "%slayers.%zu.bias", prefix, l);
        if (!tensor_fit(reader, &tensors->bias[l], name, out, 0, &(*biases)[l], err)) {
            return false;
        }
        in = out;
    }
    return true;
}

static bool tensors_fit(struct reader *reader, struct msg_model *model, struct err *err)
{
    const struct net_spec *spec = &model->spec;
    const size_t outputs = spec_outputs(spec);
    const float *shift = NULL, *scale = NULL, *target_shift = NULL, *target_scale = NULL;

    if (!layers_fit(reader, &reader->net, "", spec, &model->weights, &model->biases, err)) {
        return false;
    }
    if ((reader->shift.there || reader->scale.there) &&
        (!tensor_fit(reader, &reader->shift, "norm.shift", spec->inputs, 0, &shift, err) ||
         !tensor_fit(reader, &reader->scale, "norm.scale", spec->inputs, 0, &scale, err))) {
        return false;
    }
    if ((reader->target_shift.there || reader->target_scale.there) &&
        (!tensor_fit(reader, &reader->target_shift, "norm.target_shift", outputs, 0, &target_shift,
                     err) ||
         !tensor_fit(reader, &reader->target_scale, "norm.target_scale", outputs, 0, &target_scale,
                     err))) {
        return false;
    }
    if (!target_scale_check(target_scale, outputs, "norm.target_scale", err)) {
        return false;
    }
    model->shift = shift;
    model->scale = scale;
    model->target_shift = target_shift;
    model->target_scale = target_scale;
    model->has_weights = true;
    return true;
}

/* What an optimiser carries: as many blocks as that of the plan does. */
static bool carry_fit(struct reader *reader, const struct net_spec *spec, struct safetensors *ret,
                      struct err *err)
{
    const struct msg_version *facts = &reader->facts;
    double *power = ret->power;
    char prefix[KEY_MAX];
    int end = 0;

    if (reader->carry == NULL) {
        return true;
    }
    if (sscanf(reader->carry, "%lf %lf%n", &power[0], &power[1], &end) != 2 ||
        reader->carry[end] != '\0' || !(power[0] >= 0.0 && power[0] <= 1.0) ||
        !(power[1] >= 0.0 && power[1] <= 1.0)) {
        return err_set(err, ERR_FIELD, "carry", "must be two numbers from 0 to 1");
    }
    ret->blocks = facts->has_plan ? carry_blocks(&facts->plan) : 0;
    for (size_t i = 0; i < ret->blocks; i++) {
        snprintf(prefix, sizeof prefix, "optimizer.%zu.", i);
        if (!layers_fit(reader, &reader->block[i], prefix, spec, &ret->block_weights[i],
                        &ret->block_biases[i], err)) {
            return false;
        }
    }
    return ret->blocks > 0 || err_set(err, ERR_FIELD, "carry", "is there without an optimizer");
}

/* One of these that begins there; NULL when none does. */
static const struct tensor *tensors_at(const struct tensors *tensors, uint64_t from)
{
    for (size_t l = 0; l < SPEC_LAYERS_MAX; l++) {
        if (tensors->weight[l].there && tensors->weight[l].from == from) {
            return &tensors->weight[l];
        }
        if (tensors->bias[l].there && tensors->bias[l].from == from) {
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
        const struct tensor *one =
            (const struct tensor *)(const void *)((const char *)reader + singles[i].at);

        at = one->there && one->from == from ? one : NULL;
    }
    return at;
}

/* One tensor begins where another ends, from the first byte of the data to the last: no hole, and,
 * since all of them are met on the way, no overlap. */
static bool data_fit(const struct reader *reader, struct err *err)
{
    const struct tensor *tensor, *checksum = &reader->checksum;
    uint64_t at = 0;
    size_t met = 0;

    while (at < reader->data_len && (tensor = tensor_at(reader, at)) != NULL) {
        at = tensor->to;
        met++;
    }
    if (at != reader->data_len || met != reader->n_tensors) {
        return err_set(err, ERR_SYNTAX, "body",
                       "has tensors that overlap or leave a hole in its %zu "
                       "bytes of data",
                       reader->data_len);
    }
    return !checksum->there ||
           (!checksum->f32 && checksum->to == reader->data_len &&
            checksum->to - checksum->from == SAFETENSORS_CHECKSUM) ||
           err_set(err, ERR_FIELD, "sigmad.checksum", "must be the last %d bytes",
                   SAFETENSORS_CHECKSUM);
}

bool safetensors_read(const char *bytes, size_t len, const struct model_limits *limits, bool values,
                      struct arena *arena, struct safetensors *ret, struct err *err)
{
    struct reader *reader = arena_alloc(arena, 1, sizeof *reader);
    struct safetensors file = { .blocks = 0 };
    struct msg_model model;
    uint64_t n = 0;

    if (reader == NULL) {
        return err_set(err, ERR_MEMORY, "body", "does not fit into memory");
    }
    for (size_t i = 0; i < 8 && len >= 8; i++) {
        n |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    }
    if (len < 8 || n > len - 8 || n > SAFETENSORS_HEADER_MAX || n < 2) {
        return err_set(err, ERR_SYNTAX, "body", "is no safetensors file: its header does not fit");
    }
    memset(reader, 0, sizeof *reader);
    reader->arena = arena;
    reader->values = values;
    reader->data = bytes + 8 + n;
    reader->data_len = len - 8 - (size_t)n;
    reader->facts = (struct msg_version){
        .loss = NAN, .accuracy = NAN, .source = "import", .digest = "", .key = "", .request = ""
    };
    if (!header_read(bytes + 8, (size_t)n, reader, err) || !data_fit(reader, err)) {
        return false;
    }
    if (reader->spec == NULL) {
        return err_set(err, ERR_FIELD, "spec", "is missing from __metadata__");
    }
    if (!msg_model_decode(reader->spec, strlen(reader->spec), limits, arena, &model, err)) {
        return value_in(err, "spec");
    }
    if (model.has_weights || !tensors_fit(reader, &model, err) ||
        !carry_fit(reader, &model.spec, &file, err)) {
        err_set(err, ERR_FIELD, "spec", "must have no weights of its own");
        labels_free(model.labels);
        return false;
    }
    file.model = model;
    file.has_facts = reader->has_facts;
    file.facts = reader->facts;
    file.has_checksum = reader->checksum.there;
    *ret = file;
    return true;
}
