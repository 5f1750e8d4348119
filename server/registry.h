/* The models, by name. Thread: the loop's. */
#ifndef REGISTRY_H
#define REGISTRY_H

#include "model.h"

struct registry;

bool registry_create(size_t max, struct registry **ret, struct err *err);
void registry_free(struct registry *registry);
/* Borrowed. Errors: ERR_FIELD at "name" for what no model can be called, ERR_NOT_FOUND. */
struct model *registry_find(const struct registry *registry, const char *name, struct err *err);
/* Whether a model of that name could be added now. Errors: ERR_FIELD, ERR_EXISTS at "name";
 * ERR_LIMIT at "models". */
bool registry_vacant(const struct registry *registry, const char *name, struct err *err);
/* Keeps a vacant name for a model that is being written to disk, so that of two who create it at
 * once the second is refused at once, and room for it. Errors: as registry_vacant, and ERR_MEMORY.
 */
bool registry_reserve(struct registry *registry, const char *name, struct err *err);
void registry_release(struct registry *registry, const char *name);
/* Takes the caller's reference over, also on failure. The name was vacant, or reserved, and is
 * released. Errors: ERR_MEMORY, but not for a reserved one. */
bool registry_add(struct registry *registry, struct model *model, struct err *err);
/* A number that no folder has had: NAME@ID; the first of n of them. */
uint64_t registry_id(struct registry *registry);
uint64_t registry_ids(struct registry *registry, size_t n);
void registry_id_seen(struct registry *registry, uint64_t id);
/* Takes it out and gives up its versions; who pins one still has it. */
void registry_remove(struct registry *registry, struct model *model);
/* Forgets nets that can be read from disk again, of versions that are not served nor pinned, models
 * by their names and of each the oldest first, until --max-model-memory holds. What is pinned now
 * is forgotten by version_unref. */
void registry_trim(const struct server *server);
size_t registry_count(const struct registry *registry);
/* In the order of their names; borrowed. */
struct model *registry_at(const struct registry *registry, size_t i);

#endif
