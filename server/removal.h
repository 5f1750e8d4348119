/* Files that nobody needs any more, removed on the pool; nobody waits for it, and what is left
 * behind when it fails is removed at the next start. Loop thread. */
#ifndef REMOVAL_H
#define REMOVAL_H

#include <stdint.h>

struct server;

/* A file, or a folder of files, which vanishes whole: a start never meets half of one. */
void removal_path(struct server *server, const char *path);
/* A version's file in a model's folder. */
void removal_version(struct server *server, const char *folder, uint64_t version);

#endif
