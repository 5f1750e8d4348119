#include "registry.h"

#include <stdlib.h>
#include <string.h>

#include "server.h"

/* A name that is kept for a model to come. */
struct reserved {
    struct reserved *next;
    char name[NAME_MAX_LEN + 1];
};

struct registry {
    struct model **models; /* sorted by name; a reference each */
    size_t n, cap, max;
    struct reserved *reserved; /* owned; few */
    size_t n_reserved;
    uint64_t id;
};

bool registry_create(size_t max, struct registry **ret, struct err *err)
{
    struct registry *registry = calloc(1, sizeof *registry);

    if (registry == NULL) {
        return err_set(err, ERR_MEMORY, "models", "there is no memory for the registry");
    }
    registry->max = max;
    *ret = registry;
    return true;
}

void registry_free(struct registry *registry)
{
    if (registry == NULL) {
        return;
    }
    while (registry->n > 0) {
        registry_remove(registry, registry->models[registry->n - 1]);
    }
    while (registry->reserved != NULL) {
        registry_release(registry, registry->reserved->name);
    }
    free(registry->models);
    free(registry);
}

/* Where the name is, or would be; *found says which. */
static size_t place(const struct registry *registry, const char *name, bool *found)
{
    size_t low = 0, high = registry->n;

    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(registry->models[mid]->name, name);

        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

struct model *registry_find(const struct registry *registry, const char *name, struct err *err)
{
    bool found;
    size_t at;

    if (!name_check(name, strlen(name), "name", err)) {
        return NULL;
    }
    at = place(registry, name, &found);
    if (!found) {
        err_set(err, ERR_NOT_FOUND, "name", "'%s' is no model here", name);
        return NULL;
    }
    return registry->models[at];
}

bool registry_vacant(const struct registry *registry, const char *name, struct err *err)
{
    bool found;

    if (!name_check(name, strlen(name), "name", err)) {
        return false;
    }
    place(registry, name, &found);
    for (const struct reserved *r = registry->reserved; r != NULL && !found; r = r->next) {
        found = strcmp(r->name, name) == 0;
    }
    if (found) {
        return err_set(err, ERR_EXISTS, "name", "'%s' is a model already: delete it first", name);
    }
    if (registry->n + registry->n_reserved >= registry->max) {
        return err_set(err, ERR_LIMIT, "models", "are %zu, as many as --max-models allows",
                       registry->n + registry->n_reserved);
    }
    return true;
}

/* Room for one more than there are and than names are kept for. */
static bool room_make(struct registry *registry, struct err *err)
{
    const size_t cap = registry->cap == 0 ? 16 : 2 * registry->cap;
    struct model **grown;

    if (registry->n + registry->n_reserved < registry->cap) {
        return true;
    }
    grown = realloc(registry->models, cap * sizeof(struct model *));
    if (grown == NULL) {
        return err_set(err, ERR_MEMORY, "models", "there is no memory for another");
    }
    registry->models = grown;
    registry->cap = cap;
    return true;
}

bool registry_reserve(struct registry *registry, const char *name, struct err *err)
{
    struct reserved *reserved;

    if (!registry_vacant(registry, name, err) || !room_make(registry, err)) {
        return false;
    }
    reserved = calloc(1, sizeof *reserved);
    if (reserved == NULL) {
        return err_set(err, ERR_MEMORY, "name", "there is no memory for another model");
    }
    strcpy(reserved->name, name); /* name_check saw to its length */
    reserved->next = registry->reserved;
    registry->reserved = reserved;
    registry->n_reserved++;
    return true;
}

void registry_release(struct registry *registry, const char *name)
{
    struct reserved **at = &registry->reserved;

    while (*at != NULL && strcmp((*at)->name, name) != 0) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        struct reserved *gone = *at;

        *at = gone->next;
        registry->n_reserved--;
        free(gone);
    }
}

uint64_t registry_id(struct registry *registry)
{
    return ++registry->id;
}

uint64_t registry_ids(struct registry *registry, size_t n)
{
    registry->id += n;
    return registry->id - n + 1;
}

void registry_id_seen(struct registry *registry, uint64_t id)
{
    registry->id = id > registry->id ? id : registry->id;
}

bool registry_add(struct registry *registry, struct model *model, struct err *err)
{
    bool found;
    size_t at;

    registry_release(registry, model->name);
    if (!room_make(registry, err)) {
        model_drop_versions(model);
        model_unref(model);
        return false;
    }
    at = place(registry, model->name, &found);
    memmove(&registry->models[at + 1], &registry->models[at],
            (registry->n - at) * sizeof(struct model *));
    registry->models[at] = model;
    registry->n++;
    return true;
}

void registry_remove(struct registry *registry, struct model *model)
{
    bool found;
    size_t at = place(registry, model->name, &found);

    if (!found || registry->models[at] != model) {
        return;
    }
    memmove(&registry->models[at], &registry->models[at + 1],
            (registry->n - at - 1) * sizeof(struct model *));
    registry->n--;
    model->deleted = true;
    model_drop_versions(model);
    model_unref(model);
}

void registry_trim(const struct server *server)
{
    const struct registry *registry = server->registry;
    const size_t max = server->model_memory.max;

    if (server->options.state == NULL) {
        return;
    }
    for (size_t i = 0; i < registry->n && server->net_bytes > max; i++) {
        const struct model *model = registry->models[i];

        for (size_t v = 0; v < model->n_versions && server->net_bytes > max; v++) {
            if (model->versions[v] != model->served) {
                version_forget(model->versions[v]);
            }
        }
    }
}

size_t registry_count(const struct registry *registry)
{
    return registry->n;
}

struct model *registry_at(const struct registry *registry, size_t i)
{
    return registry->models[i];
}
