/* What is random in a step: noise on the inputs, and which units are dropped (train.h has the
 * equations). Each row of each epoch has a generator of its own, so that it does not matter which
 * worker draws, nor whether training was interrupted before. It gives, in this order, the inputs'
 * noise, the inputs that are dropped, and the units of each hidden layer that are; of the dropped
 * ones four to a draw, 16 bits each from the lowest. */
#include <math.h>

#include "kernel.h"
#include "trainer.h"

/* mask[0 .. n - 1]: 0 with probability p, else 1 / (1 - p). */
static void mask_draw(struct rng *rng, float p, size_t n, float *mask)
{
    const uint32_t share = (uint32_t)((double)p * 65536.0 + 0.5);
    const uint32_t least = share < 65535 ? share : 65535;
    const float scale = 1.0f / (1.0f - p);

    for (size_t j = 0; j < n; j += 4) {
        const uint64_t bits = rng_next(rng);

        for (size_t i = j; i < n && i < j + 4; i++) {
            mask[i] = (bits >> 16 * (i - j) & 0xffff) >= least ? scale : 0.0f;
        }
    }
}

/* x' = flush(x m) as the kernels flush. */
static void times(const float *x, const float *mask, size_t n, float *out)
{
    for (size_t j = 0; j < n; j++) {
        const float v = x[j] * mask[j];

        out[j] = fabsf(v) < 0x1p-60f ? 0.0f : v;
    }
}

static void inputs_draw(struct trainer *t, struct rng *rng, float *x)
{
    const size_t n = t->net->spec.inputs;
    const double s = (double)t->plan.input_noise;
    float mask[256];

    for (size_t j = 0; j < n && s > 0.0; j++) {
        x[j] += (float)(s * rng_normal(rng));
    }
    for (size_t j = 0; j < n && t->plan.dropout_inputs > 0.0f; j += 256) {
        const size_t here = n - j < 256 ? n - j : 256;

        mask_draw(rng, t->plan.dropout_inputs, here, mask);
        times(x + j, mask, here, x + j);
    }
}

void noise_rows(struct trainer *t, size_t r0, size_t r1)
{
    const struct train_plan *plan = &t->plan;
    struct rng rng;

    if (plan->input_noise <= 0.0f && plan->dropout_inputs <= 0.0f && plan->dropout_hidden <= 0.0f) {
        return;
    }
    for (size_t r = r0; r < r1; r++) {
        rng_init(&rng, t->epoch_rng.s[0] ^ (t->index * t->batch + r));
        inputs_draw(t, &rng, t->x + r * t->ld0);
        for (size_t l = 0; t->layer[l].mask != NULL; l++) {
            mask_draw(&rng, plan->dropout_hidden, t->net->layer[l].out,
                      t->layer[l].mask + r * t->layer[l].ld);
        }
    }
}

void noise_drop(struct trainer *t, size_t l, size_t p0, size_t p1)
{
    const struct train_layer *layer = &t->layer[l];

    for (size_t r = 0; layer->mask != NULL && r < t->m; r++) {
        const size_t at = r * layer->ld + p0 * PANEL;

        times(layer->a + at, layer->mask + at, (p1 - p0) * PANEL, layer->kept + at);
    }
}
