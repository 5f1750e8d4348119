/* What optimisers are in: train.h has their equations, kernel_step.h their arithmetic. */
#include <math.h>

#include "kernel.h"
#include "trainer.h"

bool plan_is_plain(const struct train_plan *plan)
{
    const bool regular = plan->l1 > 0.0f || plan->clip_value > 0.0f || plan->clip_norm > 0.0f ||
                         plan->weight_decay > 0.0f || plan->dropout_inputs > 0.0f ||
                         plan->dropout_hidden > 0.0f || plan->input_noise > 0.0f ||
                         plan->label_smoothing > 0.0f;

    return plan->optimizer == OPT_SGD && plan->precision == PRECISION_FLOAT32 && !regular;
}

bool plan_check(const struct train_plan *plan, const struct net_spec *spec, struct err *err)
{
    if (plan->label_smoothing > 0.0f && spec->cost == COST_MSE) {
        return err_set(err, ERR_FIELD, "label_smoothing",
                       "needs the cost cross_entropy or log_likelihood, the model's is %s",
                       cost_name(spec->cost));
    }
    return plan->dropout_hidden <= 0.0f || spec->n_layers > 1 ||
           err_set(err, ERR_FIELD, "dropout.hidden", "is given, but the model has no hidden layer");
}

void plan_reduce(struct train_plan *plan)
{
    plan->l1 = 0.0f;
    plan->clip_value = plan->clip_norm = 0.0f;
    plan->dropout_inputs = plan->dropout_hidden = 0.0f;
    plan->input_noise = 0.0f;
    plan->label_smoothing = 0.0f;
    plan->precision = PRECISION_FLOAT32;
}

void optimizer_default(enum optimizer optimizer, struct train_plan *plan)
{
    static const float rates[OPT_COUNT] = {
        [OPT_SGD] = 0.1f,     [OPT_RMSPROP] = 0.01f, [OPT_ADAM] = 0.001f,
        [OPT_ADAMW] = 0.001f, [OPT_RPROP] = 0.01f,
    };

    plan->optimizer = optimizer;
    plan->learning_rate = rates[optimizer];
    plan->momentum = 0.0f;
    plan->nesterov = false;
    plan->alpha = 0.99f;
    plan->beta1 = 0.9f;
    plan->beta2 = 0.999f;
    plan->epsilon = 1e-8f;
    plan->weight_decay = optimizer == OPT_ADAMW ? 0.01f : 0.0f;
}

void optimizer_copy(const struct train_plan *from, struct train_plan *plan)
{
    plan->optimizer = from->optimizer;
    plan->learning_rate = from->learning_rate;
    plan->momentum = from->momentum;
    plan->nesterov = from->nesterov;
    plan->alpha = from->alpha;
    plan->beta1 = from->beta1;
    plan->beta2 = from->beta2;
    plan->epsilon = from->epsilon;
    plan->weight_decay = from->weight_decay;
}

void optimizer_prepare(struct trainer *t)
{
    static const enum step_kind kinds[OPT_COUNT] = { [OPT_RMSPROP] = STEP_RMSPROP,
                                                     [OPT_ADAM] = STEP_ADAM,
                                                     [OPT_ADAMW] = STEP_ADAM,
                                                     [OPT_RPROP] = STEP_RPROP };
    const struct train_plan *plan = &t->plan;
    const double eta = (double)plan->learning_rate, n = (double)data_rows(&t->data);
    struct kernel_step *step = &t->step;
    const double decay = plan->optimizer != OPT_ADAMW ? (double)plan->weight_decay : 0.0;
    const float keep2 = plan->optimizer == OPT_RMSPROP ? plan->alpha : plan->beta2;

    *step = (struct kernel_step){ .kind = kinds[plan->optimizer],
                                  .decay = 1.0f,
                                  .eta = plan->learning_rate,
                                  .mu = plan->momentum,
                                  .l2_n = (float)((double)plan->l2 / n + decay),
                                  .l1_n = (float)((double)plan->l1 / n),
                                  .clip = plan->clip_value,
                                  .nesterov = plan->nesterov,
                                  .keep1 = plan->beta1,
                                  .take1 = (float)(1.0 - (double)plan->beta1),
                                  .keep2 = keep2,
                                  .take2 = (float)(1.0 - (double)keep2),
                                  .eps = plan->epsilon };
    if (plan->optimizer == OPT_ADAMW) {
        step->decay = (float)(1.0 - eta * (double)plan->weight_decay);
    } else if (plan->optimizer == OPT_SGD && plan->momentum != 0.0f) {
        step->kind = STEP_MOMENTUM;
    } else if (plan->optimizer == OPT_SGD && (plan->l1 > 0.0f || plan->clip_value > 0.0f)) {
        step->kind = STEP_TERMS;
    } else if (plan->optimizer == OPT_SGD) {
        step->decay = (float)(1.0 - eta * (double)plan->l2 / n - eta * decay);
        step->kind = step->decay != 1.0f ? STEP_DECAY : STEP_PLAIN;
    }
}

void optimizer_begin(struct trainer *t)
{
    const struct train_plan *plan = &t->plan;
    struct kernel_step *step = &t->step;

    step->rate = -plan->learning_rate / (float)t->m;
    step->inv_m = 1.0f / (float)t->m;
    if (step->kind == STEP_ADAM) {
        t->power[0] *= (double)plan->beta1;
        t->power[1] *= (double)plan->beta2;
        step->eta1 = (float)((double)plan->learning_rate / (1.0 - t->power[0]));
        step->root2 = (float)(1.0 / sqrt(1.0 - t->power[1]));
    }
}

bool optimizer_memory(struct trainer *t)
{
    const size_t len = t->net->block_len;

    t->n_states = t->step.kind < STEP_MOMENTUM ? 0 : t->step.kind == STEP_MOMENTUM ? 1 : 2;
    if (t->n_states > 0 && !trainer_zeros(t->n_states * len, &t->memory_of_states)) {
        return false;
    }
    for (size_t i = 0; i < t->n_states; i++) {
        t->states[i] = t->memory_of_states + i * len;
    }
    for (size_t i = 0; t->step.kind == STEP_RPROP && i < len; i++) {
        t->states[1][i] = t->plan.learning_rate;
    }
    return true;
}
