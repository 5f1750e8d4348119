/* {"name": "adam", "learning_rate": 0.001, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
 *
 * name is one of optimizer_name's; learning_rate and each one's own settings have optimizer_default's
 * values unless given, and what is another's is refused. */
#ifndef MSG_OPTIMIZER_H
#define MSG_OPTIMIZER_H

#include "scan.h"
#include "text.h"
#include "train.h"

/* Into the plan's members for it. Errors: ERR_FIELD at "" or the setting. */
bool msg_optimizer_read(struct scan *scan, struct train_plan *plan, struct err *err);
void msg_optimizer_encode(struct text *text, const struct train_plan *plan);

#endif
