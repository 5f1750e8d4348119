/* What an optimiser carries from one training to the next. Online learning is a trainer a call, of
 * one step each; with what was carried, N of them give the bits of one trainer's N steps on the
 * same batches.
 *
 * It goes on as long as what it means stays: the optimiser, and that of its settings by which the
 * blocks and the powers were built up, momentum, alpha, beta1 and beta2. With another learning_rate
 * or epsilon, l2 or weight_decay, or with nesterov or without, it goes on. rprop's is none: it
 * compares gradients of the same rows, step after step. */
#ifndef CARRY_H
#define CARRY_H

#include "train.h"

/* Object lifetime: from carry_step or carry_create to the last carry_unref. Thread: many may read
 * one, since nobody writes to it once it is made; references are plain integers, for one thread to
 * count. */
struct carry {
    unsigned refs;
    struct train_plan plan; /* of the step that it is from */
    double power[2];        /* beta1^k and beta2^k after k steps, of adam and adamw */
    size_t blocks;          /* trainer_memory's: 1 or 2 */
    size_t block_len;
    float *block; /* owned; each of them laid out as the net's */
};

/* How many blocks an optimiser carries: 0, nothing at all, for sgd without momentum. */
size_t carry_blocks(const struct train_plan *plan);

/* Blocks of zeros of net's shape. The caller holds the one reference. Errors: ERR_MEMORY. */
bool carry_create(const struct net *net, const struct train_plan *plan, struct carry **ret,
                  struct err *err);
struct carry *carry_ref(struct carry *carry); /* takes NULL, as does carry_unref */
void carry_unref(struct carry *carry);

/* Whether a step by that plan goes on with it. carry may be NULL: it does not. */
bool carry_goes_on(const struct carry *carry, const struct train_plan *plan);

/* A step on all of data as one batch, by a plan (but for its batch_size) that from goes on under;
 * from NULL: the optimiser begins. Writes net, and sets *ret (NULL when nothing is carried) and
 * *sum, that before the step.
 * Errors: ERR_MEMORY; ERR_NUMBER at "loss" when it is not finite, as trainer_step has it. */
bool carry_step(struct net *net, const struct data *data, const struct train_plan *plan,
                const struct carry *from, struct carry **ret, struct train_sum *sum,
                struct err *err);

/* Block i as parameters in logical order, and back: see net_get_layer, net_set_layer. */
void carry_get_layer(const struct carry *carry, const struct net *net, size_t i, size_t l, float *w,
                     float *b);
void carry_set_layer(struct carry *carry, const struct net *net, size_t i, size_t l, const float *w,
                     const float *b);

/* Whether all of it is finite. carry may be NULL. */
bool carry_finite(const struct carry *carry);
/* Bytes of memory that it takes; 0 for NULL. */
size_t carry_bytes(const struct carry *carry);

#endif
