/* Training by OpenBLAS's sgemm, as somebody would write it by hand in C. W is [in][out]. */
#include <cblas.h>
#include <stdio.h>
#include <string.h>

#include "peer.h"

static struct {
    float *w, *b, *a, *d;
} layer[PEER_LAYERS_MAX + 1];

void peer_begin(struct peer *peer)
{
    openblas_set_num_threads(peer->cores);
    for (size_t l = 1; l <= peer->layers; l++) {
        layer[l].w = peer_get(peer->units[l - 1] * peer->units[l]);
        layer[l].b = peer_get(peer->units[l]);
        layer[l].a = peer_get(peer->batch * peer->units[l]);
        layer[l].d = peer_get(peer->batch * peer->units[l]);
    }
    layer[0].a = peer->bx;
    snprintf(peer->about, sizeof peer->about, "%s, %s kernels", openblas_get_config(),
             openblas_get_corename());
}

void peer_load(struct peer *peer, const float *weights)
{
    for (size_t l = 1; l <= peer->layers; l++) {
        const size_t in = peer->units[l - 1], out = peer->units[l];

        for (size_t j = 0; j < out; j++) {
            for (size_t k = 0; k < in; k++) {
                layer[l].w[k * out + j] = *weights++;
            }
        }
        memcpy(layer[l].b, weights, out * sizeof *weights);
        weights += out;
    }
}

void peer_store(struct peer *peer, float *weights)
{
    for (size_t l = 1; l <= peer->layers; l++) {
        const size_t in = peer->units[l - 1], out = peer->units[l];

        for (size_t j = 0; j < out; j++) {
            for (size_t k = 0; k < in; k++) {
                *weights++ = layer[l].w[k * out + j];
            }
        }
        memcpy(weights, layer[l].b, out * sizeof *weights);
        weights += out;
    }
}

/* c[m][n] = a[m][k] b[k][n] and the like, row-major. */
static void product(enum CBLAS_TRANSPOSE ta, enum CBLAS_TRANSPOSE tb, size_t m, size_t n, size_t k,
                    float alpha, const float *a, const float *b, float beta, float *c)
{
    cblas_sgemm(CblasRowMajor, ta, tb, (int)m, (int)n, (int)k, alpha, a,
                (int)(ta == CblasTrans ? m : k), b, (int)(tb == CblasTrans ? k : n), beta, c,
                (int)n);
}

void peer_step(struct peer *peer, const uint32_t *rows, size_t m)
{
    const size_t last = peer->layers;
    const float rate = -peer->eta / (float)m;

    peer_gather(peer, rows, m);
    for (size_t l = 1; l <= last; l++) {
        const size_t in = peer->units[l - 1], out = peer->units[l];

        product(CblasNoTrans, CblasNoTrans, m, out, in, 1.0f, layer[l - 1].a, layer[l].w, 0.0f,
                layer[l].a);
        peer_sigmoid(layer[l].a, layer[l].b, m, out);
    }
    peer_minus(layer[last].d, layer[last].a, peer->by, m * peer->units[last]);
    for (size_t l = last; l >= 1; l--) {
        const size_t in = peer->units[l - 1], out = peer->units[l];

        if (l > 1) {
            product(CblasNoTrans, CblasTrans, m, in, out, 1.0f, layer[l].d, layer[l].w, 0.0f,
                    layer[l - 1].d);
            peer_slope(layer[l - 1].d, layer[l - 1].a, m * in);
        }
        product(CblasTrans, CblasNoTrans, in, out, m, rate, layer[l - 1].a, layer[l].d, 1.0f,
                layer[l].w);
        peer_bias(layer[l].b, layer[l].d, rate, m, out);
    }
}
