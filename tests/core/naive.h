/* The maths of design.md once more: in float64, naively, sharing nothing with core but its structs.
 * What core computes is held against it. Included by the tests that need it, after cmocka.h. */
#ifndef NAIVE_H
#define NAIVE_H

#include <math.h>
#include <stdlib.h>

#include "net.h"

#define NAIVE_UNITS_MAX 1100
#define NAIVE_PARAMS_MAX 100000

/* W[j][k] of all layers, each followed by its biases. */
struct naive {
    struct net_spec spec;
    size_t n;
    double p[NAIVE_PARAMS_MAX];
};

static inline void naive_from(struct naive *ret, const struct net *net)
{
    size_t at = 0;

    ret->spec = net->spec;
    for (size_t l = 0; l < net->spec.n_layers; l++) {
        const size_t in = net->layer[l].in, out = net->layer[l].out;
        float *w = malloc(in * out * sizeof *w), *b = malloc(out * sizeof *b);

        net_get_layer(net, l, w, b);
        for (size_t i = 0; i < in * out; i++) {
            ret->p[at++] = (double)w[i];
        }
        for (size_t i = 0; i < out; i++) {
            ret->p[at++] = (double)b[i];
        }
        free(w);
        free(b);
    }
    ret->n = at;
}

static inline double naive_act(enum act act, double z)
{
    switch (act) {
    case ACT_SIGMOID:
        return 1.0 / (1.0 + exp(-z));
    case ACT_TANH:
        return tanh(z);
    case ACT_RELU:
        return z > 0.0 ? z : 0.0;
    default:
        return z;
    }
}

/* z of the output layer for the row x. */
static inline void naive_z(const struct naive *naive, const double *x, double *z)
{
    static double a[2][NAIVE_UNITS_MAX];
    const double *p = naive->p;
    size_t in = naive->spec.inputs;

    for (size_t k = 0; k < in; k++) {
        a[0][k] = x[k];
    }
    for (size_t l = 0; l < naive->spec.n_layers; l++) {
        const size_t out = naive->spec.layers[l].units;
        const bool last = l + 1 == naive->spec.n_layers;

        for (size_t j = 0; j < out; j++) {
            double sum = p[in * out + j];

            for (size_t k = 0; k < in; k++) {
                sum += p[j * in + k] * a[l % 2][k];
            }
            z[j] = sum;
            a[(l + 1) % 2][j] = last ? sum : naive_act(naive->spec.layers[l].act, sum);
        }
        p += (in + 1) * out;
        in = out;
    }
}

static inline void naive_out(const struct naive *naive, const double *x, double *a)
{
    const size_t n = spec_outputs(&naive->spec);
    const enum act act = naive->spec.layers[naive->spec.n_layers - 1].act;
    double sum = 0.0;

    naive_z(naive, x, a);
    for (size_t j = 0; j < n; j++) {
        a[j] = act == ACT_SOFTMAX ? exp(a[j]) : naive_act(act, a[j]);
        sum += a[j];
    }
    for (size_t j = 0; act == ACT_SOFTMAX && j < n; j++) {
        a[j] /= sum;
    }
}

/* C of one row, from the definition: with ln a, as the book has it. */
static inline double naive_cost(const struct naive *naive, const double *x, const double *y)
{
    static double a[NAIVE_UNITS_MAX];
    double c = 0.0;

    naive_out(naive, x, a);
    for (size_t j = 0; j < spec_outputs(&naive->spec); j++) {
        switch (naive->spec.cost) {
        case COST_MSE:
            c += 0.5 * (a[j] - y[j]) * (a[j] - y[j]);
            break;
        case COST_CROSS_ENTROPY:
            c -= (y[j] > 0.0 ? y[j] * log(a[j]) : 0.0) +
                 (y[j] < 1.0 ? (1.0 - y[j]) * log(1.0 - a[j]) : 0.0);
            break;
        default:
            c -= y[j] > 0.0 ? y[j] * log(a[j]) : 0.0;
            break;
        }
    }
    return c;
}

#endif
