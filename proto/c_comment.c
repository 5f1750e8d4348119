#include "c_comment.h"

#include <inttypes.h>
#include <math.h>

size_t c_buffer_floats(const struct net *net, size_t which)
{
    size_t most = which == 0 ? net->spec.inputs : 0;

    for (size_t l = 0; l + 1 < net->spec.n_layers; l++) {
        if ((l + 1) % 2 == which && net->layer[l].out > most) {
            most = net->layer[l].out;
        }
    }
    return most;
}

/* Bytes of the file's constants. */
static size_t constants(const struct net *net, enum quant precision)
{
    static const size_t sizes[] = { [QUANT_F32] = 4, [QUANT_BF16] = 2, [QUANT_INT8] = 1 };
    size_t units = 0, floats = (net->shift != NULL ? 2 * net->spec.inputs : 0) +
                               (net->target_shift != NULL ? 2 * spec_outputs(&net->spec) : 0);

    for (size_t l = 0; l < net->spec.n_layers; l++) {
        units += net->layer[l].out;
    }
    floats += precision == QUANT_INT8 ? 2 * units : units; /* biases, scales */
    return (net->n_params - units) * sizes[precision] + floats * sizeof(float);
}

/* And what it does to the answers. */
static void effect_add(const struct exporter *e, const struct quant_effect *effect,
                       struct text *text)
{
    const struct export_sample *sample = e->options.calibrate;
    const double n = (double)effect->rows * (double)spec_outputs(&e->net->spec);

    text_printf(text,
                " * On the first %zu rows of data set %s, whose digest is\n"
                " * %s,\n * outputs differ from float32's by ",
                effect->rows, sample->dataset, sample->digest);
    text_float(text, effect->most);
    text_printf(text, " at most and %.3g on average, and %zu answers are others.\n",
                effect->sum / n, effect->changed);
}

/* What precision does to the weights. */
static bool precision_add(const struct exporter *e, const struct quant_effect *effect,
                          struct text *text, struct err *err)
{
    const enum quant precision = e->options.precision;
    float most;

    if (precision == QUANT_F32) {
        text_str(
            text,
            " * Every output has the bits that the server answers with, with and without a fused\n"
            " * multiply-add in hardware.\n");
        return true;
    }
    if (!quant_error(e->net, precision, &most, err)) {
        return false;
    }
    text_printf(text, " * Weights are %s%s; they differ from the model's by ",
                quant_name(precision), precision == QUANT_INT8 ? ", times a scale a unit" : "");
    text_float(text, most);
    text_str(text, " at most.\n");
    if (effect != NULL) {
        effect_add(e, effect, text);
    }
    return true;
}

void c_comment_facts(const struct exporter *e, struct text *text)
{
    const struct net *net = e->net;

    text_printf(text, "/* Model %s, version %" PRIu64 ", written by sigmad %s.\n *\n", e->model,
                e->facts->version, e->release);
    text_printf(text, " *   digest     %s\n *   shape      %zu inputs", e->facts->digest,
                net->spec.inputs);
    for (size_t l = 0; l < net->spec.n_layers; l++) {
        text_printf(text, "%s%zu %s", l % 4 == 3 ? ",\n *              " : ", ", net->layer[l].out,
                    act_name(net->layer[l].act));
    }
    text_printf(text, "\n *   parameters %zu\n", net->n_params);
    if (!isnan(e->facts->accuracy)) {
        text_printf(text, " *   accuracy   %.4f\n", e->facts->accuracy);
    }
}

bool c_comment_promises(const struct exporter *e, const struct quant_effect *effect,
                        struct text *text, struct err *err)
{
    const size_t stack = (c_buffer_floats(e->net, 0) + c_buffer_floats(e->net, 1)) * sizeof(float);

    text_printf(text, " *   memory     %zu bytes of constants, %zu of stack and a little\n *\n",
                constants(e->net, e->options.precision), stack);
    if (!precision_add(e, effect, text, err)) {
        return false;
    }
    text_str(text, " * Freestanding C99 with IEEE 754 floats. Generated; it carries no licence, "
                   "use it as you\n"
                   " * like. */\n");
    return true;
}
