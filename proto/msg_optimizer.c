#include "msg_optimizer.h"

#include "value.h"

/* Settings that only some optimisers have. */
enum of_optimizer { MOMENTUM, NESTEROV, ALPHA, BETA1, BETA2, EPSILON, WEIGHT_DECAY, OF_COUNT };

struct optimizer_in {
    struct train_plan *plan;
    bool has_rate, has_of[OF_COUNT];
    float of[OF_COUNT];
};

VALUE_NAMED(read_optimizer_name, ((struct optimizer_in *)into)->plan->optimizer, enum optimizer,
            optimizer_name, OPT_COUNT)

static bool read_learning_rate(struct scan *scan, void *into, struct err *err)
{
    struct optimizer_in *in = into;

    in->has_rate = true;
    return value_float_in(scan, &value_above_0, &in->plan->learning_rate, err);
}

static const struct {
    const char *name;
    unsigned optimizers; /* 1 << OPT_... */
} of_optimizer[OF_COUNT] = {
    [MOMENTUM] = { "momentum", 1u << OPT_SGD | 1u << OPT_RMSPROP },
    [NESTEROV] = { "nesterov", 1u << OPT_SGD },
    [ALPHA] = { "alpha", 1u << OPT_RMSPROP },
    [BETA1] = { "beta1", 1u << OPT_ADAM | 1u << OPT_ADAMW },
    [BETA2] = { "beta2", 1u << OPT_ADAM | 1u << OPT_ADAMW },
    [EPSILON] = { "epsilon", 1u << OPT_RMSPROP | 1u << OPT_ADAM | 1u << OPT_ADAMW },
    [WEIGHT_DECAY] = { "weight_decay",
                       1u << OPT_SGD | 1u << OPT_RMSPROP | 1u << OPT_ADAM | 1u << OPT_ADAMW },
};

/* Fields come in any order, the optimiser's name too: values are kept until it is known. */
static bool read_of(struct scan *scan, struct optimizer_in *in, enum of_optimizer which,
                    const struct value_limits *limits, struct err *err)
{
    in->has_of[which] = true;
    return value_float_in(scan, limits, &in->of[which], err);
}

static bool read_momentum(struct scan *scan, void *into, struct err *err)
{
    return read_of(scan, into, MOMENTUM, &value_below_1, err);
}

static bool read_nesterov(struct scan *scan, void *into, struct err *err)
{
    struct optimizer_in *in = into;
    bool nesterov;

    in->has_of[NESTEROV] = true;
    if (!value_boolean(scan, &nesterov, err)) {
        return false;
    }
    in->of[NESTEROV] = nesterov;
    return true;
}

static bool read_alpha(struct scan *scan, void *into, struct err *err)
{
    return read_of(scan, into, ALPHA, &value_below_1, err);
}

static bool read_beta1(struct scan *scan, void *into, struct err *err)
{
    return read_of(scan, into, BETA1, &value_below_1, err);
}

static bool read_beta2(struct scan *scan, void *into, struct err *err)
{
    return read_of(scan, into, BETA2, &value_below_1, err);
}

static bool read_epsilon(struct scan *scan, void *into, struct err *err)
{
    return read_of(scan, into, EPSILON, &value_above_0, err);
}

static bool read_weight_decay(struct scan *scan, void *into, struct err *err)
{
    return read_of(scan, into, WEIGHT_DECAY, &value_from_0, err);
}

/* The optimiser's own settings: its defaults, and what was read instead. */
static bool optimizer_settle(struct optimizer_in *in, struct err *err)
{
    struct train_plan *plan = in->plan;
    const enum optimizer optimizer = plan->optimizer;
    const float rate = plan->learning_rate;

    optimizer_default(optimizer, plan);
    plan->learning_rate = in->has_rate ? rate : plan->learning_rate;
    for (size_t i = 0; i < OF_COUNT; i++) {
        if (in->has_of[i] && (of_optimizer[i].optimizers >> optimizer & 1u) == 0) {
            return err_set(err, ERR_FIELD, of_optimizer[i].name, "is no setting of %s",
                           optimizer_name(optimizer));
        }
    }
    plan->momentum = in->has_of[MOMENTUM] ? in->of[MOMENTUM] : plan->momentum;
    plan->nesterov = in->has_of[NESTEROV] && in->of[NESTEROV] != 0.0F;
    plan->alpha = in->has_of[ALPHA] ? in->of[ALPHA] : plan->alpha;
    plan->beta1 = in->has_of[BETA1] ? in->of[BETA1] : plan->beta1;
    plan->beta2 = in->has_of[BETA2] ? in->of[BETA2] : plan->beta2;
    plan->epsilon = in->has_of[EPSILON] ? in->of[EPSILON] : plan->epsilon;
    plan->weight_decay = in->has_of[WEIGHT_DECAY] ? in->of[WEIGHT_DECAY] : plan->weight_decay;
    return !plan->nesterov || plan->momentum != 0.0F ||
           err_set(err, ERR_FIELD, "nesterov", "needs a momentum above 0");
}

bool msg_optimizer_read(struct scan *scan, struct train_plan *plan, struct err *err)
{
    static const struct value_field fields[] = {
        { "name", read_optimizer_name, true },
        { "learning_rate", read_learning_rate, false },
        { "momentum", read_momentum, false },
        { "nesterov", read_nesterov, false },
        { "alpha", read_alpha, false },
        { "beta1", read_beta1, false },
        { "beta2", read_beta2, false },
        { "epsilon", read_epsilon, false },
        { "weight_decay", read_weight_decay, false },
    };
    struct optimizer_in in = { .plan = plan };

    return value_object(scan, "optimizer", fields, sizeof fields / sizeof *fields, &in, err) &&
           optimizer_settle(&in, err);
}

void msg_optimizer_encode(struct text *text, const struct train_plan *plan)
{
    const float of[OF_COUNT] = {
        [MOMENTUM] = plan->momentum, [ALPHA] = plan->alpha,     [BETA1] = plan->beta1,
        [BETA2] = plan->beta2,       [EPSILON] = plan->epsilon, [WEIGHT_DECAY] = plan->weight_decay
    };

    text_str(text, "{\"name\": ");
    text_json(text, optimizer_name(plan->optimizer));
    text_str(text, ", \"learning_rate\": ");
    text_float(text, plan->learning_rate);
    for (size_t i = 0; i < OF_COUNT; i++) {
        const bool unsaid = i == WEIGHT_DECAY && plan->optimizer != OPT_ADAMW && of[i] <= 0.0F;

        if (unsaid || (of_optimizer[i].optimizers >> plan->optimizer & 1u) == 0) {
            continue;
        }
        text_printf(text, ", \"%s\": ", of_optimizer[i].name);
        if (i == NESTEROV) {
            text_str(text, plan->nesterov ? "true" : "false");
        } else {
            text_float(text, of[i]);
        }
    }
    text_str(text, "}");
}
