#include "export_tensor.h"

#include <stdio.h>
#include <stdlib.h>

/* Behind the layers. */
enum { SHIFT, SCALE, TARGET_SHIFT, TARGET_SCALE };

/* Which of those the i-th tensor behind the layers is. */
static unsigned single_at(const struct net *net, size_t i)
{
    return (unsigned)(i - 2 * net->spec.n_layers) + (net->shift != NULL ? SHIFT : TARGET_SHIFT);
}

static const float *single_values(const struct net *net, unsigned which)
{
    const float *const values[] = { net->shift, net->scale, net->target_shift, net->target_scale };

    return values[which];
}

size_t export_tensors(const struct net *net)
{
    return 2 * net->spec.n_layers + (net->shift != NULL ? 2 : 0) +
           (net->target_shift != NULL ? 2 : 0);
}

void export_tensor_at(const struct net *net, size_t i, struct export_tensor *ret)
{
    static const char *const names[] = { "norm.shift", "norm.scale", "norm.target_shift",
                                         "norm.target_scale" };
    const size_t l = i / 2;

    ret->cols = 0;
    if (l < net->spec.n_layers) {
        ret->rows = net->layer[l].out;
        ret->cols = i % 2 == 0 ? net->layer[l].in : 0;
        snprintf(ret->name, sizeof ret->name, "layers.%zu.%s", l, i % 2 == 0 ? "weight" : "bias");
    } else {
        const unsigned which = single_at(net, i);

        ret->rows = which < TARGET_SHIFT ? net->spec.inputs : spec_outputs(&net->spec);
        snprintf(ret->name, sizeof ret->name, "%s", names[which]);
    }
    ret->bytes = ret->rows * (ret->cols > 0 ? ret->cols : 1) * sizeof(float);
}

static bool weights_next(struct exporter *e, size_t l, struct text *text, bool *end,
                         struct err *err)
{
    float *w;
    size_t n;

    if (!export_rows(e, l, &w, &n, err)) {
        return false;
    }
    text_add(text, (const char *)w, n * e->net->layer[l].in * sizeof *w);
    free(w);
    if (e->row == e->net->layer[l].out) {
        e->row = 0;
        *end = true;
    }
    return true;
}

static bool biases_add(const struct exporter *e, size_t l, struct text *text, struct err *err)
{
    const size_t bytes = e->net->layer[l].out * sizeof(float);
    float *b = malloc(bytes);

    if (b == NULL) {
        return err_set(err, ERR_MEMORY, "export", "does not fit into memory");
    }
    net_get_biases(e->net, l, b);
    text_add(text, (const char *)b, bytes);
    free(b);
    return true;
}

bool export_tensor_next(struct exporter *e, size_t i, struct text *text, bool *end, struct err *err)
{
    const struct net *net = e->net;
    struct export_tensor tensor;

    *end = i >= 2 * net->spec.n_layers || i % 2 == 1;
    if (!*end) {
        return weights_next(e, i / 2, text, end, err);
    }
    if (i < 2 * net->spec.n_layers) {
        return biases_add(e, i / 2, text, err);
    }
    export_tensor_at(net, i, &tensor);
    text_add(text, (const char *)single_values(net, single_at(net, i)), tensor.bytes);
    return true;
}
