/* The shape of a network, and the names of what it is made of. */
#ifndef SPEC_H
#define SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* sigma in a^l = sigma(z^l); ACT_SOFTMAX only in the output layer. */
enum act { ACT_SIGMOID, ACT_TANH, ACT_RELU, ACT_LINEAR, ACT_SOFTMAX, ACT_COUNT };

enum cost { COST_MSE, COST_CROSS_ENTROPY, COST_LOG_LIKELIHOOD, COST_COUNT };

/* How weights are drawn; fan-in and fan-out are the layer's inputs and units.
 *   scaled_normal  N(0, 1/fan_in)                     Nielsen's default_weight_initializer
 *   normal         N(0, 1)                            Nielsen's first network
 *   xavier         N(0, 2/(fan_in + fan_out))         Glorot and Bengio 2010, normal form
 *   he             N(0, 2/fan_in)                     He et al. 2015
 *   xavier_uniform U(-a, a), a^2 = 6/(fan_in + fan_out)   of the same variance as xavier
 *   he_uniform     U(-a, a), a^2 = 6/fan_in               and he */
enum init {
    INIT_SCALED_NORMAL,
    INIT_NORMAL,
    INIT_XAVIER,
    INIT_HE,
    INIT_XAVIER_UNIFORM,
    INIT_HE_UNIFORM,
    INIT_COUNT
};

/* zeros; normal: N(0, 1); priors: zeros, but for the outputs, whose biases are those of priors.h by
 * the data that are first trained on. */
enum bias_init { BIAS_ZEROS, BIAS_NORMAL, BIAS_PRIORS, BIAS_COUNT };

/* What becomes of an input before the first layer: x'_i = (x_i - shift_i) * scale_i.
 *   none      x' = x
 *   unit      x / 255: shift 0, scale 1/255
 *   standard  shift = mean, scale = 1/standard deviation (of n, not n - 1) of the training data
 *   minmax    shift = min, scale = 1/(max - min) of the training data
 * A constant column gets scale 1. */
enum norm { NORM_NONE, NORM_UNIT, NORM_STANDARD, NORM_MINMAX, NORM_COUNT };
/* Whether shift and scale are those of training data. */
static inline bool norm_is_learned(enum norm norm)
{
    return norm == NORM_STANDARD || norm == NORM_MINMAX;
}

#define SPEC_LAYERS_MAX 64
#define SPEC_UNITS_MAX 65536

struct layer_spec {
    size_t units;
    enum act act;
};

struct net_spec {
    size_t inputs;
    size_t n_layers; /* without the input layer, >= 1 */
    struct layer_spec layers[SPEC_LAYERS_MAX];
    enum cost cost;
    enum init init;
    enum bias_init bias_init;
    enum norm norm;
    enum norm
        target_norm; /* of targets, y'_j = (y_j - shift_j) * scale_j: the net learns y', and gives
                              a_j / scale_j + shift_j; not NORM_UNIT */
    uint64_t seed;
};

/* The JSON names of the values above; never NULL for a valid value. */
const char *act_name(enum act act);
const char *cost_name(enum cost cost);
const char *init_name(enum init init);
const char *bias_init_name(enum bias_init init);
const char *norm_name(enum norm norm);
/* The value with that name; false, and *ret untouched, when there is none. */
bool act_find(const char *name, enum act *ret);
bool cost_find(const char *name, enum cost *ret);
bool init_find(const char *name, enum init *ret);
bool bias_init_find(const char *name, enum bias_init *ret);
bool norm_find(const char *name, enum norm *ret);

/* The weights and biases of all layers, counted; saturates at SIZE_MAX instead of overflowing. */
size_t spec_params(const struct net_spec *spec);
size_t spec_outputs(const struct net_spec *spec);

/* Everything a spec must satisfy, before anything is allocated: inputs and units 1 to
 * SPEC_UNITS_MAX, n_layers 1 to max_layers, at most max_params parameters, softmax only last,
 * relu not last, and a pair of output activation and cost that belongs together:
 *   sigmoid with mse or cross_entropy; softmax with log_likelihood; linear, tanh with mse.
 * target_norm only with linear outputs.
 * Errors: ERR_FIELD at "inputs", "layers", "layers[i].units", "layers[i].activation", "cost" or
 * "normalize_targets",
 * with the limit, or for a pair with the reason it is refused. */
bool spec_check(const struct net_spec *spec, size_t max_layers, size_t max_params, struct err *err);

/* Same shape, activations and cost: weights of one fit the other. */
bool spec_same_shape(const struct net_spec *a, const struct net_spec *b);

#endif
