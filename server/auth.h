/* Who may ask what. Judged at a request's head, before any of its body is read.
 *
 * Without a file of --tokens, whoever reaches a socket may do everything. With one, each route
 * needs a scope (route.c), and a request the grant of the token that it presents or, if it presents
 * none, that of its peer: the process behind a Unix socket, the certificate that it came with. The
 * file is read again at SIGHUP; a request that is under way keeps what it was admitted by.
 * Process lifetime; thread: the loop's. */
#ifndef AUTH_H
#define AUTH_H

#include <stdbool.h>

#include "err.h"

struct auth;
struct request;

/* path NULL: "tokens" in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=), if it is there.
 * Errors: ERR_FIELD at "CREDENTIALS_DIRECTORY" if that cannot be told; those of grants_load. */
bool auth_create(const char *path, struct auth **ret, struct err *err);
void auth_free(struct auth *auth); /* NULL: nothing happens */
/* Whether a grant is needed. */
bool auth_guards(const struct auth *auth);
/* Reads the file again. On errors, those of grants_load, what was read before goes on. */
bool auth_reload(struct auth *auth, struct err *err);

/* Finds the grant of a request whose route is known, and whether it will do. Errors, none of which
 * says whether what is asked for exists: ERR_AUTH at "Authorization", with reply.authenticate;
 * ERR_RATE at "rate", with reply.retry_after; ERR_DENIED at "scope", "name" or "id". */
bool auth_check(struct request *req, struct err *err);

/* Whether the request may see a model or data set of that name. */
bool auth_sees(const struct request *req, const char *name);
/* The same of a name that a body or a query has; "" is none, and will do. Errors: ERR_DENIED at
 * where. */
bool auth_name_check(const struct request *req, const char *name, const char *where,
                     struct err *err);

#endif
