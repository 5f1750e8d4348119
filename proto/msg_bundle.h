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
 * Thread: any; they touch nothing but their arguments. */
#ifndef MSG_BUNDLE_H
#define MSG_BUNDLE_H

#include "text.h"

#define MSG_BUNDLE_VERSION 1

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

#endif
