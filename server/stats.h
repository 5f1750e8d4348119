/* What a version has been asked, and how long it took: the statistics of the Open Inference
 * Protocol. Times are in nanoseconds, of the clock that uv_hrtime reads. Loop thread. */
#ifndef STATS_H
#define STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"

#define STATS_SIZES 64 /* batch sizes counted apart: 1 .. 64 rows, net_predict's own block */

struct duration {
    uint64_t count, ns;
};

/* When the parts of one prediction were done. */
struct stamps {
    uint64_t asked;    /* the whole request was there */
    uint64_t begun;    /* a thread had time for it */
    uint64_t decoded;  /* its rows were read, and those of the others in its batch */
    uint64_t computed; /* the network's outputs were there */
    uint64_t encoded;  /* the reply was written */
};

/* Object lifetime: a version's, made when it is first asked. */
struct stats {
    double last; /* seconds since the epoch */
    uint64_t rows, executions;
    struct duration success, fail, queue, input, infer, output;
    struct {
        struct duration input, infer, output;
    } sizes[STATS_SIZES]; /* [n - 1]: of executions over n rows */
};

/* One request of rows rows. */
void stats_ask(struct stats *stats, bool ok, size_t rows, const struct stamps *stamps);
/* One execution over rows rows, of one request or of several. */
void stats_execution(struct stats *stats, size_t rows, const struct stamps *stamps);
struct version;
/* {"name": ..., "version": "3", "inference_count": ..., "memory_usage": [...], ...}: all zero when it
 * was never asked, and no memory while it is on disk only. */
void stats_encode(struct text *text, const struct version *version);

#endif
