#include "dataset.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "quota.h"
#include "recovery.h"

struct datasets {
    struct server *server; /* borrowed; during a start */
    char *root;            /* owned; the state folder, or the one in memory */
    struct dataset **list; /* owned; sorted by name; a reference each */
    size_t n, cap, max;
    size_t reserved;         /* room that is kept */
    struct quota *memory;    /* borrowed */
    uint64_t generation;     /* the highest given */
    const char *const *read; /* during datasets_tidy: what jobs read besides; n_read of them */
    size_t n_read;
    struct turns turns;
};

bool datasets_create(const char *state, size_t max, struct quota *memory, struct datasets **ret,
                     struct err *err)
{
    struct datasets *datasets = calloc(1, sizeof *datasets);

    if (datasets == NULL || (datasets->root = strdup(state)) == NULL) {
        free(datasets);
        return err_set(err, ERR_MEMORY, "datasets", "there is no memory for their table");
    }
    datasets->max = max;
    datasets->memory = memory;
    *ret = datasets;
    return true;
}

void datasets_free(struct datasets *datasets)
{
    if (datasets == NULL) {
        return;
    }
    for (size_t i = 0; i < datasets->n; i++) {
        dataset_unref(datasets->list[i]);
    }
    free(datasets->list);
    free(datasets->root);
    free(datasets);
}

struct turns *datasets_turns(struct datasets *datasets)
{
    return &datasets->turns;
}

const char *datasets_root(const struct datasets *datasets)
{
    return datasets->root;
}

size_t datasets_count(const struct datasets *datasets)
{
    return datasets->n;
}

struct dataset *datasets_at(const struct datasets *datasets, size_t i)
{
    return datasets->list[i];
}

uint64_t datasets_generation(struct datasets *datasets)
{
    return ++datasets->generation;
}

void datasets_generation_seen(struct datasets *datasets, uint64_t generation)
{
    if (generation > datasets->generation) {
        datasets->generation = generation;
    }
}

/* Where the name is, or would be; *found says which. */
static size_t place(const struct datasets *datasets, const char *name, bool *found)
{
    size_t at = 0;
    int order = -1;

    while (at < datasets->n && (order = strcmp(datasets->list[at]->name, name)) < 0) {
        at++;
    }
    *found = at < datasets->n && order == 0;
    return at;
}

struct dataset *datasets_find(const struct datasets *datasets, const char *name, const char *where,
                              struct err *err)
{
    bool found;
    size_t at;

    if (!name_check(name, strlen(name), where, err)) {
        return NULL;
    }
    at = place(datasets, name, &found);
    if (!found) {
        err_set(err, ERR_NOT_FOUND, where, "'%s' is no data set here", name);
        return NULL;
    }
    return datasets->list[at];
}

bool datasets_vacant(const struct datasets *datasets, const char *name, struct err *err)
{
    bool found;

    if (!name_check(name, strlen(name), "name", err)) {
        return false;
    }
    place(datasets, name, &found);
    if (!found && datasets->n + datasets->reserved >= datasets->max) {
        return err_set(err, ERR_LIMIT, "datasets", "are %zu, as many as --max-datasets allows",
                       datasets->n + datasets->reserved);
    }
    return true;
}

/* Room for n more than there are and than there is room kept for. */
static bool room_make(struct datasets *datasets, size_t n, struct err *err)
{
    const size_t least = datasets->n + datasets->reserved + n;
    size_t cap = datasets->cap == 0 ? 16 : datasets->cap;
    struct dataset **grown;

    if (least <= datasets->cap) {
        return true;
    }
    while (cap < least) {
        cap *= 2;
    }
    grown = realloc(datasets->list, cap * sizeof(struct dataset *));
    if (grown == NULL) {
        return err_set(err, ERR_MEMORY, "datasets", "there is no memory for another");
    }
    datasets->list = grown;
    datasets->cap = cap;
    return true;
}

bool datasets_reserve(struct datasets *datasets, size_t n, struct err *err)
{
    const size_t there = datasets->n + datasets->reserved;

    if (n > 0 && (there > datasets->max || n > datasets->max - there)) {
        return err_set(err, ERR_LIMIT, "datasets",
                       "are %zu, with %zu more there would be more than the %zu that "
                       "--max-datasets allows",
                       there, n, datasets->max);
    }
    if (!room_make(datasets, n, err)) {
        return false;
    }
    datasets->reserved += n;
    return true;
}

void datasets_release(struct datasets *datasets, size_t n)
{
    datasets->reserved -= n;
}

bool datasets_put(struct datasets *datasets, struct dataset *dataset, struct err *err)
{
    bool found;
    size_t at = place(datasets, dataset->name, &found);

    if (!found && !room_make(datasets, 1, err)) {
        dataset_unref(dataset);
        return false;
    }
    datasets_generation_seen(datasets, dataset->generation);
    if (found) {
        dataset_unref(datasets->list[at]);
        datasets->list[at] = dataset;
        return true;
    }
    memmove(&datasets->list[at + 1], &datasets->list[at],
            (datasets->n - at) * sizeof(struct dataset *));
    datasets->list[at] = dataset;
    datasets->n++;
    return true;
}

void datasets_remove(struct datasets *datasets, struct dataset *dataset)
{
    for (size_t i = 0; i < datasets->n; i++) {
        if (datasets->list[i] == dataset) {
            datasets->n--;
            quota_move(datasets->memory, dataset_bytes(dataset), 0);
            memmove(&datasets->list[i], &datasets->list[i + 1],
                    (datasets->n - i) * sizeof(struct dataset *));
            dataset_unref(dataset);
            return;
        }
    }
}

bool dataset_is_at(const struct dataset *dataset, const char *path)
{
    char name[NAME_MAX_LEN + 32];

    snprintf(name, sizeof name, "%s@%" PRIu64, dataset->name, dataset->generation);
    return strcmp(strrchr(path, '/') + 1, name) == 0;
}

/* Takes one folder of STATE/datasets into the table, unless a newer generation is there. */
static bool folder_load(struct datasets *datasets, const char *path, struct err *err)
{
    struct err why = { 0 };
    struct dataset *dataset, *other;
    bool found;
    size_t at;

    if (!dataset_open(path, &dataset, &why)) {
        if (why.code == ERR_MEMORY) {
            *err = why;
            return false;
        }
        recovery_set_aside(datasets->server, path, &why);
        return true;
    }
    if (!dataset_is_at(dataset, path)) {
        dataset_unref(dataset);
        err_set(&why, ERR_FIELD, "name", "is not that of the data set in it");
        recovery_set_aside(datasets->server, path, &why);
        return true;
    }
    at = place(datasets, dataset->name, &found);
    other = found ? datasets->list[at] : NULL;
    if (other != NULL && other->generation > dataset->generation) {
        dataset_unref(dataset); /* a job may still read it: see datasets_tidy */
        return true;
    }
    quota_move(datasets->memory, other != NULL ? dataset_bytes(other) : 0, dataset_bytes(dataset));
    return datasets_put(datasets, dataset, err);
}

/* Calls each for all entries of a folder but dot files. */
static bool folder_walk(struct datasets *datasets, const char *dir,
                        bool (*each)(struct datasets *datasets, const char *path, struct err *err),
                        struct err *err)
{
    DIR *handle = opendir(dir);
    const struct dirent *entry;
    bool ok = true;

    if (handle == NULL) {
        return disk_err(err, "open folder", dir);
    }
    while (ok && (entry = readdir(handle)) != NULL) {
        const size_t len = strlen(entry->d_name);
        const char *at = strrchr(entry->d_name, '@');
        const uint64_t generation = at != NULL ? strtoull(at + 1, NULL, 10) : 0;
        char *path = NULL;

        if (generation > datasets->generation) { /* *.corrupt had its number too */
            datasets->generation = generation;
        }
        if (entry->d_name[0] == '.' ||
            (len > 8 && strcmp(entry->d_name + len - 8, ".corrupt") == 0)) {
            continue;
        }
        ok = disk_path(dir, entry->d_name, &path, err) && each(datasets, path, err);
        free(path);
    }
    closedir(handle);
    return ok;
}

/* Removes a folder of a generation that was replaced, unless it is in the list. */
static bool stale_remove(struct datasets *datasets, const char *path, struct err *err)
{
    const char *name = strrchr(path, '/') + 1, *at = strrchr(name, '@');
    char known[NAME_MAX_LEN + 1];
    bool found;
    size_t place_of;

    (void)err;
    if (at == NULL || (size_t)(at - name) >= sizeof known) {
        return true;
    }
    snprintf(known, sizeof known, "%.*s", (int)(at - name), name);
    place_of = place(datasets, known, &found);
    if (!found || datasets->list[place_of]->generation <= strtoull(at + 1, NULL, 10)) {
        return true;
    }
    for (size_t i = 0; i < datasets->n_read; i++) {
        if (strcmp(datasets->read[i], path) == 0) {
            return true;
        }
    }
    disk_drop(datasets->root, path);
    return true;
}

bool datasets_tidy(struct datasets *datasets, const char *const *read, size_t n, struct err *err)
{
    char *all = NULL;
    bool ok;

    datasets->read = read;
    datasets->n_read = n;
    ok = disk_path(datasets->root, "datasets", &all, err) &&
         folder_walk(datasets, all, stale_remove, err);
    datasets->read = NULL;
    datasets->n_read = 0;
    free(all);
    return ok;
}

bool datasets_discard(const char *root, const struct dataset *dataset, struct err *err)
{
    const size_t len = strlen(dataset->name);
    char *all = NULL, *path = NULL;
    DIR *dir = NULL;
    const struct dirent *entry;
    bool ok = disk_path(root, "datasets", &all, err);

    ok = ok && ((dir = opendir(all)) != NULL || disk_err(err, "open folder", all));
    while (ok && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, dataset->name, len) == 0 && entry->d_name[len] == '@' &&
            strtoull(entry->d_name + len + 1, NULL, 10) < dataset->generation &&
            strchr(entry->d_name + len, '.') == NULL && disk_path(all, entry->d_name, &path, err)) {
            disk_drop(root, path);
            free(path);
            path = NULL;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    free(all);
    /* It syncs the folder of all of them: what went before it has gone for good, too. */
    return ok && disk_discard(root, "datasets", dataset->path, err);
}

static bool leftover_remove(struct datasets *datasets, const char *path, struct err *err)
{
    (void)datasets;
    (void)err;
    disk_remove(path);
    return true;
}

bool datasets_load(struct datasets *datasets, struct server *server, struct err *err)
{
    char *tmp = NULL, *all = NULL;
    bool ok;

    datasets->server = server;
    ok = disk_path(datasets->root, "tmp", &tmp, err) &&
         disk_path(datasets->root, "datasets", &all, err) && disk_make_dirs(tmp, err) &&
         disk_make_dirs(all, err) && folder_walk(datasets, tmp, leftover_remove, err) &&
         folder_walk(datasets, all, folder_load, err);

    free(tmp);
    free(all);
    return ok;
}
