/* A bundle's stage becomes part of the state folder: see intake.h. */
#include "intake.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "log.h"
#include "server.h"

static const char *const kinds[] = { "models", "datasets", "jobs" };
#define KINDS (sizeof kinds / sizeof *kinds)

/* ---- from STATE/import to where it belongs ---- */

/* All that is in STATE/import/KIND, to STATE/KIND. */
static bool kind_move(const char *import, const char *root, const char *kind, struct err *err)
{
    char *from = NULL, *to = NULL;
    const struct dirent *entry;
    DIR *dir = NULL;
    bool ok = disk_path(import, kind, &from, err) && disk_path(root, kind, &to, err);

    if (ok && (dir = opendir(from)) == NULL && errno != ENOENT) {
        ok = disk_err(err, "open folder", from);
    }
    while (ok && dir != NULL && (entry = readdir(dir)) != NULL) {
        char *old = NULL, *new = NULL;

        if (entry->d_name[0] == '.') {
            continue;
        }
        ok = disk_path(from, entry->d_name, &old, err) && disk_path(to, entry->d_name, &new, err) &&
             (rename(old, new) == 0 || disk_err(err, "rename to", new));
        free(old);
        free(new);
    }
    if (dir != NULL) {
        closedir(dir);
        ok = ok && disk_sync_dir(to, err);
    }
    free(from);
    free(to);
    return ok;
}

/* What is left when all has been moved: folders without anything in them. What the disk does not
 * let go of stays, for the next import or start to try. Errors: ERR_MEMORY. */
static bool import_clear(const char *import, struct err *err)
{
    for (size_t i = 0; i < KINDS; i++) {
        char *path = NULL;

        if (!disk_path(import, kinds[i], &path, err)) {
            return false;
        }
        rmdir(path);
        free(path);
    }
    rmdir(import);
    return true;
}

static bool import_finish(const char *import, const char *root, struct err *err)
{
    struct err none = { 0 };

    for (size_t i = 0; i < KINDS; i++) {
        if (!kind_move(import, root, kinds[i], err)) {
            return false;
        }
    }
    import_clear(import, &none);
    return true;
}

bool intake_recover(const char *root, struct err *err)
{
    char *import = NULL;
    bool ok = disk_path(root, INTAKE_COMMITTED, &import, err);

    if (ok && access(import, F_OK) == 0) {
        log_line("finishing the import in %s", import);
        for (size_t i = 0; ok && i < KINDS; i++) {
            char *path = NULL;

            ok = disk_path(root, kinds[i], &path, err) && disk_make_dirs(path, err);
            free(path);
        }
        ok = ok && import_finish(import, root, err);
    }
    free(import);
    return ok;
}

/* ---- each folder of the stage ---- */

/* Calls each for all of them: KIND and the folder's name. */
static bool folders_each(const struct intake *intake, const char *root,
                         bool (*each)(const char *root, const char *stage, const char *kind,
                                      const char *folder, struct err *err),
                         struct err *err)
{
    const struct msg_bundle *bundle = &intake->bundle;
    const bool memory = intake->server->options.state == NULL;
    bool ok = true;

    for (size_t i = 0; ok && i < bundle->n_models && !memory; i++) {
        ok = each(root, intake->stage, "models", intake->models[i].folder, err);
    }
    for (size_t i = 0; ok && i < bundle->n_datasets; i++) {
        ok = each(root, intake->stage, "datasets", intake->datasets[i].folder, err);
    }
    for (size_t i = 0; ok && i < bundle->n_jobs && !memory; i++) {
        ok = each(root, intake->stage, "jobs", intake->jobs[i].id, err);
    }
    return ok;
}

/* Nothing of that name may be there, such as a folder that a later sigmad has left. */
static bool place_check(const char *root, const char *stage, const char *kind, const char *folder,
                        struct err *err)
{
    char *path = NULL;
    bool ok = intake_path(root, kind, folder, NULL, &path, err);

    (void)stage;
    ok = ok && (access(path, F_OK) != 0 ||
                err_set(err, ERR_EXISTS, "disk", "%s is there, though it is in no list", path));
    free(path);
    return ok;
}

static bool folder_sync(const char *root, const char *stage, const char *kind, const char *folder,
                        struct err *err)
{
    char *path = NULL;
    bool ok = intake_path(stage, kind, folder, NULL, &path, err) && disk_sync_dir(path, err);

    (void)root;
    free(path);
    return ok;
}

/* Back into STATE/import, if it has been moved out of it. */
static bool folder_return(const char *root, const char *stage, const char *kind, const char *folder,
                          struct err *err)
{
    char *import = NULL, *from = NULL, *to = NULL;
    bool ok = disk_path(root, INTAKE_COMMITTED, &import, err) &&
              intake_path(root, kind, folder, NULL, &from, err) &&
              intake_path(import, kind, folder, NULL, &to, err);

    (void)stage;
    ok = ok && (rename(from, to) == 0 || errno == ENOENT || disk_err(err, "rename to", to));
    free(import);
    free(from);
    free(to);
    return ok;
}

/* ---- the commit ---- */

/* Which version is served, where anybody has chosen one. */
static bool served_write(const struct intake *intake, struct err *err)
{
    bool ok = true;

    for (size_t i = 0; ok && i < intake->bundle.n_models; i++) {
        const struct msg_bundle_model *said = intake->models[i].said;
        const struct serving serving = { said->served, said->chosen, said->updated };
        char *folder = NULL;

        ok = said->chosen == 0 ||
             (intake_path(intake->stage, "models", intake->models[i].folder, NULL, &folder, err) &&
              store_serve(folder, &serving, err));
        free(folder);
    }
    return ok;
}

/* Those of models and records go when everything is in memory. */
static void memory_clear(const struct intake *intake)
{
    static const char *const rest[] = { "models", "jobs" };

    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        struct err none = { 0 };
        char *path = NULL;

        if (disk_path(intake->stage, rest[i], &path, &none)) {
            disk_remove(path);
        }
        free(path);
    }
}

static bool kinds_sync(const struct intake *intake, struct err *err)
{
    bool ok = true;

    for (size_t i = 0; ok && i < KINDS; i++) {
        char *path = NULL;

        ok = disk_path(intake->stage, kinds[i], &path, err) &&
             (access(path, F_OK) != 0 || disk_sync_dir(path, err));
        free(path);
    }
    return ok && disk_sync_dir(intake->stage, err);
}

static bool stage_settle(const struct intake *intake, const char *root, struct err *err)
{
    if (!folders_each(intake, root, place_check, err)) {
        return false;
    }
    if (intake->server->options.state == NULL) {
        memory_clear(intake);
        return true;
    }
    return served_write(intake, err) && folders_each(intake, root, folder_sync, err) &&
           kinds_sync(intake, err);
}

/* Everything back where it was. A process that dies meanwhile finishes the import at its next
 * start: its client has not heard of it. */
static bool commit_undo(const struct intake *intake, const char *root, const char *import)
{
    struct err none = { 0 };

    if (access(import, F_OK) != 0) {
        return true;
    }
    if (!folders_each(intake, root, folder_return, &none) || rename(import, intake->stage) != 0) {
        return false;
    }
    disk_sync_dir(root, &none);
    return true;
}

bool intake_commit(struct intake *intake, struct err *err)
{
    const char *root = datasets_root(intake->server->datasets);
    char *import = NULL;
    bool ok =
        disk_path(root, INTAKE_COMMITTED, &import, err) && stage_settle(intake, root, err) &&
        import_clear(import, err) && /* of an earlier one */
        (access(import, F_OK) != 0 ||
         err_set(err, ERR_IO, "disk", "has %s, an import that the next start finishes", import));

    if (ok) {
        ok = disk_rename(intake->stage, import, root, err) && import_finish(import, root, err);
        intake->committed = ok || !commit_undo(intake, root, import);
        intake->staged = !intake->committed;
    }
    if (!ok && intake->committed) {
        log_line("the import in %s cannot be taken back: the next start finishes it", import);
    }
    free(import);
    return ok;
}
