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
#include "msg_model.h"

/* Format npz of an export (export.h). Errors: ERR_FIELD at "format" when the arrays would take 4 GiB
 * or more, which zip's fields cannot say. */
bool npz_next(struct exporter *e, struct text *text, bool *end, struct err *err);

/* Reads such an archive, its entries stored or deflated, as numpy.savez and savez_compressed write
 * them: every array above, <f4 in C order, and no other. What an array may take is known from the
 * spec before it is inflated. Errors: as zip_open and zip_read; ERR_SYNTAX, ERR_FIELD, ERR_RANGE at
 * the array's name; what msg_model_decode says, under "spec". On success the caller frees
 * ret->labels. */
bool npz_read(const char *bytes, size_t len, const struct model_limits *limits, struct arena *arena,
              struct msg_model *ret, struct err *err);
/* Reads an archive of weights alone for the spec in model, its arrays matched by weights_match.h:
 * in C order, of <f8, <f4 or <f2. Errors: as npz_read and weights_match; ERR_FIELD at "spec" when it
 * has a spec, too; at the first array with which all take more than those of the spec could. */
bool npz_weights_read(const char *bytes, size_t len, struct arena *arena, struct msg_model *model,
                      struct err *err);

#endif
