/* What learn was told, on disk: since training repeats to the bit, the rows of a call are as good
 * as the weights they led to, and a hundred times smaller.
 *
 *   FOLDER/learn-BASE-FIRST   entries that lead from version BASE, which has a file, to FIRST
 *                             and on
 *
 * An entry, little-endian:
 *   u32 magic "SGL1", "SGL2" of a call with an Idempotency-Key, or "SGL3" of one by another
 *             optimiser than sgd without momentum
 *   u32 bytes of payload   u32 CRC-32 of the payload   u32 CRC-32 of these 12
 *   payload: struct learn_entry; of SGL3 struct learn_more and the plan, as msg_plan_encode has it
 *            within braces; of SGL2, and of SGL3 with a key, the SHA-256 of the key and of the
 *            call's body, 64 hex digits each; then rows x inputs float32, then rows uint32 class
 *            indices (outputs of the model) or rows x y_width float32
 *
 * A step of SGL3 goes on with what the entry before it, or the file of version BASE, left the
 * optimiser to carry (carry.h), unless it says that it began anew. One of SGL1 or SGL2 carries
 * nothing, also if it has a momentum, as servers that kept nothing from call to call wrote it.
 *
 * Entries are appended and synced before the calls are answered. One that the file's end cuts off
 * was never acknowledged: it ends the log. One that does not match its sums ends it too, but then
 * bytes have changed on disk. Thread: pool, and start-up. */
#ifndef LEARN_LOG_H
#define LEARN_LOG_H

#include "carry.h"
#include "model.h"
#include "rows.h"
#include "text.h"

struct learn_entry {
    uint64_t version;
    double created, loss, accuracy;
    uint64_t rows, inputs, y_width;
    uint32_t labels; /* 1: class indices, 0: numbers */
    uint32_t optimizer;
    float learning_rate, momentum, l2;
    uint32_t nesterov;
    char digest[64]; /* of the version, hexadecimal */
};

/* What only SGL3 has. */
struct learn_more {
    uint32_t has_key;
    uint32_t anew; /* the optimiser began with this step */
    uint32_t plan_len;
    uint32_t zero;
};

/* anew: the step did not go on with what was carried. */
void learn_entry_encode(struct text *text, const struct version *version,
                        const struct train_plan *plan, bool anew, const struct data *data,
                        size_t outputs);

/* "FOLDER/learn-BASE-FIRST", malloc'd. */
bool learn_log_path(const char *folder, uint64_t base, uint64_t first, char **ret, struct err *err);
/* Appends bytes and syncs; fresh: the file is made, in place of one that a failure may have left.
 * On failure it is cut back to what it was. */
bool learn_log_append(const char *path, bool fresh, const void *bytes, size_t len, struct err *err);

/* What a file's name says. False: it is no log's. */
bool learn_log_name(const char *name, uint64_t *base, uint64_t *first);

/* An entry without its rows. */
struct learn_record {
    struct learn_entry entry;
    struct learn_key key;
    struct train_plan plan; /* of the call; its batch is all of its rows */
    bool carries, anew;     /* of SGL3 */
};

struct learn_log {
    uint64_t base, first;
    size_t count, bytes;          /* whole entries, up to the first that is not */
    size_t len;                   /* of the file */
    bool broken;                  /* what is behind them is not just cut: bytes have changed */
    bool whole;                   /* whoever reads it: the file has nothing else any more */
    struct learn_record *records; /* owned; count of them */
};
/* Walks through the entries of FOLDER/learn-BASE-FIRST. Errors: ERR_IO, ERR_MEMORY, ERR_FIELD at
 * "format" for an entry of a later one. */
bool learn_log_scan(const char *folder, uint64_t base, uint64_t first, struct learn_log *ret,
                    struct err *err);
void learn_log_done(struct learn_log *log);
/* Cuts off what is behind the whole entries; a log without any goes. The file as it was stays as
 * *.corrupt if it is broken. */
bool learn_log_cut(const char *folder, const struct learn_log *log, struct err *err);
/* Takes net, which is version base, to the version upto, and *carry (the caller's reference, NULL:
 * nothing) likewise. Errors: ERR_SYNTAX when the log does not lead there or to another digest. */
bool learn_log_replay(const char *folder, uint64_t base, uint64_t first, uint64_t upto,
                      struct net *net, struct carry **carry, const struct labels *labels,
                      struct err *err);

#endif
