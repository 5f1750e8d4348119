/* What a step is made by, as train, learn and a job's record have it among their fields:
 *
 *   "batch_size": 10, "optimizer": {...}, "l2": 0, "l1": 0, "clip_norm": 1, "clip_value": 0.5,
 *   "dropout": {"inputs": 0.2, "hidden": 0.5}, "input_noise": 0.1, "label_smoothing": 0.1, "seed": 1,
 *   "precision": "float32"
 *
 * optimizer: see msg_optimizer.h; l1, l2 and input_noise 0 or more; clip_norm and clip_value above 0;
 * dropout and label_smoothing 0 or more and below 1, a dropout that is a number being of the hidden
 * layers. batch_size 1 to 65,536. What is not there is not done. */
#ifndef MSG_PLAN_H
#define MSG_PLAN_H

#include "scan.h"
#include "text.h"
#include "train.h"

/* What the readers below write to; the first member of whatever a message is read into. */
struct plan_in {
    struct train_plan *plan;
    bool has_optimizer, has_l2;
};

bool plan_read_batch_size(struct scan *scan, void *into, struct err *err);
bool plan_read_optimizer(struct scan *scan, void *into, struct err *err);
bool plan_read_l2(struct scan *scan, void *into, struct err *err);
bool plan_read_l1(struct scan *scan, void *into, struct err *err);
bool plan_read_clip_norm(struct scan *scan, void *into, struct err *err);
bool plan_read_clip_value(struct scan *scan, void *into, struct err *err);
bool plan_read_dropout(struct scan *scan, void *into, struct err *err);
bool plan_read_input_noise(struct scan *scan, void *into, struct err *err);
bool plan_read_label_smoothing(struct scan *scan, void *into, struct err *err);
bool plan_read_seed(struct scan *scan, void *into, struct err *err);
bool plan_read_precision(struct scan *scan, void *into, struct err *err);

/* Rows of a table of fields; required: of those that a plan always has. */
#define PLAN_FIELDS(required)                                                                      \
    { "batch_size", plan_read_batch_size, required },                                              \
        { "optimizer", plan_read_optimizer, required }, { "l2", plan_read_l2, required },          \
        { "l1", plan_read_l1, false }, { "clip_norm", plan_read_clip_norm, false },                \
        { "clip_value", plan_read_clip_value, false }, { "dropout", plan_read_dropout, false },    \
        { "input_noise", plan_read_input_noise, false },                                           \
        { "label_smoothing", plan_read_label_smoothing, false },                                   \
        { "seed", plan_read_seed, required },                                                      \
    {                                                                                              \
        "precision", plan_read_precision, false                                                    \
    }

/* batch_size 32, sgd. */
struct train_plan plan_default(void);

/* The plan's members as train takes them, without braces, for a job's record: those that a plan
 * always has, and of the others those that are not as if they were not there. */
void msg_plan_encode(struct text *text, const struct train_plan *plan);
/* The same within braces. */
bool msg_plan_decode(const char *bytes, size_t len, struct train_plan *ret, struct err *err);

#endif
