/* A bundle's files on disk: links to what there is, and what is written for it alone. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bundle.h"
#include "dataset.h"
#include "disk.h"
#include "learn_log.h"
#include "server.h"
#include "store.h"
#include "tar.h"

/* ---- links ---- */

/* The folders above path, which lies below the stage. Nothing is synced: a stage does not outlive
 * its process. */
static bool parents_make(const char *stage, char *path, struct err *err)
{
    for (char *at = path + strlen(stage) + 1; (at = strchr(at, '/')) != NULL; at++) {
        bool ok;

        *at = '\0';
        ok = mkdir(path, 0700) == 0 || errno == EEXIST || disk_err(err, "make", path);
        *at = '/';
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool size_check(const char *path, const char *name, struct err *err)
{
    struct stat info;

    if (stat(path, &info) != 0) {
        return disk_err(err, "look at", path);
    }
    return (uint64_t)info.st_size <= TAR_SIZE_MAX ||
           err_set(err, ERR_TOO_LARGE, name, "has %" PRIu64 " bytes, a tar takes up to %" PRIu64,
                   (uint64_t)info.st_size, TAR_SIZE_MAX);
}

static bool file_stage(struct bundle *bundle, const struct bundle_file *file, struct err *err)
{
    char *path = NULL;
    bool ok =
        disk_path(bundle->stage, file->name, &path, err) && parents_make(bundle->stage, path, err);

    /* Versions of one log have the same base, which may be a member itself. */
    if (ok && file->source != NULL && link(file->source, path) != 0 && errno != EEXIST) {
        bundle->stale = errno == ENOENT;
        ok = bundle->stale
                 ? err_set(err, ERR_UNAVAILABLE, file->name, "goes while it is being exported")
                 : disk_err(err, "link to", file->source);
    }
    ok = ok && (file->source == NULL || size_check(path, file->name, err));
    free(path);
    return ok;
}

bool bundle_stage(struct bundle *bundle, struct err *err)
{
    char *tmp = NULL;
    bool ok = disk_path(datasets_root(bundle->server->datasets), "tmp", &tmp, err) &&
              disk_tmp_in(tmp, "export", &bundle->stage, err) && disk_make_dirs(bundle->stage, err);

    bundle->stale = false;
    for (size_t i = 0; ok && i < bundle->n_files; i++) {
        ok = file_stage(bundle, &bundle->files[i], err);
    }
    free(tmp);
    return ok;
}

/* ---- what is written ---- */

/* As the loader does it (loader.c), but from the links. */
static bool version_replay(const struct bundle_version *made, const char *folder,
                           struct stored *ret, struct err *err)
{
    const struct model_limits limits = { SPEC_LAYERS_MAX, SPEC_UNITS_MAX, SIZE_MAX };

    return store_read(folder, made->log_base, &limits, true, true, ret, err) &&
           learn_log_replay(folder, made->log_base, made->log_first, made->version->number,
                            ret->net, &ret->carry, ret->labels, err);
}

static bool version_write(const struct bundle_version *made, const char *path, struct err *err)
{
    const struct msg_version facts = version_facts(made->version);
    char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));
    struct stored stored = { 0 };
    bool ok = folder != NULL || err_set(err, ERR_MEMORY, "version", "does not fit into memory");

    if (ok && made->net != NULL) {
        ok = store_save(folder, made->net, made->labels, &facts, made->carry, err);
    } else if (ok) {
        ok = version_replay(made, folder, &stored, err) &&
             store_save(folder, stored.net, made->labels, &facts, stored.carry, err);
    }
    stored_done(&stored);
    free(folder);
    return ok;
}

bool bundle_open(const struct bundle *bundle, const struct bundle_file *file, int *ret,
                 struct err *err)
{
    char *path = NULL;
    int fd = -1;
    bool ok = disk_path(bundle->stage, file->name, &path, err) &&
              (file->version == NULL || version_write(file->version, path, err)) &&
              size_check(path, file->name, err);

    if (ok && (fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) < 0) {
        ok = disk_err(err, "open", path);
    }
    free(path);
    if (ok) {
        *ret = fd;
    }
    return ok;
}

void bundle_close(const struct bundle *bundle, const struct bundle_file *file, int fd)
{
    struct err none = { 0 };
    char *path = NULL;

    close(fd);
    if (file->version != NULL && disk_path(bundle->stage, file->name, &path, &none)) {
        unlink(path);
    }
    free(path);
}
