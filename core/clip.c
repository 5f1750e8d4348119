/* Clipping by the norm of the whole gradient (train.h has the equation): the update stores the sums
 * of its gradients instead of making its step, and when all are there, they are measured, scaled and
 * stepped with.
 *
 * The sum of squares is float64: of each panel's 16 lanes and of each layer's biases one after the
 * other, in ascending order, then of those sums likewise; so it does not depend on who added them. */
#include <math.h>
#include <stdlib.h>

#include "kernel.h"
#include "trainer.h"

struct clip {
    struct kernel_step catch;
    float *gradient; /* as the net's block */
    double *squares; /* of each panel, layer by layer, its biases with it */
};

bool clip_create(struct trainer *t)
{
    struct clip *clip = calloc(1, sizeof *clip);
    size_t panels = 0;

    for (size_t l = 0; l < t->net->spec.n_layers; l++) {
        panels += t->net->layer[l].panels;
    }
    t->clip = clip;
    if (clip == NULL || !trainer_zeros(t->net->block_len, &clip->gradient)) {
        return false;
    }
    clip->catch.kind = STEP_GRADIENT;
    clip->squares = calloc(panels, sizeof *clip->squares);
    return clip->squares != NULL;
}

void clip_free(struct clip *clip)
{
    if (clip != NULL) {
        free(clip->gradient);
        free(clip->squares);
        free(clip);
    }
}

void clip_catch(const struct trainer *t, size_t l, struct kernel_update *update)
{
    const struct net_layer *layer = &t->net->layer[l];

    if (t->clip == NULL) {
        return;
    }
    update->step = &t->clip->catch;
    update->pw = t->clip->gradient + layer->w_at;
    update->pb = t->clip->gradient + layer->b_at;
    update->qw = update->qb = NULL;
}

/* --- the norm --- */

static double panel_squares(const float *w, size_t in, const float *b)
{
    double lane[PANEL], sum = 0.0;

    for (size_t j = 0; j < PANEL; j++) {
        lane[j] = (double)b[j] * (double)b[j];
    }
    for (size_t k = 0; k < in; k++) {
        for (size_t j = 0; j < PANEL; j++) {
            const double g = (double)w[k * PANEL + j];

            lane[j] += g * g;
        }
    }
    for (size_t j = 0; j < PANEL; j++) {
        sum += lane[j];
    }
    return sum;
}

static void piece_squares(void *arg, size_t i)
{
    struct trainer *t = arg;
    double *squares = t->clip->squares;

    for (size_t l = 0; l < t->net->spec.n_layers; l++) {
        const struct net_layer *layer = &t->net->layer[l];
        const float *w = t->clip->gradient + layer->w_at, *b = t->clip->gradient + layer->b_at;
        const size_t p1 = share_cut(layer->panels, 2, t->pieces, i + 1);

        for (size_t p = share_cut(layer->panels, 2, t->pieces, i); p < p1; p++) {
            squares[p] = panel_squares(w + p * layer->stride, layer->in, b + p * PANEL);
        }
        squares += layer->panels;
    }
}

/* What the gradients' sums are to be taken times. */
static double clip_scale(const struct trainer *t)
{
    const double *squares = t->clip->squares;
    double sum = 0.0, scale;

    for (size_t l = 0; l < t->net->spec.n_layers; l++) {
        for (size_t p = 0; p < t->net->layer[l].panels; p++) {
            sum += *squares++;
        }
    }
    scale = (double)t->plan.clip_norm / (sqrt(sum) / (double)t->m + 1e-6);
    return scale < 1.0 ? scale : 1.0;
}

/* --- the step --- */

static void piece_step(void *arg, size_t i)
{
    struct trainer *t = arg;
    const struct clip *clip = t->clip;

    for (size_t l = 0; l < t->net->spec.n_layers; l++) {
        const struct net_layer *layer = &t->net->layer[l];
        struct kernel_update update = trainer_update(t, l, i);

        for (size_t p = update.p0; p < update.p1; p++) {
            const size_t at = p * layer->stride;

            t->net->kernel->step(&t->step, layer->in * PANEL, clip->gradient + layer->w_at + at,
                                 update.w + at, update.pw != NULL ? update.pw + at : NULL,
                                 update.qw != NULL ? update.qw + at : NULL);
        }
        update.in = 0;
        t->net->kernel->update(&update);
    }
}

void clip_step(struct trainer *t, struct share *share)
{
    double scale;

    share->run(share, piece_squares, t, t->pieces);
    scale = clip_scale(t);
    t->step.rate = (float)((double)t->step.rate * scale);
    t->step.inv_m = (float)((double)t->step.inv_m * scale);
    share->run(share, piece_step, t, t->pieces);
}
