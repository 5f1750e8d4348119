/* A search for settings, as train is asked for it; its trials: msg_trial.h.
 *
 *   {"method": "grid", "over": {"learning_rate": [0.1, 0.5], "batch_size": [10, 32], "l2": [0, 5],
 *                               "layers": [[], [30], [30, 30]]},
 *    "halving": {"factor": 3, "min_epochs": 1}, "monitor": "validation.loss"}
 *   {"method": "random", "trials": 20, "seed": 0,
 *    "over": {"learning_rate": {"from": 0.001, "to": 1, "scale": "log"}, "l2": [0, 5]}}
 *
 * over has one setting at least; a setting has a list of 1 to 64 values or, for random, bounds (not
 * layers), scale "linear" by default. Values are as train has them; layers are the units of the
 * hidden layers, 63 at most. A grid has 1,000 combinations at most. trials, of random: 1 to 1,000,
 * and no more than combinations if all are lists; default 20, or all combinations if those are
 * fewer. seed 0 by default. halving, none by default: factor 2 to 100, default 3; min_epochs, below
 * epochs, default 1. monitor is one of promote_rule.h's metrics, default validation.loss, or loss
 * without validation data. */
#ifndef MSG_SWEEP_H
#define MSG_SWEEP_H

#include "promote_rule.h"
#include "sweep.h"

struct msg_sweep {
    struct sweep sweep;
    enum metric monitor;
    bool has_monitor; /* else the default, which msg_sweep_settle sets */
};

/* Errors: ERR_FIELD at "" or a member: "over.l2[3]". *ret is written to in any case. */
bool msg_sweep_read(struct scan *scan, struct msg_sweep *ret, struct err *err);
/* With what stands beside it. Errors: ERR_FIELD at "sweep.monitor" when it needs validation data
 * that is not there, at "sweep.halving.min_epochs". */
bool msg_sweep_settle(struct msg_sweep *msg, size_t epochs, bool has_validation, struct err *err);
/* As it is read. */
void msg_sweep_encode(struct text *text, const struct msg_sweep *msg);

/* For clients: as it is read, but "trials" is the table, left out unless asked for, and "best" the
 * number of the best or null. over: the job has ended, and what it has not come to is skipped. */
void msg_sweep_table_encode(struct text *text, const struct msg_sweep *msg,
                            const struct sweep_trial *trials, bool table, bool over);
/* A value of a setting, as it is read. */
void msg_sweep_value(struct text *text, const struct sweep *sweep, enum sweep_axis axis,
                     double value);

#endif
