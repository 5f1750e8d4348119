#include "access.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "grant.h"
#include "log.h"
#include "route.h"
#include "server.h"

/* Nothing that would have to be quoted or could end a header. */
static bool id_sane(const char *id)
{
    size_t len = 0;

    while (id[len] > ' ' && id[len] < 0x7f && len <= REQUEST_ID_MAX) {
        len++;
    }
    return id[len] == '\0' && len > 0 && len <= REQUEST_ID_MAX;
}

/* Unlike any other of this process, and likely of any before it: "5d0c9a41-1f". */
static const char *id_new(struct request *req)
{
    struct server *server = req->server;
    char id[32];

    snprintf(id, sizeof id, "%08" PRIx32 "-%" PRIx64, server->id_base, ++server->ids);
    return arena_copy(&req->arena, id, strlen(id));
}

static const char *copy(struct request *req, const char *text)
{
    /* one byte more than is shown, so that what is cut is seen to be */
    return arena_copy(&req->arena, text, strnlen(text, LOG_VALUE_MAX + 1));
}

void access_begin(struct request *req, const char *method, const char *path)
{
    const char *id = request_header(req, "X-Request-Id");
    const char *trace;

    req->id = id != NULL && id_sane(id) ? id : NULL;
    if (!req->server->options.access_log || !log_shows(LEVEL_INFO)) {
        return;
    }
    req->id = req->id != NULL ? copy(req, req->id) : id_new(req);
    req->access = arena_alloc(&req->arena, 1, sizeof *req->access);
    if (req->access != NULL) {
        trace = request_header_all(req, "traceparent"); /* twice is none: level 1, 3.2.2 */
        *req->access = (struct access){ .method = copy(req, method), .path = copy(req, path) };
        req->access->traced = trace != NULL && trace_context_decode(trace, &req->access->trace);
    }
}

/* "127.0.0.1:40312", "[::1]:40312", or "unix". */
static const char *peer_name(const struct sockaddr *peer, char *ret, size_t len)
{
    char host[INET6_ADDRSTRLEN];
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;

    if (peer == NULL) {
        return NULL;
    }
    if (peer->sa_family == AF_INET) {
        memcpy(&in4, peer, sizeof in4);
        inet_ntop(AF_INET, &in4.sin_addr, host, sizeof host);
        snprintf(ret, len, "%s:%u", host, ntohs(in4.sin_port));
        return ret;
    }
    if (peer->sa_family == AF_INET6) {
        memcpy(&in6, peer, sizeof in6);
        inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof host);
        snprintf(ret, len, "[%s]:%u", host, ntohs(in6.sin6_port));
        return ret;
    }
    return "unix";
}

static const char *model_name(const struct request *req)
{
    return req->route != NULL && strstr(req->route->path, "/models/{name}") != NULL ? req->param[0]
                                                                                    : NULL;
}

void access_end(const struct request *req, const struct sockaddr *peer, bool whole)
{
    const struct access *access = req->access;
    struct log_entry entry;
    char name[INET6_ADDRSTRLEN + 16], detail[LOG_VALUE_MAX];

    if (access == NULL) {
        return;
    }
    log_begin(&entry, LEVEL_INFO, "request");
    log_text(&entry, "method", access->method);
    log_text(&entry, "route", req->route != NULL ? req->route->path : NULL);
    log_text(&entry, "path", access->path);
    log_count(&entry, "status", req->answered ? (uint64_t)req->reply.status : 0);
    log_count(&entry, "in", req->received);
    log_count(&entry, "out", req->sent);
    log_real(&entry, "ms", (double)(uv_hrtime() - req->started) * 1e-6);
    log_text(&entry, "model", model_name(req));
    log_text(&entry, "grant", req->grant != NULL ? req->grant->name : NULL);
    log_text(&entry, "id", req->id);
    log_text(&entry, "trace", access->traced ? access->trace.trace_id : NULL);
    log_text(&entry, "peer", peer_name(peer, name, sizeof name));
    if (req->err.code != ERR_NONE) {
        err_detail(&req->err, detail, sizeof detail);
        log_text(&entry, "error", detail);
    }
    if (!whole) {
        log_text(&entry, "cut", "true");
    }
    log_end(&entry);
}
