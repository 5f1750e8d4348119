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

/* path and suffix, at the end of a list that /v1/server shows; without memory for it, the log has
 * to do. */
static void list_add(char ***list, size_t *n, const char *path, const char *suffix)
{
    const size_t len = strlen(path) + strlen(suffix) + 1;
    char **grown = realloc(*list, (*n + 1) * sizeof *grown);
    char *copy = malloc(len);

    if (grown != NULL) {
        *list = grown;
    }
    if (grown == NULL || copy == NULL) {
        free(copy);
        return;
    }
    snprintf(copy, len, "%s%s", path, suffix);
    grown[(*n)++] = copy;
}

void recovery_note(struct server *server, const char *path, const struct err *why)
{
    char text[512];

    err_detail(why, text, sizeof text);
    log_line("%s cannot be read and is set aside: %s", path, text);
    list_add(&server->corrupt, &server->n_corrupt, path, ".corrupt");
}

/* A file says that a later sigmad has written it: its format field is to blame, and its sums, which
 * are looked at first, are right. */
static bool is_newer(const struct err *why)
{
    const char *dot = strrchr(why->where, '.');
    const char *field = dot != NULL ? dot + 1 : why->where;

    return why->code == ERR_FIELD &&
           (strcmp(field, "format") == 0 || strcmp(field, "format_version") == 0);
}

void recovery_set_aside(struct server *server, const char *path, const struct err *why)
{
    const size_t len = strlen(path) + sizeof ".corrupt";
    char *aside;
    char text[512];

    if (is_newer(why)) {
        err_detail(why, text, sizeof text);
        log_line("%s is not read, and left as it is: %s", path, text);
        list_add(&server->newer, &server->n_newer, path, "");
        return;
    }
    aside = malloc(len);
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
    size_t n, cap;
    struct learn_log *logs; /* owned */
    size_t n_logs;
    uint64_t last; /* the highest number of a version that there is, readable or not */
    struct serving serving;
    struct deleted deleted;  /* owned */
    struct learn_keys *keys; /* owned; NULL: none */
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

/* One whose bytes have changed is set aside, and what was whole of it goes on; an end that is cut
 * was never acknowledged. */
static bool log_add(struct server *server, struct contents *contents, const char *folder,
                    const char *path, uint64_t base, uint64_t first, struct err *err)
{
    struct err why = { 0 };
    struct learn_log log, *grown;

    if (!learn_log_scan(folder, base, first, &log, &why)) {
        if (why.code == ERR_MEMORY || is_newer(&why)) {
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

static bool has_suffix(const char *name, const char *suffix)
{
    const size_t len = strlen(name), n = strlen(suffix);

    return len > n && strcmp(name + len - n, suffix) == 0;
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
    if (has_suffix(name, ".tmp")) {
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
    } else if (!has_suffix(name, ".corrupt")) {
        err_set(&why, ERR_FIELD, "name", "is not that of a model's file");
        recovery_set_aside(server, path, &why);
    }
    free(path);
    return ok;
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

/* Lists a version by its facts. */
static bool version_restore(struct model *model, uint64_t number, double created,
                            const struct origin *origin, const struct learn_log *log,
                            struct err *err)
{
    struct version *version;
    bool ok;

    if (!version_create(model, NULL, number, created, origin, &version, err)) {
        return false;
    }
    version->on_disk = log == NULL;
    version->log_base = log != NULL ? log->base : 0;
    version->log_first = log != NULL ? log->first : 0;
    ok = model_list(model, version, true, err);
    version_unref(version);
    return ok;
}

/* The model's settings last used are those of the newest version that has some. */
static void plan_take(struct model *model, uint64_t number, double created,
                      const struct origin *origin)
{
    if (origin->has_plan && number >= model->last) {
        model->plan = origin->plan;
        model->plan_used = origin->source == SOURCE_LEARN ? created : model->plan_used;
    }
}

static bool model_begin(struct server *server, const char *name, const char *folder,
                        const struct stored *stored, struct model **ret, struct err *err)
{
    char *copy = strdup(folder);

    if (copy == NULL) {
        return err_set(err, ERR_MEMORY, "models", "do not fit into memory");
    }
    if (!model_create(server, name, &stored->spec, NULL, copy, ret, err)) {
        return false;
    }
    (*ret)->created = stored->model_created > 0.0 ? stored->model_created : stored->created;
    (*ret)->restoring = true;
    return true;
}

/* One version's file: the model is made by the first that can be read. Only want of memory is an
 * error; what cannot be read is set aside. */
static bool file_restore(struct server *server, const char *name, const char *folder,
                         uint64_t number, bool verify, struct model **model, struct err *err)
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
    ok = *model != NULL || model_begin(server, name, folder, &stored, model, err);
    if (ok && stored.labels != NULL && (*model)->labels == NULL) {
        (*model)->labels = stored.labels;
        stored.labels = NULL;
    }
    ok = ok && version_restore(*model, number, stored.created, &stored.origin, NULL, err);
    if (ok) {
        plan_take(*model, number, stored.created, &stored.origin);
    }
    stored_done(&stored);
    return ok;
}

static struct origin entry_origin(const struct learn_entry *entry)
{
    struct origin origin = { .source = SOURCE_LEARN,
                             .loss = entry->loss,
                             .accuracy = entry->accuracy,
                             .has_plan = true,
                             .plan = learn_entry_plan(entry) };

    memcpy(origin.digest, entry->digest, sizeof entry->digest);
    return origin;
}

/* What a keyed call was answered. Errors: ERR_MEMORY. */
static bool key_restore(struct model *model, const struct learn_key *key, uint64_t version,
                        double created, double loss, struct err *err)
{
    const struct learn_answer answer = { *key, version, created, loss };

    if (key->key[0] == '\0') {
        return true;
    }
    if (!learn_keys_need(&model->keys, err)) {
        return false;
    }
    learn_keys_add(model->keys, &answer);
    return true;
}

/* The versions that a learn log leads to and that have no files, as many as will be kept; and the
 * keys of its calls. One that nobody needs is taken as well, and goes when all is there. */
static bool log_restore(struct model *model, const struct learn_log *log, struct err *err)
{
    const size_t keep = model->server->options.keep_versions + 1; /* one may be served besides */
    const bool based = model_lists(model, log->base);
    struct err why = { 0 };
    char *path = NULL;
    bool ok = true;

    if (!based && log->records[log->count - 1].entry.version > model_top(model)) {
        ok = learn_log_path(model->folder, log->base, log->first, &path, err);
        if (ok) {
            err_set(&why, ERR_SYNTAX, "disk", "the version it goes on from cannot be read");
            recovery_set_aside(model->server, path, &why);
        }
        free(path);
        return ok;
    }
    ok = learn_logs_add(&model->logs, log->base, log->first, err);
    for (size_t i = 0; ok && i < log->count; i++) {
        const struct learn_entry *entry = &log->records[i].entry;
        const struct origin origin = entry_origin(entry);

        ok = key_restore(model, &log->records[i].key, entry->version, entry->created, entry->loss,
                         err);
        if (ok && based && (i + keep >= log->count || entry->version == model->serving) &&
            !model_lists(model, entry->version)) {
            ok = version_restore(model, entry->version, entry->created, &origin, log, err);
            plan_take(model, entry->version, entry->created, &origin);
        }
    }
    return ok;
}

/* What keyed calls were answered, the oldest first: in the file of its own, by the versions that
 * have files, and in logs. */
static bool keys_restore(struct model *model, struct contents *contents, struct err *err)
{
    bool ok = true;

    model->keys = contents->keys;
    contents->keys = NULL;
    for (size_t i = 0; ok && i < model->n_versions; i++) {
        const struct version *version = model->versions[i];

        ok = key_restore(model, &version->origin.key, version->number, version->created,
                         version->origin.loss, err);
    }
    return ok;
}

/* The log that leads to the newest version of all is gone on with. */
static bool logs_restore(struct model *model, const struct contents *contents, struct err *err)
{
    for (size_t i = 0; i < contents->n_logs; i++) {
        if (!log_restore(model, &contents->logs[i], err)) {
            return false;
        }
    }
    for (size_t i = 0; i < contents->n_logs; i++) {
        const struct learn_log *log = &contents->logs[i];
        const uint64_t tip = log->records[log->count - 1].entry.version;

        if (log->whole && tip == model_top(model) && learn_logs_need(&model->logs, log->base)) {
            return learn_line_restore(model, log->base, log->first, tip, log->count, log->bytes,
                                      err);
        }
    }
    return true;
}

static bool versions_restore(struct server *server, const char *name, const char *folder,
                             const struct contents *contents, struct model **ret, struct err *err)
{
    for (size_t i = 0; i < contents->n; i++) {
        const uint64_t number = contents->versions[i];
        /* What is served, or leads to it, is read to the last byte. */
        bool verify = i + 1 == contents->n || number == contents->serving.version;

        for (size_t l = 0; l < contents->n_logs; l++) {
            verify = verify || number == contents->logs[l].base;
        }
        if (!file_restore(server, name, folder, number, verify, ret, err)) {
            return false;
        }
    }
    return true;
}

/* Deleted versions are brought back with the logs and files that others need, and go again. */
static void deleted_unlist(struct model *model, const struct contents *contents)
{
    for (size_t i = 0; i < contents->deleted.n && model->n_versions > 1; i++) {
        struct err none = { 0 };
        struct version *version = model_version(model, contents->deleted.number[i], &none);

        if (version != NULL && version->number != contents->serving.version) {
            model->served = model->served == version ? NULL : model->served;
            model_unlist(model, version);
        }
    }
}

/* Everything about a model; *ret is NULL when nothing of it can be read. */
static bool contents_restore(struct server *server, const char *name, const char *folder,
                             struct contents *contents, struct model **ret, struct err *err)
{
    const struct serving *serving = &contents->serving;
    struct model *model = NULL;
    struct version *version;
    struct err none = { 0 };

    if (!versions_restore(server, name, folder, contents, &model, err) || model == NULL) {
        *ret = model;
        return model == NULL && err->code == ERR_NONE;
    }
    *ret = model;
    model->serving = serving->version;
    if (!keys_restore(model, contents, err) || !logs_restore(model, contents, err)) {
        return false;
    }
    deleted_unlist(model, contents);
    version = model->versions[model->n_versions - 1];
    model->served = version;
    model->updated = version->created;
    if (serving->version > 0 && version->number <= serving->last &&
        (version = model_version(model, serving->version, &none)) != NULL) {
        model->served = version;
        model->updated = serving->since;
    }
    model->last = contents->last > model->last ? contents->last : model->last;
    model->last = serving->last > model->last ? serving->last : model->last;
    return true;
}

static void contents_done(struct contents *contents)
{
    for (size_t i = 0; i < contents->n_logs; i++) {
        learn_log_done(&contents->logs[i]);
    }
    free(contents->logs);
    free(contents->versions);
    deleted_done(&contents->deleted);
    learn_keys_free(contents->keys);
}

static bool folder_read(struct server *server, const char *path, const char *name, struct err *err)
{
    struct contents contents = { 0 };
    struct model *model = NULL;
    struct err why = { 0 };
    const size_t newer = server->n_newer;
    bool ok;

    ok = folder_list(server, path, &contents, &why) &&
         contents_restore(server, name, path, &contents, &model, &why);
    contents_done(&contents);
    if (!ok && model != NULL) {
        model_drop_versions(model);
        model_unref(model);
    }
    if (!ok && why.code == ERR_MEMORY) {
        *err = why;
        return false;
    }
    if (ok && model != NULL) {
        return registry_add(server->registry, model, err);
    }
    if (server->n_newer == newer) { /* else it is a later sigmad's */
        err_set(&why, ERR_SYNTAX, "disk", "no version in it can be read");
        recovery_set_aside(server, path, &why);
    }
    return true;
}

/* ---- all of them ---- */

/* One folder's name, NAME@ID. */
struct found {
    char *name; /* owned */
    size_t at;  /* of the @ */
    uint64_t id;
};

struct founds {
    struct found *at; /* owned */
    size_t n, cap;
};

/* By name, the newest first. */
static int by_name(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    const size_t n = x->at < y->at ? x->at : y->at;
    const int order = memcmp(x->name, y->name, n);

    if (order != 0 || x->at != y->at) {
        return order != 0 ? order : x->at < y->at ? -1 : 1;
    }
    return x->id > y->id ? -1 : x->id < y->id;
}

static bool found_add(struct founds *founds, const char *name, size_t at, uint64_t id,
                      struct err *err)
{
    char *copy;

    if (founds->n == founds->cap) {
        size_t cap = founds->cap == 0 ? 64 : 2 * founds->cap;
        struct found *grown = realloc(founds->at, cap * sizeof *grown);

        if (grown == NULL) {
            return err_set(err, ERR_MEMORY, "models", "do not fit into memory");
        }
        founds->at = grown;
        founds->cap = cap;
    }
    copy = strdup(name);
    if (copy == NULL) {
        return err_set(err, ERR_MEMORY, "models", "do not fit into memory");
    }
    founds->at[founds->n] = (struct found){ .name = copy, .at = at, .id = id };
    founds->n++;
    return true;
}

/* One entry of STATE/models: a model's folder, or something to be set aside. */
static bool name_take(struct server *server, const char *root, const char *name,
                      struct founds *founds, struct err *err)
{
    const char *at = strrchr(name, '@');
    struct err why = { 0 };
    char *path = NULL, *end = NULL;
    const uint64_t id = at != NULL ? strtoull(at + 1, &end, 10) : 0;

    if (id > 0) {
        registry_id_seen(server->registry, id); /* *.corrupt too: it had the number */
    }
    if (has_suffix(name, ".corrupt")) {
        return true;
    }
    if (id > 0 && *end == '\0' && name_check(name, (size_t)(at - name), "name", &why)) {
        return found_add(founds, name, (size_t)(at - name), id, err);
    }
    if (!disk_path(root, name, &path, err)) {
        return false;
    }
    why = (struct err){ 0 };
    err_set(&why, ERR_FIELD, "name", "is not that of a model's folder");
    recovery_set_aside(server, path, &why);
    free(path);
    return true;
}

static bool founds_restore(struct server *server, const char *root, const struct founds *founds,
                           struct err *err)
{
    char model_name[NAME_MAX_LEN + 1];
    bool ok = true;

    for (size_t i = 0; ok && i < founds->n; i++) {
        const struct found *found = &founds->at[i];
        struct err why = { 0 };
        char *path = NULL;

        snprintf(model_name, sizeof model_name, "%.*s", (int)found->at, found->name);
        ok = disk_path(root, found->name, &path, err);
        if (ok && registry_find(server->registry, model_name, &why) != NULL) {
            /* Left by a creation or a deletion that failed; the one told of is the newer. */
            disk_drop(server->options.state, path);
        } else if (ok) {
            ok = folder_read(server, path, model_name, err);
        }
        free(path);
    }
    return ok;
}

bool recovery_models(struct server *server, struct err *err)
{
    struct founds founds = { 0 };
    char *root = NULL;
    DIR *dir = NULL;
    const struct dirent *entry;
    bool ok = disk_path(server->options.state, "models", &root, err) && disk_make_dirs(root, err);

    ok = ok && ((dir = opendir(root)) != NULL || disk_err(err, "open folder", root));
    while (ok && (entry = readdir(dir)) != NULL) {
        ok = entry->d_name[0] == '.' || name_take(server, root, entry->d_name, &founds, err);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    if (founds.n > 0) {
        qsort(founds.at, founds.n, sizeof *founds.at, by_name);
    }
    ok = ok && founds_restore(server, root, &founds, err);
    for (size_t i = 0; i < founds.n; i++) {
        free(founds.at[i].name);
    }
    free(founds.at);
    free(root);
    return ok;
}

void recovery_end(struct server *server)
{
    for (size_t i = 0; i < registry_count(server->registry); i++) {
        model_restored(registry_at(server->registry, i));
    }
}
