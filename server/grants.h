/* The file of --tokens, a grant a line (grant.h). Names are there once.
 *
 * Who reads the file learns no token; who may write to it can grant himself anything, so a file
 * that anybody may write to is refused.
 *
 * Object lifetime: what has been read never changes, save its buckets; each request keeps the
 * grants that it was admitted by. Thread: the loop's. */
#ifndef GRANTS_H
#define GRANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "grant.h"

#define GRANTS_MAX 10000
#define GRANTS_LINE_MAX 4096 /* bytes */

struct grants {
    unsigned refs;
    struct grant *list; /* owned; in the file's order */
    size_t n, cap;
};

/* A grant that before (NULL: none) has under the same name with the same rate goes on with that
 * one's bucket. The reference is the caller's. Errors: ERR_FIELD at "--tokens", with path and line;
 * ERR_IO, ERR_MEMORY. */
bool grants_load(const char *path, const struct grants *before, struct grants **ret,
                 struct err *err);
struct grants *grants_ref(struct grants *grants);
void grants_unref(struct grants *grants); /* NULL: nothing happens */

/* All borrowed, or NULL. Which of the hashes it is, and how much of one is right, cannot be told
 * from the time it takes: each is compared, whole. */
struct grant *grants_find_token(const struct grants *grants, const char *token, size_t len);
/* The first that is of this user or of one of the groups. */
struct grant *grants_find_peer(const struct grants *grants, uint32_t uid, const uint32_t *gids,
                               size_t n_gids);
struct grant *grants_find_cert(const struct grants *grants, const char *name);

#endif
