/* A step is cut by outputs, so that nothing is summed across workers and a panel of weights stays
 * with one of them:
 *
 *   gather    rows of the batch            by rows
 *   forward   each layer                   by outputs, two panels at a time
 *   cost      outputs, costs, delta^L      by rows, 16 at a time
 *   delta     each layer but the first     by the units of the layer below, 32 at a time
 *   update    all layers at once           by outputs, two panels at a time
 *
 * The units are such that no two workers write to one pair of cache lines. */
#include "train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "trainer.h"

/* What trainer_ways reckons with, as tests/bench/bench_train measures it. With AVX-512; where
 * kernels are slower, sharing pays sooner than it says. */
#define FLOPS_PER_US 200000.0
#define WAYS_MAX 256
#define RUN_US 2.0      /* one hand-over to the other workers and back, interrupts included */
#define MOVED_US 0.0005 /* one float of what a layer sees, half of which the others have made */

/* Microseconds that w workers need for a layer's products: the one with most of its outputs. */
static double layer_us(const struct trainer *t, const struct net_layer *layer, size_t w)
{
    const size_t units = (layer->panels + 1) / 2;

    return 6.0 * (double)layer->in * (double)layer->out * (double)t->batch / FLOPS_PER_US *
           (double)((units + w - 1) / w) / (double)units;
}

/* The number of workers that a step is reckoned to end soonest with. */
static size_t ways_reckon(const struct trainer *t)
{
    const struct net *net = t->net;
    double shared = (2.0 * (double)net->spec.n_layers + 2.0) * RUN_US, least = 0.0;
    size_t best = 1, most = 1;

    for (size_t l = 0; l < net->spec.n_layers; l++) {
        const size_t units = (net->layer[l].panels + 1) / 2;

        most = units > most ? units : most;
        shared += (double)net->layer[l].in * (double)t->batch * MOVED_US;
        least += layer_us(t, &net->layer[l], 1);
    }
    least *= 0.9; /* a second worker has to be worth its while */
    for (size_t w = 2; w <= most && w <= WAYS_MAX; w++) {
        double us = shared;

        for (size_t l = 0; l < net->spec.n_layers; l++) {
            us += layer_us(t, &net->layer[l], w);
        }
        if (us < least) {
            least = us;
            best = w;
        } else if (w == 2) {
            break; /* there may be no more than two */
        }
    }
    return best;
}

/* --- memory --- */

float *trainer_carve(float *base, size_t *at, size_t n)
{
    float *ret = base != NULL ? base + *at : NULL;

    *at += round_up(n, LD_UNIT);
    return ret;
}

/* Lays the buffers out from base and gives their length in floats. */
static size_t trainer_lay_out(struct trainer *t, float *base)
{
    const struct net *net = t->net;
    const size_t rows = round_up(t->batch, LD_UNIT); /* whole blocks are read and written */
    const size_t last = net->spec.n_layers - 1;
    size_t at = 0;

    t->ld0 = net_ld(net->spec.inputs);
    t->x = trainer_carve(base, &at, rows * t->ld0);
    for (size_t l = 0; l <= last; l++) {
        struct train_layer *layer = &t->layer[l];

        layer->ld = net_ld(net->layer[l].out);
        layer->ldt = round_up(net->layer[l].out, LD_UNIT) * PANEL;
        layer->a = trainer_carve(base, &at, rows * layer->ld);
        layer->d = trainer_carve(base, &at, rows * layer->ld);
        layer->dt = trainer_carve(base, &at, rows / PANEL * layer->ldt);
        layer->kept = layer->a;
        if (t->plan.dropout_hidden > 0.0f && l < last) {
            layer->mask = trainer_carve(base, &at, rows * layer->ld);
            layer->kept = trainer_carve(base, &at, rows * layer->ld);
        }
    }
    t->y = trainer_carve(base, &at, rows * t->layer[last].ld);
    t->weight = t->data.weights != NULL ? trainer_carve(base, &at, rows) : NULL;
    t->row = (struct kernel_row *)(void *)trainer_carve(base, &at,
                                                        rows * sizeof *t->row / sizeof(float));
    return at;
}

/* Whether the buffers' length fits into size_t, with room to spare. */
static bool trainer_fits(const struct trainer *t)
{
    double floats = (double)net_ld(t->net->spec.inputs);

    for (size_t l = 0; l < t->net->spec.n_layers; l++) {
        floats += 8.0 * (double)net_ld(t->net->layer[l].out);
    }
    return (floats + 64.0) * ((double)t->batch + LD_UNIT) < (double)(SIZE_MAX / 8);
}

bool trainer_zeros(size_t floats, float **ret)
{
    const size_t size = round_up(floats * sizeof **ret, 128);

    *ret = aligned_alloc(128, size);
    if (*ret != NULL) {
        memset(*ret, 0, size);
    }
    return *ret != NULL;
}

bool trainer_create(struct net *net, const struct data *data, const struct train_plan *plan,
                    struct trainer **ret, struct err *err)
{
    struct trainer *t = calloc(1, sizeof *t);

    if (t == NULL) {
        goto memory;
    }
    t->net = net;
    t->data = *data;
    t->plan = *plan;
    t->batch = plan->batch_size < data_rows(data) ? plan->batch_size : data_rows(data);
    optimizer_prepare(t);
    t->power[0] = t->power[1] = 1.0;
    t->ways = ways_reckon(t);
    rng_init(&t->rng, plan->seed);
    t->epoch_rng = t->rng;
    if (!trainer_fits(t) || !trainer_zeros(trainer_lay_out(t, NULL), &t->memory)) {
        goto memory;
    }
    trainer_lay_out(t, t->memory);
    t->order = malloc(data_rows(data) * sizeof *t->order);
    if (t->order == NULL || (plan->precision == PRECISION_BF16 && !bf16_create(t)) ||
        !optimizer_memory(t) || (plan->clip_norm > 0.0f && !clip_create(t))) {
        goto memory;
    }
    *ret = t;
    return true;
memory:
    trainer_free(t);
    return err_set(err, ERR_MEMORY, "", "no memory for batches of %zu rows", plan->batch_size);
}

void trainer_free(struct trainer *trainer)
{
    if (trainer == NULL) {
        return;
    }
    clip_free(trainer->clip);
    bf16_free(trainer->bf16);
    free(trainer->order);
    free(trainer->memory_of_states);
    free(trainer->memory);
    free(trainer);
}

/* --- the pieces of a step --- */

static void smooth(const struct trainer *t, size_t r0, size_t r1)
{
    const struct net_spec *spec = &t->net->spec;
    const size_t ld = t->layer[spec->n_layers - 1].ld, outputs = spec_outputs(spec);
    const float s = t->plan.label_smoothing, keep = 1.0f - s;
    const float each = spec->cost == COST_LOG_LIKELIHOOD ? s / (float)outputs : s / 2.0f;

    for (size_t i = r0; i < r1; i++) {
        float *y = t->y + i * ld;

        for (size_t j = 0; j < outputs; j++) {
            y[j] = y[j] * keep + each;
        }
    }
}

static void piece_gather(void *arg, size_t i)
{
    struct trainer *t = arg;
    const struct net *net = t->net;
    const struct norm_map norm = { net->shift, net->scale };
    const size_t r0 = share_cut(t->m, 1, t->pieces, i), r1 = share_cut(t->m, 1, t->pieces, i + 1);
    const size_t ld = t->layer[net->spec.n_layers - 1].ld;
    const uint32_t *order = t->order + t->index * t->batch + r0;

    rows_gather(&t->data.x, order, 0, r1 - r0, &norm, t->x + r0 * t->ld0, t->ld0);
    data_gather(&t->data, order, 0, r1 - r0, spec_outputs(&net->spec), t->y + r0 * ld, ld);
    net_to_learn(net, r1 - r0, t->y + r0 * ld, ld);
    if (t->plan.label_smoothing > 0.0f) {
        smooth(t, r0, r1);
    }
    if (t->weight != NULL) {
        data_weigh(&t->data, order, r1 - r0, t->weight + r0);
    }
    noise_rows(t, r0, r1);
}

static void piece_forward(void *arg, size_t i)
{
    struct trainer *t = arg;
    const size_t l = t->at, panels = t->net->layer[l].panels;
    const size_t p0 = share_cut(panels, 2, t->pieces, i);
    const size_t p1 = share_cut(panels, 2, t->pieces, i + 1);

    net_forward(t->net, l, p0, p1, l == 0 ? t->x : t->layer[l - 1].kept,
                l == 0 ? t->ld0 : t->layer[l - 1].ld, t->m, t->layer[l].a, t->layer[l].ld);
    noise_drop(t, l, p0, p1);
}

static void piece_cost(void *arg, size_t i)
{
    struct trainer *t = arg;
    const size_t last = t->net->spec.n_layers - 1;
    const struct train_layer *layer = &t->layer[last];
    const struct kernel_cost job = {
        .act = t->net->layer[last].act,
        .cost = t->net->spec.cost,
        .out = t->net->layer[last].out,
        .r0 = share_cut(t->m, PANEL, t->pieces, i),
        .r1 = share_cut(t->m, PANEL, t->pieces, i + 1),
        .z = layer->a,
        .y = t->y,
        .ld = layer->ld,
        .d = layer->d,
        .dt = last > 0 ? layer->dt : NULL,
        .ldt = layer->ldt,
        .weight = t->weight,
        .row = t->row,
    };

    t->net->kernel->cost(&job);
}

struct kernel_delta trainer_delta(const struct trainer *t, size_t i)
{
    const struct net_layer *above = &t->net->layer[t->at], *below = above - 1;
    const struct train_layer *from = &t->layer[t->at], *to = from - 1;

    return (struct kernel_delta){
        .w = t->net->block + above->w_at,
        .stride = above->stride,
        .panels = above->panels,
        .k0 = share_cut(above->in, LD_UNIT, t->pieces, i),
        .k1 = share_cut(above->in, LD_UNIT, t->pieces, i + 1),
        .m = t->m,
        .dt = from->dt,
        .ldt = from->ldt,
        .a = to->a,
        .lda = to->ld,
        .act = below->act,
        .mask = to->mask,
        .dx = to->d,
        .dxt = to->dt,
        .ldxt = to->ldt,
    };
}

/* delta of layer `at - 1` from that of layer `at`. */
static void piece_delta(void *arg, size_t i)
{
    struct trainer *t = arg;
    const struct kernel_delta job = trainer_delta(t, i);

    if (job.k0 < job.k1) {
        t->net->kernel->delta(&job);
    }
}

struct kernel_update trainer_update(const struct trainer *t, size_t l, size_t i)
{
    const struct net_layer *layer = &t->net->layer[l];

    return (struct kernel_update){
        .step = &t->step,
        .w = t->net->block + layer->w_at,
        .b = t->net->block + layer->b_at,
        .pw = t->states[0] != NULL ? t->states[0] + layer->w_at : NULL,
        .pb = t->states[0] != NULL ? t->states[0] + layer->b_at : NULL,
        .qw = t->states[1] != NULL ? t->states[1] + layer->w_at : NULL,
        .qb = t->states[1] != NULL ? t->states[1] + layer->b_at : NULL,
        .stride = layer->stride,
        .in = layer->in,
        .p0 = share_cut(layer->panels, 2, t->pieces, i),
        .p1 = share_cut(layer->panels, 2, t->pieces, i + 1),
        .x = l == 0 ? t->x : t->layer[l - 1].kept,
        .ldx = l == 0 ? t->ld0 : t->layer[l - 1].ld,
        .d = t->layer[l].d,
        .ldd = t->layer[l].ld,
        .m = t->m,
    };
}

static void piece_update(void *arg, size_t i)
{
    struct trainer *t = arg;

    for (size_t l = 0; l < t->net->spec.n_layers; l++) {
        struct kernel_update job = trainer_update(t, l, i);

        clip_catch(t, l, &job);
        t->net->kernel->update(&job);
    }
}

static void forward(struct trainer *t, struct share *share)
{
    for (t->at = 0; t->at < t->net->spec.n_layers; t->at++) {
        share->run(share, piece_forward, t, t->pieces);
    }
}

static void backward(struct trainer *t, struct share *share)
{
    for (t->at = t->net->spec.n_layers - 1; t->at > 0; t->at--) {
        share->run(share, piece_delta, t, t->pieces);
    }
    share->run(share, piece_update, t, t->pieces);
}

/* --- steps --- */

/* Fisher-Yates from the rows in order, so that the order follows from epoch_rng alone. */
static void trainer_shuffle(struct trainer *t)
{
    const size_t n = data_rows(&t->data);

    t->epoch_rng = t->rng;
    for (size_t i = 0; i < n; i++) {
        t->order[i] = (uint32_t)data_row(&t->data, i);
    }
    for (size_t i = n; i > 1; i--) {
        const size_t j = rng_below(&t->rng, i);
        const uint32_t spare = t->order[i - 1];

        t->order[i - 1] = t->order[j];
        t->order[j] = spare;
    }
    t->rows = 0;
    t->correct = 0;
    t->loss = 0.0;
}

/* Adds the rows to the epoch's sums, unless the batch's cost is not finite. */
static bool trainer_count(struct trainer *t, struct err *err)
{
    double loss = 0.0;
    size_t correct = 0;

    for (size_t i = 0; i < t->m; i++) {
        loss += (double)t->row[i].loss;
        correct += t->row[i].right;
    }
    if (!isfinite(loss)) {
        return err_set(err, ERR_NUMBER, "loss",
                       "is not finite at batch %zu: training has diverged; a smaller learning rate "
                       "may help",
                       t->index + 1);
    }
    t->rows += t->m;
    t->correct += correct;
    t->loss += loss;
    return true;
}

bool trainer_step(struct trainer *t, struct share *share, struct err *err)
{
    const size_t n = data_rows(&t->data);

    if (t->index == trainer_steps(t)) {
        t->index = 0;
    }
    if (t->index == 0) {
        trainer_shuffle(t);
    }
    t->m = n - t->index * t->batch < t->batch ? n - t->index * t->batch : t->batch;
    t->pieces = share->ways < t->ways ? share->ways : t->ways;
    optimizer_begin(t);
    share->run(share, piece_gather, t, t->pieces);
    if (t->bf16 != NULL) {
        bf16_forward(t, share);
    } else {
        forward(t, share);
    }
    share->run(share, piece_cost, t, t->pieces);
    if (!trainer_count(t, err)) {
        return false;
    }
    if (t->bf16 != NULL) {
        bf16_backward(t, share);
    } else {
        backward(t, share);
    }
    if (t->clip != NULL) {
        clip_step(t, share);
    }
    t->index++;
    return true;
}

void trainer_set_rate(struct trainer *t, float learning_rate)
{
    t->plan.learning_rate = learning_rate;
    optimizer_prepare(t);
}

size_t trainer_ways(const struct trainer *t)
{
    return t->ways;
}

void trainer_force_ways(struct trainer *t, size_t ways)
{
    t->ways = ways;
}

size_t trainer_steps(const struct trainer *t)
{
    return (data_rows(&t->data) + t->batch - 1) / t->batch;
}

size_t trainer_step_index(const struct trainer *t)
{
    return t->index == trainer_steps(t) ? 0 : t->index;
}

struct train_sum trainer_sum(const struct trainer *t)
{
    const struct train_sum sum = {
        .rows = t->rows,
        .loss = t->rows > 0 ? t->loss / (double)t->rows : 0.0,
        .correct = t->correct,
    };

    return sum;
}

struct trainer_state trainer_save(const struct trainer *t)
{
    return (struct trainer_state){ .rng = t->epoch_rng,
                                   .index = t->index,
                                   .rows = t->rows,
                                   .correct = t->correct,
                                   .loss = t->loss,
                                   .power = { t->power[0], t->power[1] } };
}

void trainer_restore(struct trainer *t, const struct trainer_state *state)
{
    t->rng = state->rng;
    if (state->index > 0) {
        trainer_shuffle(t); /* the same order again */
    }
    t->index = (size_t)state->index;
    t->rows = (size_t)state->rows;
    t->correct = (size_t)state->correct;
    t->loss = state->loss;
    t->power[0] = state->power[0];
    t->power[1] = state->power[1];
}

float *trainer_memory(struct trainer *t, size_t *blocks)
{
    *blocks = t->n_states;
    return t->memory_of_states;
}

float *trainer_take_memory(struct trainer *t, size_t *blocks)
{
    float *memory = trainer_memory(t, blocks);

    t->memory_of_states = NULL;
    return memory;
}
