/* Whether the members of a bundle are what they have to be: whoever made it may have made the sums
 * as well, so that nothing is believed of what a client sent. */
#include "intake.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "disk.h"
#include "job.h"
#include "msg_plan.h"
#include "server.h"

#define TIME_MAX 253402300800.0 /* the year 10000, which no reply can say */

/* Puts the member's name before what is wrong with it: "models/a/1.safetensors: spec.cost". What is
 * wrong with the disk, or memory, stays as it is. */
static bool in_member(struct err *err, const char *name)
{
    char where[sizeof err->where];

    if (err->code == ERR_IO || err->code == ERR_FULL || err->code == ERR_MEMORY) {
        return false;
    }
    memcpy(where, err->where, sizeof where);
    err->where[0] = '\0';
    return err_in(err, "%s%s%s", name, where[0] != '\0' ? ": " : "", where);
}

static bool time_is(double seconds)
{
    return seconds > 0.0 && seconds < TIME_MAX;
}

/* ---- the manifest ---- */

static void *zeros(struct arena *arena, size_t n, size_t size)
{
    void *at = arena_alloc(arena, n, size);

    return at != NULL ? memset(at, 0, n * size) : NULL;
}

static bool lists_make(struct intake *intake, struct err *err)
{
    struct arena *arena = &intake->arena;
    const struct msg_bundle *bundle = &intake->bundle;

    intake->models = zeros(arena, bundle->n_models, sizeof *intake->models);
    intake->datasets = zeros(arena, bundle->n_datasets, sizeof *intake->datasets);
    intake->jobs = zeros(arena, bundle->n_jobs, sizeof *intake->jobs);
    if (intake->models == NULL || intake->datasets == NULL || intake->jobs == NULL) {
        return err_set(err, ERR_MEMORY, "manifest.json", "does not fit into memory");
    }
    for (size_t i = 0; i < bundle->n_models; i++) {
        struct intake_model *model = &intake->models[i];

        model->said = &bundle->models[i];
        snprintf(model->folder, sizeof model->folder, "%s@%" PRIu64, model->said->name,
                 intake->first_id + i);
        model->versions = zeros(arena, model->said->n, sizeof *model->versions);
        if (model->versions == NULL) {
            return err_set(err, ERR_MEMORY, "manifest.json", "does not fit into memory");
        }
    }
    for (size_t i = 0; i < bundle->n_datasets; i++) {
        struct intake_dataset *dataset = &intake->datasets[i];

        dataset->said = &bundle->datasets[i];
        snprintf(dataset->folder, sizeof dataset->folder, "%s@%" PRIu64, dataset->said->name,
                 dataset->said->generation);
    }
    for (size_t i = 0; i < bundle->n_jobs; i++) {
        snprintf(intake->jobs[i].id, sizeof intake->jobs[i].id, "%" PRIu64, bundle->jobs[i]);
    }
    return true;
}

bool intake_manifest_check(struct intake *intake, struct err *err)
{
    const struct options *options = &intake->server->options;
    const struct msg_bundle_limits limits = { options->max_models, options->keep_versions,
                                              options->max_datasets, options->keep_jobs };

    if (!msg_bundle_decode(intake->text.data, intake->text.len, &limits, &intake->arena,
                           &intake->bundle, err)) {
        return in_member(err, "manifest.json");
    }
    text_done(&intake->text);
    intake->text = (struct text){ 0 };
    return lists_make(intake, err);
}

/* ---- a version ---- */

/* A version that is older than its model's labels was digested without them. */
static bool digest_check(const struct stored *stored, struct err *err)
{
    char hex[DIGEST_HEX], bare[DIGEST_HEX];

    if (!digest_net(stored->net, stored->labels, hex, err)) {
        return false;
    }
    if (strcmp(hex, stored->origin.digest) == 0) {
        return true;
    }
    return digest_net(stored->net, NULL, bare, err) &&
           (strcmp(bare, stored->origin.digest) == 0 ||
            err_set(err, ERR_FIELD, "digest", "is %s, that of the weights is %s",
                    stored->origin.digest, hex));
}

/* What holds for all versions of a model: see struct model. */
static bool same_model(const struct stored *a, const struct stored *b)
{
    const struct net_spec *x = &a->spec, *y = &b->spec;

    return x->inputs == y->inputs && spec_outputs(x) == spec_outputs(y) &&
           x->layers[x->n_layers - 1].act == y->layers[y->n_layers - 1].act && x->cost == y->cost &&
           x->norm == y->norm && x->target_norm == y->target_norm &&
           (a->labels == NULL || b->labels == NULL || labels_equal(a->labels, b->labels));
}

static bool version_check(const struct intake_model *model, const struct stored *stored,
                          struct err *err)
{
    if (!time_is(stored->created) || !time_is(stored->model_created)) {
        return err_set(err, ERR_FIELD, "created", "must be a time, and model_created");
    }
    for (size_t v = 0; v < model->n; v++) {
        if (!same_model(&model->versions[v], stored)) {
            return err_set(err, ERR_FIELD, "spec",
                           "must have the inputs, outputs, cost and labels of version %" PRIu64,
                           model->versions[v].version);
        }
    }
    return digest_check(stored, err);
}

bool intake_version_check(struct intake *intake, const char *name, struct err *err)
{
    struct intake_model *model = &intake->models[intake->at];
    const struct model_limits limits = server_model_limits(intake->server);
    struct stored stored = { 0 };
    char *folder = NULL;
    bool ok = intake_path(intake->stage, "models", model->folder, NULL, &folder, err);

    if (ok && (!store_read(folder, model->said->versions[intake->sub], &limits, true, true, &stored,
                           err) ||
               !version_check(model, &stored, err))) {
        ok = in_member(err, name);
    }
    free(folder);
    if (!ok) {
        stored_done(&stored);
        return false;
    }
    if (intake->server->options.state != NULL) { /* it is read again when it is needed */
        net_free(stored.net);
        carry_unref(stored.carry);
        stored.net = NULL;
        stored.carry = NULL;
    }
    model->versions[model->n++] = stored;
    return true;
}

/* ---- a data set ---- */

static bool dataset_folder(const struct intake *intake, const char *name, char **ret,
                           struct err *err)
{
    return intake_path(intake->stage, "datasets", intake->datasets[intake->at].folder, name, ret,
                       err);
}

static bool info_check(const struct intake *intake, const struct table_info *info, struct err *err)
{
    const size_t most = intake->server->options.max_features;

    if (info->x_rank == 0 && info->kind == TARGET_NONE) {
        return err_set(err, ERR_FIELD, "features", "must be there, or targets");
    }
    if (info->x_rank > 0 && info->x_width > most) {
        return err_set(err, ERR_TOO_LARGE, "features",
                       "must be %zu a row at most, as --max-features allows, are %zu", most,
                       info->x_width);
    }
    if (info->rows > TAR_SIZE_MAX) {
        return err_set(err, ERR_TOO_LARGE, "rows", "must be %" PRIu64 " at most, are %zu",
                       TAR_SIZE_MAX, info->rows);
    }
    return info->kind != TARGET_LABELS || (info->classes != NULL && info->classes->n > 0) ||
           err_set(err, ERR_FIELD, "classes", "must be there, since targets are labels");
}

/* What dataset.json says of itself, and how long the other files have to be. */
static bool head_check(struct intake *intake, const char *bytes, size_t len, struct err *err)
{
    struct intake_dataset *dataset = &intake->datasets[intake->at];
    struct table_info info = { 0 };
    struct table_stats stats = { 0 };
    char said[NAME_MAX_LEN + 1], digest[DIGEST_HEX];
    uint64_t generation;
    double created;
    bool ok;

    if (!msg_dataset_load(bytes, len, said, digest, &generation, &created, &info, &stats, err)) {
        return false;
    }
    if (strcmp(said, dataset->said->name) != 0 || generation != dataset->said->generation ||
        !time_is(created)) {
        ok = err_set(err, ERR_FIELD, "name",
                     "must be '%s' of generation %" PRIu64 ", with the time it was created, is "
                     "'%s' of %" PRIu64,
                     dataset->said->name, dataset->said->generation, said, generation);
    } else {
        ok = info_check(intake, &info, err);
    }
    if (ok) { /* below 2^33 rows of 2^16 values: no product overflows */
        const uint64_t x_size = info.x_dtype == DTYPE_U8 ? 1 : sizeof(float);

        dataset->features_len = info.x_rank > 0 ? info.rows * info.x_width * x_size : 0;
        dataset->targets_len =
            info.kind != TARGET_NONE ? info.rows * info.y_width * sizeof(float) : 0;
    }
    table_info_done(&info);
    table_stats_done(&stats);
    return ok;
}

bool intake_dataset_head_check(struct intake *intake, const char *name, struct err *err)
{
    char *path = NULL;
    void *bytes = NULL;
    size_t len = 0, text_len = 0;
    bool ok = dataset_folder(intake, "dataset.json", &path, err);

    if (ok && (!disk_text_map(path, &bytes, &len, &text_len, err) ||
               !head_check(intake, bytes, text_len, err))) {
        ok = in_member(err, name);
    }
    disk_unmap(bytes, len);
    free(path);
    return ok;
}

static bool rows_check(const struct dataset *dataset, struct err *err)
{
    const struct table_info *info = &dataset->info;
    char hex[DIGEST_HEX];

    if (info->x_rank > 0 && info->x_dtype == DTYPE_F32 &&
        !array_finite(dataset->features, info->rows * info->x_width)) {
        return err_set(err, ERR_RANGE, "features", "have a value that is not finite");
    }
    if (info->kind == TARGET_NUMBERS &&
        !array_finite(dataset->targets, info->rows * info->y_width)) {
        return err_set(err, ERR_RANGE, "targets", "have a value that is not finite");
    }
    for (size_t i = 0; info->kind == TARGET_LABELS && i < info->rows; i++) {
        const uint32_t class = ((const uint32_t *)dataset->targets)[i];

        if (class >= info->classes->n) {
            return err_set(err, ERR_RANGE, "targets", "[%zu] must be below %zu, is %" PRIu32, i,
                           info->classes->n, class);
        }
    }
    return dataset_digest(dataset, hex, err) &&
           (strcmp(hex, dataset->digest) == 0 ||
            err_set(err, ERR_FIELD, "digest", "is %s, that of the data is %s", dataset->digest,
                    hex));
}

/* The files are as long as they have to be. */
bool intake_dataset_check(struct intake *intake, const char *name, struct err *err)
{
    struct intake_dataset *dataset = &intake->datasets[intake->at];
    char *path = NULL;
    bool ok = dataset_folder(intake, NULL, &path, err) &&
              intake_path(datasets_root(intake->server->datasets), "datasets", dataset->folder,
                          NULL, &dataset->path, err);

    if (ok && (!dataset_open(path, &dataset->dataset, err) || !rows_check(dataset->dataset, err))) {
        ok = in_member(err, name);
    }
    free(path);
    return ok;
}

/* ---- a job's record ---- */

/* The settings become those that are used when a client says none. */
static bool settings_check(const struct train_plan *plan, struct err *err)
{
    struct train_plan read;
    struct text text = { 0 };
    bool ok;

    text_str(&text, "{");
    msg_plan_encode(&text, plan);
    text_str(&text, "}");
    ok = !text.failed || err_set(err, ERR_MEMORY, "disk", "has no memory for a record");
    ok = ok && msg_plan_decode(text.data, text.len, &read, err);
    text_done(&text);
    return ok;
}

static bool record_check(const struct intake *intake, const struct job_file *file, struct err *err)
{
    const uint64_t id = intake->bundle.jobs[intake->at];

    if (file->id != id) {
        return err_set(err, ERR_FIELD, "id", "must be %" PRIu64 ", is %" PRIu64, id, file->id);
    }
    if (!job_state_is_end(file->state)) {
        return err_set(err, ERR_FIELD, "state", "must be that of a job that has ended, is %s",
                       job_state_name(file->state));
    }
    if (file->n_history > JOB_HISTORY_MAX) {
        return err_set(err, ERR_FIELD, "history", "must have %d entries at most, has %zu",
                       JOB_HISTORY_MAX, file->n_history);
    }
    if (!time_is(file->created)) {
        return err_set(err, ERR_FIELD, "created", "must be a time");
    }
    return name_check(file->model, strlen(file->model), "model", err) &&
           settings_check(&file->plan, err);
}

/* The model that it has trained, unless that was another of the name, which is gone. */
static const struct intake_model *model_of(const struct intake *intake, const struct job_file *file)
{
    for (size_t i = 0; i < intake->bundle.n_models; i++) {
        const struct intake_model *model = &intake->models[i];

        if (strcmp(model->said->name, file->model) == 0) {
            return file->created >= model->versions[0].model_created ? model : NULL;
        }
    }
    return NULL;
}

/* Folders are called otherwise here, and the record has to know. */
static bool record_settle(struct intake *intake, const char *folder, struct intake_job *job,
                          struct err *err)
{
    struct job_file *file = &job->file;
    struct text text = { 0 };
    bool ok;

    job->of = model_of(intake, file);
    if (intake->server->options.state == NULL) {
        file->folder[0] = '\0'; /* not on disk */
        return true;
    }
    snprintf(file->folder, sizeof file->folder, "%s", job->of != NULL ? job->of->folder : "gone@0");
    job_file_encode(&text, file);
    ok = (!text.failed || err_set(err, ERR_MEMORY, "disk", "has no memory for a record")) &&
         disk_text_put(folder, "job.json", text.data, text.len, err);
    text_done(&text);
    return ok;
}

bool intake_job_check(struct intake *intake, const char *name, struct err *err)
{
    struct intake_job *job = &intake->jobs[intake->at];
    char *folder = NULL, *path = NULL;
    void *bytes = NULL;
    size_t len = 0, text_len = 0;
    bool ok = intake_path(intake->stage, "jobs", job->id, NULL, &folder, err) &&
              disk_path(folder, "job.json", &path, err);

    if (ok && (!disk_text_map(path, &bytes, &len, &text_len, err) ||
               !job_file_decode(bytes, text_len, &job->file, err) ||
               !record_check(intake, &job->file, err))) {
        ok = in_member(err, name);
    }
    ok = ok && record_settle(intake, folder, job, err);
    disk_unmap(bytes, len);
    free(folder);
    free(path);
    return ok;
}
