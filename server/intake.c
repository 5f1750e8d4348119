/* The members of a bundle, while they come. */
#include "intake.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "job.h"
#include "model.h"
#include "registry.h"
#include "removal.h"
#include "server.h"

#define MEMBER_MAX (TAR_NAME_MAX + 1)

static const char *const parts[] = { "dataset.json", "features", "targets" };
#define PARTS (sizeof parts / sizeof *parts)

bool intake_path(const char *root, const char *kind, const char *folder, const char *name,
                 char **ret, struct err *err)
{
    const size_t len =
        strlen(root) + strlen(kind) + strlen(folder) + (name != NULL ? strlen(name) : 0) + 4;
    char *path = malloc(len);

    if (path == NULL) {
        return err_set(err, ERR_MEMORY, "disk", "has no memory for a path");
    }
    snprintf(path, len, "%s/%s/%s%s%s", root, kind, folder, name != NULL ? "/" : "",
             name != NULL ? name : "");
    *ret = path;
    return true;
}

/* ---- which member is next ---- */

static void name_next(const struct intake *intake, char ret[MEMBER_MAX])
{
    const struct msg_bundle *bundle = &intake->bundle;

    switch (intake->part) {
    case INTAKE_MANIFEST:
        snprintf(ret, MEMBER_MAX, "manifest.json");
        break;
    case INTAKE_MODELS:
        snprintf(ret, MEMBER_MAX, "models/%s/%" PRIu64 ".safetensors",
                 bundle->models[intake->at].name, bundle->models[intake->at].versions[intake->sub]);
        break;
    case INTAKE_DATASETS:
        snprintf(ret, MEMBER_MAX, "datasets/%s/%s", bundle->datasets[intake->at].name,
                 parts[intake->sub]);
        break;
    case INTAKE_JOBS:
        snprintf(ret, MEMBER_MAX, "jobs/%" PRIu64 ".json", bundle->jobs[intake->at]);
        break;
    case INTAKE_SUMS:
        snprintf(ret, MEMBER_MAX, "SHA256SUMS");
        break;
    case INTAKE_END:
        snprintf(ret, MEMBER_MAX, "the end");
        break;
    }
}

/* Where it goes; *folder NULL: it has no file. */
static void place_next(const struct intake *intake, const char **kind, const char **folder,
                       char name[64])
{
    *kind = *folder = NULL;
    if (intake->part == INTAKE_MODELS) {
        const struct intake_model *model = &intake->models[intake->at];

        *kind = "models";
        *folder = model->folder;
        snprintf(name, 64, "%" PRIu64 ".safetensors", model->said->versions[intake->sub]);
    } else if (intake->part == INTAKE_DATASETS) {
        *kind = "datasets";
        *folder = intake->datasets[intake->at].folder;
        snprintf(name, 64, "%s", parts[intake->sub]);
    } else if (intake->part == INTAKE_JOBS) {
        *kind = "jobs";
        *folder = intake->jobs[intake->at].id;
        snprintf(name, 64, "job.json");
    }
}

static bool part_there(const struct intake_dataset *dataset, size_t part)
{
    return part == 0 || (part == 1 ? dataset->features_len : dataset->targets_len) > 0;
}

/* Past the member that has come, to the next; parts with nothing in them are passed over. */
static void next(struct intake *intake)
{
    const struct msg_bundle *bundle = &intake->bundle;
    const size_t lens[] = { [INTAKE_MANIFEST] = 1,
                            [INTAKE_MODELS] = bundle->n_models,
                            [INTAKE_DATASETS] = bundle->n_datasets,
                            [INTAKE_JOBS] = bundle->n_jobs,
                            [INTAKE_SUMS] = 1 };
    size_t subs = 1;

    if (intake->part == INTAKE_MODELS) {
        subs = bundle->models[intake->at].n;
    } else if (intake->part == INTAKE_DATASETS) {
        subs = PARTS;
    }
    do {
        intake->sub++;
    } while (intake->part == INTAKE_DATASETS && intake->sub < subs &&
             !part_there(&intake->datasets[intake->at], intake->sub));
    if (intake->sub < subs) {
        return;
    }
    intake->sub = 0;
    intake->at++;
    while (intake->part < INTAKE_END && intake->at >= lens[intake->part]) {
        intake->at = 0;
        intake->part++;
    }
}

/* ---- a member begins ---- */

static struct intake *of_members(struct tar_sink *sink)
{
    return (struct intake *)((char *)sink - offsetof(struct intake, members));
}

static bool size_check(const struct intake *intake, const struct tar_member *member,
                       struct err *err)
{
    uint64_t exactly = 0;

    if (intake->part == INTAKE_SUMS) {
        exactly = intake->sums.len;
    } else if (intake->part == INTAKE_DATASETS && intake->sub > 0) {
        exactly = intake->sub == 1 ? intake->datasets[intake->at].features_len
                                   : intake->datasets[intake->at].targets_len;
    }
    if (exactly > 0 && member->size != exactly) {
        return err_set(err, ERR_FIELD, member->name, "must have %" PRIu64 " bytes, has %" PRIu64,
                       exactly, member->size);
    }
    if (member->size == 0) {
        return err_set(err, ERR_SYNTAX, member->name, "is empty");
    }
    return intake->part == INTAKE_MODELS || exactly > 0 || member->size <= INTAKE_TEXT_MAX ||
           err_set(err, ERR_TOO_LARGE, member->name,
                   "must have %" PRIu64 " bytes at most, has %" PRIu64, INTAKE_TEXT_MAX,
                   member->size);
}

/* A folder below the stage, and the one it is in; nothing is synced before all of it is there. */
static bool folder_make(const struct intake *intake, const char *kind, const char *folder,
                        struct err *err)
{
    char *above = NULL, *path = NULL;
    bool ok = disk_path(intake->stage, kind, &above, err) && disk_path(above, folder, &path, err);

    ok = ok && (mkdir(above, 0700) == 0 || errno == EEXIST || disk_err(err, "make", above)) &&
         (mkdir(path, 0700) == 0 || errno == EEXIST || disk_err(err, "make", path));
    free(above);
    free(path);
    return ok;
}

static bool file_begin(struct intake *intake, struct err *err)
{
    const char *kind, *folder;
    char name[64];

    place_next(intake, &kind, &folder, name);
    return folder == NULL || (folder_make(intake, kind, folder, err) &&
                              intake_path(intake->stage, kind, folder, name, &intake->path, err) &&
                              disk_create(intake->path, &intake->fd, err));
}

static bool member_begin(struct tar_sink *sink, const struct tar_member *member, struct err *err)
{
    struct intake *intake = of_members(sink);
    char want[MEMBER_MAX];

    name_next(intake, want);
    if (strcmp(member->name, want) != 0) {
        return err_set(err, ERR_FIELD, member->name, "is there, and next must be %.200s", want);
    }
    if (!size_check(intake, member, err) || !digest_begin(&intake->digest, err)) {
        return false;
    }
    intake->hashing = true;
    return file_begin(intake, err);
}

/* ---- its content ---- */

/* SHA256SUMS has to be what was summed up while the others came, to the byte. */
static bool sums_compare(struct intake *intake, const char *bytes, size_t len, struct err *err)
{
    const char *want = intake->sums.data;
    size_t line = 1, begin = 0;

    for (size_t i = 0; i < len; i++) {
        const size_t at = intake->summed + i;

        if (bytes[i] == want[at]) {
            continue;
        }
        for (size_t j = 0; j < at; j++) {
            line += want[j] == '\n';
            begin = want[j] == '\n' ? j + 1 : begin;
        }
        return err_set(err, ERR_SYNTAX, "SHA256SUMS", "line %zu must be '%.*s'", line,
                       (int)strcspn(want + begin, "\n"), want + begin);
    }
    intake->summed += len;
    return true;
}

static bool member_content(struct tar_sink *sink, const char *bytes, size_t len, struct err *err)
{
    struct intake *intake = of_members(sink);

    digest_add(&intake->digest, bytes, len);
    if (intake->part == INTAKE_SUMS) {
        return sums_compare(intake, bytes, len, err);
    }
    if (intake->fd >= 0) {
        return disk_write(intake->fd, bytes, len, intake->path, err);
    }
    text_add(&intake->text, bytes, len);
    return !intake->text.failed ||
           err_set(err, ERR_MEMORY, "manifest.json", "does not fit into memory");
}

/* ---- and its end ---- */

static bool file_end(struct intake *intake, struct err *err)
{
    bool ok = disk_sync(intake->fd, intake->path, err);

    if (close(intake->fd) != 0 && ok) {
        ok = disk_err(err, "close", intake->path);
    }
    intake->fd = -1;
    free(intake->path);
    intake->path = NULL;
    return ok;
}

/* Of a data set, whether all has come that it has. */
static bool dataset_ends(const struct intake *intake)
{
    const struct intake_dataset *dataset = &intake->datasets[intake->at];

    for (size_t part = intake->sub + 1; part < PARTS; part++) {
        if (part_there(dataset, part)) {
            return false;
        }
    }
    return true;
}

static bool content_check(struct intake *intake, const char *name, struct err *err)
{
    switch (intake->part) {
    case INTAKE_MANIFEST:
        return intake_manifest_check(intake, err);
    case INTAKE_MODELS:
        return intake_version_check(intake, name, err);
    case INTAKE_DATASETS:
        return (intake->sub > 0 || intake_dataset_head_check(intake, name, err)) &&
               (!dataset_ends(intake) || intake_dataset_check(intake, name, err));
    case INTAKE_JOBS:
        return intake_job_check(intake, name, err);
    case INTAKE_SUMS:
    case INTAKE_END:
        break;
    }
    return true;
}

static bool member_end(struct tar_sink *sink, struct err *err)
{
    struct intake *intake = of_members(sink);
    char name[MEMBER_MAX], hex[DIGEST_HEX];

    name_next(intake, name);
    digest_end(&intake->digest, hex);
    intake->hashing = false;
    if (intake->part != INTAKE_SUMS) {
        text_printf(&intake->sums, "%s  %s\n", hex, name);
    }
    if (intake->sums.failed) {
        return err_set(err, ERR_MEMORY, "SHA256SUMS", "does not fit into memory");
    }
    if ((intake->fd >= 0 && !file_end(intake, err)) || !content_check(intake, name, err)) {
        return false;
    }
    next(intake);
    return true;
}

/* ---- the sink ---- */

static bool intake_write(struct sink *sink, const char *bytes, size_t len, struct err *err)
{
    struct intake *intake = (struct intake *)sink;

    if (!intake->begun) {
        intake->begun = intake->staged = true;
        if (!disk_make_dirs(intake->stage, err)) {
            return false;
        }
    }
    return tar_reader_add(&intake->reader, bytes, len, err);
}

static void lists_free(struct intake *intake)
{
    const struct msg_bundle *bundle = &intake->bundle;

    for (size_t i = 0; intake->models != NULL && i < bundle->n_models; i++) {
        for (size_t v = 0; v < intake->models[i].n; v++) {
            stored_done(&intake->models[i].versions[v]);
        }
    }
    for (size_t i = 0; intake->datasets != NULL && i < bundle->n_datasets; i++) {
        if (intake->datasets[i].dataset != NULL) {
            dataset_unref(intake->datasets[i].dataset);
        }
        free(intake->datasets[i].path);
    }
    for (size_t i = 0; intake->jobs != NULL && i < bundle->n_jobs; i++) {
        job_file_done(&intake->jobs[i].file);
    }
}

static void intake_free(struct sink *sink)
{
    struct intake *intake = (struct intake *)sink;

    if (intake->fd >= 0) {
        close(intake->fd);
    }
    if (intake->hashing) {
        digest_end(&intake->digest, NULL);
    }
    if (intake->staged) {
        removal_path(intake->server, intake->stage);
    }
    lists_free(intake);
    text_done(&intake->text);
    text_done(&intake->sums);
    arena_done(&intake->arena);
    free(intake->path);
    free(intake->stage);
    free(intake);
}

bool intake_open(struct request *req, struct err *err)
{
    struct server *server = req->server;
    struct intake *intake = calloc(1, sizeof *intake);
    char *tmp = NULL;
    bool ok;

    if (intake == NULL) {
        return err_set(err, ERR_MEMORY, "body", "has no memory to be received");
    }
    intake->sink = (struct sink){ intake_write, intake_free };
    intake->members = (struct tar_sink){ member_begin, member_content, member_end };
    intake->reader.sink = &intake->members;
    intake->server = server;
    intake->fd = -1;
    intake->first_id = registry_ids(server->registry, server->options.max_models);
    req->sink = &intake->sink; /* freed with the request from here on */
    ok = disk_path(datasets_root(server->datasets), "tmp", &tmp, err) &&
         disk_tmp_in(tmp, "import", &intake->stage, err);
    free(tmp);
    return ok;
}

bool intake_close(struct intake *intake, struct err *err)
{
    char want[MEMBER_MAX];

    if (!intake->begun) {
        return err_set(err, ERR_SYNTAX, "body", "is empty");
    }
    if (!tar_reader_end(&intake->reader, err)) {
        return false;
    }
    name_next(intake, want);
    return intake->part == INTAKE_END ||
           err_set(err, ERR_SYNTAX, "body", "ends before %.200s: it is no whole bundle", want);
}
