#include "promote_rule.h"

#include <string.h>

#include "value.h"

static const char *const metric_names[METRIC_COUNT] = { "accuracy", "loss", "validation.accuracy",
                                                        "validation.loss" };

const char *promote_name(enum promotion promote)
{
    static const char *const names[PROMOTE_COUNT] = { "always", "never", "if_better", "if" };

    return names[promote];
}

const char *metric_name(enum metric metric)
{
    return metric_names[metric];
}

bool metric_is_loss(enum metric metric)
{
    return metric == METRIC_LOSS || metric == METRIC_VALIDATION_LOSS;
}

bool metric_is_validation(enum metric metric)
{
    return metric == METRIC_VALIDATION_ACCURACY || metric == METRIC_VALIDATION_LOSS;
}

bool metric_read(struct scan *scan, enum metric *ret, struct err *err)
{
    size_t at;

    if (!value_choice(scan, metric_names, METRIC_COUNT, &at, err)) {
        return false;
    }
    *ret = (enum metric)at;
    return true;
}

struct rule_in {
    struct promote_rule rule;
    double at_least, at_most;
    bool has_at_least, has_at_most;
};

static bool read_if(struct scan *scan, void *into, struct err *err)
{
    struct rule_in *in = into;

    return metric_read(scan, &in->rule.metric, err);
}

static bool read_at_least(struct scan *scan, void *into, struct err *err)
{
    struct rule_in *in = into;

    in->has_at_least = true;
    return value_double_in(scan, &value_0_to_1, &in->at_least, err);
}

static bool read_at_most(struct scan *scan, void *into, struct err *err)
{
    struct rule_in *in = into;

    in->has_at_most = true;
    return value_double_in(scan, &value_from_0, &in->at_most, err);
}

static bool read_condition(struct scan *scan, struct promote_rule *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "if", read_if, true },
        { "at_least", read_at_least, false },
        { "at_most", read_at_most, false },
    };
    struct rule_in in = { .rule.kind = PROMOTE_IF };
    bool loss;

    if (!value_object(scan, "promote", fields, sizeof fields / sizeof fields[0], &in, err)) {
        return false;
    }
    loss = metric_is_loss(in.rule.metric);
    if (loss ? in.has_at_least : in.has_at_most) {
        return err_set(err, ERR_FIELD, loss ? "at_least" : "at_most", "does not go with %s: use %s",
                       metric_names[in.rule.metric], loss ? "at_most" : "at_least");
    }
    if (!(loss ? in.has_at_most : in.has_at_least)) {
        return err_set(err, ERR_FIELD, loss ? "at_most" : "at_least", "is missing");
    }
    in.rule.bound = loss ? in.at_most : in.at_least;
    *ret = in.rule;
    return true;
}

bool promote_rule_read(struct scan *scan, struct promote_rule *ret, struct err *err)
{
    static const char *const words[] = { "if_better" };
    struct promote_rule rule = { .kind = PROMOTE_ALWAYS };
    enum scan_kind kind;
    size_t at;
    bool yes = true;

    if (!scan_peek(scan, &kind, err)) {
        return false;
    }
    if (kind == SCAN_OBJECT) {
        return read_condition(scan, ret, err);
    }
    if (kind == SCAN_STRING) {
        if (!value_choice(scan, words, 1, &at, err)) {
            return false;
        }
        rule.kind = PROMOTE_IF_BETTER;
    } else if (kind != SCAN_BOOLEAN) {
        return err_set(err, ERR_FIELD, "", "must be true, false, \"if_better\" or an object, is %s",
                       scan_kind_name(kind));
    } else if (!value_boolean(scan, &yes, err)) {
        return false;
    }
    rule.kind = yes ? rule.kind : PROMOTE_NEVER;
    *ret = rule;
    return true;
}

void promote_rule_encode(struct text *text, const struct promote_rule *rule)
{
    switch (rule->kind) {
    case PROMOTE_NEVER:
        text_str(text, "false");
        break;
    case PROMOTE_IF_BETTER:
        text_str(text, "\"if_better\"");
        break;
    case PROMOTE_IF:
        text_printf(text, "{\"if\": \"%s\", \"%s\": ", metric_names[rule->metric],
                    metric_is_loss(rule->metric) ? "at_most" : "at_least");
        text_double(text, rule->bound);
        text_str(text, "}");
        break;
    case PROMOTE_ALWAYS:
    case PROMOTE_COUNT:
        text_str(text, "true");
        break;
    }
}
