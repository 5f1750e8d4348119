/* How a job's learning rate changes: schedule.h has what each does.
 *
 *   {"name": "constant", "warmup": 0}
 *   {"name": "step", "every": 10, "factor": 0.1}
 *   {"name": "exponential", "factor": 0.95}
 *   {"name": "cosine", "minimum": 0}                           a share of the learning rate
 *   {"name": "plateau", "monitor": "validation.loss", "patience": 10, "factor": 0.5,
 *    "minimum": 0.0078125}
 *
 * each with "warmup", 0 epochs by default. every, patience: 1 to 1,000,000; factor above 0, 1 at most
 * (defaults 0.1, 0.95, 0.5); minimum 0 to 1. monitor: as early_stopping.h has it. */
#ifndef MSG_SCHEDULE_H
#define MSG_SCHEDULE_H

#include "promote_rule.h"
#include "schedule.h"

struct msg_schedule {
    struct schedule schedule;
    enum metric monitor; /* of plateau */
    bool has_monitor;    /* else the default, which msg_schedule_settle sets */
};

/* Errors: ERR_FIELD at "" or the setting. */
bool msg_schedule_read(struct scan *scan, struct msg_schedule *ret, struct err *err);
/* Errors: ERR_FIELD at "schedule.monitor" when it needs validation data that is not there. */
bool msg_schedule_settle(struct msg_schedule *schedule, bool has_validation, struct err *err);
void msg_schedule_encode(struct text *text, const struct msg_schedule *schedule);

#endif
