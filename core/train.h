/* Mini-batch training of a net: one trainer, its batches, its optimiser's state.
 *
 *   BP1 delta^L = grad_a C * sigma'(z^L)      BP2 delta^l = (W^{l+1})^T delta^{l+1} * sigma'(z^l)
 *   BP3 dC/db^l = delta^l                     BP4 dC/dW^l = delta^l (a^{l-1})^T
 *   step  v' = v - eta dC/dv, with dC/dv averaged over the m rows of the mini-batch
 *   L2    w' = (1 - eta lambda/n) w - eta dC/dw, n the rows of the training data   Nielsen, ch. 3
 *
 * Rows are shuffled anew at each epoch (Fisher-Yates, from the plan's seed); the last mini-batch of
 * an epoch may be smaller. */
#ifndef TRAIN_H
#define TRAIN_H

#include "net.h"
#include "rng.h"

enum optimizer { OPT_SGD, OPT_COUNT };

/* What the operands of products are rounded to; all that is kept is float32 in any case (bf16.h). */
enum precision { PRECISION_FLOAT32, PRECISION_BF16, PRECISION_COUNT };
const char *precision_name(enum precision precision);
bool precision_find(const char *name, enum precision *ret);

/* momentum as PyTorch defines it: buf' = mu buf + g; step with buf', or g + mu buf' (nesterov). */
struct train_plan {
    size_t batch_size;
    enum optimizer optimizer;
    float learning_rate;
    float momentum;
    bool nesterov;
    float l2; /* Nielsen's lambda */
    uint64_t seed;
    enum precision precision;
};

const char *optimizer_name(enum optimizer optimizer);
bool optimizer_find(const char *name, enum optimizer *ret);

/* Sums over the rows trained on so far in this epoch, each row counted before its own step. */
struct train_sum {
    size_t rows;
    double loss; /* C averaged over those rows, without the L2 term */
    size_t correct;
};

struct trainer;

/* Borrows net (which it writes at each step) and data until trainer_free; data was checked.
 * Normalisation, if the spec asks for one learned from data, is the caller's to set before.
 * Errors: ERR_MEMORY. */
bool trainer_create(struct net *net, const struct data *data, const struct train_plan *plan,
                    struct trainer **ret, struct err *err);
void trainer_free(struct trainer *trainer);

/* How many of the sharers a step of this trainer can use with profit, >= 1. */
size_t trainer_ways(const struct trainer *trainer);

/* Sets that number instead of reckoning it, for tests and benchmarks. */
void trainer_force_ways(struct trainer *trainer, size_t ways);

/* Steps in one epoch; steps done in the current one, 0 .. steps - 1. */
size_t trainer_steps(const struct trainer *trainer);
size_t trainer_step_index(const struct trainer *trainer);

/* One step on the next mini-batch. After the last of an epoch the next call begins a new one.
 * Errors: ERR_NUMBER at "loss" when the batch's cost is not finite: "is not finite at batch B: ..."
 * the net is then of no use to anybody. Thread: the caller's, and share's. */
bool trainer_step(struct trainer *trainer, struct share *share, struct err *err);

/* The sums of the epoch that is under way or, right after its last step, of the one just ended. */
struct train_sum trainer_sum(const struct trainer *trainer);

/* All that an interrupted training needs to go on to the same bits, besides the net's block and the
 * velocities. Plain data, of no pointers. */
struct trainer_state {
    struct rng rng; /* at the start of the epoch under way */
    uint64_t index; /* steps done in it */
    uint64_t rows, correct;
    double loss; /* summed over rows */
};
struct trainer_state trainer_save(const struct trainer *trainer);
/* Into a new trainer of the same net, data and plan, whose net and velocities are those of then. */
void trainer_restore(struct trainer *trainer, const struct trainer_state *state);
/* block_len floats, as the net's block has them; NULL without momentum. */
float *trainer_velocity(struct trainer *trainer);

#endif
