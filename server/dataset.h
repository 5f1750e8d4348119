/* Data sets: a folder of immutable files each, mapped into memory, shared by jobs.
 *
 *   STATE/datasets/NAME@GENERATION/dataset.json   what it is (proto/msg_dataset.h)
 *                                  features       rows of uint8 or little-endian float32
 *                                  targets        rows of uint32 class indices or float32
 *   STATE/tmp/                                    what is not finished; emptied at start
 *
 * A change writes a folder under tmp, syncs it, and renames it to the next generation: a name has
 * its old data or its new, never a mixture, and a job goes on with the generation it started with.
 * Thread: struct datasets and reference counts are the loop's; a referenced struct dataset may be
 * read anywhere; the functions that say "pool" block on the disk. */
#ifndef DATASET_H
#define DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "digest.h"
#include "msg_dataset.h"
#include "msg_train.h"
#include "rows.h"
#include "table.h"
#include "turn.h"

struct datasets;
struct quota;
struct server;

/* Object lifetime: from dataset_open to the last dataset_unref. Immutable but for refs and jobs. */
struct dataset {
    unsigned refs; /* one for the table, one each job that reads it */
    unsigned jobs; /* of these, jobs */
    bool replaced; /* its folder goes when no job reads it any more */
    bool gone;     /* its folder goes, or has gone: no job may begin to read it */
    uint64_t job;  /* one of these jobs, to be named when deleting is refused */
    char name[NAME_MAX_LEN + 1];
    uint64_t generation;
    double created;
    char digest[DIGEST_HEX];
    struct table_info info;   /* owned */
    struct table_stats stats; /* owned */
    char *path;               /* owned; its folder; NULL: in memory only */
    void *features, *targets; /* mapped, or malloc'd when path is NULL; NULL: no such part */
    size_t features_len, targets_len; /* bytes */
};

/* Of at most max, all together within memory, which is borrowed. Errors: ERR_MEMORY. */
bool datasets_create(const char *state, size_t max, struct quota *memory, struct datasets **ret,
                     struct err *err);
/* Opens what an earlier process left, removes what it did not finish. What cannot be read is set
 * aside as *.corrupt and logged. */
bool datasets_load(struct datasets *datasets, struct server *server, struct err *err);
/* Removes generations that were replaced, but those n paths that jobs still read. */
bool datasets_tidy(struct datasets *datasets, const char *const *read, size_t n, struct err *err);
void datasets_free(struct datasets *datasets);
size_t datasets_count(const struct datasets *datasets);
struct dataset *datasets_at(const struct datasets *datasets, size_t i);
/* Borrowed. Errors: ERR_FIELD at "name" for what none can be called; ERR_NOT_FOUND at where. */
struct dataset *datasets_find(const struct datasets *datasets, const char *name, const char *where,
                              struct err *err);
/* Whether one of that name could be put. Errors: ERR_FIELD at "name", ERR_LIMIT at "datasets". */
bool datasets_vacant(const struct datasets *datasets, const char *name, struct err *err);
/* Keeps room for n of new names, which datasets_release gives back: datasets_put cannot fail for
 * one that was released right before, or is there. Errors: ERR_LIMIT at "datasets", ERR_MEMORY. */
bool datasets_reserve(struct datasets *datasets, size_t n, struct err *err);
void datasets_release(struct datasets *datasets, size_t n);
/* A number above every generation the name has had since the start. */
uint64_t datasets_generation(struct datasets *datasets);
/* Those given from now on are above that one, too. */
void datasets_generation_seen(struct datasets *datasets, uint64_t generation);
/* Puts one, whose memory has been claimed, in place of any older generation, which is removed from
 * disk on the pool once nobody reads it. The reference is taken over. Errors: ERR_MEMORY. */
bool datasets_put(struct datasets *datasets, struct dataset *dataset, struct err *err);
/* Pool. Makes a data set vanish from disk for good, with what may be left of older generations,
 * which would be the present one after a start. No job reads any of them. */
bool datasets_discard(const char *root, const struct dataset *dataset, struct err *err);
/* Takes it out of the table, and gives its memory back; its folder must have been given up by
 * datasets_discard before. */
void datasets_remove(struct datasets *datasets, struct dataset *dataset);
/* Changes of one name take turns; keyed by name. */
struct turns *datasets_turns(struct datasets *datasets);
const char *datasets_root(const struct datasets *datasets);

/* Pool. Opens and maps the folder. Errors: ERR_IO, ERR_FIELD. */
bool dataset_open(const char *path, struct dataset **ret, struct err *err);
/* Whether a folder is called as what is in it: NAME@GENERATION. */
bool dataset_is_at(const struct dataset *dataset, const char *path);
/* One that lives in memory, of rows that came with a request; takes features and targets (malloc'd)
 * over, also on failure. */
bool dataset_inline(const struct table_info *info, void *features, void *targets,
                    struct dataset **ret, struct err *err);
struct dataset *dataset_ref(struct dataset *dataset);
void dataset_unref(struct dataset *dataset);
/* What it takes of --max-dataset-memory. */
size_t dataset_bytes(const struct dataset *dataset);
/* What core needs of it; map is NULL. */
struct data dataset_data(const struct dataset *dataset);
/* Whether there are features, as many a row as a model has inputs. Errors: ERR_FIELD at where. */
bool dataset_suits(const struct dataset *dataset, size_t inputs, const char *where,
                   struct err *err);
/* Without the statistics, which are dataset->stats. */
void dataset_info(const struct dataset *dataset, struct msg_dataset *ret);

/* SHA-256 over rows and width (uint64 each), the features, the width of the targets, the names of
 * the classes with their NULs, the targets. Errors: ERR_MEMORY.
 * Thread: any; it reads all of the data. */
bool dataset_digest(const struct dataset *dataset, char ret[DIGEST_HEX], struct err *err);
/* The same in parts, of features that come a few rows at a time. digest_end(digest, NULL) gives it
 * up. */
bool dataset_digest_begin(size_t rows, size_t width, struct digest *ret, struct err *err);
void dataset_digest_features(struct digest *digest, const struct rows *x);
void dataset_digest_end(struct digest *digest, const struct dataset *dataset, char ret[DIGEST_HEX]);

/* Of the features. Errors: ERR_MEMORY. Thread: any; it reads all of the data. */
bool dataset_stats(const struct dataset *dataset, struct table_stats *ret, struct err *err);

#endif
