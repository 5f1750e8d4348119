/* Versions that are on disk only, read when they are first needed: by their file, or by their
 * base's and the learn log that leads to them. Those who need the same one wait for one reading.
 * Thread: loop; the reading is on the pool. */
#ifndef LOADER_H
#define LOADER_H

#include "model.h"

/* Lies in whatever waits; borrowed until done is called, on the loop. */
struct load_waiter {
    struct load_waiter *next;
    /* err->code is ERR_NONE: version->net is there. */
    void (*done)(struct load_waiter *waiter, const struct err *err);
};

/* version->net is NULL. A reference is held until the net is there. */
void version_load(struct version *version, struct load_waiter *waiter);

#endif
