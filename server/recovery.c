#include "recovery.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "learn_line.h"
#include "learn_log.h"
#include "log.h"
#include "registry.h"
#include "server.h"
#include "store.h"

static const struct model_limits no_limits = { SPEC_LAYERS_MAX, SPEC_UNITS_MAX, SIZE_MAX };

void recovery_note(struct server *server, const char *path, const struct err *why)
{
    const size_t len = strlen(path) + sizeof ".corrupt";
    char **list = realloc(server->corrupt, (server->n_corrupt + 1) * sizeof *list);
    char *aside = malloc(len);
    char text[512];

    err_detail(why, text, sizeof text);
    log_line("%s cannot be read and is set aside: %s", path, text);
    if (list != NULL) {
        server->corrupt = list;
    }
    if (list == NULL || aside == NULL) {
        free(aside); /* the log line has to do */
        return;
    }
    snprintf(aside, len, "%s.corrupt", path);
    list[server->n_corrupt++] = aside;
}

void recovery_set_aside(struct server *server, const char *path, const struct err *why)
{
    const size_t len = strlen(path) + sizeof ".corrupt";
    char *aside = malloc(len);

    recovery_note(server, path, why);
    if (aside != NULL) {
        snprintf(aside, len, "%s.corrupt", path);
        disk_remove(aside); /* of an earlier time */
    }
    if (aside == NULL || rename(path, aside) != 0) {
        log_line("%s cannot be renamed; it stays, and is passed over", path);
    }
    free(aside);
}

/* ---- one model's folder ---- */

/* What its file names say. */
struct contents {
    uint64_t *versions; /* owned; rising */
    bool *readable;     /* owned; as many */
    size_t n, cap;
    struct learn_log log; /* the one that leads furthest; base 0: none */
};

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

/* The log that leads furthest is kept; one whose bytes have changed is set aside, and what was
 * whole of it goes on. */
static bool log_add(struct server *server, struct contents *contents, const char *path,
                    struct err *err)
{
    struct err why = { 0 };
    struct learn_log log;

    if (!learn_log_scan(path, &log, &why)) {
        return true; /* its first entry was under way: nobody was told of it */
    }
    if (log.broken) {
        err_set(&why, ERR_SYNTAX, "disk", "entry %zu does not match its checksum", log.count + 1);
        recovery_note(server, path, &why);
    }
    if (!learn_log_cut(path, &log, err)) {
        return false;
    }
    if (log.count > 0 && log.last.version > contents->log.last.version) {
        contents->log = log;
    }
    return true;
}

static bool folder_list(struct server *server, const char *folder, struct contents *ret,
                        struct err *err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    bool ok = true;

    if (dir == NULL) {
        return disk_err(err, "open folder", folder);
    }
    while (ok && (entry = readdir(dir)) != NULL) {
        const size_t len = strlen(entry->d_name);
        char *path = NULL, *end;
        const uint64_t number = strtoull(entry->d_name, &end, 10);

        if (entry->d_name[0] == '.' || !disk_path(folder, entry->d_name, &path, err)) {
            ok = entry->d_name[0] == '.';
        } else if (len > 4 && strcmp(entry->d_name + len - 4, ".tmp") == 0) {
            unlink(path);
        } else if (number > 0 && strcmp(end, ".safetensors") == 0) {
            ok = version_add(ret, number, err);
        } else if (strncmp(entry->d_name, "learn-", 6) == 0) {
            ok = log_add(server, ret, path, err);
        }
        free(path);
    }
    closedir(dir);
    if (ret->n > 0) {
        qsort(ret->versions, ret->n, sizeof *ret->versions, by_number);
    }
    return ok;
}

/* "SERVED LAST\n"; zeros when there is no such file. */
static void served_read(const char *folder, uint64_t *served, uint64_t *last)
{
    struct err none = { 0 };
    char *path = NULL, text[64] = "";
    void *bytes = NULL;
    size_t len = 0;

    *served = *last = 0;
    if (disk_path(folder, "served", &path, &none) && disk_map(path, &bytes, &len, &none)) {
        snprintf(text, sizeof text, "%.*s", (int)(len < 63 ? len : 63), (const char *)bytes);
        if (sscanf(text, "%" SCNu64 " %" SCNu64, served, last) != 2) {
            *served = *last = 0;
        }
    }
    disk_unmap(bytes, len);
    free(path);
}

/* Lists a version by its facts. */
static bool version_restore(struct model *model, uint64_t number, double created,
                            const struct origin *origin, bool on_disk, uint64_t log_base,
                            struct err *err)
{
    struct version *version;
    bool ok;

    if (!version_create(model, NULL, number, created, origin, &version, err)) {
        return false;
    }
    version->on_disk = on_disk;
    version->log_base = log_base;
    ok = model_list(model, version, true, err);
    version_unref(version);
    return ok;
}

/* One version's file: the model is made by the first that can be read. Only want of memory is an
 * error; what cannot be read is set aside. */
static bool file_restore(struct server *server, const char *name, const char *folder,
                         uint64_t number, bool verify, struct model **model, bool *readable,
                         struct err *err)
{
    struct stored stored = { 0 };
    struct err why = { 0 };
    char *path = NULL, file[64];
    bool ok = true;

    if (!store_read(folder, number, &no_limits, verify, false, &stored, &why)) {
        if (why.code == ERR_MEMORY) {
            *err = why;
            return false;
        }
        snprintf(file, sizeof file, "%" PRIu64 ".safetensors", number);
        ok = disk_path(folder, file, &path, err);
        if (ok) {
            recovery_set_aside(server, path, &why);
        }
        free(path);
        return ok;
    }
    if (*model == NULL) {
        char *copy = strdup(folder);

        ok = copy != NULL || err_set(err, ERR_MEMORY, "models", "do not fit into memory");
        ok = ok && model_create(server, name, &stored.spec, NULL, copy, model, err);
        if (ok) {
            (*model)->created = stored.created;
            (*model)->restoring = true;
        }
    }
    if (ok && stored.labels != NULL && (*model)->labels == NULL) {
        (*model)->labels = stored.labels;
        stored.labels = NULL;
    }
    ok = ok && version_restore(*model, number, stored.created, &stored.origin, true, 0, err);
    *readable = ok;
    stored_done(&stored);
    return ok;
}

/* The version that the learn log leads to, when it is newer than every file and its base is there.
 */
static bool log_restore(struct model *model, const struct contents *contents, struct err *err)
{
    const struct learn_log *log = &contents->log;
    const struct learn_entry *last = &log->last;
    struct origin origin = { .source = SOURCE_LEARN,
                             .loss = last->loss,
                             .accuracy = last->accuracy };
    bool base = false;

    for (size_t i = 0; i < contents->n; i++) {
        base = base || (contents->versions[i] == log->base && contents->readable[i]);
    }
    if (log->base == 0 || last->version <= model->last) {
        return true;
    }
    if (!base) {
        struct err why = { 0 };
        char *path = NULL;
        const bool ok = learn_log_path(model->folder, log->base, log->first, &path, err);

        if (ok) {
            err_set(&why, ERR_SYNTAX, "disk", "the version it goes on from cannot be read");
            recovery_set_aside(model->server, path, &why);
        }
        free(path);
        return ok;
    }
    memcpy(origin.digest, last->digest, sizeof last->digest);
    model->plan.optimizer = (enum optimizer)last->optimizer;
    model->plan.learning_rate = last->learning_rate;
    model->plan.momentum = last->momentum;
    model->plan.nesterov = last->nesterov != 0;
    model->plan.l2 = last->l2;
    return learn_line_restore(model, log->base, log->first, last->version, log->count, log->bytes,
                              err) &&
           version_restore(model, last->version, last->created, &origin, false, log->base, err);
}

/* Logs that lead to nothing that is listed. */
static void logs_tidy(const struct model *model, const struct contents *contents)
{
    DIR *dir = opendir(model->folder);
    const struct dirent *entry;
    uint64_t base, first;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (sscanf(entry->d_name, "learn-%" SCNu64 "-%" SCNu64, &base, &first) == 2 &&
            (base != learn_line_base(model->learn) || first != contents->log.first)) {
            unlinkat(dirfd(dir), entry->d_name, 0);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static bool contents_restore(struct server *server, const char *name, const char *folder,
                             struct contents *contents, struct err *err)
{
    struct model *model = NULL;
    struct err none = { 0 };
    struct version *version;
    uint64_t served, last;
    bool ok = true;

    served_read(folder, &served, &last);
    for (size_t i = 0; ok && i < contents->n; i++) {
        const uint64_t number = contents->versions[i];
        const bool top = i + 1 == contents->n; /* is, or leads to, what is served, unless told */

        ok = file_restore(server, name, folder, number,
                          top || number == served || number == contents->log.base, &model,
                          &contents->readable[i], err);
    }
    if (!ok || model == NULL || model->n_versions == 0) {
        if (model != NULL) {
            model_drop_versions(model);
            model_unref(model);
        }
        return ok;
    }
    if (!log_restore(model, contents, err)) {
        model_drop_versions(model);
        model_unref(model);
        return false;
    }
    logs_tidy(model, contents);
    if (served > 0 && model->last <= last &&
        (version = model_version(model, served, &none)) != NULL) {
        model->served = version;
    }
    model->last = last > model->last ? last : model->last; /* the number of one that was deleted */
    model->restoring = false;
    return registry_add(server->registry, model, err);
}

static bool folder_restore(struct server *server, const char *path, const char *name,
                           struct err *err)
{
    const char *at = strrchr(name, '@');
    struct contents contents = { 0 };
    struct err why = { 0 };
    char model_name[NAME_MAX_LEN + 1];
    bool ok;

    if (at == NULL || !name_check(name, (size_t)(at - name), "name", &why)) {
        err_set(&why, ERR_FIELD, "name", "is not that of a model's folder");
        recovery_set_aside(server, path, &why);
        return true;
    }
    snprintf(model_name, sizeof model_name, "%.*s", (int)(at - name), name);
    registry_id_seen(server->registry, strtoull(at + 1, NULL, 10));
    if (!registry_vacant(server->registry, model_name, &why)) {
        recovery_set_aside(server, path,
                           &why); /* two folders of one name: nobody was told of this */
        return true;
    }
    ok = folder_list(server, path, &contents, err) &&
         ((contents.readable = calloc(contents.n + 1, sizeof(bool))) != NULL ||
          err_set(err, ERR_MEMORY, "models", "do not fit into memory")) &&
         contents_restore(server, model_name, path, &contents, err);
    if (ok && contents.n == 0) {
        err_set(&why, ERR_SYNTAX, "disk", "no version is in it");
        recovery_set_aside(server, path, &why);
    }
    free(contents.versions);
    free(contents.readable);
    return ok;
}

bool recovery_models(struct server *server, struct err *err)
{
    char *root = NULL;
    DIR *dir;
    const struct dirent *entry;
    bool ok;

    if (!disk_path(server->options.state, "models", &root, err) || !disk_make_dirs(root, err)) {
        free(root);
        return false;
    }
    dir = opendir(root);
    ok = dir != NULL || disk_err(err, "open folder", root);
    while (ok && (entry = readdir(dir)) != NULL) {
        const size_t len = strlen(entry->d_name);
        char *path = NULL;

        if (entry->d_name[0] == '.' ||
            (len > 8 && strcmp(entry->d_name + len - 8, ".corrupt") == 0)) {
            continue;
        }
        ok = disk_path(root, entry->d_name, &path, err) &&
             folder_restore(server, path, entry->d_name, err);
        free(path);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    free(root);
    return ok;
}
