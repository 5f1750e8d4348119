/* Whether a version that a job has made is to be served: its promote_rule, applied.
 *
 * Thread: any that may read the served version and the validation data. */
#ifndef JUDGE_H
#define JUDGE_H

#include "feed.h"
#include "job_file.h"
#include "model.h"

/* What one judgement needs, and its result. */
struct judge {
    struct promote_rule rule;
    struct msg_epoch found;  /* what is known of the new version */
    struct version *served;  /* a reference; what it is compared with; NULL: with nothing */
    const struct feed *feed; /* borrowed; the validation data, for PROMOTE_IF_BETTER */
    /* What is known of a version on that data already; 0: of none. Kept from one to the next. */
    uint64_t known;
    double known_loss, known_accuracy;
    bool promoted;
    char why[PROMOTION_MAX];
};

/* Errors: ERR_MEMORY. */
/* NAN: not known. */
double judge_metric(const struct msg_epoch *found, enum metric metric);
bool judge_run(struct judge *judge, struct err *err);

#endif
