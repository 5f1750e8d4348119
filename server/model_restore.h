/* A model from its folder, at start, as it was when the last process ended. Thread: main. */
#ifndef MODEL_RESTORE_H
#define MODEL_RESTORE_H

#include "err.h"

struct server;

/* Into the registry, under that name. What cannot be read of it is set aside, and no error. Errors:
 * ERR_MEMORY. */
bool model_restore(struct server *server, const char *path, const char *name, struct err *err);

#endif
