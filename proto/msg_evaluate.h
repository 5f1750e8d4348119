/* The answer to evaluate. What it is asked with is in msg_train.h.
 *
 *   {"model": "m", "version": 3, "rows": n, "loss": ...,
 *
 * then for classes (accuracy also for other targets, where has_accuracy says so)
 *
 *    "accuracy": ..., "top_k": k, "top_k_accuracy": ..., "log_loss": ..., "brier": ..., "auc": ...,
 *    "calibration": {"error": ...,
 *                    "bins": [{"rows": n, "confidence": ..., "accuracy": ...}, ...]},
 *    "confusion": [[...]], "classes": [{"label": "0", "precision": ..., "recall": ..., "f1": ...,
 *    "support": n}, ...], "macro": {"precision": ..., "recall": ..., "f1": ...}, "weighted": {...}}
 *
 * without top_k for two classes, unless asked for; log_loss, brier and calibration for
 * probabilities (softmax, sigmoid) only; auc for two classes only; confusion and what is made of it
 * up to EVALUATE_OUTPUTS_MAX outputs. macro and weighted are means over the classes, each counting
 * the same, and as often as it is true. For numbers
 *
 *    "mae": ..., "rmse": ..., "r2": ..., "outputs": [{"mae": ..., "rmse": ..., "r2": ...}, ...]}
 *
 * with outputs if there are 2 to EVALUATE_OUTPUTS_MAX. What is not known is null: a ratio of 0/0,
 * the auc of one class or of more than SCORE_AUC_ROWS_MAX rows, the r2 of a constant. */
#ifndef MSG_EVALUATE_H
#define MSG_EVALUATE_H

#include "labels.h"
#include "net.h"
#include "text.h"

/* A matrix of more is nothing to read, and 8 MB. */
#define EVALUATE_OUTPUTS_MAX 1024

struct msg_evaluation {
    const char *model;
    uint64_t version;
    const struct eval *eval; /* with a score; its confusion may be NULL */
    bool has_accuracy;
    const struct labels *labels; /* NULL: indices, as for the two classes of one output */
};

void msg_evaluate_encode(struct text *text, const struct msg_evaluation *said);

#endif
