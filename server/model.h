/* Named models and their versions.
 *
 * A version is a whole, immutable, numbered network. Predictions pin one and run on it wherever
 * they run; training changes a clone, which becomes the next version by model_publish: one pointer
 * swap on the loop thread. A pinned version keeps its model alive, a model keeps the versions it
 * lists. Thread: the loop's; reference counts are plain integers because only it touches them. What
 * hangs off a pinned version (net, digest, the model's name) may be read anywhere. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "digest.h"
#include "labels.h"
#include "msg_train.h"
#include "msg_version.h"
#include "net.h"

struct job;
struct model;
struct learn;

enum source { SOURCE_CREATE, SOURCE_IMPORT, SOURCE_TRAIN, SOURCE_LEARN, SOURCE_COUNT };
const char *source_name(enum source source);

/* How a version came about. */
struct origin {
    enum source source;
    uint64_t job;          /* 0: none */
    size_t epoch;          /* 0: none */
    double loss, accuracy; /* NAN: not known */
    char digest[DIGEST_HEX];
};

struct version {
    unsigned refs;       /* one for the model's list, one each who pins it */
    struct model *model; /* a reference is held */
    uint64_t number;
    double created;
    struct net *net; /* owned; never written to */
    struct origin origin;
};

struct model {
    char name[NAME_MAX_LEN + 1];
    unsigned refs;             /* one for the registry, one each version and job */
    bool deleted;              /* not in the registry any more */
    struct labels *labels;     /* owned; set once, then never changed; NULL: none yet */
    struct version **versions; /* owned; rising numbers; the served one among them */
    size_t n_versions, cap_versions;
    struct version *served; /* borrowed from versions */
    uint64_t last;          /* the highest number given */
    double created, updated;
    struct job *job;                       /* borrowed; running; NULL when none is */
    size_t jobs;                           /* queued and running */
    struct train_plan plan;                /* last used by train or learn */
    struct learn *learn_head, *learn_tail; /* calls to learn, in order (on_learn.c) */
    bool learn_pumping;
    uint64_t predictions; /* rows answered; for metrics */
};

/* A model around its first version; net is taken over, also on failure; labels, if any, likewise.
 * The caller holds the one reference. Errors: ERR_MEMORY. */
bool model_create(const char *name, struct net *net, struct labels *labels,
                  const struct origin *origin, struct model **ret, struct err *err);
struct model *model_ref(struct model *model);
void model_unref(struct model *model);
/* Gives up the versions; for a model that has left the registry. */
void model_drop_versions(struct model *model);

/* Makes net (taken over, also on failure) the next version and serves it; the oldest versions
 * beyond keep go. Errors: ERR_MEMORY, and nothing has changed. */
bool model_publish(struct model *model, struct net *net, const struct origin *origin, size_t keep,
                   struct err *err);
/* Serves a version that is kept. Errors: ERR_NOT_FOUND at "version". */
bool model_promote(struct model *model, uint64_t number, struct err *err);

/* The version with that number, borrowed; 0 is the served one. Errors: ERR_NOT_FOUND at "version".
 */
struct version *model_version(struct model *model, uint64_t number, struct err *err);
struct version *version_ref(struct version *version);
void version_unref(struct version *version);

void version_info(const struct version *version, struct msg_version *ret);

#endif
