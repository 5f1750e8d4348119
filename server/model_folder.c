#include "model_folder.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "recovery.h"
#include "server.h"

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return *x < *y ? -1 : *x > *y;
}

static bool version_add(struct contents *contents, uint64_t number, struct err *err)
{
    if (contents->n == contents->cap) {
        size_t cap = contents->cap == 0 ? 16 : 2 * contents->cap;
        uint64_t *grown = realloc(contents->versions, cap * sizeof *grown);

        if (grown == NULL) {
            return err_set(err, ERR_MEMORY, "models", "do not fit into memory");
        }
        contents->versions = grown;
        contents->cap = cap;
    }
    contents->versions[contents->n++] = number;
    return true;
}

/* One whose bytes have changed is set aside, and what was whole of it goes on; an end that is cut
 * was never acknowledged. */
static bool log_add(struct server *server, struct contents *contents, const char *folder,
                    const char *path, uint64_t base, uint64_t first, struct err *err)
{
    struct err why = { 0 };
    struct learn_log log, *grown;

    if (!learn_log_scan(folder, base, first, &log, &why)) {
        if (why.code == ERR_MEMORY || recovery_is_newer(&why)) {
            *err = why; /* a later sigmad's: the numbers of its versions are not known here */
            return false;
        }
        recovery_set_aside(server, path, &why);
        return true;
    }
    if (log.broken) {
        err_set(&why, ERR_SYNTAX, "disk", "entry %zu does not match its checksum", log.count + 1);
        recovery_note(server, path, &why);
    }
    why = (struct err){ 0 };
    log.whole = log.bytes == log.len || learn_log_cut(folder, &log, &why); /* else: read only */
    grown = log.count > 0 ? realloc(contents->logs, (contents->n_logs + 1) * sizeof *contents->logs)
                          : NULL;
    if (grown == NULL) {
        const bool ok = log.count == 0;

        learn_log_done(&log);
        return ok || err_set(err, ERR_MEMORY, "models", "do not fit into memory");
    }
    contents->logs = grown;
    contents->logs[contents->n_logs++] = log;
    return true;
}

/* One entry of a model's folder. */
static bool entry_take(struct server *server, const char *folder, const char *name,
                       struct contents *ret, struct err *err)
{
    struct err why = { 0 };
    char *path = NULL, *end;
    const uint64_t number = strtoull(name, &end, 10);
    uint64_t base, first;
    bool ok = disk_path(folder, name, &path, err);

    if (!ok) {
        return false;
    }
    if (number > 0 && strncmp(end, ".safetensors", 12) == 0) {
        ret->last = number > ret->last ? number : ret->last; /* *.corrupt too: it had the number */
    }
    if (recovery_has_suffix(name, ".tmp")) {
        unlink(path);
    } else if (number > 0 && name[0] != '0' && strcmp(end, ".safetensors") == 0) {
        ok = version_add(ret, number, err);
    } else if (learn_log_name(name, &base, &first)) {
        ok = log_add(server, ret, folder, path, base, first, err);
    } else if (strcmp(name, "served") == 0) {
        if (!store_serving(folder, &ret->serving, &why) && why.code == ERR_MEMORY) {
            ok = err_set(err, ERR_MEMORY, "models", "do not fit into memory");
        } else if (why.code != ERR_NONE) {
            recovery_set_aside(server, path, &why); /* the highest version will do */
        }
    } else if (strcmp(name, "deleted") == 0) {
        if (!store_deleted(folder, &ret->deleted, &why) && why.code == ERR_MEMORY) {
            ok = err_set(err, ERR_MEMORY, "models", "do not fit into memory");
        } else if (why.code != ERR_NONE) {
            recovery_set_aside(server, path, &why);
        }
    } else if (strcmp(name, "keys") == 0) {
        if (!learn_keys_load(folder, &ret->keys, &why) && why.code == ERR_MEMORY) {
            ok = err_set(err, ERR_MEMORY, "models", "do not fit into memory");
        } else if (why.code != ERR_NONE) {
            recovery_set_aside(server, path, &why);
        }
    } else if (!recovery_has_suffix(name, ".corrupt")) {
        err_set(&why, ERR_FIELD, "name", "is not that of a model's file");
        recovery_set_aside(server, path, &why);
    }
    free(path);
    return ok;
}

bool folder_list(struct server *server, const char *folder, struct contents *ret, struct err *err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    bool ok = true;

    if (dir == NULL) {
        return disk_err(err, "open folder", folder);
    }
    while (ok && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            ok = entry_take(server, folder, entry->d_name, ret, err);
        }
    }
    closedir(dir);
    if (ret->n > 0) {
        qsort(ret->versions, ret->n, sizeof *ret->versions, by_number);
    }
    return ok;
}

void contents_done(struct contents *contents)
{
    for (size_t i = 0; i < contents->n_logs; i++) {
        learn_log_done(&contents->logs[i]);
    }
    free(contents->logs);
    free(contents->versions);
    deleted_done(&contents->deleted);
    learn_keys_free(contents->keys);
}
