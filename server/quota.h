/* How much memory models, or data sets, may take all together: --max-model-memory and
 * --max-dataset-memory.
 *
 * Whatever is to come claims its bytes before it is committed to disk, so that nothing that
 * was refused is there after a crash; a claim becomes what the thing itself has, or is given back.
 * What is there already at a start, and what training makes of a model, is never refused: it
 * counts, and may leave the quota exceeded until something is deleted.
 * Thread: any. Lifetime: the server's. */
#ifndef QUOTA_H
#define QUOTA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "err.h"

struct quota {
    const char *what; /* "models": where errors are, */
    const char *flag; /* and what raises it */
    size_t max;       /* bytes */
    _Atomic size_t used;
};

/* What has claimed from bytes claims to bytes. Errors: ERR_LIMIT if that is more, and more than
 * there is room for; the claim is from as before then. */
bool quota_change(struct quota *quota, size_t from, size_t to, struct err *err);
/* The same for what is not to be refused. */
void quota_move(struct quota *quota, size_t from, size_t to);
/* Whether what has been moved is within it. Errors: ERR_LIMIT. */
bool quota_holds(const struct quota *quota, struct err *err);
size_t quota_used(const struct quota *quota);

#endif
