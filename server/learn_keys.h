/* What calls to learn that came with an Idempotency-Key were answered, so that one that is sent
 * again, because its answer was lost, does not train twice.
 *
 * On disk a key is with what the call led to, in one piece: in its entry of the learn log, or in
 * the metadata of its version's file. Before such a file goes, all that is remembered is written to
 *
 *   FOLDER/keys   a line each, the oldest first: "KEY REQUEST VERSION CREATED LOSS"
 *
 * KEY and REQUEST being the SHA-256 of the header and of the body, and the last line the file's
 * CRC-32 (disk.h). The last LEARN_KEYS_MAX of a model are remembered. Thread: loop, and start-up. */
#ifndef LEARN_KEYS_H
#define LEARN_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "digest.h"

#define LEARN_KEYS_MAX 16384

struct model;

struct learn_key {
    char key[DIGEST_HEX], request[DIGEST_HEX]; /* key "": none */
};

struct learn_answer {
    struct learn_key key;
    uint64_t version;
    double created, loss;
};

struct learn_keys;

/* Makes *keys when it is NULL. Errors: ERR_MEMORY. */
bool learn_keys_need(struct learn_keys **keys, struct err *err);
void learn_keys_free(struct learn_keys *keys);
/* In place of the oldest when there are as many as will be remembered, and of what the same key
 * led to before unless that was later. */
void learn_keys_add(struct learn_keys *keys, const struct learn_answer *answer);
/* Borrowed until the next is added; NULL: not remembered. keys may be NULL. */
const struct learn_answer *learn_keys_find(const struct learn_keys *keys, const char *key);
size_t learn_keys_count(const struct learn_keys *keys);
/* All of them, the oldest first. */
void learn_keys_copy(const struct learn_keys *keys, struct learn_answer *ret);

/* FOLDER/keys: the old file or the new one is there, whatever happens. */
bool learn_keys_save(const char *folder, const struct learn_answer *answers, size_t n,
                     struct err *err);
/* It into *keys, if it is there. Errors: ERR_SYNTAX, ERR_IO, ERR_MEMORY. */
bool learn_keys_load(const char *folder, struct learn_keys **keys, struct err *err);

/* Removes a file of the model's folder on the pool, once what only it may tell of keys is in
 * FOLDER/keys. When that cannot be written the file stays, until the next start. */
void learn_keys_remove(struct model *model, const char *path);

#endif
