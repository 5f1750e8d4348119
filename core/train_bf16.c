/* A step's products by bf16 operands (bf16.h). Each operand is rounded and packed once a step, in the
 * forms that products take it in; between that and the products of train.c's scheme the work is cut
 * as there:
 *
 *   weights   both forms of them           by outputs; for delta, each panel its pairs
 *   inputs    of a layer, both forms       by rows, and by columns
 *   forward, cost, delta, update           as in train.c
 *   errors    delta of a layer, two forms  by rows, and by outputs
 */
#include <stdlib.h>
#include <string.h>

#include "bf16.h"
#include "trainer.h"

#define TILES 32 /* rows and columns of what one call to dot computes */

/* A layer's operands. out2, in2, m2: pairs of so many, padded to 16. */
struct pairs {
    size_t in2, out2;
    uint32_t *w;  /* forward, B: w[panel][in2][16] */
    uint32_t *wt; /* delta, A: wt[in][out2] */
    uint32_t *x;  /* forward, A: x[m][in2] */
    uint32_t *xt; /* update, A: xt[in][m2] */
    uint32_t *dt; /* delta, B: dt[m / 16][out2][16] */
    uint32_t *d;  /* update, B: d[panel][m2][16] */
};

struct train_bf16 {
    kernel_dot_run *dot;
    size_t m2;     /* of a whole batch */
    float *memory; /* owned */
    struct pairs layer[SPEC_LAYERS_MAX];
};

static uint32_t *take(float *base, size_t *at, size_t rows, size_t pairs)
{
    return (uint32_t *)(void *)trainer_carve(base, at, rows * pairs);
}

/* Lays the buffers out from base and gives their length in floats. Pads are +0, and stay so. */
static size_t lay_out(struct train_bf16 *bf16, const struct trainer *t, float *base)
{
    const size_t rows = round_up(t->batch, TILES);
    size_t at = 0;

    bf16->m2 = rows / 2;
    for (size_t l = 0; l < t->net->spec.n_layers; l++) {
        const struct net_layer *layer = &t->net->layer[l];
        const size_t panels = round_up(layer->panels, 2), in = round_up(layer->in, TILES);
        struct pairs *pairs = &bf16->layer[l];

        pairs->in2 = in / 2;
        pairs->out2 = panels * PANEL / 2;
        pairs->w = take(base, &at, panels * PANEL, pairs->in2);
        pairs->x = take(base, &at, rows, pairs->in2);
        pairs->xt = take(base, &at, in, bf16->m2);
        pairs->d = take(base, &at, panels * PANEL, bf16->m2);
        if (l > 0) {
            pairs->wt = take(base, &at, in, pairs->out2);
            pairs->dt = take(base, &at, rows, pairs->out2);
        }
    }
    return at;
}

bool bf16_create(struct trainer *t)
{
    struct train_bf16 *bf16 = calloc(1, sizeof *bf16);

    if (bf16 == NULL || !trainer_zeros(lay_out(bf16, t, NULL), &bf16->memory)) {
        free(bf16);
        return false;
    }
    lay_out(bf16, t, bf16->memory);
    bf16->dot = bf16_dot(t->net->kernel);
    t->bf16 = bf16;
    return true;
}

void bf16_free(struct train_bf16 *bf16)
{
    if (bf16 != NULL) {
        free(bf16->memory);
        free(bf16);
    }
}

/* --- packing --- */

static void piece_weights(void *arg, size_t i)
{
    struct trainer *t = arg;
    const struct kernel *kernel = t->net->kernel;

    for (size_t l = 0; l < t->net->spec.n_layers; l++) {
        const struct net_layer *layer = &t->net->layer[l];
        const struct pairs *pairs = &t->bf16->layer[l];
        const size_t end = share_cut(layer->panels, 2, t->pieces, i + 1);

        for (size_t p = share_cut(layer->panels, 2, t->pieces, i); p < end; p++) {
            const float *w = t->net->block + layer->w_at + p * layer->stride;

            kernel->pair_lines(w, PANEL, layer->in, pairs->w + p * pairs->in2 * PANEL);
            if (l > 0) {
                kernel->pair_rows(w, PANEL, layer->in, PANEL, pairs->wt + p * PANEL / 2,
                                  pairs->out2);
            }
        }
    }
}

/* What layer `at` sees. */
static void piece_inputs(void *arg, size_t i)
{
    struct trainer *t = arg;
    const struct kernel *kernel = t->net->kernel;
    const struct pairs *pairs = &t->bf16->layer[t->at];
    const float *x = t->at == 0 ? t->x : t->layer[t->at - 1].kept;
    const size_t ld = t->at == 0 ? t->ld0 : t->layer[t->at - 1].ld;
    const size_t in = t->net->layer[t->at].in, m2 = t->bf16->m2;
    const size_t r0 = share_cut(t->m, PANEL, t->pieces, i);
    const size_t r1 = share_cut(t->m, PANEL, t->pieces, i + 1);
    const size_t k0 = share_cut(in, TILES, t->pieces, i);
    const size_t k1 = share_cut(in, TILES, t->pieces, i + 1);

    kernel->pair_rows(x + r0 * ld, ld, r1 - r0, in, pairs->x + r0 * pairs->in2, pairs->in2);
    kernel->pair_columns(x + k0, ld, t->m, k1 - k0, pairs->xt + k0 * m2, m2);
}

/* The deltas of layer `at`. */
static void piece_errors(void *arg, size_t i)
{
    struct trainer *t = arg;
    const struct kernel *kernel = t->net->kernel;
    const struct net_layer *net_layer = &t->net->layer[t->at];
    const struct train_layer *layer = &t->layer[t->at];
    const struct pairs *pairs = &t->bf16->layer[t->at];
    const size_t r1 = share_cut(t->m, PANEL, t->pieces, i + 1);
    const size_t p1 = share_cut(net_layer->panels, 2, t->pieces, i + 1);

    for (size_t r = share_cut(t->m, PANEL, t->pieces, i); t->at > 0 && r < r1; r += PANEL) {
        kernel->pair_lines(layer->dt + r / PANEL * layer->ldt, PANEL, net_layer->out,
                           pairs->dt + r * pairs->out2);
    }
    for (size_t p = share_cut(net_layer->panels, 2, t->pieces, i); p < p1; p++) {
        kernel->pair_lines(layer->d + p * PANEL, layer->ld, t->m,
                           pairs->d + p * PANEL * t->bf16->m2);
    }
}

/* --- products --- */

/* From c to z = c + b, rows r .. of panels p .. */
static void forward_store(const struct trainer *t, const struct kernel_dot *job, size_t p, size_t r)
{
    const struct train_layer *layer = &t->layer[t->at];
    const float *b = t->net->block + t->net->layer[t->at].b_at;

    for (size_t j = p; j < p + job->panels; j++) {
        const float *c = job->c + (j - p) * TILES * PANEL;

        for (size_t i = r; i < t->m && i < r + job->rows; i++, c += PANEL) {
            float *z = layer->a + i * layer->ld + j * PANEL;

            for (size_t n = 0; n < PANEL; n++) {
                z[n] = c[n] + b[j * PANEL + n];
            }
        }
    }
}

static void piece_forward(void *arg, size_t i)
{
    struct trainer *t = arg;
    const struct net_layer *layer = &t->net->layer[t->at];
    const struct pairs *pairs = &t->bf16->layer[t->at];
    const size_t p0 = share_cut(layer->panels, 2, t->pieces, i);
    const size_t p1 = share_cut(layer->panels, 2, t->pieces, i + 1);
    _Alignas(64) float c[2 * TILES * PANEL];
    struct kernel_dot job = {
        .lda = pairs->in2, .ldb = pairs->in2 * PANEL, .pairs = pairs->in2, .c = c
    };

    for (size_t p = p0; p < p1; p += 2) {
        job.b = pairs->w + p * job.ldb;
        job.panels = p1 - p < 2 ? 1 : 2;
        for (size_t r = 0; r < t->m; r += TILES) {
            job.a = pairs->x + r * job.lda;
            job.rows = t->m - r > PANEL ? TILES : PANEL;
            t->bf16->dot(&job);
            forward_store(t, &job, p, r);
        }
    }
    if (p0 < p1 && t->at + 1 < t->net->spec.n_layers) {
        t->net->kernel->activate(layer->act, (p1 - p0) * PANEL, t->m,
                                 t->layer[t->at].a + p0 * PANEL, t->layer[t->at].ld);
        noise_drop(t, t->at, p0, p1);
    }
}

/* delta of layer `at - 1` from that of layer `at`. */
static void piece_delta(void *arg, size_t i)
{
    struct trainer *t = arg;
    const struct kernel_delta delta = trainer_delta(t, i);
    const struct pairs *pairs = &t->bf16->layer[t->at];
    _Alignas(64) float c[2 * TILES * PANEL];
    struct kernel_dot job = {
        .lda = pairs->out2, .rows = TILES, .ldb = pairs->out2 * PANEL, .pairs = pairs->out2, .c = c
    };

    for (size_t k = delta.k0; k < delta.k1; k += TILES) {
        job.a = pairs->wt + k * job.lda;
        for (size_t r = 0; r < t->m; r += TILES) {
            job.b = pairs->dt + r * pairs->out2;
            job.panels = t->m - r > PANEL ? 2 : 1;
            t->bf16->dot(&job);
            for (size_t j = 0; j < job.panels; j++) {
                memcpy(delta.dxt + (r / PANEL + j) * delta.ldxt + k * PANEL, c + j * TILES * PANEL,
                       TILES * PANEL * sizeof *c);
            }
        }
    }
    if (delta.k0 < delta.k1) {
        t->net->kernel->delta_finish(&delta);
    }
}

static void update_layer(struct trainer *t, size_t l, struct kernel_update *update)
{
    const struct pairs *pairs = &t->bf16->layer[l];
    const size_t m2 = t->bf16->m2;
    _Alignas(64) float c[2 * TILES * PANEL];
    struct kernel_dot job = {
        .lda = m2, .rows = TILES, .ldb = m2 * PANEL, .pairs = round_up(t->m, TILES) / 2, .c = c
    };

    for (size_t p = update->p0; p < update->p1; p += 2) {
        job.b = pairs->d + p * job.ldb;
        job.panels = update->p1 - p < 2 ? 1 : 2;
        for (size_t k = 0; k < update->in; k += TILES) {
            const size_t n = update->in - k < TILES ? update->in - k : TILES;

            job.a = pairs->xt + k * m2;
            t->bf16->dot(&job);
            for (size_t j = 0; j < job.panels; j++) {
                const size_t at = (p + j) * update->stride + k * PANEL;

                t->net->kernel->step(update->step, n * PANEL, c + j * TILES * PANEL, update->w + at,
                                     update->pw != NULL ? update->pw + at : NULL,
                                     update->qw != NULL ? update->qw + at : NULL);
            }
        }
    }
    update->in = 0;
    t->net->kernel->update(update);
}

static void piece_update(void *arg, size_t i)
{
    struct trainer *t = arg;

    for (size_t l = 0; l < t->net->spec.n_layers; l++) {
        struct kernel_update update = trainer_update(t, l, i);

        clip_catch(t, l, &update);
        update_layer(t, l, &update);
    }
}

/* --- phases --- */

void bf16_forward(struct trainer *t, struct share *share)
{
    share->run(share, piece_weights, t, t->pieces);
    for (t->at = 0; t->at < t->net->spec.n_layers; t->at++) {
        share->run(share, piece_inputs, t, t->pieces);
        share->run(share, piece_forward, t, t->pieces);
    }
}

void bf16_backward(struct trainer *t, struct share *share)
{
    for (t->at = t->net->spec.n_layers - 1; t->at > 0; t->at--) {
        share->run(share, piece_errors, t, t->pieces);
        share->run(share, piece_delta, t, t->pieces);
    }
    share->run(share, piece_errors, t, t->pieces);
    share->run(share, piece_update, t, t->pieces);
}
