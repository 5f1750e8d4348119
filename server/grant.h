/* One grant: who may do what. A line of the file of --tokens:
 *
 *   NAME SCOPE WHO [models=PATTERN,PATTERN...] [rate=N]        # a comment
 *
 *   NAME     whom it is for, [A-Za-z0-9][A-Za-z0-9._-]{0,63}
 *   SCOPE    read, predict, train or admin; each may do what those before it may
 *   WHO      sha256:HEX  who presents the token that this is the SHA-256 of
 *            uid:N, gid:N, user:NAME, group:NAME  who connects to a Unix socket as that user, or as
 *                        one of that group; names are looked up when the file is read
 *            cert:NAME   who has a certificate of that common name, vouched for by --tls-client-ca
 *   models=  the models and data sets it is for, by name; * stands for any characters; all if it is
 *            left out
 *   rate=    requests a second, 1 to RATE_MAX, as many of them at once; no limit if it is left out
 *
 * Neither salt nor a slow hash is needed: a token is 256 random bits, which nobody can try out, and
 * no two are equal. Thread: one at a time. */
#ifndef GRANT_H
#define GRANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "rate.h"

#define GRANT_NAME_MAX 64
#define GRANT_HASH 32 /* bytes of SHA-256 */

enum scope { SCOPE_PUBLIC, SCOPE_READ, SCOPE_PREDICT, SCOPE_TRAIN, SCOPE_ADMIN, SCOPES };

enum grant_who { GRANT_TOKEN, GRANT_UID, GRANT_GID, GRANT_CERT };

struct grant {
    char name[GRANT_NAME_MAX + 1];
    enum scope scope;
    enum grant_who who;
    unsigned char hash[GRANT_HASH]; /* of a GRANT_TOKEN */
    uint32_t id;                    /* of a GRANT_UID or GRANT_GID */
    char *cert;                     /* owned; of a GRANT_CERT */
    char *models;                   /* owned; PATTERN,PATTERN; NULL: all */
    struct rate rate;
};

/* "read"; SCOPE_PUBLIC, which nobody needs a grant for, is "public". */
const char *scope_name(enum scope scope);

/* Reads a line, which is cut into words. Of an empty one, or a comment, the name is empty.
 * Errors: ERR_FIELD at "name", "scope", "uid", "models" and so on, ERR_MEMORY. */
bool grant_parse(char *line, struct grant *ret, struct err *err);
void grant_done(struct grant *grant);

/* SHA-256 of a token. False: there is no memory for it. */
bool grant_hash(const char *token, size_t len, unsigned char *ret);

/* Whether it is for a model or data set of that name. */
bool grant_sees(const struct grant *grant, const char *name);

#endif
