/* Mini-batch training of a net: one trainer, its batches, its optimiser's state.
 *
 *   BP1 delta^L = grad_a C * sigma'(z^L)      BP2 delta^l = (W^{l+1})^T delta^{l+1} * sigma'(z^l)
 *   BP3 dC/db^l = delta^l                     BP4 dC/dW^l = delta^l (a^{l-1})^T
 *   step  v' = v - eta dC/dv, with dC/dv averaged over the m rows of the mini-batch
 *   L2    w' = (1 - eta lambda/n) w - eta dC/dw, n the rows of the training data   Nielsen, ch. 3
 *   L1    w' = w - eta l1/n sign(w) - eta dC/dw, with sign(0) = 0                  Nielsen, ch. 3
 *   clip  by value: each t to -c .. c; by norm: all t times c / (|t| + 1e-6) when that is below 1,
 *         |t| = sqrt of the sum of all squares, biases included     Pascanu, Mikolov, Bengio 2013
 *         of the data's gradient alone, before the terms of L2 and L1; by norm first
 *
 *   dropout  each unit's activation becomes 0 with probability p, else a / (1 - p); a prediction
 *            changes nothing ("inverted"; Srivastava et al. 2014). p is kept to 2^-16.
 *   noise    x' = x + s N(0, 1), each input at each visit                     Bishop 1995
 *   smoothed y' = (1 - s) y + s / K, K outputs of a softmax, 2 for each sigmoid; cross_entropy and
 *            log_likelihood only                                       Szegedy et al. 2016
 *   weights  of classes: each row's cost times its class's, the batch's mean still over m
 *
 * What is random in a row follows from the seed, the epoch and its place in the epoch alone. The
 * sums of an epoch are of costs as trained with: dropped, noised, smoothed and weighted.
 *
 * Rows are shuffled anew at each epoch (Fisher-Yates, from the plan's seed); the last mini-batch of
 * an epoch may be smaller. */
#ifndef TRAIN_H
#define TRAIN_H

#include "net.h"
#include "rng.h"

/* With eta the learning rate and t the gradient's mean over the mini-batch, clipped, and the terms
 * of L2 and L1 added; each as PyTorch defines it (torch.optim), whose defaults optimizer_default
 * gives:
 *
 *   sgd      w' = w - eta t; with momentum buf' = mu buf + t, and a step with buf', or t + mu buf'
 *            (nesterov: Sutskever et al. 2013)
 *   rmsprop  v' = alpha v + (1 - alpha) t^2, w' = w - eta t / (sqrt v' + epsilon)
 *            (Hinton, 2012), or with momentum buf' = mu buf + t / (...), w' = w - eta buf'
 *   adam     m' = beta1 m + (1 - beta1) t, v' = beta2 v + (1 - beta2) t^2,
 *            w' = w - eta mhat / (sqrt vhat + epsilon), mhat = m' / (1 - beta1^k), vhat likewise,
 *            at the k-th step (Kingma, Ba 2015)
 *   adamw    w (1 - eta weight_decay) in place of w, weights only (Loshchilov, Hutter 2019); in the
 *            others weight_decay w is added to t, as PyTorch does, but for weights only
 *   rprop    by signs, with steps that grow by 1.2 and shrink by 1/2 within 1e-6 .. 50, the first
 *            being eta; for whole batches (Riedmiller, Braun 1993) */
enum optimizer { OPT_SGD, OPT_RMSPROP, OPT_ADAM, OPT_ADAMW, OPT_RPROP, OPT_COUNT };

/* What the operands of products are rounded to; all that is kept is float32 (bf16.h). */
enum precision { PRECISION_FLOAT32, PRECISION_BF16, PRECISION_COUNT };
const char *precision_name(enum precision precision);
bool precision_find(const char *name, enum precision *ret);

struct train_plan {
    size_t batch_size;
    enum optimizer optimizer;
    float learning_rate;
    float momentum;              /* of sgd and rmsprop */
    bool nesterov;               /* of sgd */
    float alpha;                 /* of rmsprop */
    float beta1, beta2, epsilon; /* of adam and adamw; epsilon of rmsprop too */
    float weight_decay;          /* of all but rprop */
    float l2;                    /* Nielsen's lambda */
    float l1;
    float clip_value, clip_norm; /* 0: none */
    float dropout_inputs;        /* the share that is dropped, [0, 1) */
    float dropout_hidden;
    float input_noise;     /* standard deviation, of inputs that are normalised already */
    float label_smoothing; /* [0, 1) */
    uint64_t seed;
    enum precision precision;
};

/* Whether the plan suits the net: label_smoothing its cost, dropout_hidden its layers. Errors:
 * ERR_FIELD at "label_smoothing", "dropout.hidden". */
bool plan_check(const struct train_plan *plan, const struct net_spec *spec, struct err *err);

/* Takes out of a plan what is for training on a whole data set: L1, clipping, dropout, noise,
 * smoothing, bf16. */
void plan_reduce(struct train_plan *plan);

/* Whether it has nothing but sgd at float32. */
bool plan_is_plain(const struct train_plan *plan);

const char *optimizer_name(enum optimizer optimizer);
bool optimizer_find(const char *name, enum optimizer *ret);
/* Sets the optimiser with all that is its own. */
void optimizer_default(enum optimizer optimizer, struct train_plan *plan);
/* Sets just as much as another plan has it. */
void optimizer_copy(const struct train_plan *from, struct train_plan *plan);

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

/* The learning rate from the next step on, in place of the plan's. */
void trainer_set_rate(struct trainer *trainer, float learning_rate);

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
 * optimiser's memory. Plain data, of no pointers. */
struct trainer_state {
    struct rng rng; /* at the start of the epoch under way */
    uint64_t index; /* steps done in it */
    uint64_t rows, correct;
    double loss;     /* summed over rows */
    double power[2]; /* beta1^k and beta2^k after the last step, k */
};
struct trainer_state trainer_save(const struct trainer *trainer);
/* Into a new trainer of the same net, data and plan, whose net and memory are those of then. */
void trainer_restore(struct trainer *trainer, const struct trainer_state *state);
/* What the optimiser keeps: *blocks of block_len floats, laid out as the net's, one behind the
 * other; NULL and 0 when it keeps nothing. */
float *trainer_memory(struct trainer *trainer, size_t *blocks);
/* The same, from now on the caller's to free(): the trainer takes no further step. */
float *trainer_take_memory(struct trainer *trainer, size_t *blocks);

#endif
