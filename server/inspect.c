#include "inspect.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataset.h"
#include "disk.h"
#include "intake.h"
#include "job_store.h"
#include "learn_log.h"
#include "recovery.h"
#include "server.h"
#include "store.h"

static const struct model_limits no_limits = { SPEC_LAYERS_MAX, SPEC_UNITS_MAX, SIZE_MAX };

/* Something is wrong with a path; does: what a start would do. False: there is no memory. */
static bool wrong(struct inspection *in, const char *path, const char *does, const struct err *why,
                  struct err *err)
{
    char reason[512], text[600];

    if (why->code == ERR_MEMORY) {
        *err = *why;
        return false;
    }
    if (in->busy && access(path, F_OK) != 0 && errno == ENOENT) {
        return true;
    }
    err_detail(why, reason, sizeof reason);
    snprintf(text, sizeof text, "%s: %s", does, reason);
    in->wrong++;
    in->tell(path, text);
    return true;
}

/* A file or folder that cannot be read. */
static bool unreadable(struct inspection *in, const char *path, const struct err *why,
                       struct err *err)
{
    in->left += recovery_is_newer(why);
    return wrong(in, path,
                 recovery_is_newer(why) ? "would be left, and not read" : "would be set aside", why,
                 err);
}

static bool misnamed(struct inspection *in, const char *path, const char *text, struct err *err)
{
    struct err why = { 0 };

    err_set(&why, ERR_FIELD, "name", "%s", text);
    return unreadable(in, path, &why, err);
}

typedef bool visit(struct inspection *in, const char *folder, const char *name, const char *path,
                   struct err *err);

/* Calls each for every entry that is not set aside already; a folder that is not there has none. */
static bool walk(struct inspection *in, const char *folder, visit *each, struct err *err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    bool ok = true;

    if (dir == NULL) {
        return errno == ENOENT || disk_err(err, "open folder", folder);
    }
    while (ok && (entry = readdir(dir)) != NULL) {
        char *path = NULL;

        if (entry->d_name[0] == '.') {
            continue;
        }
        ok = disk_path(folder, entry->d_name, &path, err);
        if (ok && recovery_has_suffix(entry->d_name, ".corrupt")) {
            in->aside++;
        } else if (ok) {
            ok = each(in, folder, entry->d_name, path, err);
        }
        free(path);
    }
    closedir(dir);
    return ok;
}

static bool walk_in(struct inspection *in, const char *root, const char *name, visit *each,
                    struct err *err)
{
    char *folder = NULL;
    const bool ok = disk_path(root, name, &folder, err) && walk(in, folder, each, err);

    free(folder);
    return ok;
}

/* Of a folder in which only what was set aside counts. */
static bool nothing(struct inspection *in, const char *folder, const char *name, const char *path,
                    struct err *err)
{
    (void)in;
    (void)folder;
    (void)name;
    (void)path;
    (void)err;
    return true;
}

/* ---- models ---- */

/* The version that NUMBER.safetensors holds; 0: the name is no such. */
static uint64_t version_name(const char *name)
{
    char *end;
    const uint64_t number = strtoull(name, &end, 10);

    return name[0] >= '1' && name[0] <= '9' && strcmp(end, ".safetensors") == 0 ? number : 0;
}

static bool small_file(const char *folder, const char *name, bool *known, struct err *why)
{
    struct serving serving;
    struct deleted deleted = { 0 };
    struct learn_keys *keys = NULL;
    bool ok = true;

    *known = true;
    if (strcmp(name, "served") == 0) {
        ok = store_serving(folder, &serving, why);
    } else if (strcmp(name, "deleted") == 0) {
        ok = store_deleted(folder, &deleted, why);
    } else if (strcmp(name, "keys") == 0) {
        ok = learn_keys_load(folder, &keys, why);
    } else {
        *known = false;
    }
    deleted_done(&deleted);
    learn_keys_free(keys);
    return ok;
}

/* A start reads all of the version that is served, and the header of the others. */
static bool version_file(struct inspection *in, const char *folder, uint64_t number,
                         const char *path, struct err *err)
{
    struct stored stored = { 0 };
    struct err why = { 0 };

    if (!store_read(folder, number, &no_limits, false, false, &stored, &why)) {
        return unreadable(in, path, &why, err);
    }
    stored_done(&stored);
    in->versions++;
    in->top = number > in->top ? number : in->top;
    if (!store_read(folder, number, &no_limits, true, false, &stored, &why)) {
        return wrong(in, path, "would be set aside if it is served, else refused when asked for",
                     &why, err);
    }
    stored_done(&stored);
    return true;
}

/* A file of a model's folder, but for learn logs. */
static bool model_file(struct inspection *in, const char *folder, const char *name,
                       const char *path, struct err *err)
{
    const uint64_t number = version_name(name);
    struct err why = { 0 };
    uint64_t base, first;
    bool known;

    if (recovery_has_suffix(name, ".tmp") || learn_log_name(name, &base, &first)) {
        return true;
    }
    if (number > 0) {
        return version_file(in, folder, number, path, err);
    }
    if (!small_file(folder, name, &known, &why)) {
        return unreadable(in, path, &why, err);
    }
    return known || misnamed(in, path, "is not that of a model's file", err);
}

static bool model_log(struct inspection *in, const char *folder, const char *name, const char *path,
                      struct err *err)
{
    struct stored stored = { 0 };
    struct err why = { 0 };
    struct learn_log log;
    uint64_t base, first;
    bool ok = true;

    if (!learn_log_name(name, &base, &first)) {
        return true;
    }
    if (!learn_log_scan(folder, base, first, &log, &why)) {
        in->later = in->later || recovery_is_newer(&why);
        return unreadable(in, recovery_is_newer(&why) ? folder : path, &why, err);
    }
    if (log.broken) {
        err_set(&why, ERR_SYNTAX, "disk", "entry %zu does not match its checksum", log.count + 1);
        ok = wrong(in, path, "would be cut, and set aside as it is", &why, err);
    }
    if (ok && log.count > 0) {
        struct err none = { 0 };

        why = (struct err){ 0 };
        if (store_read(folder, base, &no_limits, false, false, &stored, &none)) {
            in->steps += log.count;
        } else if (in->top > 0 && log.records[log.count - 1].entry.version > in->top) {
            err_set(&why, ERR_SYNTAX, "disk", "the version it goes on from cannot be read");
            ok = unreadable(in, path, &why, err);
        }
    }
    stored_done(&stored);
    learn_log_done(&log);
    return ok;
}

/* STATE/models/NAME@ID */
static bool model_folder(struct inspection *in, const char *root, const char *name,
                         const char *path, struct err *err)
{
    const size_t before = in->versions, left_before = in->left;
    const char *at = strrchr(name, '@');
    char *end = NULL;
    const uint64_t id = at != NULL ? strtoull(at + 1, &end, 10) : 0;
    struct err why = { 0 };
    size_t aside;

    (void)root;
    if (id == 0 || *end != '\0' || !name_check(name, (size_t)(at - name), "name", &why)) {
        return misnamed(in, path, "is not that of a model's folder", err);
    }
    in->top = 0;
    in->later = false;
    if (!walk(in, path, model_file, err)) {
        return false;
    }
    aside = in->aside;
    if (!walk(in, path, model_log, err)) {
        return false;
    }
    in->aside = aside; /* it met the same ones */
    if (in->versions > before) {
        in->models += !in->later;
        return true;
    }
    err_set(&why, ERR_SYNTAX, "disk", "no version in it can be read");
    return in->left > left_before || unreadable(in, path, &why, err);
}

/* ---- data sets ---- */

/* Opens one and holds its data to its digest. */
static bool dataset_verify(const char *path, struct dataset **ret, struct err *err)
{
    struct dataset *dataset;
    char digest[DIGEST_HEX];

    if (!dataset_open(path, &dataset, err)) {
        return false;
    }
    if (!dataset_digest(dataset, digest, err) || strcmp(digest, dataset->digest) != 0) {
        err_set(err, ERR_SYNTAX, "digest", "does not match the data");
        dataset_unref(dataset);
        return false;
    }
    *ret = dataset;
    return true;
}

/* STATE/datasets/NAME@GENERATION */
static bool dataset_folder(struct inspection *in, const char *root, const char *name,
                           const char *path, struct err *err)
{
    struct dataset *dataset;
    struct err why = { 0 };
    bool ok;

    (void)root;
    (void)name;
    if (!dataset_open(path, &dataset, &why)) {
        return unreadable(in, path, &why, err);
    }
    ok = dataset_is_at(dataset, path);
    dataset_unref(dataset);
    if (!ok) {
        return misnamed(in, path, "is not that of the data set in it", err);
    }
    if (!dataset_verify(path, &dataset, &why)) {
        return wrong(in, path, "would be used all the same", &why, err);
    }
    dataset_unref(dataset);
    in->datasets++;
    return true;
}

/* ---- jobs ---- */

/* The rows of one side of a job that has not ended: beside its record, or a data set's. */
static bool job_side(struct inspection *in, const char *root, uint64_t id, const char *side,
                     const char *dataset_name, uint64_t generation, struct err *err)
{
    char name[NAME_MAX_LEN + 48];
    struct dataset *dataset;
    struct err why = { 0 };
    char *path = NULL;
    bool ok;

    snprintf(name, sizeof name, "datasets/%s@%" PRIu64, dataset_name, generation);
    ok = dataset_name[0] != '\0' ? disk_path(root, name, &path, err)
                                 : job_store_path(root, id, side, &path, err);
    if (ok && !(dataset_name[0] != '\0' ? dataset_open(path, &dataset, &why)
                                        : dataset_verify(path, &dataset, &why))) {
        ok = wrong(in, path, "would end the job that reads it", &why, err);
    } else if (ok) {
        dataset_unref(dataset);
    }
    free(path);
    return ok;
}

/* What a job that has not ended goes on with. */
static bool job_rest(struct inspection *in, const char *root, const struct job_file *file,
                     struct err *err)
{
    struct checkpoint checkpoint = { 0 };
    struct err why = { 0 };
    char *path = NULL;
    bool ok = job_side(in, root, file->id, "data", file->dataset, file->generation, err) &&
              (!file->has_validation || split_is(&file->split) ||
               job_side(in, root, file->id, "validation", file->validation,
                        file->validation_generation, err)) &&
              job_store_path(root, file->id, "checkpoint", &path, err);

    in->unfinished++;
    if (ok && !job_store_checkpoint(root, file->id, &checkpoint, &why) && why.code != ERR_NONE) {
        ok = unreadable(in, path, &why, err);
    }
    checkpoint_done(&checkpoint);
    free(path);
    return ok;
}

/* STATE/jobs/ID; what is called otherwise is not looked at by a start either. */
static bool job_folder(struct inspection *in, const char *folder, const char *name,
                       const char *path, struct err *err)
{
    char *end, *record = NULL, *root;
    const uint64_t id = strtoull(name, &end, 10);
    struct job_file file = { 0 };
    struct err why = { 0 };
    void *bytes = NULL;
    size_t len = 0, text_len = 0;
    bool ok;

    if (id == 0 || *end != '\0') {
        return true;
    }
    root = strndup(folder, (size_t)(strrchr(folder, '/') - folder));
    ok = (root != NULL || err_set(err, ERR_MEMORY, "jobs", "do not fit into memory")) &&
         disk_path(path, "job.json", &record, err) && walk(in, path, nothing, err);
    if (ok && (!disk_text_map(record, &bytes, &len, &text_len, &why) ||
               !job_file_decode(bytes, text_len, &file, &why))) {
        ok = unreadable(in, path, &why, err);
    } else if (ok && file.id != id) {
        ok = misnamed(in, path, "is not that of the job in it", err);
    } else if (ok) {
        in->jobs++;
        ok = job_state_is_end(file.state) || job_rest(in, root, &file, err);
    }
    job_file_done(&file);
    disk_unmap(bytes, len);
    free(record);
    free(root);
    return ok;
}

static bool kinds_walk(struct inspection *in, const char *root, struct err *err)
{
    return walk_in(in, root, "models", model_folder, err) &&
           walk_in(in, root, "datasets", dataset_folder, err) &&
           walk_in(in, root, "jobs", job_folder, err);
}

bool inspect_state(const char *root, struct inspection *inspection, struct err *err)
{
    char *import = NULL;
    const bool ok = kinds_walk(inspection, root, err) &&
                    disk_path(root, INTAKE_COMMITTED, &import, err) &&
                    kinds_walk(inspection, import, err);

    free(import);
    return ok;
}
