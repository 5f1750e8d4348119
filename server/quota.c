#include "quota.h"

bool quota_change(struct quota *quota, size_t from, size_t to, struct err *err)
{
    size_t used = atomic_load(&quota->used), rest;

    do {
        rest = used - from;
        if (to > from && (rest > quota->max || to > quota->max - rest)) {
            return err_set(err, ERR_LIMIT, quota->what,
                           "take %zu bytes of memory, with %zu more there would be more than the "
                           "%zu that --%s allows",
                           used, to - from, quota->max, quota->flag);
        }
    } while (!atomic_compare_exchange_weak(&quota->used, &used, rest + to));
    return true;
}

void quota_move(struct quota *quota, size_t from, size_t to)
{
    atomic_fetch_add(&quota->used, to - from); /* wraps to what it should be */
}

bool quota_holds(const struct quota *quota, struct err *err)
{
    const size_t used = quota_used(quota);

    return used <= quota->max ||
           err_set(err, ERR_LIMIT, quota->what,
                   "would take %zu bytes of memory, more than the %zu that --%s allows", used,
                   quota->max, quota->flag);
}

size_t quota_used(const struct quota *quota)
{
    return atomic_load(&quota->used);
}
