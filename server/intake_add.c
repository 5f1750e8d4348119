/* A bundle's models, data sets and records on their way into the tables: see intake.h. */
#include "intake.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "registry.h"
#include "server.h"

/* ---- a model as a start would find it: see model_restore.c ---- */

/* What its call to learn was answered. */
static bool key_take(struct model *model, const struct stored *stored, struct err *err)
{
    const struct origin *origin = &stored->origin;
    const struct learn_answer answer = { origin->key, stored->version, stored->created,
                                         origin->loss };

    if (origin->key.key[0] == '\0') {
        return true;
    }
    if (!learn_keys_need(&model->keys, err)) {
        return false;
    }
    learn_keys_add(model->keys, &answer);
    return true;
}

/* Lists a version, the newest so far; what it holds is taken over. */
static bool version_take(struct model *model, struct stored *stored, struct err *err)
{
    struct net *net = stored->net;
    struct version *version;
    bool ok;

    stored->net = NULL;
    if (!version_create(model, net, stored->version, stored->created, &stored->origin, &version,
                        err)) {
        return false;
    }
    version->on_disk = model->folder != NULL;
    version->carry = stored->carry;
    stored->carry = NULL;
    ok = (net != NULL || version_shape(version, &stored->spec, err)) &&
         model_list(model, version, true, err) && key_take(model, stored, err);
    version_unref(version);
    if (ok && stored->labels != NULL && model->labels == NULL) {
        model->labels = stored->labels;
        stored->labels = NULL;
    }
    if (ok && stored->origin.has_plan) {
        model->plan = stored->origin.plan;
        model->plan_used =
            stored->origin.source == SOURCE_LEARN ? stored->created : model->plan_used;
    }
    return ok;
}

/* The one that is served: what the last one's optimiser carries goes with it if that is another. */
static void served_take(struct model *model, const struct msg_bundle_model *said)
{
    struct err none = { 0 };
    struct version *top = model->served;

    model->chosen = said->chosen;
    model->last = said->last;
    if (said->chosen >= top->number) {
        model_choose(model, model_version(model, said->served, &none), said->chosen);
        model->updated = said->updated;
    }
}

static bool model_build(struct intake *intake, struct intake_model *from, struct err *err)
{
    struct server *server = intake->server;
    char *folder = NULL;
    bool ok = server->options.state == NULL ||
              intake_path(server->options.state, "models", from->folder, NULL, &folder, err);

    /* The model's own shape is that of its first version. */
    ok = ok && model_create(server, from->said->name, &from->versions[0].spec, NULL, folder,
                            &from->model, err);
    if (!ok) {
        return false;
    }
    from->model->created = from->versions[0].model_created;
    from->model->restoring = true;
    for (size_t v = 0; ok && v < from->n; v++) {
        ok = version_take(from->model, &from->versions[v], err);
    }
    from->model->restoring = false;
    if (ok) {
        served_take(from->model, from->said);
    }
    return ok && quota_holds(&server->model_memory, err);
}

/* ---- claims ---- */

/* What is there already is a field of the manifest's: "name" of the i-th of a list, or all of where
 * for list NULL. */
static bool in_manifest(struct err *err, const char *list, size_t i)
{
    char where[sizeof err->where];

    if (err->code != ERR_EXISTS) {
        return false;
    }
    if (list != NULL) {
        err_in(err, "%s[%zu]", list, i);
    }
    memcpy(where, err->where, sizeof where);
    err->where[0] = '\0';
    return err_in(err, "manifest.json: %.140s", where);
}

static bool models_claim(struct intake *intake, struct err *err)
{
    for (size_t i = 0; i < intake->bundle.n_models; i++) {
        struct intake_model *model = &intake->models[i];

        model->reserved = registry_reserve(intake->server->registry, model->said->name, err);
        if (!model->reserved) {
            return in_manifest(err, "models", i);
        }
        if (!model_build(intake, model, err)) {
            return false;
        }
    }
    return true;
}

static bool memory_claim(struct intake *intake, struct err *err)
{
    size_t bytes = 0;

    for (size_t i = 0; i < intake->bundle.n_datasets; i++) {
        bytes += dataset_bytes(intake->datasets[i].dataset);
    }
    if (!quota_change(&intake->server->dataset_memory, 0, bytes, err)) {
        return false;
    }
    intake->dataset_bytes = bytes;
    return true;
}

static bool datasets_claim(struct intake *intake, struct err *err)
{
    struct datasets *datasets = intake->server->datasets;
    const size_t n = intake->bundle.n_datasets;

    for (size_t i = 0; i < n; i++) {
        const char *name = intake->bundle.datasets[i].name;
        struct err none = { 0 };

        if (datasets_find(datasets, name, "name", &none) != NULL) {
            err_set(err, ERR_EXISTS, "name", "'%s' is a data set already: delete it first", name);
            return in_manifest(err, "datasets", i);
        }
    }
    if (!datasets_reserve(datasets, n, err)) {
        return false;
    }
    intake->datasets_reserved = n;
    if (!memory_claim(intake, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) { /* what is put after it is newer, even if it comes late */
        datasets_generation_seen(datasets, intake->bundle.datasets[i].generation);
    }
    return true;
}

static bool jobs_claim(struct intake *intake, struct err *err)
{
    struct jobs *jobs = intake->server->jobs;
    const struct msg_bundle *bundle = &intake->bundle;

    if (!jobs_reserve(jobs, bundle->jobs, bundle->n_jobs, err)) {
        return in_manifest(err, NULL, 0);
    }
    intake->jobs_reserved = bundle->n_jobs;
    for (size_t i = 0; i < bundle->n_jobs; i++) {
        if (!job_of_file(jobs, &intake->jobs[i].file, &intake->jobs[i].job, err)) {
            return false;
        }
    }
    return true;
}

bool intake_claim(struct intake *intake, struct err *err)
{
    if (datasets_claim(intake, err) && jobs_claim(intake, err) && models_claim(intake, err)) {
        return true;
    }
    intake_release(intake);
    return false;
}

/* What has been built and is in no table. */
static void built_free(struct intake *intake)
{
    for (size_t i = 0; i < intake->bundle.n_models; i++) {
        if (intake->models[i].model != NULL) {
            model_drop_versions(intake->models[i].model);
            model_unref(intake->models[i].model);
            intake->models[i].model = NULL;
        }
    }
    for (size_t i = 0; i < intake->bundle.n_jobs; i++) {
        if (intake->jobs[i].job != NULL) {
            job_free(intake->jobs[i].job);
            intake->jobs[i].job = NULL;
        }
    }
}

void intake_release(struct intake *intake)
{
    size_t claimed = 0;

    for (size_t i = 0; i < intake->bundle.n_models; i++) {
        claimed += intake->models[i].model != NULL ? intake->models[i].model->claimed : 0;
    }
    built_free(intake);
    if (intake->committed) { /* all of it stays claimed until the next start, which has it all */
        quota_move(&intake->server->model_memory, 0, claimed);
        return;
    }
    for (size_t i = 0; i < intake->bundle.n_models; i++) {
        if (intake->models[i].reserved) {
            registry_release(intake->server->registry, intake->models[i].said->name);
            intake->models[i].reserved = false;
        }
    }
    datasets_release(intake->server->datasets, intake->datasets_reserved);
    jobs_release(intake->server->jobs, intake->jobs_reserved);
    quota_move(&intake->server->dataset_memory, intake->dataset_bytes, 0);
    intake->datasets_reserved = intake->jobs_reserved = intake->dataset_bytes = 0;
}

/* ---- into the tables ---- */

static void dataset_add(struct datasets *datasets, struct intake_dataset *from)
{
    struct err none = { 0 };

    free(from->dataset->path);
    from->dataset->path = from->path;
    from->path = NULL;
    datasets_release(datasets, 1);
    datasets_put(datasets, from->dataset, &none);
    from->dataset = NULL;
}

/* The settings last used are the newest job's, unless learn was called since it was made. */
static void record_add(struct intake_job *from)
{
    struct model *model = from->of != NULL ? from->of->model : NULL;

    if (model != NULL && from->job->created > model->plan_used) {
        model->plan = from->job->plan;
        model->plan_used = from->job->created;
    }
    job_adopt(from->job);
    from->job = NULL;
}

void intake_add(struct intake *intake)
{
    struct server *server = intake->server;
    struct err none = { 0 };

    for (size_t i = 0; i < intake->bundle.n_jobs; i++) {
        record_add(&intake->jobs[i]);
    }
    for (size_t i = 0; i < intake->bundle.n_models; i++) {
        registry_add(server->registry, intake->models[i].model, &none);
        intake->models[i].model = NULL;
    }
    for (size_t i = 0; i < intake->bundle.n_datasets; i++) {
        dataset_add(server->datasets, &intake->datasets[i]);
    }
}
