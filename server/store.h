/* Models on disk.
 *
 *   STATE/models/NAME@ID/    a model; ID is the state folder's count of what was ever made in it
 *     12.safetensors         version 12: proto/safetensors.h, with facts and checksums, and with what
 *                            the optimiser of learn carries on from it (carry.h)
 *     served                 "SERVED LAST SINCE\n" and the line of a sum (disk.h): version SERVED
 *                            is served, since that time, as long as there is none above LAST;
 *                            without the file, the highest is
 *     deleted                "3 7\n" and the line of a sum: see store_delete
 *     learn-12-13            the rows of calls to learn that led from version 12 to 13 and on
 *                            (learn_log.h)
 *
 * Every file is written under another name, synced, renamed, and its folder synced, before anybody
 * is told of it; none is changed after that, but for learn logs, which only grow. So the folder may
 * be copied at any time. A step that fails is given up, never tried again on the same descriptor:
 * after a failed fsync the kernel may call pages clean that are not on disk.
 *
 * Thread: pool, all of it: these block on the disk. They touch nothing but their arguments. */
#ifndef STORE_H
#define STORE_H

#include "model.h"
#include "msg_model.h"

/* A new model's folder with its version in it. Errors: ERR_IO, ERR_FULL, ERR_MEMORY; then nothing
 * of it is left. */
bool store_create(const char *root, const char *folder, const struct net *net,
                  const struct labels *labels, const struct msg_version *facts, struct err *err);
/* One more version in a folder, with what its optimiser carries, if anything. */
bool store_save(const char *folder, const struct net *net, const struct labels *labels,
                const struct msg_version *facts, const struct carry *carry, struct err *err);

struct serving {
    uint64_t version, last; /* version 0: nobody has chosen one */
    double since;
};
bool store_serve(const char *folder, const struct serving *serving, struct err *err);
/* Errors: ERR_SYNTAX, ERR_IO. */
bool store_serving(const char *folder, struct serving *ret, struct err *err);

/* Versions that were deleted while files of theirs have to stay, since others go on from them. */
struct deleted {
    uint64_t *number; /* owned */
    size_t n;
};
/* Errors: ERR_SYNTAX, ERR_IO, ERR_MEMORY. */
bool store_deleted(const char *folder, struct deleted *ret, struct err *err);
void deleted_done(struct deleted *deleted);
/* Adds a version to them; those that nothing is left of are forgotten: they have no file, and are
 * below oldest, the first of the oldest learn log. */
bool store_delete(const char *folder, uint64_t version, uint64_t oldest, struct err *err);

/* Makes a model's folder vanish for good. */
bool store_discard(const char *root, const char *folder, struct err *err);
struct stored {
    struct net_spec spec;
    struct labels *labels; /* owned; NULL: none */
    struct net *net;       /* owned; NULL: only the facts were asked for */
    struct carry *carry;   /* owned; likewise, or there is none */
    uint64_t version;
    double created, model_created;
    struct origin origin;
};

/* Reads a version; verify: the checksum of all of it, not of its header alone; load: its weights
 * too. Errors: ERR_IO, ERR_SYNTAX,
 * ERR_FIELD. */
bool store_read(const char *folder, uint64_t version, const struct model_limits *limits,
                bool verify, bool load, struct stored *ret, struct err *err);
void stored_done(struct stored *stored);

#endif
