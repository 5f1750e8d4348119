#include "auth.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "grants.h"
#include "job.h"
#include "request.h"
#include "route.h"
#include "server.h"

#define REALM "Bearer realm=\"sigmad\""
#define CREDENTIAL "tokens"

struct auth {
    char *path;            /* owned; NULL: no file, and no grant is needed */
    struct grants *grants; /* one reference; NULL likewise */
};

/* ---- the file ---- */

/* systemd's; *ret is NULL if there is none. One that is there and cannot be looked at, or of which
 * it is not known whether it is, must not leave the doors open. */
static bool credential_find(char **ret, struct err *err)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char *path;
    bool ok;

    *ret = NULL;
    if (folder == NULL) {
        return true;
    }
    if (asprintf(&path, "%s/%s", folder, CREDENTIAL) < 0) {
        return err_set(err, ERR_MEMORY, "--tokens", "does not fit into memory");
    }
    if (access(path, F_OK) == 0) {
        *ret = path;
        return true;
    }
    ok = errno == ENOENT || err_set(err, ERR_FIELD, "CREDENTIALS_DIRECTORY",
                                    "has %.200s, which cannot be read: %s", path, strerror(errno));
    free(path);
    return ok;
}

static bool path_find(const char *path, char **ret, struct err *err)
{
    if (path == NULL) {
        return credential_find(ret, err);
    }
    *ret = strdup(path);
    return *ret != NULL || err_set(err, ERR_MEMORY, "--tokens", "does not fit into memory");
}

bool auth_create(const char *path, struct auth **ret, struct err *err)
{
    struct auth *auth = calloc(1, sizeof *auth);

    if (auth == NULL) {
        return err_set(err, ERR_MEMORY, "--tokens", "does not fit into memory");
    }
    if (!path_find(path, &auth->path, err) ||
        (auth->path != NULL && !grants_load(auth->path, NULL, &auth->grants, err))) {
        auth_free(auth);
        return false;
    }
    *ret = auth;
    return true;
}

void auth_free(struct auth *auth)
{
    if (auth != NULL) {
        grants_unref(auth->grants);
        free(auth->path);
        free(auth);
    }
}

bool auth_guards(const struct auth *auth)
{
    return auth->grants != NULL;
}

bool auth_reload(struct auth *auth, struct err *err)
{
    struct grants *grants;

    if (auth->path == NULL) {
        return true;
    }
    if (!grants_load(auth->path, auth->grants, &grants, err)) {
        return false;
    }
    grants_unref(auth->grants);
    auth->grants = grants;
    return true;
}

/* ---- who it is ---- */

/* The process that connected to a Unix socket; its groups are those it had then. */
static struct grant *process_find(struct request *req, const struct grants *grants, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer, groups = 0;
    uint32_t *gids;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        return NULL;
    }
    getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &groups); /* says how many bytes they take */
    gids = arena_alloc(&req->arena, groups / sizeof *gids + 1, sizeof *gids);
    if (gids == NULL ||
        (groups > 0 && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids, &groups) != 0)) {
        return NULL;
    }
    gids[groups / sizeof *gids] = peer.gid;
    return grants_find_peer(grants, peer.uid, gids, groups / sizeof *gids + 1);
}

static struct grant *peer_find(struct request *req, const struct grants *grants)
{
    const int fd = request_unix_socket(req);
    const char *cert = request_certificate(req);

    if (fd >= 0) {
        return process_find(req, grants, fd);
    }
    return cert != NULL ? grants_find_cert(grants, cert) : NULL;
}

/* The token of "Bearer TOKEN", RFC 6750; NULL if it is not that. */
static const char *bearer_read(const char *authorization)
{
    const size_t scheme = sizeof "Bearer" - 1;

    if (strncasecmp(authorization, "Bearer", scheme) != 0 || authorization[scheme] != ' ') {
        return NULL;
    }
    return authorization + scheme + strspn(authorization + scheme, " ");
}

static bool grant_find(struct request *req, struct grants *grants, struct err *err)
{
    const char *authorization = request_header(req, "Authorization");
    const char *token = authorization != NULL ? bearer_read(authorization) : NULL;

    req->grant = token != NULL           ? grants_find_token(grants, token, strlen(token))
                 : authorization == NULL ? peer_find(req, grants)
                                         : NULL;
    if (req->grant != NULL) {
        req->grants = grants_ref(grants);
        return true;
    }
    if (token != NULL) {
        req->reply.authenticate = REALM ", error=\"invalid_token\"";
        return err_set(err, ERR_AUTH, "Authorization", "has a token that is none of this server's");
    }
    req->reply.authenticate = REALM;
    return err_set(err, ERR_AUTH, "Authorization", "must be Bearer and a token");
}

/* ---- what it may ---- */

static bool rate_check(struct request *req, struct err *err)
{
    struct rate *rate = &req->grant->rate;
    char seconds[24];
    uint64_t wait;

    if (rate_take(rate, uv_hrtime(), &wait)) {
        return true;
    }
    /* a bucket holds a second's tokens, so that the next one is never further away */
    snprintf(seconds, sizeof seconds, "%" PRIu64, (wait + 999999999) / 1000000000);
    req->reply.retry_after = arena_copy(&req->arena, seconds, strlen(seconds));
    return err_set(err, ERR_RATE, "rate", "of '%s' is %" PRIu32 " requests a second",
                   req->grant->name, rate->n);
}

static bool scope_check(struct request *req, struct err *err)
{
    static const char *const needs[SCOPES] = {
        [SCOPE_READ] = REALM ", error=\"insufficient_scope\", scope=\"read\"",
        [SCOPE_PREDICT] = REALM ", error=\"insufficient_scope\", scope=\"predict\"",
        [SCOPE_TRAIN] = REALM ", error=\"insufficient_scope\", scope=\"train\"",
        [SCOPE_ADMIN] = REALM ", error=\"insufficient_scope\", scope=\"admin\"",
    };
    const enum scope need = req->route->scope;

    if (req->grant->scope >= need) {
        return true;
    }
    req->reply.authenticate = needs[need];
    return err_set(err, ERR_DENIED, "scope", "must be %s%s for this, that of '%s' is %s",
                   scope_name(need), need < SCOPE_ADMIN ? " or more" : "", req->grant->name,
                   scope_name(req->grant->scope));
}

/* Of routes that name a model, a data set or a job, this one; of those that do not, lists leave out
 * what may not be seen, and what admin does to all at once is for those who may see all. */
static bool path_check(struct request *req, struct err *err)
{
    struct err none = { 0 };
    const struct job *job;

    if (req->grant->models == NULL) {
        return true;
    }
    if (strstr(req->route->path, "/{name}") != NULL) {
        return auth_name_check(req, req->param[0], "name", err);
    }
    if (strstr(req->route->path, "/{id}") != NULL) {
        job = jobs_find(req->server->jobs, req->param[0], &none);
        return job == NULL || auth_sees(req, job->model_name) ||
               err_set(err, ERR_DENIED, "id", "'%.64s' is of a model that '%s' is not for",
                       req->param[0], req->grant->name);
    }
    return req->route->scope < SCOPE_ADMIN ||
           err_set(err, ERR_DENIED, "models", "must be all for this, those of '%s' are %.100s",
                   req->grant->name, req->grant->models);
}

bool auth_check(struct request *req, struct err *err)
{
    struct grants *grants = req->server->auth->grants;

    if (grants == NULL || req->route->scope == SCOPE_PUBLIC) {
        return true;
    }
    return grant_find(req, grants, err) && rate_check(req, err) && scope_check(req, err) &&
           path_check(req, err);
}

bool auth_sees(const struct request *req, const char *name)
{
    return req->grant == NULL || grant_sees(req->grant, name);
}

bool auth_name_check(const struct request *req, const char *name, const char *where,
                     struct err *err)
{
    return name[0] == '\0' || auth_sees(req, name) ||
           err_set(err, ERR_DENIED, where, "'%.64s' is none of those that '%s' is for", name,
                   req->grant->name);
}
