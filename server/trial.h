/* Whether sharing steps out pays, tried out while they run: a second worker costs hand-overs, and
 * its processor may be wanted by somebody else. Results do not depend on the answer.
 *
 * Steps are shared at first; after FIRST times as long as a trial takes, they are timed alone for
 * TRIAL_NS, or for one step that is longer. When shared ones, averaged over JUDGE_NS, take longer
 * than those alone, it goes on alone for a while, twice as long each time that this happens again.
 * After AFRESH times as long, steps alone are timed afresh.
 *
 * Judging by less than milliseconds would not do: a timer's interrupt takes 60 us on some virtual
 * machines, a thousand times a second. */
#ifndef TRIAL_H
#define TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#define TRIAL_NS 2000000
#define JUDGE_NS 5000000
#define ALONE_MAX_NS 1000000000
#define FIRST 16
#define AFRESH 256

struct trial {
    bool shared;        /* what the next step is to be */
    uint64_t ns, steps; /* since this mode, or the last judgement, began */
    uint64_t alone_for; /* how long to go alone, */
    uint64_t penalty;   /* and how long the last time that sharing did not pay; 0: it does */
    double alone_step;  /* ns; 0: not known yet */
    uint64_t shared_ns; /* in all, since alone_step was found */
};

void trial_init(struct trial *trial);
/* A step of the kind asked for has taken ns. */
void trial_step(struct trial *trial, uint64_t ns);

#endif
