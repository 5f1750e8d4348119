/* When a job ends before its last epoch: once the number it is told to watch has not got better.
 *
 *   {"monitor": "validation.loss", "patience": 5, "min_delta": 0.001}
 *
 * as Keras names them: after patience epochs (1 to 1,000,000) in none of which it was better than the
 * best before by more than min_delta (0 or more; default 0). monitor is one of promote_rule.h's metrics,
 * default validation.loss, or loss without validation data. */
#ifndef EARLY_STOPPING_H
#define EARLY_STOPPING_H

#include "promote_rule.h"

struct early_stopping {
    uint64_t patience; /* 0: none is asked for */
    enum metric monitor;
    bool has_monitor; /* else the default, which early_stopping_settle sets */
    double min_delta;
};

/* Errors: ERR_FIELD at "", "monitor", "patience", "min_delta". */
bool early_stopping_read(struct scan *scan, struct early_stopping *ret, struct err *err);
/* Errors: ERR_FIELD at "early_stopping.monitor" when it needs validation data that is not there. */
bool early_stopping_settle(struct early_stopping *stopping, bool has_validation, struct err *err);
/* As it is read, or null. */
void early_stopping_encode(struct text *text, const struct early_stopping *stopping);

#endif
