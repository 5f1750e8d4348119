#include "judge.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

double judge_metric(const struct msg_epoch *found, enum metric metric)
{
    switch (metric) {
    case METRIC_ACCURACY:
        return found->accuracy;
    case METRIC_LOSS:
        return found->loss;
    case METRIC_VALIDATION_ACCURACY:
        return found->validation_accuracy;
    case METRIC_VALIDATION_LOSS:
    case METRIC_COUNT:
        break;
    }
    return found->validation_loss;
}

static void by_bound(struct judge *judge)
{
    const struct promote_rule *rule = &judge->rule;
    const double value = judge_metric(&judge->found, rule->metric);
    const bool loss = metric_is_loss(rule->metric);
    const char *name = metric_name(rule->metric);

    judge->promoted = loss ? value <= rule->bound : value >= rule->bound; /* not when it is NAN */
    if (isnan(value)) {
        snprintf(judge->why, sizeof judge->why, "%s is not known", name);
    } else {
        snprintf(judge->why, sizeof judge->why, "%s is %.9g, %s %s %.9g", name, value,
                 judge->promoted ? "as asked" : "not", loss ? "at most" : "at least", rule->bound);
    }
}

/* The served version's loss and accuracy on the validation data, unless they are known. */
static bool served_measure(struct judge *judge, struct err *err)
{
    const struct net *net = judge->served->net;
    const struct data data = feed_data(judge->feed);
    struct share alone = SHARE_ALONE;
    struct eval eval = { 0 };
    struct err why = { 0 };
    void *scratch;

    if (judge->known == judge->served->number) {
        return true;
    }
    scratch = aligned_alloc(64, (net_scratch(net) + 63) / 64 * 64);
    if (scratch == NULL) {
        return err_set(err, ERR_MEMORY, "promote", "has no memory to compare with");
    }
    net_evaluate(net, &data, scratch, &alone, &eval, &why);
    free(scratch);
    judge->known = judge->served->number;
    judge->known_loss = why.code == ERR_NONE ? eval.loss : INFINITY;
    judge->known_accuracy =
        judge->feed->has_accuracy ? (double)eval.correct / (double)eval.rows : NAN;
    return true;
}

/* More rows right; as many, or where none can be said to be right, with less loss. */
static bool by_comparison(struct judge *judge, struct err *err)
{
    const struct msg_epoch *found = &judge->found;
    double was, is;
    bool by_loss;

    if (!served_measure(judge, err)) {
        return false;
    }
    by_loss =
        isnan(found->validation_accuracy) || found->validation_accuracy == judge->known_accuracy;
    was = by_loss ? judge->known_loss : judge->known_accuracy;
    is = by_loss ? found->validation_loss : found->validation_accuracy;
    judge->promoted = by_loss ? is < was : is > was;
    snprintf(judge->why, sizeof judge->why,
             "validation.%s is %.9g, %s than that of version %" PRIu64 ", %.9g",
             by_loss ? "loss" : "accuracy", is, judge->promoted ? "better" : "not better",
             judge->known, was);
    return true;
}

bool judge_run(struct judge *judge, struct err *err)
{
    judge->promoted = true;
    judge->why[0] = '\0';
    switch (judge->rule.kind) {
    case PROMOTE_ALWAYS:
    case PROMOTE_COUNT:
        break;
    case PROMOTE_NEVER:
        judge->promoted = false;
        snprintf(judge->why, sizeof judge->why, "promote is false");
        break;
    case PROMOTE_IF:
        by_bound(judge);
        break;
    case PROMOTE_IF_BETTER:
        return by_comparison(judge, err);
    }
    return true;
}
