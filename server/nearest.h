/* The name that a wrong one was most likely meant to be: "did you mean 'workers'?" Any thread. */
#ifndef NEAREST_H
#define NEAREST_H

#include <stddef.h>

#define NEAREST_LEN_MAX 64 /* longer names are like no other */

/* Begin with { 0 }. */
struct nearest {
    const char *name; /* borrowed; the nearest that was tried, or NULL: none is near */
    size_t distance;  /* how far it is */
};

/* How many bytes have to be put in, taken out, changed, or swapped with the next one to make b of
 * a, no byte being touched twice (optimal string alignment). Both have NEAREST_LEN_MAX bytes at
 * most. */
size_t nearest_distance(const char *a, size_t a_len, const char *b, size_t b_len);

/* Remembers name if it is nearer to wrong than all before, and near: a third of the longer one at
 * most is different. */
void nearest_try(struct nearest *nearest, const char *wrong, size_t len, const char *name);

#endif
