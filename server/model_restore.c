#include "model_restore.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "learn_line.h"
#include "model_folder.h"
#include "recovery.h"
#include "registry.h"
#include "server.h"

static const struct model_limits no_limits = { SPEC_LAYERS_MAX, SPEC_UNITS_MAX, SIZE_MAX };

/* Lists a version by its facts. */
static bool version_restore(struct model *model, uint64_t number, double created,
                            const struct net_spec *spec, const struct origin *origin,
                            const struct learn_log *log, struct err *err)
{
    struct version *version;
    bool ok;

    if (!version_create(model, NULL, number, created, origin, &version, err)) {
        return false;
    }
    if (!version_shape(version, spec, err)) {
        version_unref(version);
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
    ok = ok &&
         version_restore(*model, number, stored.created, &stored.spec, &stored.origin, NULL, err);
    if (ok) {
        plan_take(*model, number, stored.created, &stored.origin);
    }
    stored_done(&stored);
    return ok;
}

static struct origin record_origin(const struct learn_record *record)
{
    const struct learn_entry *entry = &record->entry;
    struct origin origin = { .source = SOURCE_LEARN,
                             .loss = entry->loss,
                             .accuracy = entry->accuracy,
                             .has_plan = true,
                             .plan = record->plan,
                             .key = record->key };

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
    struct err why = { 0 }, none = { 0 };
    const struct net_spec *spec = /* steps change no shape */
        based ? version_spec(model_version(model, log->base, &none)) : &model->spec;
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
        const struct origin origin = record_origin(&log->records[i]);

        ok = key_restore(model, &log->records[i].key, entry->version, entry->created, entry->loss,
                         err);
        if (ok && based && (i + keep >= log->count || entry->version == model->serving) &&
            !model_lists(model, entry->version)) {
            ok = version_restore(model, entry->version, entry->created, spec, &origin, log, err);
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
            if (model->served == version) {
                model_serve(model, NULL);
            }
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
    model->chosen = serving->version > 0 ? serving->last : 0;
    if (!keys_restore(model, contents, err) || !logs_restore(model, contents, err)) {
        return false;
    }
    deleted_unlist(model, contents);
    version = model->versions[model->n_versions - 1];
    model_serve(model, version);
    model->updated = version->created;
    if (serving->version > 0 && version->number <= serving->last &&
        (version = model_version(model, serving->version, &none)) != NULL) {
        model_serve(model, version);
        model->updated = serving->since;
    }
    model->last = contents->last > model->last ? contents->last : model->last;
    model->last = serving->last > model->last ? serving->last : model->last;
    return true;
}

bool model_restore(struct server *server, const char *path, const char *name, struct err *err)
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
