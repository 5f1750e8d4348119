/* Work that can be shared out, without core knowing of threads.
 *
 * Core cuts a step into pieces that write disjoint results; whoever calls core says where they run.
 * Because nothing is summed across pieces, results do not depend on how many run at once, nor on
 * which thread runs which, and the number of ways may change between any two calls. */
#ifndef SHARE_H
#define SHARE_H

#include <stddef.h>

typedef void share_piece(void *arg, size_t piece);

struct share {
    size_t ways; /* how many pieces can run at once now, >= 1; may change between two runs */
    /* Runs piece(arg, 0) .. piece(arg, n - 1), in any order and on any thread, and returns when all
     * are done; what they wrote is then visible to the caller. Piece i should run on the same
     * thread each time, for its cache. */
    void (*run)(struct share *share, share_piece *piece, void *arg, size_t n);
};

/* All pieces in order on the caller's thread. Initialise with SHARE_ALONE. */
void share_run_alone(struct share *share, share_piece *piece, void *arg, size_t n);

/* Where piece i of n begins when total is cut into pieces of whole units; piece n begins at total. */
static inline size_t share_cut(size_t total, size_t unit, size_t n, size_t i)
{
    const size_t units = (total + unit - 1) / unit;
    const size_t at = units * i / n * unit;

    return at < total ? at : total;
}

#define SHARE_ALONE                                                                                \
    {                                                                                              \
        .ways = 1, .run = share_run_alone                                                          \
    }

#endif
