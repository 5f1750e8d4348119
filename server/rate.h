/* How often something may happen: a token bucket, in whole nanoseconds.
 *
 * A bucket of n a second holds n tokens, is full at first, and gets one each 10^9 / n ns (rounded
 * down). What is kept is only when it will be full again. Thread: one at a time. */
#ifndef RATE_H
#define RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_MAX 1000000 /* a second; a token then takes 1000 ns */

struct rate {
    uint32_t n;       /* a second, 0 to RATE_MAX; 0: as often as one likes */
    uint64_t full_at; /* ns, of the clock that rate_take is given */
};

/* Takes a token at now_ns, of a clock that never goes back. False: there is none, and the next one
 * comes in *wait_ns, 1 or more. */
bool rate_take(struct rate *rate, uint64_t now_ns, uint64_t *wait_ns);

#endif
