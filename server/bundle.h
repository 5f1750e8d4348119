/* A bundle: everything that this daemon keeps, as the members of one tar (proto/tar.h).
 *
 *   manifest.json               what there is: proto/msg_bundle.h
 *   models/NAME/12.safetensors  each version that is listed: server/store.h. One that is known by
 *                               its learn log alone gets a file, with what its optimiser carries
 *   datasets/NAME/...           the files of its folder: server/dataset.h
 *   jobs/ID.json                the record of each job that has ended: proto/job_file.h
 *   SHA256SUMS                  of all members before, as sha256sum -c takes it
 *
 * It is what there was at one moment, however long it takes to send and whatever goes meanwhile:
 *
 *   loop   bundle_take: a list of files' names, pins on nets that have no file
 *   pool   bundle_stage: a link to each file, STATE/tmp/export.N.tmp/MEMBER
 *
 * Files never change (store.h), so a link is as good as a copy, and stays when its model goes. What
 * has gone between the two is noticed, and the list is taken anew. Learn logs only grow: what is
 * read of them is what was there. The links go with the bundle, or at the next start.
 *
 * Without a state folder versions are written from memory, and there are no records of jobs.
 * Thread: as said; one at a time has the bundle. */
#ifndef BUNDLE_H
#define BUNDLE_H

#include "arena.h"
#include "model.h"

/* A version without a file of its own. */
struct bundle_version {
    struct version *version;     /* a reference */
    const struct net *net;       /* borrowed from it; NULL: from its log, to be staged as well */
    struct carry *carry;         /* a reference, or NULL */
    const struct labels *labels; /* borrowed from the model */
    uint64_t log_base, log_first;
};

struct bundle_file {
    const char *name;   /* of the member, and of its link below the stage */
    const char *source; /* what that links to; NULL: it is written, of version */
    struct bundle_version *version;
    bool hidden; /* no member: others are made from it */
};

/* Object lifetime: in its request's arena, zeros at first, until bundle_done. */
struct bundle {
    struct server *server;     /* borrowed, as arena is */
    struct arena *arena;       /* what follows lies in it, but for text and stage */
    double created;            /* the moment */
    struct text manifest;      /* owned */
    struct bundle_file *files; /* members in order, and hidden ones */
    size_t n_files;
    struct bundle_version *versions;
    size_t n_versions;
    char *stage; /* owned; the folder of links; NULL: none yet */
    bool stale;  /* something of the list has gone: it is to be taken anew */
};

/* Loop. Errors: ERR_MEMORY. */
bool bundle_take(struct bundle *bundle, struct err *err);
/* Pool. Errors: ERR_UNAVAILABLE, and stale is set; ERR_TOO_LARGE at a member's name for one that no
 * tar of ours holds; ERR_IO, ERR_FULL, ERR_MEMORY. */
bool bundle_stage(struct bundle *bundle, struct err *err);
/* Pool. Opens a file of the list that is no hidden one; it has been written by then. Errors:
 * ERR_IO, ERR_FULL, ERR_MEMORY; ERR_SYNTAX and ERR_FIELD for a version that cannot be read. */
bool bundle_open(const struct bundle *bundle, const struct bundle_file *file, int *ret,
                 struct err *err);
/* Pool. Its bytes are not needed any more: one that was written goes. */
void bundle_close(const struct bundle *bundle, const struct bundle_file *file, int fd);
/* Loop. Gives up pins, manifest and stage; the bundle may be taken anew. */
void bundle_done(struct bundle *bundle);

#endif
