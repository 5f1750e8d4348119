/* An allocator that fails at the k-th call, for tests linked with --wrap=malloc,... (Makefile:
 * WRAP_MALLOC). Only what our own objects ask for is counted, libc's own needs are not. */
#ifndef FAIL_MALLOC_H
#define FAIL_MALLOC_H

#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *old);

static size_t fail_malloc_at;    /* the call that fails, from 1; 0: none */
static size_t fail_malloc_calls; /* since fail_malloc_start */
static long fail_malloc_live;    /* blocks not freed yet, since fail_malloc_start */

static inline void fail_malloc_start(size_t at)
{
    fail_malloc_at = at;
    fail_malloc_calls = 0;
    fail_malloc_live = 0;
}

static bool fail_malloc_now(void)
{
    return ++fail_malloc_calls == fail_malloc_at;
}

void *__wrap_malloc(size_t size)
{
    void *block = fail_malloc_now() ? NULL : __real_malloc(size);

    fail_malloc_live += block != NULL;
    return block;
}

void *__wrap_calloc(size_t n, size_t size)
{
    void *block = fail_malloc_now() ? NULL : __real_calloc(n, size);

    fail_malloc_live += block != NULL;
    return block;
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
    void *block = fail_malloc_now() ? NULL : __real_aligned_alloc(align, size);

    fail_malloc_live += block != NULL;
    return block;
}

void *__wrap_realloc(void *old, size_t size)
{
    void *block = fail_malloc_now() ? NULL : __real_realloc(old, size);

    fail_malloc_live += block != NULL && old == NULL;
    return block;
}

void __wrap_free(void *old)
{
    fail_malloc_live -= old != NULL;
    __real_free(old);
}

#endif
