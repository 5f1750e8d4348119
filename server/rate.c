#include "rate.h"

#include <assert.h>

#define SECOND UINT64_C(1000000000)

bool rate_take(struct rate *rate, uint64_t now_ns, uint64_t *wait_ns)
{
    const uint64_t from = rate->full_at > now_ns ? rate->full_at : now_ns;
    uint64_t cost, full;

    assert(rate->n <= RATE_MAX);
    if (rate->n == 0) {
        return true;
    }
    cost = SECOND / rate->n;
    full = rate->n * cost;
    if (from - now_ns + cost > full) { /* it would lack more than it holds */
        *wait_ns = from - now_ns + cost - full;
        return false;
    }
    rate->full_at = from + cost;
    return true;
}
