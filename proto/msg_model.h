/* A model in JSON: its spec (create), and with weights (export and import).
 *
 *   {"inputs": 784, "layers": [{"units": 30, "activation": "sigmoid"},
 *                              {"units": 10, "activation": "softmax"}],
 *    "cost": "log_likelihood", "init": "scaled_normal", "bias_init": "zeros", "seed": 7,
 *    "labels": ["0", ...], "normalize": "none"}
 *
 * inputs, layers and cost must be there; the rest has defaults: scaled_normal, zeros, 0, no labels,
 * none. An import has in every layer "weights" (units rows of fan-in numbers) and "biases", and,
 * when normalize is standard or minmax and has been learned, "shift" and "scale" (inputs numbers
 * each). With "normalize_targets" (none, standard, minmax) there are "target_shift" and
 * "target_scale" likewise (outputs numbers each; none 0). An export carries exactly these fields; it may be put back unchanged. Its "init",
 * "bias_init" and "seed" say how the network was drawn. */
#ifndef MSG_MODEL_H
#define MSG_MODEL_H

#include "arena.h"
#include "err.h"
#include "labels.h"
#include "net.h"
#include "spec.h"
#include "text.h"

struct msg_model {
    struct net_spec spec;
    struct labels *labels; /* owned by the message until taken (set to NULL then); NULL: none */
    bool has_weights;
    const float **weights; /* in the arena, one a layer, units x fan-in; when has_weights */
    const float **biases;
    const float *shift, *scale; /* in the arena; NULL: none given */
    const float *target_shift, *target_scale;
};

struct exporter;

struct model_limits {
    size_t max_layers, max_units, max_params;
};

/* spec_check is part of it, before any array is allocated. On success the caller frees ret->labels.
 */
bool msg_model_decode(const char *body, size_t len, const struct model_limits *limits,
                      struct arena *arena, struct msg_model *ret, struct err *err);

/* The labels alone: a JSON array of at most max names. Errors: ERR_SYNTAX at "body"; ERR_FIELD at ""
 * or "[i]"; ERR_MEMORY. */
bool msg_labels_decode(const char *body, size_t len, size_t max, struct arena *arena,
                       struct labels **ret, struct err *err);

/* Answers are divided by it. Errors: ERR_FIELD at where[i]. scale may be NULL. */
bool target_scale_check(const float *scale, size_t n, const char *where, struct err *err);

/* The spec's members, without braces: "inputs": ..., "normalize": "none"; for replies that say
 * more. */
void msg_spec_encode(struct text *text, const struct net_spec *spec, const struct labels *labels);

/* Format json of an export (export.h): the whole document, a newline at its end. */
bool msg_model_next(struct exporter *e, struct text *text, bool *end, struct err *err);

#endif
