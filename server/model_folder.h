/* What is in a model's folder, at start: its files by their names, and what is small of them by its
 * bytes. What is no file of a model, or cannot be read, is set aside. Thread: main. */
#ifndef MODEL_FOLDER_H
#define MODEL_FOLDER_H

#include "learn_keys.h"
#include "learn_log.h"
#include "store.h"

struct server;

struct contents {
    uint64_t *versions; /* owned; rising */
    size_t n, cap;
    struct learn_log *logs; /* owned */
    size_t n_logs;
    uint64_t last; /* the highest number of a version that there is, readable or not */
    struct serving serving;
    struct deleted deleted;  /* owned */
    struct learn_keys *keys; /* owned; NULL: none */
};

/* Errors: ERR_IO; ERR_MEMORY; ERR_FIELD at "format" for a learn log of a later one. */
bool folder_list(struct server *server, const char *folder, struct contents *ret, struct err *err);
void contents_done(struct contents *contents);

#endif
