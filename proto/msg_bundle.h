/* What a bundle of a whole service holds: manifest.json, the first member of its tar
 * (server/bundle.h).
 *
 *   {"format": "sigmad-bundle", "format_version": 1, "sigmad": "0.1.0", "created": "2026-...",
 *    "models": [{"name": "digits", "created": "...", "updated": "...", "served": 3, "chosen": 2,
 *                "last": 5, "versions": [1, 3]}, ...],
 *    "datasets": [{"name": "train", "generation": 4}, ...],
 *    "jobs": ["1", "2"], "unfinished": ["3"]}
 *
 * served: the version that is. chosen: the highest number when anything but learn last chose it.
 * last: the highest number given; numbers go on above it. jobs: those that have ended, whose
 * records are in the bundle; unfinished: those that had not, which are not.
 *
 * Models and data sets are in the order of their names (strcmp), numbers and ids rising.
 *
 * Thread: any; they touch nothing but their arguments. */
#ifndef MSG_BUNDLE_H
#define MSG_BUNDLE_H

#include "arena.h"
#include "err.h"
#include "text.h"

#define MSG_BUNDLE_VERSION 1
#define MSG_BUNDLE_RELEASE_MAX 64 /* bytes of release */

struct msg_bundle_model {
    const char *name;
    double created, updated;
    uint64_t served, chosen, last;
    const uint64_t *versions; /* n of them, rising */
    size_t n;
};

struct msg_bundle_dataset {
    const char *name;
    uint64_t generation;
};

struct msg_bundle {
    const char *release; /* of sigmad, "0.1.0" */
    double created;
    struct msg_bundle_model *models;
    size_t n_models;
    struct msg_bundle_dataset *datasets;
    size_t n_datasets;
    uint64_t *jobs, *unfinished;
    size_t n_jobs, n_unfinished;
};

void msg_bundle_encode(struct text *text, const struct msg_bundle *bundle);

/* How many there may be. */
struct msg_bundle_limits {
    size_t models, versions, datasets, jobs; /* versions: of each model; jobs: that have ended */
};

/* Reads one, into the arena. Times come back to the millisecond. What it says fits together:
 * names and numbers are in their order, so that none is there twice; a served version is one of the
 * versions; and one that is not the highest was chosen. Errors: ERR_SYNTAX at "body"; ERR_FIELD at
 * the field, such as models[1].versions[0]; ERR_LIMIT at the list that is longer than it may be;
 * ERR_MEMORY. */
bool msg_bundle_decode(const char *bytes, size_t len, const struct msg_bundle_limits *limits,
                       struct arena *arena, struct msg_bundle *ret, struct err *err);

/* {"models": ["digits"], "datasets": ["train"], "jobs": ["1", "2"], "unfinished": ["3"]}: what has
 * been taken in, and what was under way there and has not been. */
void msg_bundle_reply_encode(struct text *text, const struct msg_bundle *bundle);

#endif
