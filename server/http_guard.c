/* What a request's head must be like before anything that it asks for is looked at: it came to one
 * of our names, not from somebody else's page, and, once its route is known, from who may. */
#include <string.h>

#include "auth.h"
#include "host.h"
#include "http_parts.h"
#include "site.h"
#include "route.h"
#include "server.h"

/* A browser has no Unix sockets, and HTTP/1.0, which it does not speak, no Host. */
static bool host_check(const struct request *req, const char *host, struct err *err)
{
    const char *url = req->http->listener.url;
    const char *at = strstr(url, "://");

    return host == NULL || at == NULL || strcmp(host, at + 3) == 0 ||
           host_known(host, &req->server->options.allow_host) ||
           err_set(err, ERR_HOST, "Host",
                   "is '%.100s', which is no name of this server: --allow-host adds one", host);
}

/* Reading is not refused: what a browser reads for another page it keeps from it, unless the reply
 * says that it may have it. */
static bool origin_check(struct request *req, const char *method, const char *host, struct err *err)
{
    const bool safe = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    const struct option_list *allowed = &req->server->options.allow_origin;
    const char *origin;

    if (safe && allowed->n == 0) {
        return true;
    }
    origin = request_header(req, "Origin");
    switch (site_judge(origin, request_header(req, "Sec-Fetch-Site"), host, allowed)) {
    case SITE_OWN:
        return true;
    case SITE_ALLOWED:
        req->origin = origin;
        return true;
    case SITE_FOREIGN:
        break;
    }
    return safe ||
           err_set(err, ERR_DENIED, "Origin",
                   "is '%.100s', another page's than this server's: --allow-origin adds one",
                   origin != NULL ? origin : "");
}

/* Asked by a browser before a page of --allow-origin may do more than a form could. */
static bool preflight(struct request *req, const char *method, const char *path)
{
    if (req->origin == NULL || strcmp(method, "OPTIONS") != 0 ||
        request_header(req, "Access-Control-Request-Method") == NULL) {
        return false;
    }
    req->reply.allow_methods = route_methods(req, path);
    return req->reply.allow_methods != NULL;
}

bool guard_check(struct request *req, const char *method, const char *path)
{
    const char *host = request_header(req, "Host");
    struct err *err = &req->err;

    if (!host_check(req, host, err) || !origin_check(req, method, host, err)) {
        return false;
    }
    if (preflight(req, method, path)) {
        req->called = true; /* no handler need be */
        request_reply_empty(req, 204);
        request_finish(req);
        return true;
    }
    return route_find(req, method, path, err) && auth_check(req, err);
}
