/* train, learn and evaluate: what to do, and the rows or the data set to do it with.
 *
 *   train     {"dataset": "mnist-train", "validation": {"dataset": "mnist-test"}, "epochs": 30,
 *              "batch_size": 10,
 *              "optimizer": {"name": "sgd", "learning_rate": 0.5, "momentum": 0.0}, "l2": 0.0,
 *              "seed": 1, "precision": "float32", "publish": "epoch", "publish_seconds": 1, "promote": true}
 *             or "inputs" with "targets" or "labels" in place of "dataset"; validation likewise, or
 *             {"fraction": 0.2, "stratified": true} or {"last": 10000} of the rows to train on
 *   learn     inline rows, "optimizer" (any but rprop), "l2"; or "prediction", an id, in place of
 *             "inputs"
 *   evaluate  inline rows or {"dataset": "..."}; "top_k": 1 to the outputs
 *
 * Defaults: epochs 1, batch_size 32, sgd with learning_rate 0.1, momentum 0, nesterov false, other optimisers as optimizer_default has it; l2 0;
 * seed 0; precision "float32"; publish "epoch", publish_seconds 1; promote true. learning_rate must be above 0; momentum,
 * alpha, beta1, beta2 in [0, 1); epsilon above 0; weight_decay >= 0; l2 >= 0; epochs 1 to 1,000,000; batch_size 1 to 65,536; publish_seconds 0 to 86,400.
 * early_stopping, class_weights, max_seconds and sweep may be null: none.
 * What else a plan may have: see msg_plan.h; class_weights: see class_weights.h.
 * max_seconds: above 0, to 31,536,000. priority: -100 to 100, by default 0. schedule: see msg_schedule.h. early_stopping: see early_stopping.h; with it publish is "best" by default, by what is monitored.
 * sweep: see msg_sweep.h; with it publish is "best" by default, by what it monitors, or "end".
 * promote: see promote_rule.h; what it asks of validation data needs some. */
#ifndef MSG_TRAIN_H
#define MSG_TRAIN_H

#include "class_weights.h"
#include "early_stopping.h"
#include "msg_plan.h"
#include "msg_rows.h"
#include "msg_schedule.h"
#include "msg_sweep.h"
#include "promote_rule.h"
#include "split.h"
#include "text.h"

#define NAME_MAX_LEN 128      /* of models and data sets */
#define PREDICTION_LEN_MAX 64 /* of a prediction's id, as a client may send it */

/* [A-Za-z0-9][A-Za-z0-9._-]{0,127}. Errors: ERR_FIELD at where. */
bool name_check(const char *name, size_t len, const char *where, struct err *err);

enum publish { PUBLISH_EPOCH, PUBLISH_END, PUBLISH_BEST, PUBLISH_COUNT };
const char *publish_name(enum publish publish);

/* Data by name or by value: exactly one of dataset and rows.has_inputs. Inline rows come with
 * targets or labels, as many as inputs. */
struct msg_source {
    char dataset[NAME_MAX_LEN + 1]; /* "": inline */
    struct msg_rows rows;
};

struct msg_train {
    struct msg_source source;
    bool has_validation;
    struct msg_source validation; /* if it is no part of source */
    struct split split;           /* if it is */
    size_t epochs;
    struct train_plan plan; /* batch_size, optimizer, ..., seed */
    enum publish publish;
    double publish_seconds;
    struct promote_rule promote;
    struct early_stopping stopping;
    struct msg_schedule schedule;
    double max_seconds;            /* of training; 0: as long as it takes */
    int priority;                  /* msg_priority.h */
    struct class_weights weights;  /* owned; who has the message has to be done with them */
    const struct msg_sweep *sweep; /* in the arena; NULL: none */
};

bool msg_train_decode(const char *body, size_t len, const struct rows_limits *limits,
                      struct arena *arena, struct msg_train *ret, struct err *err);

struct msg_learn {
    struct msg_rows rows;
    char prediction[PREDICTION_LEN_MAX + 1]; /* the id of one whose rows are meant; "": inputs */
    bool has_optimizer, has_l2;              /* absent: as last used, by train or learn */
    struct train_plan plan; /* batch_size: the rows given, which make one step; 0: not known */
};
bool msg_learn_decode(const char *body, size_t len, const struct rows_limits *limits,
                      struct arena *arena, struct msg_learn *ret, struct err *err);

struct msg_evaluate {
    struct msg_source source;
    size_t top_k; /* 1 to the outputs; 0: not said */
};
bool msg_evaluate_decode(const char *body, size_t len, const struct rows_limits *limits,
                         struct arena *arena, struct msg_evaluate *ret, struct err *err);

/* {"version": N}. */
bool msg_promote_decode(const char *body, size_t len, uint64_t *ret, struct err *err);

#endif
