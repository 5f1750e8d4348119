#include "spec.h"

#include <assert.h>
#include <string.h>

#include "train.h"

static const char *const act_names[ACT_COUNT] = {
    [ACT_SIGMOID] = "sigmoid", [ACT_TANH] = "tanh",       [ACT_RELU] = "relu",
    [ACT_LINEAR] = "linear",   [ACT_SOFTMAX] = "softmax",
};
static const char *const cost_names[COST_COUNT] = {
    [COST_MSE] = "mse",
    [COST_CROSS_ENTROPY] = "cross_entropy",
    [COST_LOG_LIKELIHOOD] = "log_likelihood",
};
static const char *const init_names[INIT_COUNT] = {
    [INIT_SCALED_NORMAL] = "scaled_normal",
    [INIT_NORMAL] = "normal",
    [INIT_XAVIER] = "xavier",
    [INIT_XAVIER_UNIFORM] = "xavier_uniform",
    [INIT_HE_UNIFORM] = "he_uniform",
    [INIT_HE] = "he",
};
static const char *const bias_init_names[BIAS_COUNT] = {
    [BIAS_ZEROS] = "zeros",
    [BIAS_NORMAL] = "normal",
    [BIAS_PRIORS] = "priors",
};
static const char *const norm_names[NORM_COUNT] = {
    [NORM_NONE] = "none",
    [NORM_UNIT] = "unit",
    [NORM_STANDARD] = "standard",
    [NORM_MINMAX] = "minmax",
};
static const char *const optimizer_names[OPT_COUNT] = {
    [OPT_SGD] = "sgd",     [OPT_RMSPROP] = "rmsprop", [OPT_ADAM] = "adam",
    [OPT_ADAMW] = "adamw", [OPT_RPROP] = "rprop",
};
static const char *const precision_names[PRECISION_COUNT] = {
    [PRECISION_FLOAT32] = "float32",
    [PRECISION_BF16] = "bf16",
};

/* The index of name in names, or n. */
static int find(const char *name, const char *const *names, int n)
{
    int i = 0;

    while (i < n && strcmp(names[i], name) != 0) {
        i++;
    }
    return i;
}

#define NAMES(noun, type, count)                                                                   \
    const char *noun##_name(enum type value)                                                       \
    {                                                                                              \
        assert((int)value >= 0 && (int)value < (count));                                           \
        return noun##_names[value];                                                                \
    }                                                                                              \
    bool noun##_find(const char *name, enum type *ret)                                             \
    {                                                                                              \
        const int i = find(name, noun##_names, count);                                             \
                                                                                                   \
        if (i == (count)) {                                                                        \
            return false;                                                                          \
        }                                                                                          \
        *ret = (enum type)i;                                                                       \
        return true;                                                                               \
    }

NAMES(act, act, ACT_COUNT)
NAMES(cost, cost, COST_COUNT)
NAMES(init, init, INIT_COUNT)
NAMES(bias_init, bias_init, BIAS_COUNT)
NAMES(norm, norm, NORM_COUNT)
NAMES(optimizer, optimizer, OPT_COUNT)
NAMES(precision, precision, PRECISION_COUNT)

size_t spec_params(const struct net_spec *spec)
{
    size_t in = spec->inputs, sum = 0;

    for (size_t l = 0; l < spec->n_layers; l++) {
        const size_t units = spec->layers[l].units;
        size_t here;

        if (__builtin_mul_overflow(in, units, &here) || /* weights, then biases */
            __builtin_add_overflow(here, units, &here) || __builtin_add_overflow(sum, here, &sum)) {
            return SIZE_MAX;
        }
        in = units;
    }
    return sum;
}

size_t spec_outputs(const struct net_spec *spec)
{
    return spec->layers[spec->n_layers - 1].units;
}

static bool layer_check(const struct layer_spec *layer, bool last, struct err *err)
{
    if (layer->units < 1 || layer->units > SPEC_UNITS_MAX) {
        return err_set(err, ERR_FIELD, "units", "must be 1 to %d, is %zu", SPEC_UNITS_MAX,
                       layer->units);
    }
    if (layer->act == ACT_SOFTMAX && !last) {
        return err_set(err, ERR_FIELD, "activation", "can be softmax only in the last layer");
    }
    if (layer->act == ACT_RELU && last) {
        return err_set(err, ERR_FIELD, "activation",
                       "cannot be relu in the last layer: no cost goes with it");
    }
    return true;
}

static bool pair_check(enum act act, enum cost cost, struct err *err)
{
    if ((act == ACT_SOFTMAX) != (cost == COST_LOG_LIKELIHOOD)) {
        return act == ACT_SOFTMAX
                   ? err_set(
                         err, ERR_FIELD, "cost",
                         "must be log_likelihood with softmax outputs, is %s: only of this pair "
                         "is the slope a - y",
                         cost_name(cost))
                   : err_set(err, ERR_FIELD, "cost",
                             "can be log_likelihood only with softmax outputs, these are %s: it "
                             "needs outputs that sum to 1",
                             act_name(act));
    }
    if (cost == COST_CROSS_ENTROPY && act != ACT_SIGMOID) {
        return err_set(err, ERR_FIELD, "cost",
                       "can be cross_entropy only with sigmoid outputs, these are %s: it needs "
                       "outputs between 0 and 1",
                       act_name(act));
    }
    return true;
}

static bool target_norm_check(const struct net_spec *spec, struct err *err)
{
    const enum act act = spec->layers[spec->n_layers - 1].act;

    if (spec->target_norm == NORM_UNIT) {
        return err_set(err, ERR_FIELD, "normalize_targets", "cannot be unit");
    }
    return spec->target_norm == NORM_NONE || act == ACT_LINEAR ||
           err_set(err, ERR_FIELD, "normalize_targets", "is %s, which needs linear outputs, not %s",
                   norm_name(spec->target_norm), act_name(act));
}

bool spec_check(const struct net_spec *spec, size_t max_layers, size_t max_params, struct err *err)
{
    const size_t most = max_layers < SPEC_LAYERS_MAX ? max_layers : SPEC_LAYERS_MAX;

    if (spec->inputs < 1 || spec->inputs > SPEC_UNITS_MAX) {
        return err_set(err, ERR_FIELD, "inputs", "must be 1 to %d, is %zu", SPEC_UNITS_MAX,
                       spec->inputs);
    }
    if (spec->n_layers < 1 || spec->n_layers > most) {
        return err_set(err, ERR_FIELD, "layers", "must be 1 to %zu, are %zu", most, spec->n_layers);
    }
    for (size_t l = 0; l < spec->n_layers; l++) {
        if (!layer_check(&spec->layers[l], l + 1 == spec->n_layers, err)) {
            return err_in(err, "layers[%zu]", l);
        }
    }
    if (spec_params(spec) > max_params) {
        return err_set(err, ERR_FIELD, "layers",
                       "must have at most %zu weights and biases, have %zu", max_params,
                       spec_params(spec));
    }
    return pair_check(spec->layers[spec->n_layers - 1].act, spec->cost, err) &&
           target_norm_check(spec, err);
}

bool spec_same_shape(const struct net_spec *a, const struct net_spec *b)
{
    if (a->inputs != b->inputs || a->n_layers != b->n_layers || a->cost != b->cost) {
        return false;
    }
    for (size_t l = 0; l < a->n_layers; l++) {
        if (a->layers[l].units != b->layers[l].units || a->layers[l].act != b->layers[l].act) {
            return false;
        }
    }
    return true;
}
