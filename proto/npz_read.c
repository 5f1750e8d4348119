/* A model from the arrays of an archive. */
#include <stdio.h>
#include <string.h>

#include "array.h"
#include "import.h"
#include "npz.h"
#include "value.h"
#include "weights_match.h"
#include "zip.h"

#define SPEC_MAX ((size_t)32 << 20)   /* bytes; 65536 labels of the longest fit */
#define HEAD_MAX ((size_t)65536 + 12) /* bytes of an array's NPY header */

struct reader {
    struct zip zip;
    struct arena *arena;
    bool used[ZIP_ENTRIES_MAX];
};

/* The array called so; max: bytes that it may hold. */
static bool entry_read(struct reader *reader, const char *name, size_t max, struct array *ret,
                       struct err *err)
{
    char file[48];
    const struct zip_entry *entry;
    struct err head = { 0 };
    const char *bytes;

    snprintf(file, sizeof file, "%s.npy", name);
    entry = zip_find(&reader->zip, file);
    if (entry == NULL) {
        return err_set(err, ERR_FIELD, name, "is missing");
    }
    if (entry->len > HEAD_MAX + max) {
        return err_set(err, ERR_FIELD, name, "must have at most %zu bytes of values, has %zu", max,
                       entry->len);
    }
    reader->used[entry - reader->zip.entry] = true;
    if (!zip_read(&reader->zip, entry, reader->arena, &bytes, err)) {
        return false;
    }
    return npy_head(bytes, entry->len, ret, &head) || /* which knows of no more than one array */
           err_set(err, head.code, name, "%s", head.text);
}

/* float32 of exactly this shape, finite; cols 0: of one dimension. */
static bool floats_read(struct reader *reader, const char *name, size_t rows, size_t cols,
                        const float **ret, struct err *err)
{
    const size_t n = rows * (cols > 0 ? cols : 1);
    struct array array;
    float *values;

    if (!entry_read(reader, name, n * sizeof *values, &array, err)) {
        return false;
    }
    if (array.type != ARRAY_F32 || array.big_endian || array.rank != (cols > 0 ? 2u : 1u) ||
        array.shape[0] != rows || (cols > 0 && array.shape[1] != cols) ||
        array.len != n * sizeof *values) {
        return err_set(err, ERR_FIELD, name, "must be <f4 of %zu x %zu", rows, cols > 0 ? cols : 1);
    }
    if (!array_finite(array.bytes, n)) {
        return err_set(err, ERR_RANGE, name, "has a value that is not finite");
    }
    values = arena_alloc(reader->arena, n, sizeof *values); /* where they lie, they lie unaligned */
    if (values == NULL) {
        return err_set(err, ERR_MEMORY, name, "does not fit into memory");
    }
    *ret = memcpy(values, array.bytes, n * sizeof *values);
    return true;
}

static bool spec_read(struct reader *reader, const struct model_limits *limits,
                      struct msg_model *ret, struct err *err)
{
    struct msg_model model;
    struct array array;

    if (zip_find(&reader->zip, "spec.npy") == NULL) {
        return err_set(err, ERR_FIELD, "spec", "is missing: " IMPORT_SPEC_BESIDE);
    }
    if (!entry_read(reader, "spec", SPEC_MAX, &array, err)) {
        return false;
    }
    if (array.type != ARRAY_U8 || array.rank != 1 || array.shape[0] != array.len) {
        return err_set(err, ERR_FIELD, "spec", "must be |u1 of one dimension, the bytes of JSON");
    }
    if (!msg_model_decode(array.bytes, array.len, limits, reader->arena, &model, err)) {
        return value_in(err, "spec");
    }
    if (model.has_weights) {
        labels_free(model.labels);
        return err_set(err, ERR_FIELD, "spec", "must have no weights of its own");
    }
    *ret = model;
    return true;
}

static bool layers_read(struct reader *reader, struct msg_model *model, struct err *err)
{
    const struct net_spec *spec = &model->spec;
    size_t in = spec->inputs;
    char name[40];

    model->weights = arena_alloc(reader->arena, spec->n_layers, sizeof *model->weights);
    model->biases = arena_alloc(reader->arena, spec->n_layers, sizeof *model->biases);
    if (model->weights == NULL || model->biases == NULL) {
        return err_set(err, ERR_MEMORY, "layers", "do not fit into memory");
    }
    for (size_t l = 0; l < spec->n_layers; l++) {
        const size_t out = spec->layers[l].units;

        snprintf(name, sizeof name, "layers.%zu.weight", l);
        if (!floats_read(reader, name, out, in, &model->weights[l], err)) {
            return false;
        }
        snprintf(name, sizeof name, "layers.%zu.bias", l);
        if (!floats_read(reader, name, out, 0, &model->biases[l], err)) {
            return false;
        }
        in = out;
    }
    model->has_weights = true;
    return true;
}

/* Two arrays of n values, both or none. */
static bool norm_read(struct reader *reader, const char *shift_name, const char *scale_name,
                      size_t n, const float **shift, const float **scale, struct err *err)
{
    char shift_file[40], scale_file[40];

    snprintf(shift_file, sizeof shift_file, "%s.npy", shift_name);
    snprintf(scale_file, sizeof scale_file, "%s.npy", scale_name);
    if (zip_find(&reader->zip, shift_file) == NULL && zip_find(&reader->zip, scale_file) == NULL) {
        return true;
    }
    return floats_read(reader, shift_name, n, 0, shift, err) &&
           floats_read(reader, scale_name, n, 0, scale, err);
}

static bool all_used(const struct reader *reader, struct err *err)
{
    for (size_t i = 0; i < reader->zip.n; i++) {
        if (!reader->used[i]) {
            return err_set(err, ERR_FIELD, reader->zip.entry[i].name, "is no array of this model");
        }
    }
    return true;
}

bool npz_read(const char *bytes, size_t len, const struct model_limits *limits, struct arena *arena,
              struct msg_model *ret, struct err *err)
{
    struct reader *reader = arena_alloc(arena, 1, sizeof *reader);
    struct msg_model model;

    if (reader == NULL) {
        return err_set(err, ERR_MEMORY, "body", "does not fit into memory");
    }
    memset(reader, 0, sizeof *reader);
    reader->arena = arena;
    if (!zip_open(bytes, len, arena, &reader->zip, err) ||
        !spec_read(reader, limits, &model, err)) {
        return false;
    }
    if (!layers_read(reader, &model, err) ||
        !norm_read(reader, "norm.shift", "norm.scale", model.spec.inputs, &model.shift,
                   &model.scale, err) ||
        !norm_read(reader, "norm.target_shift", "norm.target_scale", spec_outputs(&model.spec),
                   &model.target_shift, &model.target_scale, err) ||
        !target_scale_check(model.target_scale, spec_outputs(&model.spec), "norm.target_scale",
                            err) ||
        !all_used(reader, err)) {
        labels_free(model.labels);
        return false;
    }
    *ret = model;
    return true;
}

/* ---- Weights alone ---- */

/* Array i, under its file's name without ".npy". *room: bytes that it and those after it may take. */
static bool array_open(struct reader *reader, size_t i, size_t *room, struct weights_array *ret,
                       struct err *err)
{
    const struct zip_entry *entry = &reader->zip.entry[i];
    const size_t name_len = strlen(entry->name);
    struct err head = { 0 };
    const char *bytes;
    char *name;

    if (name_len <= 4 || strcmp(entry->name + name_len - 4, ".npy") != 0) {
        return err_set(err, ERR_FIELD, entry->name, "is no NPY file");
    }
    name = arena_copy(reader->arena, entry->name, name_len - 4);
    if (name == NULL) {
        return err_set(err, ERR_MEMORY, entry->name, "does not fit into memory");
    }
    if (strcmp(name, "spec") == 0) {
        return err_set(err, ERR_FIELD, "spec", "is in the file already: give none beside it");
    }
    if (entry->len > *room) {
        return err_set(err, ERR_FIELD, name,
                       "takes %zu bytes, the arrays of this spec leave it at most %zu", entry->len,
                       *room);
    }
    *room -= entry->len;
    if (!zip_read(&reader->zip, entry, reader->arena, &bytes, err)) {
        return false;
    }
    ret->name = name;
    return npy_head(bytes, entry->len, &ret->array, &head) ||
           err_set(err, head.code, name, "%s", head.text);
}

bool npz_weights_read(const char *bytes, size_t len, struct arena *arena, struct msg_model *model,
                      struct err *err)
{
    struct reader *reader = arena_alloc(arena, 1, sizeof *reader);
    const size_t values =
        spec_params(&model->spec) + 2 * model->spec.inputs + 2 * spec_outputs(&model->spec);
    struct weights_array *arrays;
    size_t room;

    if (reader == NULL) {
        return err_set(err, ERR_MEMORY, "body", "does not fit into memory");
    }
    memset(reader, 0, sizeof *reader);
    reader->arena = arena;
    if (!zip_open(bytes, len, arena, &reader->zip, err)) {
        return false;
    }
    room = (2 * model->spec.n_layers + 4) * HEAD_MAX + values * sizeof(double);
    arrays = arena_alloc(arena, reader->zip.n + 1, sizeof *arrays);
    if (arrays == NULL) {
        return err_set(err, ERR_MEMORY, "body", "does not fit into memory");
    }
    for (size_t i = 0; i < reader->zip.n; i++) {
        if (!array_open(reader, i, &room, &arrays[i], err)) {
            return false;
        }
    }
    return weights_match(arrays, reader->zip.n, arena, model, err);
}
