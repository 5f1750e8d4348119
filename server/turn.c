#include "turn.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* The first of that key from at on; NULL: there is none. */
static struct turn *same_key(struct turn *at, const char *key)
{
    while (at != NULL && at->key != key &&
           (at->key == NULL || key == NULL || strcmp(at->key, key) != 0)) {
        at = at->next;
    }
    return at;
}

void turn_take(struct turns *turns, struct turn *turn)
{
    struct turn **at = &turns->first;
    const bool waits = same_key(turns->first, turn->key) != NULL;

    turn->next = NULL;
    while (*at != NULL) {
        at = &(*at)->next;
    }
    *at = turn;
    if (!waits) {
        turn->go(turn);
    }
}

void turn_leave(struct turns *turns, struct turn *turn)
{
    struct turn **at = &turns->first;
    struct turn *next;

    while (*at != turn) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = turn->next;
    next = same_key(turn->next, turn->key);
    if (next != NULL) {
        next->go(next);
    }
}

bool turn_wanted(const struct turn *turn)
{
    return same_key(turn->next, turn->key) != NULL;
}
