/* What rows of each class count in training: "balanced", or {"LABEL": weight, ...}, 1 where a label is
 * not there; weights 0 or more. */
#ifndef CLASS_WEIGHTS_H
#define CLASS_WEIGHTS_H

#include "labels.h"
#include "scan.h"
#include "text.h"

enum class_weighting { WEIGHTS_EQUAL, WEIGHTS_BALANCED, WEIGHTS_GIVEN };

/* Owned: class_weights_done. */
struct class_weights {
    enum class_weighting kind;
    struct labels *names; /* of WEIGHTS_GIVEN */
    float *weight;        /* of each of them */
};

/* Into what is WEIGHTS_EQUAL. Errors: ERR_FIELD at "" or the label, ERR_MEMORY. */
bool class_weights_read(struct scan *scan, struct class_weights *ret, struct err *err);
bool class_weights_copy(const struct class_weights *weights, struct class_weights *ret,
                        struct err *err);
void class_weights_done(struct class_weights *weights);

/* ret[i] = what output i's class counts, i < outputs; labels NULL: classes are called by their
 * indices. Of WEIGHTS_GIVEN alone. Errors: ERR_FIELD at the label that no class has. */
bool class_weights_resolve(const struct class_weights *weights, const struct labels *labels,
                           size_t outputs, float *ret, struct err *err);

/* As it is read, or null. */
void class_weights_encode(struct text *text, const struct class_weights *weights);

#endif
