/* What train.c and train_bf16.c share, and nobody else sees. */
#ifndef TRAINER_H
#define TRAINER_H

#include "kernel.h"
#include "rng.h"
#include "train.h"

/* A layer's rows on the way: a[m][ld] and, backward, d[m][ld] with its transposed form. The layer
 * above sees kept[m][ld], which is a, or with dropout a times mask. */
struct train_layer {
    size_t ld, ldt;
    float *a, *d, *dt;
    float *mask; /* mask[m][ld]: 0 or 1 / (1 - p); NULL: nothing is dropped */
    float *kept;
};

/* Object lifetime: trainer_create to trainer_free. Thread: one step at a time; pieces of a step
 * write disjoint parts of the buffers and of the net. */
struct trainer {
    struct net *net;  /* borrowed; written at each step */
    struct data data; /* what it points to is borrowed */
    struct train_plan plan;
    struct kernel_step step;
    size_t batch; /* the plan's, or all rows when those are fewer */
    size_t ways;  /* what trainer_ways gives */

    /* All that an interrupted training needs to go on, besides the net and the velocities: the
     * order is the identity shuffled by epoch_rng. */
    struct rng rng, epoch_rng;
    size_t index; /* steps done in the epoch */
    size_t rows, correct;
    double loss; /* summed over rows */

    uint32_t *order;
    double power[2];   /* beta1^k, beta2^k */
    struct clip *clip; /* owned; NULL: not by norm */
    float *states[2];  /* the optimiser's, as the net's block; NULL: none */
    size_t n_states;
    float *memory_of_states; /* owned; they lie in it */
    float *memory;           /* the layers' buffers */
    float *x, *y;
    size_t ld0;
    struct train_layer layer[SPEC_LAYERS_MAX];
    struct kernel_row *row;
    float *weight;           /* of each row; NULL: 1 */
    struct train_bf16 *bf16; /* owned; NULL: float32 throughout */

    /* The step under way. */
    size_t m, pieces, at; /* rows, pieces, layer */
};

/* n floats of *at, which moves on; with base NULL it only counts. */
float *trainer_carve(float *base, size_t *at, size_t n);
/* An aligned block of them, +0. False: no memory. */
bool trainer_zeros(size_t floats, float **ret);
/* Piece i of the delta of layer `at - 1`, and of the update of layer l. */
struct kernel_delta trainer_delta(const struct trainer *t, size_t i);
struct kernel_update trainer_update(const struct trainer *t, size_t l, size_t i);

/* optimizer.c */

/* What the plan says of every step, its learning rate included; then what the optimiser keeps.
 * False: no memory. */
void optimizer_prepare(struct trainer *t);
bool optimizer_memory(struct trainer *t);
/* What it says of the step on the t->m rows that are there. */
void optimizer_begin(struct trainer *t);

/* noise.c: what is random in a step. */

/* Of rows r0 .. r1 - 1: noise and dropout of the inputs, and the masks of the layers. */
void noise_rows(struct trainer *t, size_t r0, size_t r1);
/* What layer l keeps of its panels p0 .. p1 - 1. */
void noise_drop(struct trainer *t, size_t l, size_t p0, size_t p1);

/* clip.c: the norm of a step's gradient, kept to plan.clip_norm. */

/* False: no memory. */
bool clip_create(struct trainer *t);
void clip_free(struct clip *clip);
/* Turns an update into one that stores its gradients, if there is a norm to keep to. */
void clip_catch(const struct trainer *t, size_t l, struct kernel_update *update);
/* After those: the step that they make. */
void clip_step(struct trainer *t, struct share *share);

/* train_bf16.c: the products of a step, by bf16 operands. */

/* False: no memory. */
bool bf16_create(struct trainer *t);
void bf16_free(struct train_bf16 *bf16);
void bf16_forward(struct trainer *t, struct share *share);
void bf16_backward(struct trainer *t, struct share *share);

#endif
