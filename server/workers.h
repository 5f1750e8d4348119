/* The training threads: as many as cores, at nice 19, so that predictions come first.
 *
 * Each thread takes the oldest task that waits and leads it. A thread without one lends itself to a
 * leader that can use more: the leader's struct share then cuts its steps into as many pieces as
 * there are threads on it. Helpers leave between two pieces as soon as a task waits, and from one
 * leader to another that has fewer, so that leaders who can use as many have as many, give or take
 * one; results do not depend on it (core/share.h).
 *
 * Handing a piece over costs a fraction of a microsecond while both spin; who waits longer than
 * about 50 us sleeps on a futex, so that an idle daemon uses no processor. */
#ifndef WORKERS_H
#define WORKERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "share.h"

struct workers;
struct crew;

/* Lies in whatever is to be run; owned by the submitter, who gets it back when run returns. */
struct task {
    void (*run)(struct task *task, struct crew *crew); /* on a worker thread */
    struct task *next;
};

bool workers_create(size_t n, struct workers **ret, struct err *err);
/* Every task has ended or will on its own; joins the threads. */
void workers_free(struct workers *workers);
size_t workers_count(const struct workers *workers);
/* Those that lead a task or help with one, now. Any thread. */
size_t workers_busy(struct workers *workers);

/* Any thread: behind the others. */
void workers_submit(struct workers *workers, struct task *task);

/* A leader's: asks for up to `want` threads in all, itself included, and says how to share work out
 * among those that are here now. Call it before each step: it sets share->ways. */
struct share *crew_share(struct crew *crew, size_t want);

#endif
