/* predict  {"inputs": [[...], ...]} -> {"model": "m", "version": 12, "outputs": [[...]], "labels":
 * ["7"]} */
#ifndef MSG_PREDICT_H
#define MSG_PREDICT_H

#include "msg_rows.h"
#include "text.h"

struct msg_predict {
    struct matrix inputs;
};

bool msg_predict_decode(const char *body, size_t len, const struct rows_limits *limits,
                        struct arena *arena, struct msg_predict *ret, struct err *err);

/* labels NULL: no "labels" member; else the name of each row's largest output.
 * Errors: ERR_NUMBER at "outputs[i]" when an output is not finite. */
bool msg_predict_encode(struct text *text, const char *model, uint64_t version,
                        const struct matrix *outputs, const struct labels *labels, struct err *err);

#endif
