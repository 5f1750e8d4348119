#include "carry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

size_t carry_blocks(const struct train_plan *plan)
{
    if (plan->optimizer == OPT_SGD) {
        return plan->momentum != 0.0f ? 1 : 0;
    }
    return 2;
}

/* Takes blocks over, also on failure. */
static bool carry_make(const struct train_plan *plan, float *block, size_t blocks, size_t block_len,
                       struct carry **ret, struct err *err)
{
    struct carry *carry = calloc(1, sizeof *carry);

    if (carry == NULL || block == NULL) {
        free(carry);
        free(block);
        return err_set(err, ERR_MEMORY, "optimizer", "has no memory for what it keeps");
    }
    carry->refs = 1;
    carry->plan = *plan;
    carry->power[0] = carry->power[1] = 1.0;
    carry->blocks = blocks;
    carry->block_len = block_len;
    carry->block = block;
    *ret = carry;
    return true;
}

bool carry_create(const struct net *net, const struct train_plan *plan, struct carry **ret,
                  struct err *err)
{
    const size_t blocks = carry_blocks(plan);

    assert(blocks > 0);
    return carry_make(plan, calloc(blocks * net->block_len, sizeof(float)), blocks, net->block_len,
                      ret, err);
}

struct carry *carry_ref(struct carry *carry)
{
    if (carry != NULL) {
        carry->refs++;
    }
    return carry;
}

void carry_unref(struct carry *carry)
{
    if (carry != NULL && --carry->refs == 0) {
        free(carry->block);
        free(carry);
    }
}

bool carry_goes_on(const struct carry *carry, const struct train_plan *plan)
{
    const struct train_plan *was = carry != NULL ? &carry->plan : NULL;

    if (was == NULL || was->optimizer != plan->optimizer) {
        return false;
    }
    switch (plan->optimizer) {
    case OPT_SGD:
        return was->momentum == plan->momentum;
    case OPT_RMSPROP:
        return was->alpha == plan->alpha && was->momentum == plan->momentum;
    case OPT_ADAM:
    case OPT_ADAMW:
        return was->beta1 == plan->beta1 && was->beta2 == plan->beta2;
    default:
        return false;
    }
}

/* Puts a new trainer where the one stopped that from is of. */
static void carry_resume(struct trainer *trainer, const struct carry *from)
{
    struct trainer_state state = trainer_save(trainer);
    size_t blocks;
    float *memory = trainer_memory(trainer, &blocks);

    assert(blocks == from->blocks);
    memcpy(memory, from->block, blocks * from->block_len * sizeof *memory);
    state.power[0] = from->power[0];
    state.power[1] = from->power[1];
    trainer_restore(trainer, &state);
}

/* What the trainer has now. */
static bool carry_take(struct trainer *trainer, const struct net *net,
                       const struct train_plan *plan, struct carry **ret, struct err *err)
{
    const struct trainer_state state = trainer_save(trainer);
    size_t blocks;
    float *memory = trainer_take_memory(trainer, &blocks);

    *ret = NULL;
    if (blocks == 0) {
        return true;
    }
    if (!carry_make(plan, memory, blocks, net->block_len, ret, err)) {
        return false;
    }
    (*ret)->power[0] = state.power[0];
    (*ret)->power[1] = state.power[1];
    return true;
}

bool carry_step(struct net *net, const struct data *data, const struct train_plan *plan,
                const struct carry *from, struct carry **ret, struct train_sum *sum,
                struct err *err)
{
    struct train_plan whole = *plan;
    struct share alone = SHARE_ALONE;
    struct trainer *trainer = NULL;
    bool ok;

    whole.batch_size = data->x.n;
    assert(from == NULL || (carry_goes_on(from, plan) && from->block_len == net->block_len));
    ok = trainer_create(net, data, &whole, &trainer, err);
    if (ok && from != NULL) {
        carry_resume(trainer, from);
    }
    ok = ok && trainer_step(trainer, &alone, err);
    if (ok) {
        *sum = trainer_sum(trainer);
        ok = carry_take(trainer, net, plan, ret, err);
    }
    trainer_free(trainer);
    return ok;
}

void carry_get_layer(const struct carry *carry, const struct net *net, size_t i, size_t l, float *w,
                     float *b)
{
    struct net view = *net; /* the shape, over other numbers */

    view.block = carry->block + i * carry->block_len;
    net_get_layer(&view, l, w, b);
}

void carry_set_layer(struct carry *carry, const struct net *net, size_t i, size_t l, const float *w,
                     const float *b)
{
    struct net view = *net;

    view.block = carry->block + i * carry->block_len;
    net_set_layer(&view, l, w, b);
}

bool carry_finite(const struct carry *carry)
{
    return carry == NULL || floats_finite(carry->block, carry->blocks * carry->block_len);
}

size_t carry_bytes(const struct carry *carry)
{
    return carry != NULL ? carry->blocks * carry->block_len * sizeof *carry->block : 0;
}
