/* What the ways to predict share. Loop thread. */
#ifndef PREDICT_H
#define PREDICT_H

#include "request.h"
#include "spec.h"

/* ?top=3: only the three largest outputs of each row, with their labels. *ret is untouched without.
 * json: the answer is JSON. Errors: ERR_FIELD at "top". */
bool predict_top(struct request *req, const struct net_spec *spec, bool json, size_t *ret,
                 struct err *err);
/* The predict of ?dataset=NAME, on_predict_set.c; a handler. */
bool predict_set(struct request *req, struct err *err);

#endif
