/* Which rows of one set of data are trained on, and which validate. */
#ifndef SPLIT_H
#define SPLIT_H

#include "rows.h"

/* fraction > 0: so much of the rows, drawn at random by the seed; stratified: as much of
 * each class.
 * last > 0: the last rows. Both 0: none. */
struct split {
    double fraction;
    bool stratified;
    size_t last;
};

bool split_is(const struct split *split);

/* The numbers of all of data's rows, those to train on first, *n_train of them, then the others,
 * both in ascending order; ret is malloc'd. Of n rows, or n of a class, fraction * n rounded half
 * up are held back; a class of one row is trained on. Errors: ERR_FIELD at "validation" when one of
 * the two would be empty, or when stratified and the data have no classes; ERR_MEMORY. Thread: any.
 */
bool split_make(const struct split *split, const struct data *data, uint64_t seed, uint32_t **ret,
                size_t *n_train, struct err *err);

#endif
