#include "msg_plan.h"

#include <inttypes.h>

#include "msg_optimizer.h"
#include "value.h"

#define BATCH_MAX 65536

struct train_plan plan_default(void)
{
    struct train_plan plan = { .batch_size = 32 };

    optimizer_default(OPT_SGD, &plan);
    return plan;
}

/* --- fields --- */

static struct train_plan *plan_of(void *into)
{
    return ((struct plan_in *)into)->plan;
}

bool plan_read_batch_size(struct scan *scan, void *into, struct err *err)
{
    uint64_t size;

    if (!value_whole(scan, 1, BATCH_MAX, &size, err)) {
        return false;
    }
    plan_of(into)->batch_size = (size_t)size;
    return true;
}

bool plan_read_optimizer(struct scan *scan, void *into, struct err *err)
{
    ((struct plan_in *)into)->has_optimizer = true;
    return msg_optimizer_read(scan, plan_of(into), err);
}

bool plan_read_l2(struct scan *scan, void *into, struct err *err)
{
    ((struct plan_in *)into)->has_l2 = true;
    return value_float_in(scan, &value_from_0, &plan_of(into)->l2, err);
}

bool plan_read_l1(struct scan *scan, void *into, struct err *err)
{
    return value_float_in(scan, &value_from_0, &plan_of(into)->l1, err);
}

bool plan_read_clip_norm(struct scan *scan, void *into, struct err *err)
{
    return value_float_in(scan, &value_above_0, &plan_of(into)->clip_norm, err);
}

bool plan_read_clip_value(struct scan *scan, void *into, struct err *err)
{
    return value_float_in(scan, &value_above_0, &plan_of(into)->clip_value, err);
}

static bool read_inputs(struct scan *scan, void *into, struct err *err)
{
    return value_float_in(scan, &value_below_1, &plan_of(into)->dropout_inputs, err);
}

static bool read_hidden(struct scan *scan, void *into, struct err *err)
{
    return value_float_in(scan, &value_below_1, &plan_of(into)->dropout_hidden, err);
}

bool plan_read_dropout(struct scan *scan, void *into, struct err *err)
{
    static const struct value_field fields[] = {
        { "inputs", read_inputs, false },
        { "hidden", read_hidden, false },
    };
    enum scan_kind kind;

    if (!scan_peek(scan, &kind, err)) {
        return false;
    }
    return kind == SCAN_NUMBER
               ? read_hidden(scan, into, err)
               : value_object(scan, "dropout", fields, sizeof fields / sizeof *fields, into, err);
}

bool plan_read_input_noise(struct scan *scan, void *into, struct err *err)
{
    return value_float_in(scan, &value_from_0, &plan_of(into)->input_noise, err);
}

bool plan_read_label_smoothing(struct scan *scan, void *into, struct err *err)
{
    return value_float_in(scan, &value_below_1, &plan_of(into)->label_smoothing, err);
}

bool plan_read_seed(struct scan *scan, void *into, struct err *err)
{
    return value_whole(scan, 0, INT64_MAX, &plan_of(into)->seed, err);
}

bool plan_read_precision(struct scan *scan, void *into, struct err *err)
{
    const char *names[PRECISION_COUNT];
    size_t at;

    for (at = 0; at < PRECISION_COUNT; at++) {
        names[at] = precision_name((enum precision)at);
    }
    if (!value_choice(scan, names, PRECISION_COUNT, &at, err)) {
        return false;
    }
    plan_of(into)->precision = (enum precision)at;
    return true;
}

/* --- all of them --- */

/* Unless it is 0, which is also what servers wrote that knew no other. */
static void setting(struct text *text, const char *key, float value)
{
    if (value > 0.0F) {
        text_printf(text, ", \"%s\": ", key);
        text_float(text, value);
    }
}

void msg_plan_encode(struct text *text, const struct train_plan *plan)
{
    text_printf(text, "\"batch_size\": %zu, \"optimizer\": ", plan->batch_size);
    msg_optimizer_encode(text, plan);
    text_str(text, ", \"l2\": ");
    text_float(text, plan->l2);
    setting(text, "l1", plan->l1);
    setting(text, "clip_norm", plan->clip_norm);
    setting(text, "clip_value", plan->clip_value);
    if (plan->dropout_inputs > 0.0F || plan->dropout_hidden > 0.0F) {
        text_str(text, ", \"dropout\": {\"inputs\": ");
        text_float(text, plan->dropout_inputs);
        text_str(text, ", \"hidden\": ");
        text_float(text, plan->dropout_hidden);
        text_str(text, "}");
    }
    setting(text, "input_noise", plan->input_noise);
    setting(text, "label_smoothing", plan->label_smoothing);
    text_printf(text, ", \"seed\": %" PRIu64, plan->seed);
    if (plan->precision != PRECISION_FLOAT32) {
        text_printf(text, ", \"precision\": \"%s\"", precision_name(plan->precision));
    }
}

bool msg_plan_decode(const char *bytes, size_t len, struct train_plan *ret, struct err *err)
{
    static const struct value_field fields[] = { PLAN_FIELDS(true) };
    struct train_plan plan = plan_default();
    struct plan_in in = { .plan = &plan };

    if (!value_body(bytes, len, "plan", fields, sizeof fields / sizeof *fields, &in, err)) {
        return false;
    }
    *ret = plan;
    return true;
}
