/* A trial of a sweep, as clients see it and as a job's record keeps it. */
#ifndef MSG_TRIAL_H
#define MSG_TRIAL_H

#include "msg_sweep.h"

/* {"trial": 1, "state": "done", "learning_rate": 0.1, "epochs": 30, "epoch": 28, "loss": ...,
 *  "accuracy": ..., "validation_loss": ..., "validation_accuracy": ..., "seconds": ...}: the
 * settings are those searched over. */
void msg_trial_encode(struct text *text, const struct msg_sweep *msg,
                      const struct sweep_trial *trials, size_t at, bool over);
/* What a person reads: its settings and what came of it. */
void msg_trial_line(struct text *text, const struct msg_sweep *msg,
                    const struct sweep_trial *trials, size_t at);

/* For a job's record: [[state, rounds, order, epochs, epoch, loss, accuracy, validation_loss,
 * validation_accuracy, score, seconds], ...], null for what is not known; settings are drawn anew.
 */
void msg_trials_encode(struct text *text, const struct msg_sweep *msg,
                       const struct sweep_trial *trials);
/* Into trials that sweep_draw has filled. Errors: ERR_FIELD. */
bool msg_trials_read(struct scan *scan, const struct msg_sweep *msg, struct sweep_trial *trials,
                     struct err *err);

#endif
