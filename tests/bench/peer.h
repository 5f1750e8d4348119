/* What a library that is compared with sigmad runs in: a program that does on demand the work that
 * peers.py asks it for. FOLDER was written by peer_sigmad and says what is to be learned:
 *
 *   net       text: the units of each layer, inputs first; then batch, rows, steps and eta
 *   x         float32, rows x inputs            y         uint32, the class of each row
 *   weights   float32, for each layer W[out][in], then b[out]: where training begins
 *   order     uint32, steps x batch: the rows of a check's mini-batches
 *
 *   PROGRAM FOLDER CORES     then on stdin, a line each:
 *   check STEPS FILE         the first of those steps; writes the weights there; answers "ok"
 *   run SECONDS              trains on, rows shuffled anew at each epoch; answers "ROWS SECONDS"
 *
 * It begins by saying one line about itself: its version, and what it chose. */
#ifndef PEER_H
#define PEER_H

#include <stddef.h>
#include <stdint.h>

#define PEER_LAYERS_MAX 8

struct peer {
    size_t layers;                     /* without the inputs */
    size_t units[PEER_LAYERS_MAX + 1]; /* inputs first */
    size_t batch, rows, steps;
    float eta;
    const float *x; /* mapped, like the others */
    const uint32_t *y;
    const float *weights;
    const uint32_t *order;
    int cores;
    char about[256]; /* set by peer_begin */

    /* Filled by peer_gather. */
    float *bx; /* batch x inputs */
    float *by; /* batch x outputs, one of each row 1 */
};

/* A library's part. */
void peer_begin(struct peer *peer);
void peer_load(struct peer *peer, const float *weights); /* of the form in the file */
void peer_store(struct peer *peer, float *weights);
void peer_step(struct peer *peer, const uint32_t *rows, size_t m);

/* The common part. */
void peer_gather(struct peer *peer, const uint32_t *rows, size_t m);
void *peer_get(size_t floats); /* zeros, 128-byte aligned */
size_t peer_params(const struct peer *peer);
/* a = 1 / (1 + e^-(z + b)) in place, m rows of n; and d *= a (1 - a). Inline, to be vectorised. */
void peer_sigmoid(float *z, const float *b, size_t m, size_t n);
void peer_slope(float *d, const float *a, size_t n);
void peer_minus(float *d, const float *a, const float *y, size_t n); /* d = a - y */
/* b += rate times the sum of d's rows. */
void peer_bias(float *b, const float *d, float rate, size_t m, size_t n);

#endif
