/* A model as NPZ, numpy's archive of arrays: numpy.load(file)["layers.0.weight"].
 *
 * A zip file of stored entries (PKWARE's APPNOTE.TXT 6.3.10), each an array in NPY 1.0:
 *
 *   spec.npy               uint8 [n]   the JSON that create takes, labels among it
 *   layers.0.weight.npy    and all others of export_tensor.h
 *
 * Lengths and checks stand behind an entry's bytes and in the directory at the end, so that nothing has
 * to be gone over twice. */
#ifndef NPZ_H
#define NPZ_H

#include "export.h"

/* Format npz of an export (export.h). Errors: ERR_FIELD at "format" when the arrays would take 4 GiB
 * or more, which zip's fields cannot say. */
bool npz_next(struct exporter *e, struct text *text, bool *end, struct err *err);

#endif
