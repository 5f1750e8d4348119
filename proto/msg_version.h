/* What a model and its versions say of themselves. Loss and accuracy that nobody knows are NAN here
 * and null there. */
#ifndef MSG_VERSION_H
#define MSG_VERSION_H

#include <stdbool.h>
#include <stdint.h>

#include "labels.h"
#include "spec.h"
#include "text.h"
#include "train.h"

struct msg_version {
    uint64_t version;
    double created;        /* seconds since the epoch */
    const char *source;    /* create, import, train, learn */
    uint64_t job;          /* 0: none */
    size_t epoch;          /* of that job; 0: none */
    double loss, accuracy; /* on the validation data if there are some, else on the training data */
    const char *digest;
    bool served;
    /* In a version's file only: when its model was made, and the settings that it was trained with.
     */
    double model_created;
    bool has_plan;
    struct train_plan plan;
    const char *key, *request; /* SHA-256 of a learn's Idempotency-Key, and of its body; "": none */
};

/* {"version": 3, "created": "...", "source": "train", "job": "1", "epoch": 2, "loss": ...,
 *  "accuracy": ..., "digest": "...", "served": true} */
void msg_version_encode(struct text *text, const struct msg_version *version);

struct msg_model_info {
    const char *name;
    const struct net_spec *spec;
    const struct labels *labels; /* NULL: none */
    const struct msg_version *served;
    size_t versions; /* kept */
    double created, updated;
    uint64_t job; /* that trains it; 0: none */
};

/* {"name": ..., the spec's members, "outputs": ..., "parameters": ..., "version": ..., "versions":
 * ..., "digest": ..., "loss": ..., "accuracy": ..., "created": ..., "updated": ..., "job": null} */
void msg_model_info_encode(struct text *text, const struct msg_model_info *info);

#endif
