/* A bundle (bundle.h) on its way in: all of it, or nothing.
 *
 *   open    loop   names a stage, STATE/tmp/import.N.tmp
 *   write   pool   members go into the stage, each to the place that it will have in the state
 *                  folder. Each is hashed while it comes, and tried when it is there: a version is
 *                  read as one that is to be served, a data set's rows are looked at, a record
 *                  is one of a job that has ended. They come in bundle.h's order, so that at
 *                  any time one name can be next
 *   claim   loop   nothing here has these names and ids, and nothing gets them; room is kept
 *   commit  pool   what is to be on disk besides is written, everything synced, and
 *
 *                    STATE/tmp/import.N.tmp  becomes  STATE/import
 *
 *                  in one rename: from here on it will be there, whatever happens. Then what is in
 *                  STATE/import is moved out of it, to STATE/models, datasets and jobs
 *   add     loop   it is in the tables, which cannot fail any more, and the client is told
 *
 * Whoever dies before that rename leaves what a start empties; after it, intake_recover moves
 * the rest at the next start, before anything is read. A commit that fails takes back what it has
 * moved, and then the rename; if the disk refuses that as well, models' names and jobs' ids stay
 * claimed until the next start, which finishes it; a data set that is put until then is newer.
 *
 * Without a state folder models and records go into memory as they come, and only data sets have
 * files.
 *
 * Limits: members as tar.h has them; manifest, dataset.json and a job's record INTAKE_TEXT_MAX; all
 * of it --max-upload; models, versions of each, data sets and records what may be kept here;
 * layers, units, parameters and features as for those that come alone.
 *
 * Thread: as said; one at a time has the intake. One at a time is claimed (server->intakes). */
#ifndef INTAKE_H
#define INTAKE_H

#include "dataset.h"
#include "job_file.h"
#include "msg_bundle.h"
#include "request.h"
#include "store.h"
#include "tar_reader.h"

#define INTAKE_COMMITTED "import"             /* below the state folder: what a start finishes */
#define INTAKE_TEXT_MAX ((uint64_t)64 << 20)  /* bytes */
#define INTAKE_FOLDER_MAX (NAME_MAX_LEN + 24) /* NAME@ID */

struct job;

struct intake_model {
    const struct msg_bundle_model *said;
    char folder[INTAKE_FOLDER_MAX]; /* NAME@ID */
    struct stored *versions;        /* owned in what they hold; n of them have come */
    size_t n;
    struct model *model; /* a reference: built, and in no table; NULL: not yet */
    bool reserved;       /* its name is */
};

struct intake_dataset {
    const struct msg_bundle_dataset *said;
    char folder[INTAKE_FOLDER_MAX];     /* NAME@GENERATION */
    uint64_t features_len, targets_len; /* as dataset.json says */
    struct dataset *dataset;            /* a reference: whole; NULL: not yet */
    char *path;                         /* owned; where it will be */
};

struct intake_job {
    struct job_file file;          /* owned */
    const struct intake_model *of; /* the model here that it trained; NULL: none */
    char id[24], folder[INTAKE_FOLDER_MAX];
    struct job *job; /* owned; NULL: not yet */
};

enum intake_part {
    INTAKE_MANIFEST,
    INTAKE_MODELS,
    INTAKE_DATASETS,
    INTAKE_JOBS,
    INTAKE_SUMS,
    INTAKE_END
};

/* Object lifetime: from intake_open to its request's end. */
struct intake {
    struct sink sink; /* the request's; first, so that one is the other */
    struct tar_sink members;
    struct tar_reader reader;
    struct server *server; /* borrowed */
    struct arena arena;    /* what follows lies in it, but for what is marked */
    char *stage;           /* owned */
    bool staged;           /* it has been made, and is to be removed */
    bool begun;            /* a byte has come */
    uint64_t first_id;     /* of as many as there may be models */
    struct msg_bundle bundle;
    struct intake_model *models;
    struct intake_dataset *datasets;
    struct intake_job *jobs;

    /* What comes next, or is coming: */
    enum intake_part part;
    size_t at;              /* of the part's list */
    size_t sub;             /* the version of a model, the file of a data set */
    struct text text, sums; /* owned; the manifest; what SHA256SUMS has to be */
    size_t summed;          /* bytes of that which have come */
    struct digest digest;   /* of the member, begun if hashing */
    bool hashing;
    int fd;     /* of its file; -1: none */
    char *path; /* owned; its file's; NULL: none */

    /* What is claimed: */
    size_t datasets_reserved, jobs_reserved;
    size_t dataset_bytes; /* of --max-dataset-memory; the data sets' own once they are there */
    bool committed;       /* it is on disk, or cannot be taken back */
};

/* Loop. The intake is the request's sink from then on. Errors: ERR_MEMORY. */
bool intake_open(struct request *req, struct err *err);
/* Loop. Everything has come. Errors: ERR_SYNTAX at "body" or where it is cut. */
bool intake_close(struct intake *intake, struct err *err);
/* Loop. Nobody else changes data sets of these names until it is added or released. Errors:
 * ERR_EXISTS and ERR_LIMIT at the manifest's field; ERR_MEMORY. Nothing is claimed then. */
bool intake_claim(struct intake *intake, struct err *err);
/* Loop. Gives up what was claimed, unless it is committed. */
void intake_release(struct intake *intake);
/* Pool. Errors: ERR_IO, ERR_FULL, ERR_MEMORY; ERR_EXISTS at "disk". */
bool intake_commit(struct intake *intake, struct err *err);
/* Loop. Into the tables, in place of the claims. */
void intake_add(struct intake *intake);

/* At a start, before anything else is read. Errors: ERR_IO, ERR_FULL, ERR_MEMORY. */
bool intake_recover(const char *root, struct err *err);

/* ---- between intake*.c ---- */

/* STAGE/KIND/FOLDER[/NAME], malloc'd. */
bool intake_path(const char *root, const char *kind, const char *folder, const char *name,
                 char **ret, struct err *err);
/* Pool. Whether a member that is there is what it has to be, and what it says. name is the
 * member's, for errors. */
bool intake_manifest_check(struct intake *intake, struct err *err);
bool intake_version_check(struct intake *intake, const char *name, struct err *err);
bool intake_dataset_head_check(struct intake *intake, const char *name, struct err *err);
bool intake_dataset_check(struct intake *intake, const char *name, struct err *err);
bool intake_job_check(struct intake *intake, const char *name, struct err *err);

#endif
