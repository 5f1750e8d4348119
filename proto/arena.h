/* Memory that dies with a request: many small allocations, one release.
 * Thread: an arena belongs to one request and is touched by one thread at a time. */
#ifndef ARENA_H
#define ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena_block;

struct arena {
    struct arena_block *head; /* owned; newest first */
};

/* An arena of zeros is an empty one. Memory is 64-byte aligned and not zeroed; NULL when there is
 * none left. count * size is checked for overflow. */
void *arena_alloc(struct arena *arena, size_t count, size_t size);
/* A NUL-terminated copy of len bytes. */
char *arena_copy(struct arena *arena, const char *bytes, size_t len);
/* Frees all but the first block, if that is of the ordinary size, which is kept for the next
 * request. */
void arena_reset(struct arena *arena);
void arena_done(struct arena *arena);

#endif
