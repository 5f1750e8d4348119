/* Named models and their versions.
 *
 * A version is a whole, immutable, numbered network. Predictions pin one and run on it wherever
 * they run; training changes a clone, which becomes the next version: written to disk first
 * (publish.h), then listed and served, by one pointer swap on the loop thread. A pinned version
 * keeps its model alive, a model keeps the versions it lists. After a start a version is known by
 * its facts alone; its net is read when somebody first pins it (loader.h). Thread: the loop's;
 * reference counts are plain integers because only it touches them. What hangs off a pinned version
 * (net, digest, the model's name) may be read anywhere. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "carry.h"
#include "digest.h"
#include "labels.h"
#include "learn_keys.h"
#include "learn_logs.h"
#include "msg_train.h"
#include "msg_version.h"
#include "net.h"
#include "turn.h"

struct job;
struct model;
struct learn_line;
struct load;
struct server;
struct stats;

enum source { SOURCE_CREATE, SOURCE_IMPORT, SOURCE_TRAIN, SOURCE_LEARN, SOURCE_COUNT };
const char *source_name(enum source source);

/* How a version came about. */
struct origin {
    enum source source;
    uint64_t job;          /* 0: none */
    size_t epoch;          /* 0: none */
    double loss, accuracy; /* NAN: not known */
    char digest[DIGEST_HEX];
    bool has_plan; /* of train and learn */
    struct train_plan plan;
    struct learn_key key; /* of learn; "": none */
};

struct version {
    unsigned refs;       /* one for the model's list, one each who pins it */
    struct model *model; /* a reference is held */
    uint64_t number;
    double created;
    struct net *net;       /* owned; never written to; NULL: on disk only; version_net_set */
    struct carry *carry;   /* a reference; see model_carry; NULL: none */
    struct net_spec *spec; /* owned; NULL: the model's; see version_spec */
    bool listed;
    bool on_disk;                 /* has a file of its own */
    uint64_t log_base, log_first; /* else: the learn log that leads to it; 0: none */
    struct load *load;            /* that reads the net now; NULL: none does */
    struct origin origin;
    struct stats *stats; /* owned; NULL: never asked, or no memory for them */
};

struct model {
    char name[NAME_MAX_LEN + 1];
    unsigned refs;         /* one for the registry, one each version and job */
    struct server *server; /* borrowed */
    char *folder;          /* owned; NULL: nothing of it is on disk */
    /* Inputs, outputs, cost and the like hold for all versions, hidden layers: version_spec. */
    struct net_spec spec;
    bool unloaded;             /* by /v2: not ready for it */
    bool restoring;            /* being brought back at start: nothing is pruned yet */
    bool deleting;             /* its folder is being removed: nothing new begins */
    bool deleted;              /* not in the registry any more */
    struct labels *labels;     /* owned; set once, then never changed; NULL: none yet */
    struct version **versions; /* owned; rising numbers; the served one among them */
    size_t n_versions, cap_versions;
    struct version *served; /* borrowed from versions; see model_serve */
    size_t claimed;         /* of server->model_memory: what the served version's net takes */
    struct turns turns;     /* who changes what is served, or the list, one at a time */
    uint64_t last;          /* the highest number given, */
    uint64_t chosen;        /* and what it was when anything but learn last chose what is served */
    double created, updated;
    struct job *job;        /* borrowed; running; NULL when none is */
    size_t jobs;            /* queued and running */
    uint64_t job_base;      /* the version that a job has begun with, whose file stays; 0: none */
    struct train_plan plan; /* last used by train or learn */
    double plan_used;       /* during a start: when learn did; */
    uint64_t serving;       /* the version that somebody chose to be served */
    struct learn_line
        *learn; /* owned; calls to learn that have not ended (on_learn.c); NULL: none yet */
    struct learn_logs logs;
    struct learn_keys *keys; /* owned; NULL: none yet */
    uint64_t predictions;    /* rows answered; for metrics */
};

/* A model without a version yet; labels, if any, and folder, if any, are taken over, also on
 * failure. The caller holds the one reference. Errors: ERR_MEMORY. */
bool model_create(struct server *server, const char *name, const struct net_spec *spec,
                  struct labels *labels, char *folder, struct model **ret, struct err *err);
struct model *model_ref(struct model *model);
void model_unref(struct model *model);
/* Serves that version, which is listed; NULL: none for the time being. */
void model_serve(struct model *model, struct version *version);
/* Gives up the versions; for a model that has left the registry. */
void model_drop_versions(struct model *model);

/* A version of net (taken over, also on failure; NULL: on disk only), not listed yet; the caller
 * holds the one reference. Errors: ERR_MEMORY. */
bool version_create(struct model *model, struct net *net, uint64_t number, double created,
                    const struct origin *origin, struct version **ret, struct err *err);
/* What the net of a version looks like, loaded or not. A sweep (core/sweep.h) may have given it
 * other hidden layers than versions before have. */
const struct net_spec *version_spec(const struct version *version);
/* Tells that of one whose net is on disk only. Errors: ERR_MEMORY. */
bool version_shape(struct version *version, const struct net_spec *spec, struct err *err);
/* Lists a version, in the order of numbers, and serves it if told so; a reference is taken, and the
 * oldest beyond --keep-versions go, their files too, but not the served one. Errors: ERR_MEMORY. */
bool model_list(struct model *model, struct version *version, bool serve, struct err *err);
/* Takes a version that is not served off the list, and its file off the disk. */
void model_unlist(struct model *model, struct version *version);

/* What the optimiser of learn carries on from that version; NULL: it begins anew. It goes on from
 * what learn itself has made and nobody has chosen anew since, by a promotion or by publishing a
 * version that is not served: struct serving on disk knows as much after a restart. Only the served
 * version, and those that are computed and not served yet, hold any. */
struct carry *model_carry(const struct model *model, const struct version *version);
/* Which version is served has been chosen, by other means than making a newer one; last: the
 * highest number at that time. */
void model_choose(struct model *model, struct version *version, uint64_t last);

/* Whether that version is listed; whether its file has to stay though it may not be: a learn log or
 * a job that has not ended goes on from it. */
bool model_lists(const struct model *model, uint64_t number);
bool model_needs(const struct model *model, uint64_t number);
/* The highest number that is listed. */
uint64_t model_top(const struct model *model);
/* The job that has begun with a version has ended: its file goes if nobody else needs it. */
void model_job_ended(struct model *model);
/* During a start: everything that is there is listed. Takes those beyond --keep-versions off. */
void model_restored(struct model *model);

/* The version with that number, borrowed; 0 is the served one. Errors: ERR_NOT_FOUND at "version".
 */
struct version *model_version(struct model *model, uint64_t number, struct err *err);
struct version *version_ref(struct version *version);
/* Takes net over in place of the one that is there; NULL: none. */
void version_net_set(struct version *version, struct net *net);
/* Gives back the memory of a version that can be read from disk again, if nobody has it pinned. */
void version_forget(struct version *version);
/* Of one that is not served the memory goes too, if that is over --max-model-memory. */
void version_unref(struct version *version);

/* The facts of a version of that origin, for its file. */
struct msg_version origin_info(const struct origin *origin, uint64_t number, double created);
/* Any thread that has it pinned: all but whether it is served, which only the loop knows. */
struct msg_version version_facts(const struct version *version);
void version_info(const struct version *version, struct msg_version *ret);

#endif
