/* The folder that everything is kept in, and its lock. Main thread, start and end. */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>

#include "err.h"

/* Owned by main. */
struct state {
    int lock; /* -1: none */
    char *
        memory; /* owned; a folder in memory, for data sets' bytes, where nothing is kept; or NULL */
};

/* One daemon a folder: the lock goes with the process, however it ends. folder NULL: everything is
 * to be in memory; what others left there that were killed is removed. Errors: ERR_BUSY at
 * "--state", ERR_IO, ERR_FULL. */
bool state_open(const char *folder, struct state *ret, struct err *err);
/* Whether a daemon has the lock of a folder. Nothing is made; for the moment that this takes, another
 * one that starts would find the folder in use. */
bool state_busy(const char *folder);
void state_close(struct state *state);

#endif
