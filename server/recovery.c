#include "recovery.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "log.h"
#include "model_restore.h"
#include "registry.h"
#include "server.h"

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
    log_at(LEVEL_ERROR, "%s cannot be read and is set aside: %s", path, text);
    list_add(&server->corrupt, &server->n_corrupt, path, ".corrupt");
}

bool recovery_is_newer(const struct err *why)
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

    if (recovery_is_newer(why)) {
        err_detail(why, text, sizeof text);
        log_at(LEVEL_WARNING, "%s is not read, and left as it is: %s", path, text);
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
        log_at(LEVEL_ERROR, "%s cannot be renamed; it stays, and is passed over", path);
    }
    free(aside);
}

bool recovery_has_suffix(const char *name, const char *suffix)
{
    const size_t len = strlen(name), n = strlen(suffix);

    return len > n && strcmp(name + len - n, suffix) == 0;
}

/* ---- the models ---- */

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
    if (recovery_has_suffix(name, ".corrupt")) {
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
            ok = model_restore(server, path, model_name, err);
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
