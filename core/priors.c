#include "priors.h"

#include <stdlib.h>

#include "kernel.h"

/* Sums down the rows, in order. */
static void sums_add(const struct data *data, size_t outputs, double *sum)
{
    for (size_t i = 0; i < data_rows(data); i++) {
        const size_t at = data_row(data, i);

        if (data->classes != NULL) {
            const uint32_t c = data->classes[at];

            sum[data->map != NULL ? data->map[c] : c] += 1.0;
            continue;
        }
        for (size_t j = 0; j < outputs; j++) {
            sum[j] += (double)data->values[at * outputs + j];
        }
    }
}

static float bias_of(const struct net *net, enum act act, double p, double least)
{
    float odds, ret;

    if (act == ACT_LINEAR) {
        return (float)p;
    }
    p = p < least ? least : p > 1.0 - least ? 1.0 - least : p;
    odds = (float)(act == ACT_SOFTMAX ? p : p / (1.0 - p));
    net->kernel->map(MAP_LN, &odds, &ret, 1);
    return ret;
}

bool net_set_priors(struct net *net, const struct data *data, struct err *err)
{
    const struct net_layer *last = &net->layer[net->spec.n_layers - 1];
    const double n = (double)data_rows(data);
    double *sum;

    if (last->act == ACT_TANH) {
        return true;
    }
    sum = calloc(last->out, sizeof *sum);
    if (sum == NULL) {
        return err_set(err, ERR_MEMORY, "bias_init", "has no memory");
    }
    sums_add(data, last->out, sum);
    for (size_t j = 0; j < last->out; j++) {
        double p = sum[j] / n;

        if (net->target_shift != NULL) { /* in what the net learns */
            p = (p - (double)net->target_shift[j]) * (double)net->target_scale[j];
        }
        net->block[last->b_at + j] = bias_of(net, last->act, p, 0.5 / n);
    }
    free(sum);
    return true;
}
