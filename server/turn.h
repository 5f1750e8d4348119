/* Changes of one thing, one at a time: who asks waits until those before him have left.
 *
 * A model's served version is changed by promote, delete, a job's publication and the learn line; a
 * data set by put, append and delete. Each reaches over to the disk and back; holding the turn
 * meanwhile, what it has decided by on the loop still holds when it takes effect. Thread: loop. */
#ifndef TURN_H
#define TURN_H

#include <stdbool.h>

/* Lies with who asks, from turn_take to turn_leave. */
struct turn {
    struct turn *next;
    const char *key;               /* only those of the same key exclude each other; may be NULL */
    void (*go)(struct turn *turn); /* it is this one's turn */
};

struct turns {
    struct turn *first; /* in the order they asked; the first of each key holds */
};

/* go is called when all that asked before have left, maybe before this returns. */
void turn_take(struct turns *turns, struct turn *turn);
/* Lets the next one go, before this returns. */
void turn_leave(struct turns *turns, struct turn *turn);
/* Whether another waits for this one to leave. */
bool turn_wanted(const struct turn *turn);

#endif
