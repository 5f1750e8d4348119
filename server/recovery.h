/* What an earlier process left in the state folder, brought back at start, before anything is
 * served.
 *
 * The served version's file is verified byte by byte; of the others the header is, and the rest
 * when they are first asked for. A file or folder that cannot be read is set aside as *.corrupt,
 * logged, and listed in /v1/server; one of a newer format is left as it is, logged and listed.
 * Everything else is served. Thread: main, before the loop runs. */
#ifndef RECOVERY_H
#define RECOVERY_H

#include "err.h"

struct server;

bool recovery_models(struct server *server, struct err *err);
/* Once jobs are back too: takes what is beyond --keep-versions off the lists, and what nobody needs
 * off the disk. */
void recovery_end(struct server *server);

/* Logs and remembers that path.corrupt has been set aside. */
void recovery_note(struct server *server, const char *path, const struct err *why);
/* Whether a file was refused since a later sigmad has written it: its format field is to blame, and
 * its sums, which are looked at first, are right. */
bool recovery_is_newer(const struct err *why);
bool recovery_has_suffix(const char *name, const char *suffix);
/* Sets a path aside as path.corrupt, and notes it; one of a newer format stays as it is. */
void recovery_set_aside(struct server *server, const char *path, const struct err *why);

#endif
