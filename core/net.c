/* The block holds, layer by layer, the weight panels and then the biases:
 *
 *   panel p of layer l    block[w_at + p * stride + k * 16 + j % 16] = W[j][k], p = j / 16
 *   biases of layer l     block[b_at + j]
 *
 * stride is 16 times the fan-in made even, and biases take a multiple of 32, so that every panel
 * and every pair of bias panels starts a pair of cache lines. Pads are +0 and stay so. */
#include "net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "rng.h"

#define BLOCK_ALIGN 128

static bool block_alloc(size_t len, float **ret, struct err *err)
{
    size_t size;
    float *block;

    if (__builtin_mul_overflow(len, sizeof *block, &size)) {
        return err_set(err, ERR_MEMORY, "", "no memory for %zu parameters", len);
    }
    block = aligned_alloc(BLOCK_ALIGN, round_up(size, BLOCK_ALIGN));
    if (block == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory for %zu bytes of parameters", size);
    }
    *ret = block;
    return true;
}

static void net_lay_out(struct net *net)
{
    size_t in = net->spec.inputs, at = 0;

    for (size_t l = 0; l < net->spec.n_layers; l++) {
        struct net_layer *layer = &net->layer[l];

        layer->in = in;
        layer->out = net->spec.layers[l].units;
        layer->act = net->spec.layers[l].act;
        layer->panels = round_up(layer->out, PANEL) / PANEL;
        layer->stride = round_up(in, 2) * PANEL;
        layer->w_at = at;
        layer->b_at = at + layer->panels * layer->stride;
        at = layer->b_at + round_up(layer->out, LD_UNIT);
        in = layer->out;
    }
    net->block_len = at;
    net->n_params = spec_params(&net->spec);
}

bool net_create(const struct net_spec *spec, struct net **ret, struct err *err)
{
    struct net *net = calloc(1, sizeof *net);

    if (net == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory for a network");
    }
    net->spec = *spec;
    net->kernel = kernel_chosen();
    net_lay_out(net);
    if (!block_alloc(net->block_len, &net->block, err)) {
        free(net);
        return false;
    }
    memset(net->block, 0, net->block_len * sizeof *net->block);
    *ret = net;
    return true;
}

bool net_clone(const struct net *net, struct net **ret, struct err *err)
{
    struct net *clone;

    if (!net_create(&net->spec, &clone, err)) {
        return false;
    }
    clone->kernel = net->kernel;
    memcpy(clone->block, net->block, net->block_len * sizeof *net->block);
    if ((net->shift != NULL && !net_set_norm(clone, net->shift, net->scale, err)) ||
        (net->target_shift != NULL &&
         !net_set_target_norm(clone, net->target_shift, net->target_scale, err))) {
        net_free(clone);
        return false;
    }
    *ret = clone;
    return true;
}

void net_free(struct net *net)
{
    if (net == NULL) {
        return;
    }
    free(net->block);
    free(net->shift);
    free(net->scale);
    free(net->target_shift);
    free(net->target_scale);
    free(net);
}

/* Copies n values each in place of what was there. */
static bool norm_set(float **to_shift, float **to_scale, size_t n, const float *shift,
                     const float *scale, struct err *err)
{
    const size_t size = n * sizeof *shift;
    float *new_shift = malloc(size), *new_scale = malloc(size);

    if (new_shift == NULL || new_scale == NULL) {
        free(new_shift);
        free(new_scale);
        return err_set(err, ERR_MEMORY, "", "no memory for the normalisation");
    }
    memcpy(new_shift, shift, size);
    memcpy(new_scale, scale, size);
    free(*to_shift);
    free(*to_scale);
    *to_shift = new_shift;
    *to_scale = new_scale;
    return true;
}

bool net_set_norm(struct net *net, const float *shift, const float *scale, struct err *err)
{
    return norm_set(&net->shift, &net->scale, net->spec.inputs, shift, scale, err);
}

bool net_set_target_norm(struct net *net, const float *shift, const float *scale, struct err *err)
{
    return norm_set(&net->target_shift, &net->target_scale, spec_outputs(&net->spec), shift, scale,
                    err);
}

void net_to_learn(const struct net *net, size_t n, float *y, size_t ld)
{
    for (size_t i = 0; i < n && net->target_shift != NULL; i++) {
        for (size_t j = 0; j < spec_outputs(&net->spec); j++) {
            y[i * ld + j] = (y[i * ld + j] - net->target_shift[j]) * net->target_scale[j];
        }
    }
}

void net_as_meant(const struct net *net, size_t n, float *a, size_t ld)
{
    for (size_t i = 0; i < n && net->target_shift != NULL; i++) {
        for (size_t j = 0; j < spec_outputs(&net->spec); j++) {
            a[i * ld + j] = a[i * ld + j] / net->target_scale[j] + net->target_shift[j];
        }
    }
}

static float *weight_at(const struct net *net, const struct net_layer *layer, size_t j, size_t k)
{
    return net->block + layer->w_at + j / PANEL * layer->stride + k * PANEL + j % PANEL;
}

/* What spec.init takes its draws for a layer's weights times. */
static double init_scale(enum init init, const struct net_layer *layer)
{
    switch (init) {
    case INIT_SCALED_NORMAL:
        return sqrt(1.0 / (double)layer->in);
    case INIT_XAVIER:
        return sqrt(2.0 / (double)(layer->in + layer->out));
    case INIT_HE:
        return sqrt(2.0 / (double)layer->in);
    case INIT_XAVIER_UNIFORM:
        return sqrt(6.0 / (double)(layer->in + layer->out));
    case INIT_HE_UNIFORM:
        return sqrt(6.0 / (double)layer->in);
    default:
        return 1.0;
    }
}

void net_init(struct net *net)
{
    const bool uniform = net->spec.init == INIT_XAVIER_UNIFORM || net->spec.init == INIT_HE_UNIFORM;
    struct rng rng;

    rng_init(&rng, net->spec.seed);
    for (size_t l = 0; l < net->spec.n_layers; l++) {
        const struct net_layer *layer = &net->layer[l];
        const double scale = init_scale(net->spec.init, layer);

        for (size_t j = 0; j < layer->out; j++) {
            for (size_t k = 0; k < layer->in; k++) {
                const double draw = uniform ? 2.0 * rng_unit(&rng) - 1.0 : rng_normal(&rng);

                *weight_at(net, layer, j, k) = (float)(scale * draw);
            }
        }
        for (size_t j = 0; j < layer->out; j++) {
            net->block[layer->b_at + j] =
                net->spec.bias_init == BIAS_NORMAL ? (float)rng_normal(&rng) : 0.0f;
        }
    }
}

void net_get_rows(const struct net *net, size_t l, size_t first, size_t n, float *w)
{
    const struct net_layer *layer = &net->layer[l];

    for (size_t j = 0; j < n; j++) {
        for (size_t k = 0; k < layer->in; k++) {
            w[j * layer->in + k] = *weight_at(net, layer, first + j, k);
        }
    }
}

void net_get_biases(const struct net *net, size_t l, float *b)
{
    memcpy(b, net->block + net->layer[l].b_at, net->layer[l].out * sizeof *b);
}

void net_get_layer(const struct net *net, size_t l, float *w, float *b)
{
    net_get_rows(net, l, 0, net->layer[l].out, w);
    net_get_biases(net, l, b);
}

void net_set_layer(struct net *net, size_t l, const float *w, const float *b)
{
    const struct net_layer *layer = &net->layer[l];

    for (size_t j = 0; j < layer->out; j++) {
        for (size_t k = 0; k < layer->in; k++) {
            *weight_at(net, layer, j, k) = w[j * layer->in + k];
        }
    }
    memcpy(net->block + layer->b_at, b, layer->out * sizeof *b);
}

static size_t bytes_of(const struct net *net, bool norm, bool target_norm)
{
    return (net->block_len + (norm ? 2 * net->spec.inputs : 0) +
            (target_norm ? 2 * spec_outputs(&net->spec) : 0)) *
           sizeof(float);
}

size_t net_bytes(const struct net *net)
{
    return bytes_of(net, net->shift != NULL, net->target_shift != NULL);
}

size_t net_spec_bytes(const struct net_spec *spec)
{
    struct net net = { .spec = *spec };

    net_lay_out(&net);
    return bytes_of(&net, spec->norm != NORM_NONE, spec->target_norm != NORM_NONE);
}

/* An exponent of all ones carries into the sign's place when one is added to it. */
#define EXPONENT_ONE 0x00800000u
#define NO_SIGN 0x7fffffffu

bool floats_finite(const float *at, size_t n)
{
    typedef uint32_t four __attribute__((vector_size(16)));
    four all[4] = { { 0 } }, v[4];
    uint32_t any = 0, one;
    size_t i = 0;

    for (; i + 16 <= n; i += 16) {
        memcpy(v, at + i, sizeof v);
        all[0] |= (v[0] & NO_SIGN) + EXPONENT_ONE;
        all[1] |= (v[1] & NO_SIGN) + EXPONENT_ONE;
        all[2] |= (v[2] & NO_SIGN) + EXPONENT_ONE;
        all[3] |= (v[3] & NO_SIGN) + EXPONENT_ONE;
    }
    all[0] |= all[1] | all[2] | all[3];
    any = all[0][0] | all[0][1] | all[0][2] | all[0][3];
    for (; i < n; i++) {
        memcpy(&one, at + i, sizeof one);
        any |= (one & NO_SIGN) + EXPONENT_ONE;
    }
    return any >> 31 == 0;
}

bool net_finite(const struct net *net)
{
    return floats_finite(net->block, net->block_len);
}

size_t net_ld(size_t n)
{
    const size_t ld = round_up(n, LD_UNIT);

    return ld % 128 == 0 ? ld + LD_UNIT : ld;
}

size_t net_ld_max(const struct net *net)
{
    size_t most = 0;

    for (size_t l = 0; l < net->spec.n_layers; l++) {
        const size_t ld = net_ld(net->layer[l].out);

        most = ld > most ? ld : most;
    }
    return most;
}

void net_forward(const struct net *net, size_t l, size_t p0, size_t p1, const float *x, size_t ldx,
                 size_t m, float *out, size_t ldo)
{
    const struct net_layer *layer = &net->layer[l];
    const struct kernel_forward job = {
        .w = net->block + layer->w_at,
        .b = net->block + layer->b_at,
        .stride = layer->stride,
        .in = layer->in,
        .p0 = p0,
        .p1 = p1,
        .x = x,
        .ldx = ldx,
        .m = m,
        .out = out,
        .ldo = ldo,
        .act = layer->act,
        .raw = l + 1 == net->spec.n_layers,
    };

    net->kernel->forward(&job);
}

size_t net_flops(const struct net *net)
{
    size_t weights = 0;

    for (size_t l = 0; l < net->spec.n_layers; l++) {
        weights += net->layer[l].in * net->layer[l].out;
    }
    return 2 * weights;
}
