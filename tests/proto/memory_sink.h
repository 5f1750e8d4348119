/* A sink that keeps what it is handed in memory. */
#ifndef MEMORY_SINK_H
#define MEMORY_SINK_H

#include <stdlib.h>
#include <string.h>

#include "table.h"

struct memory_part {
    char *bytes; /* owned */
    size_t len, cap, calls;
};

struct memory_sink {
    struct table_sink sink; /* first, so that a pointer to it is one to this */
    struct memory_part x, y;
    size_t fail_at; /* the call that is refused with ERR_FULL, from 1; 0: none */
};

static inline bool memory_add(struct memory_sink *to, struct memory_part *part, const void *bytes,
                              size_t len, struct err *err)
{
    part->calls++;
    if (to->fail_at != 0 && to->x.calls + to->y.calls == to->fail_at) {
        return err_set(err, ERR_FULL, "", "no room");
    }
    if (part->cap - part->len < len) {
        const size_t cap = part->cap * 2 + len;
        char *more = realloc(part->bytes, cap);

        if (more == NULL) {
            return err_set(err, ERR_MEMORY, "", "no memory for %zu bytes", cap);
        }
        part->bytes = more;
        part->cap = cap;
    }
    memcpy(part->bytes + part->len, bytes, len);
    part->len += len;
    return true;
}

static inline bool memory_features(struct table_sink *sink, const void *bytes, size_t len,
                                   struct err *err)
{
    struct memory_sink *to = (struct memory_sink *)sink;

    return memory_add(to, &to->x, bytes, len, err);
}

static inline bool memory_targets(struct table_sink *sink, const void *bytes, size_t len,
                                  struct err *err)
{
    struct memory_sink *to = (struct memory_sink *)sink;

    return memory_add(to, &to->y, bytes, len, err);
}

static inline struct memory_sink memory_sink(void)
{
    return (struct memory_sink){ .sink = { memory_features, memory_targets } };
}

static inline void memory_sink_done(struct memory_sink *to)
{
    free(to->x.bytes);
    free(to->y.bytes);
    memset(to, 0, sizeof *to);
}

/* Value i of what came, at any alignment. */
static inline float memory_float(const struct memory_part *part, size_t i)
{
    float value;

    memcpy(&value, part->bytes + i * sizeof value, sizeof value);
    return value;
}

static inline uint32_t memory_index(const struct memory_part *part, size_t i)
{
    uint32_t value;

    memcpy(&value, part->bytes + i * sizeof value, sizeof value);
    return value;
}

#endif
