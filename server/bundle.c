#include "bundle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "job.h"
#include "learn_log.h"
#include "msg_bundle.h"
#include "registry.h"
#include "removal.h"
#include "server.h"
#include "version.h"

#define MEMBER_MAX (NAME_MAX_LEN + 96)

/* ---- the list ---- */

/* Adds a member that is the file FOLDER/NAME; folder NULL: one that is written. */
static bool file_add(struct bundle *bundle, const char *member, const char *folder,
                     const char *name, struct bundle_file **ret, struct err *err)
{
    struct bundle_file *file = &bundle->files[bundle->n_files];
    const size_t len = folder != NULL ? strlen(folder) + strlen(name) + 2 : 1;
    char *source = arena_alloc(bundle->arena, len, 1);

    *file = (struct bundle_file){ .name = arena_copy(bundle->arena, member, strlen(member)) };
    if (file->name == NULL || source == NULL) {
        return err_set(err, ERR_MEMORY, "", "there is no memory for the list of what there is");
    }
    if (folder != NULL) {
        snprintf(source, len, "%s/%s", folder, name);
        file->source = source;
    }
    bundle->n_files++;
    *ret = file;
    return true;
}

static bool model_file_add(struct bundle *bundle, const struct model *model, const char *name,
                           bool linked, struct bundle_file **ret, struct err *err)
{
    char member[MEMBER_MAX];

    snprintf(member, sizeof member, "models/%s/%s", model->name, name);
    return file_add(bundle, member, linked ? model->folder : NULL, name, ret, err);
}

/* What a version is replayed from. */
static bool log_add(struct bundle *bundle, const struct model *model, const struct version *version,
                    struct err *err)
{
    struct bundle_file *base, *log;
    char name[64];

    snprintf(name, sizeof name, "%" PRIu64 ".safetensors", version->log_base);
    if (!model_file_add(bundle, model, name, true, &base, err)) {
        return false;
    }
    base->hidden = true;
    snprintf(name, sizeof name, "learn-%" PRIu64 "-%" PRIu64, version->log_base,
             version->log_first);
    if (!model_file_add(bundle, model, name, true, &log, err)) {
        return false;
    }
    log->hidden = true;
    return true;
}

static bool version_add(struct bundle *bundle, const struct model *model, struct version *version,
                        struct err *err)
{
    struct bundle_version *made = &bundle->versions[bundle->n_versions];
    const bool linked = version->on_disk && model->folder != NULL;
    struct bundle_file *file;
    char name[64];

    if (!linked && version->net == NULL && !log_add(bundle, model, version, err)) {
        return false;
    }
    snprintf(name, sizeof name, "%" PRIu64 ".safetensors", version->number);
    if (!model_file_add(bundle, model, name, linked, &file, err)) {
        return false;
    }
    if (!linked) {
        *made = (struct bundle_version){ .version = version_ref(version),
                                         .net = version->net,
                                         .carry = carry_ref(version->carry),
                                         .labels = model->labels,
                                         .log_base = version->log_base,
                                         .log_first = version->log_first };
        file->version = made;
        bundle->n_versions++;
    }
    return true;
}

static bool model_add(struct bundle *bundle, const struct model *model,
                      struct msg_bundle_model *ret, struct err *err)
{
    uint64_t *numbers = arena_alloc(bundle->arena, model->n_versions, sizeof *numbers);

    if (numbers == NULL) {
        return err_set(err, ERR_MEMORY, "", "there is no memory for the list of what there is");
    }
    for (size_t i = 0; i < model->n_versions; i++) {
        numbers[i] = model->versions[i]->number;
        if (!version_add(bundle, model, model->versions[i], err)) {
            return false;
        }
    }
    *ret = (struct msg_bundle_model){ .name = model->name,
                                      .created = model->created,
                                      .updated = model->updated,
                                      .served = model->served->number,
                                      .chosen = model->chosen,
                                      .last = model->last,
                                      .versions = numbers,
                                      .n = model->n_versions };
    return true;
}

static bool dataset_add(struct bundle *bundle, const struct dataset *dataset, struct err *err)
{
    const char *const names[] = { "dataset.json", dataset->features_len > 0 ? "features" : NULL,
                                  dataset->targets_len > 0 ? "targets" : NULL };
    struct bundle_file *file;
    char member[MEMBER_MAX];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i] == NULL) {
            continue;
        }
        snprintf(member, sizeof member, "datasets/%s/%s", dataset->name, names[i]);
        if (!file_add(bundle, member, dataset->path, names[i], &file, err)) {
            return false;
        }
    }
    return true;
}

static bool job_add(struct bundle *bundle, uint64_t id, struct err *err)
{
    struct bundle_file *file;
    char member[MEMBER_MAX], name[MEMBER_MAX];

    snprintf(member, sizeof member, "jobs/%" PRIu64 ".json", id);
    snprintf(name, sizeof name, "jobs/%" PRIu64 "/job.json", id);
    return file_add(bundle, member, bundle->server->options.state, name, &file, err);
}

/* ---- all of it ---- */

/* Room for as many as there can be. */
static bool lists_make(struct bundle *bundle, struct msg_bundle *ret, struct err *err)
{
    const struct server *server = bundle->server;
    const size_t models = registry_count(server->registry), jobs = jobs_count(server->jobs);
    const size_t datasets = datasets_count(server->datasets);
    size_t versions = 0;

    for (size_t i = 0; i < models; i++) {
        versions += registry_at(server->registry, i)->n_versions;
    }
    bundle->n_files = bundle->n_versions = 0;
    bundle->versions = arena_alloc(bundle->arena, versions, sizeof *bundle->versions);
    bundle->files = arena_alloc(bundle->arena, 3 * (versions + datasets) + jobs,
                                sizeof *bundle->files); /* a version: with its base and its log */
    ret->models = arena_alloc(bundle->arena, models, sizeof *ret->models);
    ret->datasets = arena_alloc(bundle->arena, datasets, sizeof *ret->datasets);
    ret->jobs = arena_alloc(bundle->arena, jobs, sizeof *ret->jobs);
    ret->unfinished = arena_alloc(bundle->arena, jobs, sizeof *ret->unfinished);
    return (bundle->versions != NULL && bundle->files != NULL && ret->models != NULL &&
            ret->datasets != NULL && ret->jobs != NULL && ret->unfinished != NULL) ||
           err_set(err, ERR_MEMORY, "", "there is no memory for the list of what there is");
}

static bool models_take(struct bundle *bundle, struct msg_bundle_model *ret, size_t *n,
                        struct err *err)
{
    const struct registry *registry = bundle->server->registry;

    for (size_t i = 0; i < registry_count(registry); i++) {
        const struct model *model = registry_at(registry, i);

        if (!model->deleting && !model_add(bundle, model, &ret[(*n)++], err)) {
            return false;
        }
    }
    return true;
}

static bool datasets_take(struct bundle *bundle, struct msg_bundle_dataset *ret, size_t *n,
                          struct err *err)
{
    const struct datasets *datasets = bundle->server->datasets;

    for (size_t i = 0; i < datasets_count(datasets); i++) {
        const struct dataset *dataset = datasets_at(datasets, i);

        if (dataset->gone) {
            continue;
        }
        ret[(*n)++] = (struct msg_bundle_dataset){ dataset->name, dataset->generation };
        if (!dataset_add(bundle, dataset, err)) {
            return false;
        }
    }
    return true;
}

static bool jobs_take(struct bundle *bundle, uint64_t *ended, size_t *n_ended, uint64_t *unfinished,
                      size_t *n_unfinished, struct err *err)
{
    const struct jobs *jobs = bundle->server->jobs;

    for (size_t i = 0; i < jobs_count(jobs); i++) {
        const struct job *job = jobs_at(jobs, i);

        if (!job_ended(job) || job->unwritten) { /* its record says that it is under way */
            unfinished[(*n_unfinished)++] = job->id;
            continue;
        }
        if (bundle->server->options.state == NULL) {
            continue;
        }
        ended[(*n_ended)++] = job->id;
        if (!job_add(bundle, job->id, err)) {
            return false;
        }
    }
    return true;
}

bool bundle_take(struct bundle *bundle, struct err *err)
{
    struct msg_bundle msg = { .release = SIGMAD_VERSION };

    bundle->created = msg.created = server_now();
    if (!lists_make(bundle, &msg, err) || !models_take(bundle, msg.models, &msg.n_models, err) ||
        !datasets_take(bundle, msg.datasets, &msg.n_datasets, err) ||
        !jobs_take(bundle, msg.jobs, &msg.n_jobs, msg.unfinished, &msg.n_unfinished, err)) {
        return false;
    }
    msg_bundle_encode(&bundle->manifest, &msg);
    return !bundle->manifest.failed ||
           err_set(err, ERR_MEMORY, "manifest.json", "does not fit into memory");
}

void bundle_done(struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->n_versions; i++) {
        carry_unref(bundle->versions[i].carry);
        version_unref(bundle->versions[i].version);
    }
    bundle->n_versions = bundle->n_files = 0;
    text_done(&bundle->manifest);
    bundle->manifest = (struct text){ 0 };
    if (bundle->stage != NULL) {
        removal_path(bundle->server, bundle->stage);
        free(bundle->stage);
        bundle->stage = NULL;
    }
}
