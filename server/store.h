/* Models on disk.
 *
 *   STATE/models/NAME@ID/          a model; ID is the state folder's count of what was ever made in
 * it 12.safetensors             version 12: proto/safetensors.h, with facts and checksum served
 * "SERVED LAST\n": version SERVED is served as long as no version above LAST exists; without the
 * file, the highest is learn-12                   the rows of calls to learn that led from version
 * 12 to later ones (learn_log.h)
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
/* One more version in a folder. */
bool store_save(const char *folder, const struct net *net, const struct labels *labels,
                const struct msg_version *facts, struct err *err);
bool store_serve(const char *folder, uint64_t served, uint64_t last, struct err *err);
/* Removes, for good, a version's file (0: none), and the learn log of log_base that begins with
 * log_first (0: none). */
bool store_remove(const char *folder, uint64_t version, uint64_t log_base, uint64_t log_first,
                  struct err *err);
/* Makes a model's folder vanish for good. */
bool store_discard(const char *root, const char *folder, struct err *err);
struct stored {
    struct net_spec spec;
    struct labels *labels; /* owned; NULL: none */
    struct net *net;       /* owned; NULL: only the facts were asked for */
    uint64_t version;
    double created;
    struct origin origin;
};

/* Reads a version; verify: its checksum; load: its weights too. Errors: ERR_IO, ERR_SYNTAX,
 * ERR_FIELD. */
bool store_read(const char *folder, uint64_t version, const struct model_limits *limits,
                bool verify, bool load, struct stored *ret, struct err *err);
void stored_done(struct stored *stored);

#endif
