/* Files that nobody needs any more, removed on the pool; nobody waits for it, and what is left
 * behind when it fails is removed at the next start. Loop thread. */
#ifndef REMOVAL_H
#define REMOVAL_H

#include <stdint.h>

struct model;
struct server;

/* A file, or a folder of files, which vanishes whole: a start never meets half of one. */
void removal_path(struct server *server, const char *path);
/* A file of a model's folder: a version's, or a learn log; once what only it tells of
 * Idempotency-Keys is written elsewhere. */
void removal_version(struct model *model, uint64_t version);
void removal_log(struct model *model, uint64_t base, uint64_t first);

#endif
