/* A model as JSON; what reads it is msg_model.c. */
#include <inttypes.h>
#include <stdlib.h>

#include "export.h"
#include "msg_model.h"

static void encode_layer(struct text *text, const struct layer_spec *layer)
{
    text_printf(text, "{\"units\": %zu, \"activation\": ", layer->units);
    text_json(text, act_name(layer->act));
}

/* All that follows the layers. */
static void encode_rest(struct text *text, const struct net_spec *spec, const struct labels *labels)
{
    text_str(text, ", \"cost\": ");
    text_json(text, cost_name(spec->cost));
    text_str(text, ", \"init\": ");
    text_json(text, init_name(spec->init));
    text_str(text, ", \"bias_init\": ");
    text_json(text, bias_init_name(spec->bias_init));
    text_printf(text, ", \"seed\": %" PRIu64, spec->seed);
    if (labels != NULL) {
        text_str(text, ", \"labels\": [");
        for (size_t i = 0; i < labels->n; i++) {
            text_str(text, i == 0 ? "" : ", ");
            text_json(text, labels->name[i]);
        }
        text_str(text, "]");
    }
    text_str(text, ", \"normalize\": ");
    text_json(text, norm_name(spec->norm));
    if (spec->target_norm != NORM_NONE) { /* else as servers wrote it that knew none */
        text_str(text, ", \"normalize_targets\": ");
        text_json(text, norm_name(spec->target_norm));
    }
}

/* What normalisation has learned. */
static void encode_pair(struct text *text, const char *prefix, const float *shift,
                        const float *scale, size_t n)
{
    text_printf(text, ",\n\"%sshift\": ", prefix);
    text_floats(text, shift, n);
    text_printf(text, ",\n\"%sscale\": ", prefix);
    text_floats(text, scale, n);
}

void msg_spec_encode(struct text *text, const struct net_spec *spec, const struct labels *labels)
{
    text_printf(text, "\"inputs\": %zu, \"layers\": [", spec->inputs);
    for (size_t l = 0; l < spec->n_layers; l++) {
        text_str(text, l == 0 ? "" : ", ");
        encode_layer(text, &spec->layers[l]);
        text_str(text, "}");
    }
    text_str(text, "]");
    encode_rest(text, spec, labels);
}

enum { LAYER, WEIGHTS };

/* Rows of the layer's weights, and behind the last of them its biases. */
static bool next_weights(struct exporter *e, struct text *text, struct err *err)
{
    const size_t inputs = e->net->layer[e->layer].in, units = e->net->layer[e->layer].out;
    float *w;
    size_t n;

    if (!export_rows(e, e->layer, &w, &n, err)) {
        return false;
    }
    for (size_t j = 0; j < n; j++) {
        text_str(text, e->row - n + j == 0 ? ",\n \"weights\": [" : ", ");
        text_floats(text, w + j * inputs, inputs);
    }
    free(w);
    if (n > 0) {
        return true;
    }
    w = malloc(units * sizeof *w);
    if (w == NULL) {
        return err_set(err, ERR_MEMORY, "export", "does not fit into memory");
    }
    net_get_biases(e->net, e->layer, w);
    text_str(text, "],\n \"biases\": ");
    text_floats(text, w, units);
    text_str(text, "}");
    free(w);
    e->layer++;
    e->stage = LAYER;
    return true;
}

static void rest_encode(struct exporter *e, struct text *text)
{
    const struct net *net = e->net;
    const struct net_spec *spec = &net->spec;
    /* unit's are not learned: they follow from its name. */
    const bool learned = norm_is_learned(spec->norm);

    text_str(text, "]");
    encode_rest(text, spec, e->labels);
    if (learned && net->shift != NULL) {
        encode_pair(text, "", net->shift, net->scale, spec->inputs);
    }
    if (net->target_shift != NULL) {
        encode_pair(text, "target_", net->target_shift, net->target_scale, spec_outputs(spec));
    }
    text_str(text, "}\n");
}

bool msg_model_next(struct exporter *e, struct text *text, bool *end, struct err *err)
{
    const struct net_spec *spec = &e->net->spec;

    if (e->stage == WEIGHTS) {
        return next_weights(e, text, err);
    }
    if (e->layer == spec->n_layers) {
        rest_encode(e, text);
        *end = true;
        return true;
    }
    if (e->layer == 0) {
        text_printf(text, "{\"inputs\": %zu, \"layers\": [\n", spec->inputs);
    } else {
        text_str(text, ",\n");
    }
    encode_layer(text, &spec->layers[e->layer]);
    e->stage = WEIGHTS;
    return true;
}
