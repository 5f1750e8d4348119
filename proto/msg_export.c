/* A model as JSON; what reads it is msg_model.c. */
#include <inttypes.h>
#include <stdlib.h>

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

static void encode_params(struct text *text, const struct net *net, size_t l)
{
    const size_t inputs = net->layer[l].in, units = net->layer[l].out;
    float *w = calloc(units * inputs, sizeof *w), *b = calloc(units, sizeof *b);

    if (w == NULL || b == NULL) {
        text->failed = true;
    } else {
        net_get_layer(net, l, w, b);
        text_str(text, ",\n \"weights\": ");
        text_rows(text, w, units, inputs);
        text_str(text, ",\n \"biases\": ");
        text_floats(text, b, units);
    }
    free(w);
    free(b);
}

void msg_model_encode(struct text *text, const struct net *net, const struct labels *labels)
{
    const struct net_spec *spec = &net->spec;
    /* unit's are not learned: they follow from its name. */
    const bool learned = norm_is_learned(spec->norm);

    text_printf(text, "{\"inputs\": %zu, \"layers\": [\n", spec->inputs);
    for (size_t l = 0; l < spec->n_layers; l++) {
        text_str(text, l == 0 ? "" : ",\n");
        encode_layer(text, &spec->layers[l]);
        encode_params(text, net, l);
        text_str(text, "}");
    }
    text_str(text, "]");
    encode_rest(text, spec, labels);
    if (learned && net->shift != NULL) {
        encode_pair(text, "", net->shift, net->scale, spec->inputs);
    }
    if (net->target_shift != NULL) {
        encode_pair(text, "target_", net->target_shift, net->target_scale, spec_outputs(spec));
    }
    text_str(text, "}\n");
}
