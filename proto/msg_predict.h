/* predict  {"inputs": [[...], ...], "remember": false}
 *          -> {"model": "m", "version": 12, "outputs": [[...]], "labels": ["7"]}
 *
 * and, when the rows are to be remembered, "prediction": "ID", for learn. */
#ifndef MSG_PREDICT_H
#define MSG_PREDICT_H

#include "msg_rows.h"
#include "text.h"

struct msg_predict {
    struct matrix inputs;
    bool remember;
};

bool msg_predict_decode(const char *body, size_t len, const struct rows_limits *limits,
                        struct arena *arena, struct msg_predict *ret, struct err *err);

/* What predict answers with; borrowed. */
struct msg_answer {
    const char *model;
    uint64_t version;
    const struct matrix *outputs; /* all finite */
    const struct labels *labels;  /* NULL: there are none */
    size_t top;                   /* 0: all outputs */
    const char *prediction;       /* its id; NULL: it is not remembered */
};

/* "labels" has the name of each row's largest output, when there are labels. With top, in place of
 * both: "top": [[{"label": "7", "index": 7, "probability": 0.98}, ...], ...], the largest first, of
 * equals the one with the lower index; "label" is null without labels. */
void msg_predict_encode(struct text *text, const struct msg_answer *answer);
/* The same in parts, for answers too long to be held: what stands before the first row; outputs (or
 * top) of the rows first, first + 1, ..., which answer->outputs has; of these the labels, with what
 * stands before the first. The brackets behind are the caller's. */
void msg_predict_begin(struct text *text, const struct msg_answer *answer);
void msg_predict_rows(struct text *text, const struct msg_answer *answer, size_t first);
void msg_predict_labels(struct text *text, const struct msg_answer *answer, size_t first);

/* The indices of the k largest of n values, as above. */
void largest_k(const float *values, size_t n, size_t k, size_t *ret);

#endif
