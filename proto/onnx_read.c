#include "onnx_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "onnx_layers.h"
#include "onnx_scaling.h"
#include "rows.h"
#include "value.h"

#define SPEC_AT "metadata_props.spec"
#define LABELS_AT "metadata_props.labels"

bool onnx_magic(const char *bytes, size_t len)
{
    struct protobuf message = { bytes, bytes + len };
    struct protobuf_field field;
    struct err none = { 0 };
    bool more;

    if (!protobuf_next(&message, &field, &more, &none) || !more ||
        !protobuf_is(&field, 1, PROTOBUF_VARINT) || field.bits > 100) {
        return false;
    }
    /* Keys of lengths below 16 fit one byte; of graph and what may stand before it. */
    return message.at < message.end && memchr("\x12\x1a\x22\x28\x32\x3a\x42\x72", *message.at, 8);
}

/* ---- weights ---- */

static bool weights_read(const struct onnx_layer *layer, size_t n, struct arena *arena,
                         const float **ret, struct err *err)
{
    float *values = arena_alloc(arena, n, sizeof *values);

    if (values == NULL) {
        return err_set(err, ERR_MEMORY, "graph", "does not fit into memory");
    }
    *ret = values;
    return onnx_tensor_floats(layer->weight, layer->transposed ? (size_t)layer->weight->dims[1] : 0,
                              values, err);
}

static bool biases_read(const struct onnx_layer *layer, size_t n, struct arena *arena,
                        const float **ret, struct err *err)
{
    float *values = arena_alloc(arena, n, sizeof *values);

    if (values == NULL) {
        return err_set(err, ERR_MEMORY, "graph", "does not fit into memory");
    }
    *ret = values;
    if (layer->biases != NULL && !onnx_tensor_floats(layer->biases, 0, values, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (layer->biases == NULL) {
            values[i] = 0.0F;
        } else if (layer->biases->count == 1) {
            values[i] = values[0];
        }
    }
    return true;
}

static bool layers_read(const struct onnx_layers *layers, struct arena *arena,
                        struct msg_model *model, struct err *err)
{
    const struct net_spec *spec = &layers->spec;
    size_t in = spec->inputs;

    model->weights = arena_alloc(arena, spec->n_layers, sizeof *model->weights);
    model->biases = arena_alloc(arena, spec->n_layers, sizeof *model->biases);
    if (model->weights == NULL || model->biases == NULL) {
        return err_set(err, ERR_MEMORY, "graph", "does not fit into memory");
    }
    for (size_t l = 0; l < spec->n_layers; l++) {
        const size_t units = spec->layers[l].units;

        if (!weights_read(&layers->layer[l], units * in, arena, &model->weights[l], err) ||
            !biases_read(&layers->layer[l], units, arena, &model->biases[l], err)) {
            return false;
        }
        in = units;
    }
    model->has_weights = true;
    return true;
}

/* ---- normalisation ---- */

static enum norm norm_of(const struct onnx_scaling *scaling, size_t n)
{
    const struct data none = { .x = { DTYPE_F32, 0, 1, NULL } };
    float shift, scale;

    if (scaling->scale == NULL) {
        return NORM_NONE;
    }
    norm_fit(NORM_UNIT, &none, &shift, &scale);
    for (size_t i = 0; i < n; i++) {
        if (scaling->shift[i] != shift || scaling->scale[i] != scale) {
            return NORM_STANDARD;
        }
    }
    return NORM_UNIT;
}

static bool norms_read(const struct onnx_chain *chain, const struct onnx_layers *layers,
                       struct arena *arena, struct msg_model *model, struct err *err)
{
    const size_t inputs = layers->spec.inputs, outputs = spec_outputs(&layers->spec);
    struct onnx_scaling front, behind;

    if (!onnx_scaling_read(chain, 0, layers->front, inputs, false, arena, &front, err) ||
        !onnx_scaling_read(chain, layers->behind, chain->n, outputs, true, arena, &behind, err)) {
        return false;
    }
    model->shift = front.shift;
    model->scale = front.scale;
    model->target_shift = behind.shift;
    model->target_scale = behind.scale;
    model->spec.norm = norm_of(&front, inputs);
    model->spec.target_norm = behind.scale != NULL ? NORM_STANDARD : NORM_NONE;
    return true;
}

/* ---- what the file says beside the graph ---- */

/* What is wrong with a text of the metadata: at that text, not at the body. */
static bool metadata_in(const char *where, const struct err *why, struct err *err)
{
    const bool whole = why->where[0] == '\0' || strcmp(why->where, "body") == 0;

    return err_set(err, why->code, where, "%s%s%s", whole ? "" : why->where, whole ? "" : " ",
                   why->text);
}

static bool same_layers(const struct net_spec *a, const struct net_spec *b)
{
    bool same = a->inputs == b->inputs && a->n_layers == b->n_layers;

    for (size_t l = 0; same && l < a->n_layers; l++) {
        same = a->layers[l].units == b->layers[l].units && a->layers[l].act == b->layers[l].act;
    }
    return same;
}

static bool spec_read(const struct onnx_graph *graph, const struct model_limits *limits,
                      struct arena *arena, struct msg_model *model, struct err *err)
{
    struct err why = { 0 };
    struct msg_model said;

    if (!msg_model_decode(graph->spec.at, protobuf_len(&graph->spec), limits, arena, &said, &why)) {
        return metadata_in(SPEC_AT, &why, err);
    }
    if (said.has_weights || !same_layers(&said.spec, &model->spec)) {
        labels_free(said.labels);
        return err_set(err, ERR_FIELD, SPEC_AT,
                       "must be of the graph's layers, without weights; without it the graph alone "
                       "counts");
    }
    model->spec = said.spec;
    model->labels = said.labels;
    return true;
}

static bool map_read(const struct onnx_node *map, size_t outputs, struct arena *arena,
                     struct labels **ret, struct err *err)
{
    const char **names = arena_alloc(arena, outputs, sizeof *names);
    size_t n;

    if (names == NULL) {
        return err_set(err, ERR_MEMORY, "graph", "does not fit into memory");
    }
    if (!onnx_node_names(map, outputs, arena, names, &n, err)) {
        return false;
    }
    if (n != outputs) {
        return onnx_node_refuse(map, err, "must have %zu names, one for each output, has %zu",
                                outputs, n);
    }
    return labels_create(names, n, ret, err) || onnx_node_in(map, err);
}

static bool labels_read(const struct onnx_graph *graph, const struct onnx_node *map,
                        struct arena *arena, struct msg_model *model, struct err *err)
{
    const size_t outputs = spec_outputs(&model->spec);
    struct err why = { 0 };
    struct labels *labels;

    if (protobuf_len(&graph->labels) == 0) {
        return map == NULL || map_read(map, outputs, arena, &model->labels, err);
    }
    if (!msg_labels_decode(graph->labels.at, protobuf_len(&graph->labels), outputs, arena, &labels,
                           &why)) {
        return metadata_in(LABELS_AT, &why, err);
    }
    if (labels->n != outputs) {
        err_set(err, ERR_FIELD, LABELS_AT, "must have %zu names, one for each output, has %zu",
                outputs, labels->n);
        labels_free(labels);
        return false;
    }
    model->labels = labels;
    return true;
}

static bool digest_read(const struct onnx_graph *graph, struct arena *arena, const char **ret,
                        struct err *err)
{
    const size_t len = protobuf_len(&graph->digest);

    *ret = len > 0 ? arena_copy(arena, graph->digest.at, len) : NULL;
    return len == 0 || *ret != NULL ||
           err_set(err, ERR_MEMORY, "graph", "does not fit into memory");
}

/* ---- the model ---- */

bool onnx_read(const char *bytes, size_t len, const struct model_limits *limits,
               struct arena *arena, struct msg_model *ret, const char **digest, struct err *err)
{
    struct onnx_layers *layers = arena_alloc(arena, 1, sizeof *layers);
    struct msg_model model = { .has_weights = false };
    const char *said = NULL;
    struct onnx_graph graph;
    struct onnx_chain chain;
    bool ours;

    if (layers == NULL) {
        return err_set(err, ERR_MEMORY, "body", "does not fit into memory");
    }
    if (!onnx_graph_read(bytes, len, arena, &graph, err) ||
        !onnx_chain_read(&graph, arena, &chain, err) ||
        !onnx_layers_read(&chain, limits, layers, err)) {
        return false;
    }
    model.spec = layers->spec;
    ours = onnx_name_is(&graph.producer, "sigmad");
    if (!norms_read(&chain, layers, arena, &model, err) ||
        !layers_read(layers, arena, &model, err) ||
        (ours && !digest_read(&graph, arena, &said, err))) {
        return false;
    }
    if (!(ours && protobuf_len(&graph.spec) > 0
              ? spec_read(&graph, limits, arena, &model, err)
              : labels_read(&graph, layers->map, arena, &model, err))) {
        return false;
    }
    *ret = model;
    *digest = said;
    return true;
}
