/* A model from what the header says is there. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "safetensors_reader.h"
#include "value.h"

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
    if ((uintptr_t)(reader->data + tensor->extent.from) % sizeof(float) == 0) {
        values = (const float *)(const void *)(reader->data + tensor->extent.from);
    } else { /* a header that is not padded */
        float *copy = arena_alloc(reader->arena, n, sizeof *copy);

        if (copy == NULL) {
            return err_set(err, ERR_MEMORY, name, "does not fit into memory");
        }
        values = memcpy(copy, reader->data + tensor->extent.from, n * sizeof *copy);
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
    for (size_t l = spec->n_layers; l < SPEC_LAYERS_MAX; l++) {
        if (tensors->weight[l].there || tensors->bias[l].there) {
            snprintf(name, sizeof name, "%slayers.%zu.%s", prefix, l,
                     tensors->weight[l].there ? "weight" : "bias");
            return err_set(err, ERR_FIELD, name, "is there, but spec has %zu layers",
                           spec->n_layers);
        }
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
    if ((reader->single[SHIFT].there || reader->single[SCALE].there) &&
        (!tensor_fit(reader, &reader->single[SHIFT], "norm.shift", spec->inputs, 0, &shift, err) ||
         !tensor_fit(reader, &reader->single[SCALE], "norm.scale", spec->inputs, 0, &scale, err))) {
        return false;
    }
    if ((reader->single[TARGET_SHIFT].there || reader->single[TARGET_SCALE].there) &&
        (!tensor_fit(reader, &reader->single[TARGET_SHIFT], "norm.target_shift", outputs, 0,
                     &target_shift, err) ||
         !tensor_fit(reader, &reader->single[TARGET_SCALE], "norm.target_scale", outputs, 0,
                     &target_scale, err))) {
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

bool safetensors_read(const char *bytes, size_t len, const struct model_limits *limits, bool values,
                      struct arena *arena, struct safetensors *ret, struct err *err)
{
    struct reader *reader = arena_alloc(arena, 1, sizeof *reader);
    struct safetensors file = { .blocks = 0 };
    const size_t n = safetensors_header_len(bytes, len);
    struct msg_model model;

    if (reader == NULL) {
        return err_set(err, ERR_MEMORY, "body", "does not fit into memory");
    }
    if (n == 0) {
        return err_set(err, ERR_SYNTAX, "body", "is no safetensors file: its header does not fit");
    }
    memset(reader, 0, sizeof *reader);
    reader->arena = arena;
    reader->values = values;
    reader->data = bytes + 8 + n;
    reader->data_len = len - 8 - n;
    reader->facts = (struct msg_version){
        .loss = NAN, .accuracy = NAN, .source = "import", .digest = "", .key = "", .request = ""
    };
    if (!safetensors_header_read(bytes + 8, n, reader, err) || !safetensors_data_fit(reader, err)) {
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
    file.has_checksum = reader->single[CHECKSUM].there;
    *ret = file;
    return true;
}
