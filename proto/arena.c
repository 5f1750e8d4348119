#include "arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(at, len) ((void)(at), (void)(len))
#endif

#define ALIGN 64
#define BLOCK_LEN ((size_t)64 * 1024 - ALIGN) /* with the header, 64 KiB: an ordinary block */

struct arena_block {
    struct arena_block *next; /* owned; older */
    size_t len, used;         /* bytes behind the header */
};

static_assert(sizeof(struct arena_block) <= ALIGN, "the header fits before the first byte");

static char *block_data(struct arena_block *block)
{
    return (char *)block + ALIGN;
}

static struct arena_block *block_create(size_t len)
{
    struct arena_block *block;

    if (len > SIZE_MAX / 2) {
        return NULL;
    }
    len = (len + ALIGN - 1) / ALIGN * ALIGN;
    block = aligned_alloc(ALIGN, ALIGN + len);
    if (block == NULL) {
        return NULL;
    }
    *block = (struct arena_block){ .len = len };
    ASAN_POISON_MEMORY_REGION(block_data(block), len);
    return block;
}

static void block_free(struct arena_block *block)
{
    ASAN_UNPOISON_MEMORY_REGION(block_data(block), block->len);
    free(block);
}

/* len bytes at a multiple of align, which divides ALIGN. What would waste much of an ordinary block
 * gets one of its own, put behind the head so that the head's free part stays in use. */
static char *take(struct arena *arena, size_t len, size_t align)
{
    struct arena_block *block = arena->head;
    size_t at = block == NULL ? 0 : (block->used + align - 1) / align * align;

    if (block == NULL || at > block->len || len > block->len - at) {
        const bool own = len > BLOCK_LEN / 4;

        block = block_create(own ? len : BLOCK_LEN);
        if (block == NULL) {
            return NULL;
        }
        at = 0;
        if (own && arena->head != NULL) {
            block->next = arena->head->next;
            arena->head->next = block;
        } else {
            block->next = arena->head;
            arena->head = block;
        }
    }
    block->used = at + len;
    ASAN_UNPOISON_MEMORY_REGION(block_data(block) + at, len);
    return block_data(block) + at;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
    size_t len;

    if (__builtin_mul_overflow(count, size, &len)) {
        return NULL;
    }
    return take(arena, len, ALIGN);
}

char *arena_copy(struct arena *arena, const char *bytes, size_t len)
{
    char *copy = len == SIZE_MAX ? NULL : take(arena, len + 1, 1);

    if (copy != NULL) {
        memcpy(copy, bytes, len);
        copy[len] = '\0';
    }
    return copy;
}

void arena_reset(struct arena *arena)
{
    struct arena_block *kept = NULL;

    while (arena->head != NULL) {
        struct arena_block *block = arena->head;

        arena->head = block->next;
        if (kept == NULL && block->len == BLOCK_LEN) {
            kept = block;
        } else {
            block_free(block);
        }
    }
    if (kept != NULL) {
        kept->next = NULL;
        kept->used = 0;
        ASAN_POISON_MEMORY_REGION(block_data(kept), kept->len);
    }
    arena->head = kept;
}

void arena_done(struct arena *arena)
{
    while (arena->head != NULL) {
        struct arena_block *block = arena->head;

        arena->head = block->next;
        block_free(block);
    }
}
