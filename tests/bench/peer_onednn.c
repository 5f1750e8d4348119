/* Training by oneDNN's inner products: forward with the sigmoid fused, backward for data, backward
 * for weights and biases; the cost, sigma' and the step are by hand, on weights in whatever layout
 * the library likes. */
#include <dnnl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "peer.h"

/* A primitive and what it works on. */
struct op {
    dnnl_primitive_t primitive; /* NULL: there is none */
    dnnl_exec_arg_t args[5];
    int n;
};

/* All that depends on how many rows a batch has. */
struct ops {
    size_t m;
    struct op forward[PEER_LAYERS_MAX + 1], data[PEER_LAYERS_MAX + 1], weights[PEER_LAYERS_MAX + 1];
};

/* w lies as wmd says, dw too. */
static struct {
    dnnl_memory_desc_t wmd;
    float *w, *dw, *b, *db, *a, *d;
    size_t floats; /* in w, padding included */
} layer[PEER_LAYERS_MAX + 1];

static struct ops whole, rest; /* full batches; the last of an epoch when it is smaller */
static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void must(dnnl_status_t status, const char *what)
{
    if (status != dnnl_success) {
        fprintf(stderr, "peer_onednn: %s: status %d\n", what, (int)status);
        exit(1);
    }
}

static dnnl_memory_desc_t matrix(size_t rows, size_t columns, dnnl_format_tag_t tag)
{
    const dnnl_dims_t dims = { (dnnl_dim_t)rows, (dnnl_dim_t)columns };
    dnnl_memory_desc_t md;

    must(dnnl_memory_desc_init_by_tag(&md, 2, dims, dnnl_f32, tag), "matrix");
    return md;
}

static dnnl_memory_desc_t vector(size_t n)
{
    const dnnl_dims_t dims = { (dnnl_dim_t)n };
    dnnl_memory_desc_t md;

    must(dnnl_memory_desc_init_by_tag(&md, 1, dims, dnnl_f32, dnnl_a), "vector");
    return md;
}

static void op_arg(struct op *op, int arg, const dnnl_memory_desc_t *md, const float *data)
{
    union {
        const float *in;
        void *out;
    } pointer = { data };
    dnnl_memory_t memory;

    must(dnnl_memory_create(&memory, md, engine, pointer.out), "memory");
    op->args[op->n++] = (dnnl_exec_arg_t){ arg, memory };
}

static void op_run(const struct op *op)
{
    must(dnnl_primitive_execute(op->primitive, stream, op->n, op->args), "execute");
}

/* A sigmoid behind the product. */
static dnnl_primitive_attr_t fused_sigmoid(void)
{
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t post;

    must(dnnl_primitive_attr_create(&attr), "attributes");
    must(dnnl_post_ops_create(&post), "post-ops");
    must(dnnl_post_ops_append_eltwise(post, 1.0f, dnnl_eltwise_logistic, 0.0f, 0.0f), "sigmoid");
    must(dnnl_primitive_attr_set_post_ops(attr, post), "post-ops");
    dnnl_post_ops_destroy(post);
    return attr;
}

/* The forward primitive of layer l for m rows; its weights lie as wmd says, or where that is of
 * dnnl_format_tag_any as the library chooses. */
static dnnl_primitive_desc_t forward_make(const struct peer *peer, size_t l, size_t m,
                                          const dnnl_memory_desc_t *wmd)
{
    const dnnl_memory_desc_t src = matrix(m, peer->units[l - 1], dnnl_ab);
    const dnnl_memory_desc_t dst = matrix(m, peer->units[l], dnnl_ab);
    const dnnl_memory_desc_t bias = vector(peer->units[l]);
    dnnl_primitive_attr_t attr = fused_sigmoid();
    dnnl_inner_product_desc_t desc;
    dnnl_primitive_desc_t ret;

    must(dnnl_inner_product_forward_desc_init(&desc, dnnl_forward_training, &src, wmd, &bias, &dst),
         "forward");
    must(dnnl_primitive_desc_create(&ret, &desc, attr, engine, NULL), "forward");
    dnnl_primitive_attr_destroy(attr);
    return ret;
}

static void op_create(struct op *op, dnnl_primitive_desc_t pd)
{
    must(dnnl_primitive_create(&op->primitive, pd), "primitive");
    dnnl_primitive_desc_destroy(pd);
}

static void backward_make(const struct peer *peer, struct ops *ops, size_t l,
                          dnnl_primitive_desc_t hint)
{
    const dnnl_memory_desc_t src = matrix(ops->m, peer->units[l - 1], dnnl_ab);
    const dnnl_memory_desc_t dst = matrix(ops->m, peer->units[l], dnnl_ab);
    const dnnl_memory_desc_t bias = vector(peer->units[l]);
    dnnl_inner_product_desc_t desc;
    dnnl_primitive_desc_t pd;

    must(dnnl_inner_product_backward_weights_desc_init(&desc, &src, &layer[l].wmd, &bias, &dst),
         "weights");
    must(dnnl_primitive_desc_create(&pd, &desc, NULL, engine, hint), "weights");
    op_create(&ops->weights[l], pd);
    op_arg(&ops->weights[l], DNNL_ARG_SRC, &src, layer[l - 1].a);
    op_arg(&ops->weights[l], DNNL_ARG_DIFF_DST, &dst, layer[l].d);
    op_arg(&ops->weights[l], DNNL_ARG_DIFF_WEIGHTS, &layer[l].wmd, layer[l].dw);
    op_arg(&ops->weights[l], DNNL_ARG_DIFF_BIAS, &bias, layer[l].db);
    if (l > 1) {
        must(dnnl_inner_product_backward_data_desc_init(&desc, &src, &layer[l].wmd, &dst), "data");
        must(dnnl_primitive_desc_create(&pd, &desc, NULL, engine, hint), "data");
        op_create(&ops->data[l], pd);
        op_arg(&ops->data[l], DNNL_ARG_DIFF_DST, &dst, layer[l].d);
        op_arg(&ops->data[l], DNNL_ARG_WEIGHTS, &layer[l].wmd, layer[l].w);
        op_arg(&ops->data[l], DNNL_ARG_DIFF_SRC, &src, layer[l - 1].d);
    }
}

static void ops_make(const struct peer *peer, struct ops *ops, size_t m)
{
    *ops = (struct ops){ .m = m };
    for (size_t l = 1; l <= peer->layers; l++) {
        const dnnl_memory_desc_t src = matrix(m, peer->units[l - 1], dnnl_ab);
        const dnnl_memory_desc_t dst = matrix(m, peer->units[l], dnnl_ab);
        const dnnl_memory_desc_t bias = vector(peer->units[l]);
        dnnl_primitive_desc_t pd = forward_make(peer, l, m, &layer[l].wmd);

        backward_make(peer, ops, l, pd);
        op_create(&ops->forward[l], pd);
        op_arg(&ops->forward[l], DNNL_ARG_SRC, &src, layer[l - 1].a);
        op_arg(&ops->forward[l], DNNL_ARG_WEIGHTS, &layer[l].wmd, layer[l].w);
        op_arg(&ops->forward[l], DNNL_ARG_BIAS, &bias, layer[l].b);
        op_arg(&ops->forward[l], DNNL_ARG_DST, &dst, layer[l].a);
    }
}

/* Everything for weights of that layout: as the library likes, [out][in] or [in][out]. */
static void build(struct peer *peer, dnnl_format_tag_t tag)
{
    for (size_t l = 1; l <= peer->layers; l++) {
        const dnnl_memory_desc_t any = matrix(peer->units[l], peer->units[l - 1], tag);
        dnnl_primitive_desc_t pd = forward_make(peer, l, peer->batch, &any);

        layer[l].wmd = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
        dnnl_primitive_desc_destroy(pd);
        layer[l].floats = dnnl_memory_desc_get_size(&layer[l].wmd) / sizeof(float);
        layer[l].w = peer_get(layer[l].floats);
        layer[l].dw = peer_get(layer[l].floats);
    }
    ops_make(peer, &whole, peer->batch);
    if (peer->rows % peer->batch != 0) {
        ops_make(peer, &rest, peer->rows % peer->batch);
    }
}

static void ops_free(const struct peer *peer, const struct ops *ops)
{
    for (size_t l = 1; ops->m != 0 && l <= peer->layers; l++) {
        const struct op *op[3] = { &ops->forward[l], &ops->weights[l], &ops->data[l] };

        for (size_t i = 0; i < 3; i++) {
            for (int k = 0; k < op[i]->n; k++) {
                dnnl_memory_destroy(op[i]->args[k].memory);
            }
            if (op[i]->primitive != NULL) {
                dnnl_primitive_destroy(op[i]->primitive);
            }
        }
    }
}

static void unbuild(const struct peer *peer)
{
    ops_free(peer, &whole);
    ops_free(peer, &rest);
    for (size_t l = 1; l <= peer->layers; l++) {
        free(layer[l].w);
        free(layer[l].dw);
    }
}

/* Seconds of a step, the least of some. */
static double try(struct peer *peer)
{
    double best = 1e9;

    peer_load(peer, peer->weights);
    for (int i = 0; i < 8; i++) {
        struct timespec from, to;
        double took;

        clock_gettime(CLOCK_MONOTONIC, &from);
        for (size_t s = 0; s < peer->steps; s++) {
            peer_step(peer, peer->order + s * peer->batch, peer->batch);
        }
        clock_gettime(CLOCK_MONOTONIC, &to);
        took = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
        best = took < best ? took : best;
    }
    return best;
}

void peer_begin(struct peer *peer)
{
    static const dnnl_format_tag_t tags[3] = { dnnl_format_tag_any, dnnl_ab, dnnl_ba };
    static const char *const names[3] = { "its own layout", "W[out][in]", "W[in][out]" };
    const dnnl_version_t *version = dnnl_version();
    double took[3];
    size_t best = 0;

    must(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");
    layer[0].a = peer->bx;
    for (size_t l = 1; l <= peer->layers; l++) {
        layer[l].b = peer_get(peer->units[l]);
        layer[l].db = peer_get(peer->units[l]);
        layer[l].a = peer_get(peer->batch * peer->units[l]);
        layer[l].d = peer_get(peer->batch * peer->units[l]);
    }
    for (size_t i = 0; i < 3; i++) { /* which layout is fastest is seen by trying */
        build(peer, tags[i]);
        took[i] = try(peer);
        best = took[i] < took[best] ? i : best;
        unbuild(peer);
    }
    build(peer, tags[best]);
    snprintf(peer->about, sizeof peer->about, "oneDNN %d.%d.%d, isa %d, weights in %s",
             version->major, version->minor, version->patch, (int)dnnl_get_effective_cpu_isa(),
             names[best]);
}

/* ---- weights in and out ---- */

static void copy_weights(const struct peer *peer, size_t l, const float *from, float *to, bool in)
{
    const dnnl_memory_desc_t plain = matrix(peer->units[l], peer->units[l - 1], dnnl_ab);
    const dnnl_memory_desc_t *src = in ? &plain : &layer[l].wmd, *dst = in ? &layer[l].wmd : &plain;
    struct op op = { 0 };
    dnnl_primitive_desc_t pd;

    must(dnnl_reorder_primitive_desc_create(&pd, src, engine, dst, engine, NULL), "reorder");
    op_create(&op, pd);
    op_arg(&op, DNNL_ARG_FROM, src, from);
    op_arg(&op, DNNL_ARG_TO, dst, to);
    op_run(&op);
    must(dnnl_stream_wait(stream), "wait");
    dnnl_primitive_destroy(op.primitive);
    dnnl_memory_destroy(op.args[0].memory);
    dnnl_memory_destroy(op.args[1].memory);
}

void peer_load(struct peer *peer, const float *weights)
{
    for (size_t l = 1; l <= peer->layers; l++) {
        const size_t in = peer->units[l - 1], out = peer->units[l];

        copy_weights(peer, l, weights, layer[l].w, true);
        memcpy(layer[l].b, weights + in * out, out * sizeof *weights);
        weights += in * out + out;
    }
}

void peer_store(struct peer *peer, float *weights)
{
    for (size_t l = 1; l <= peer->layers; l++) {
        const size_t in = peer->units[l - 1], out = peer->units[l];

        copy_weights(peer, l, layer[l].w, weights, false);
        memcpy(weights + in * out, layer[l].b, out * sizeof *weights);
        weights += in * out + out;
    }
}

/* ---- a step ---- */

static void add(float *to, const float *from, float rate, size_t n)
{
#pragma omp parallel for simd if (n > 100000)
    for (size_t i = 0; i < n; i++) {
        to[i] += rate * from[i];
    }
}

void peer_step(struct peer *peer, const uint32_t *rows, size_t m)
{
    const struct ops *ops = m == whole.m ? &whole : &rest;
    const size_t last = peer->layers;
    const float rate = -peer->eta / (float)m;

    peer_gather(peer, rows, m);
    for (size_t l = 1; l <= last; l++) {
        op_run(&ops->forward[l]);
    }
    peer_minus(layer[last].d, layer[last].a, peer->by, m * peer->units[last]);
    for (size_t l = last; l >= 1; l--) {
        if (l > 1) {
            op_run(&ops->data[l]);
            peer_slope(layer[l - 1].d, layer[l - 1].a, m * peer->units[l - 1]);
        }
        op_run(&ops->weights[l]);
        add(layer[l].w, layer[l].dw, rate, layer[l].floats);
        add(layer[l].b, layer[l].db, rate, peer->units[l]);
    }
}
