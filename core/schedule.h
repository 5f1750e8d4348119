/* How the learning rate changes from epoch to epoch, e = 1, 2, ... of E, eta being the optimiser's:
 *
 *   constant      eta
 *   step          eta factor^floor((e - 1) / every)                       PyTorch's StepLR
 *   exponential   eta factor^(e - 1)                                      ExponentialLR
 *   cosine        eta (r + (1 - r) (1 + cos(pi (e - 1) / E)) / 2), r being least    CosineAnnealingLR
 *   plateau       eta factor^cuts, one cut each time that a number has not got better for patience
 *                 epochs, and the end of training when factor^cuts would fall below least
 *                 (Nielsen, ch. 3: halve it, down to 1/128)
 *
 * and for the first warmup epochs e / (warmup + 1) of that. Everything is computed in float64 by
 * additions and multiplications alone, so that machines and libraries agree on the bits. */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>

enum schedule_kind {
    SCHEDULE_CONSTANT,
    SCHEDULE_STEP,
    SCHEDULE_EXPONENTIAL,
    SCHEDULE_COSINE,
    SCHEDULE_PLATEAU,
    SCHEDULE_COUNT
};
const char *schedule_name(enum schedule_kind kind);

struct schedule {
    enum schedule_kind kind;
    size_t every;    /* of step */
    double factor;   /* of step, exponential, plateau; above 0, 1 at most */
    double least;    /* of cosine and plateau: a share of eta, 0 .. 1 */
    size_t patience; /* of plateau */
    size_t warmup;   /* of any */
};

/* What eta is multiplied by in that epoch, after so many cuts. Thread: any. */
double schedule_share(const struct schedule *schedule, size_t epoch, size_t epochs, size_t cuts);
/* Whether one more cut would fall below the least. */
bool schedule_is_spent(const struct schedule *schedule, size_t cuts);

#endif
