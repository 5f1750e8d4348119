/* What the name of an array of weights says: W or b, how it lies, and of which layer; the words are
 * listed in weights_match.h. Thread: any; only the arguments are read and written. */
#ifndef WEIGHTS_NAME_H
#define WEIGHTS_NAME_H

#include "err.h"
#include "spec.h"

#define WEIGHTS_NAME_MAX 256 /* bytes of a name, with its NUL */

struct weights_word {
    const char *text;
    bool bias, flipped; /* flipped: W is [fan-in, units] */
};

struct weights_name {
    const struct weights_word *word; /* static */
    char stem[WEIGHTS_NAME_MAX];     /* the name without the word: the layer's */
};

/* Errors: ERR_FIELD at name, with the words there are. */
bool weights_name_read(const char *name, struct weights_name *ret, struct err *err);
/* Whether two stems have the same text but for their numbers; *order is that of the first numbers
 * that differ, 0 when none does. */
bool weights_name_alike(const struct weights_name *first, const struct weights_name *second,
                        int *order);

#endif
