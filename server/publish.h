/* A new version on its way: to disk, then to the clients.
 *
 * Object lifetime: in its owner's hands from publish_begin to done, which frees what it holds. One
 * model has one publication under way at a time: that of who has its turn (turn.h). Thread: loop; the writing is on the pool. */
#ifndef PUBLISH_H
#define PUBLISH_H

#include <uv.h>

#include "model.h"

struct publication {
    uv_work_t uv;
    struct version *version;     /* a reference; not listed yet */
    const struct labels *labels; /* borrowed: what goes into the file; NULL: none */
    struct err err;
    /* Pool, before anything is written; NULL: the version is served. Sets keep. */
    void (*judge)(struct publication *publication);
    uint64_t keep; /* the version that stays served; 0: the new one is */
    double since;  /* when that began to be served; publish_begin's */
    bool kept;     /* that is so on disk; save_run's */
    /* The version is listed and served, or err says why not, or the model was deleted meanwhile. */
    void (*done)(struct publication *publication);
};

/* version, labels and done are set. done may be called before this returns: for a model that is not
 * on disk, or when the pool cannot be had. The caller's reference to version stays the caller's. */
void publish_begin(struct publication *publication);

#endif
