/* The learn logs of a model that are on disk, and the versions' files that they go on from.
 *
 * A log stays as long as calls to learn are written to it or a listed version has no file of its
 * own and needs it; so does the file of the version it goes on from, listed or not. What is not
 * needed any more is removed on the pool. Thread: loop, and start-up. */
#ifndef LEARN_LOGS_H
#define LEARN_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct model;

struct learn_logs {
    struct learn_log_id {
        uint64_t base, first;
    } * at; /* owned */
    size_t n, cap;
};

/* Errors: ERR_MEMORY. */
bool learn_logs_add(struct learn_logs *logs, uint64_t base, uint64_t first, struct err *err);
/* Whether the file of that version has to stay for a log. */
bool learn_logs_need(const struct learn_logs *logs, uint64_t version);
/* Removes what is not needed any more. */
void learn_logs_tidy(struct model *model);
void learn_logs_done(struct learn_logs *logs);

#endif
