/* What the version a job publishes has to show before it is served.
 *
 *   true                                               nothing (default)
 *   false                                              it is stored and listed, never served
 *   "if_better"                                        more than the served one, on the validation
 *                                                      data
 *   {"if": "validation.accuracy", "at_least": 0.95}    that much; likewise "accuracy", and with
 *                                                      "at_most" "validation.loss" and "loss" */
#ifndef PROMOTE_RULE_H
#define PROMOTE_RULE_H

#include "scan.h"
#include "text.h"

enum promotion { PROMOTE_ALWAYS, PROMOTE_NEVER, PROMOTE_IF_BETTER, PROMOTE_IF, PROMOTE_COUNT };
const char *promote_name(enum promotion promote); /* for files */

enum metric {
    METRIC_ACCURACY,
    METRIC_LOSS,
    METRIC_VALIDATION_ACCURACY,
    METRIC_VALIDATION_LOSS,
    METRIC_COUNT
};
const char *metric_name(enum metric metric);
bool metric_is_loss(enum metric metric); /* less is better */
bool metric_is_validation(enum metric metric);

struct promote_rule {
    enum promotion kind;
    enum metric metric; /* of PROMOTE_IF */
    double bound;       /* at least, or at most of a loss */
};

/* metric_name's, or ERR_FIELD. */
bool metric_read(struct scan *scan, enum metric *ret, struct err *err);

/* Errors: ERR_FIELD at "", "if", "at_least", "at_most". */
bool promote_rule_read(struct scan *scan, struct promote_rule *ret, struct err *err);
void promote_rule_encode(struct text *text, const struct promote_rule *rule);

#endif
