/* A request's headers and query, as MHD has them. */
#include "http_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <microhttpd.h>

#include "route.h"
#include "server.h"

/* The values of one header, as they come. */
struct values {
    const char *name;
    struct arena *arena;
    const char *all; /* NULL: none yet */
};

const char *request_header(struct request *req, const char *name)
{
    return MHD_lookup_connection_value(req->conn, MHD_HEADER_KIND, name);
}

static enum MHD_Result values_add(void *cls, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    struct values *values = cls;
    const size_t had = values->all != NULL ? strlen(values->all) + 2 : 0;
    char *both;

    (void)kind;
    if (strcasecmp(key, values->name) != 0 || value == NULL) {
        return MHD_YES;
    }
    both = had > 0 ? arena_alloc(values->arena, had + strlen(value) + 1, 1) : NULL;
    if (both != NULL) {
        sprintf(both, "%s, %s", values->all, value);
    }
    values->all = had == 0 ? value : both != NULL ? both : "";
    return MHD_YES;
}

const char *request_header_all(struct request *req, const char *name)
{
    struct values values = { name, &req->arena, NULL };

    MHD_get_connection_values(req->conn, MHD_HEADER_KIND, values_add, &values);
    return values.all;
}

/* Decodes %XX in place; MHD has turned + into a space. False if it is malformed or has a NUL. */
static bool percent_decode(char *text)
{
    char *to = text;

    for (const char *at = text; *at != '\0'; at++) {
        unsigned byte;

        if (*at != '%') {
            *to++ = *at;
            continue;
        }
        if (strspn(at + 1, "0123456789abcdefABCDEF") < 2 || sscanf(at + 1, "%2x", &byte) != 1 ||
            byte == 0) {
            return false;
        }
        *to++ = (char)byte;
        at += 2;
    }
    *to = '\0';
    return true;
}

const char *request_query(struct request *req, const char *key)
{
    const char *raw = NULL;
    size_t len = 0;
    char *copy;

    if (MHD_lookup_connection_value_n(req->conn, MHD_GET_ARGUMENT_KIND, key, strlen(key), &raw,
                                      &len) != MHD_YES) {
        return NULL;
    }
    copy = arena_copy(&req->arena, raw != NULL ? raw : "", raw != NULL ? len : 0);
    return copy != NULL && percent_decode(copy) ? copy : "";
}

/* Whether word is one of those in list, which are separated by spaces. */
static bool word_in(const char *list, const char *word)
{
    const size_t len = strlen(word);

    for (const char *at = list; at != NULL && *at != '\0'; at += strcspn(at, " ")) {
        at += strspn(at, " ");
        if (strcspn(at, " ") == len && memcmp(at, word, len) == 0) {
            return true;
        }
    }
    return false;
}

static enum MHD_Result query_check_one(void *cls, enum MHD_ValueKind kind, const char *key,
                                       const char *value)
{
    struct request *req = cls;

    (void)kind;
    (void)value;
    if (word_in(req->route->query, key)) {
        return MHD_YES;
    }
    err_set(&req->err, ERR_FIELD, "query", "parameter '%.64s' is not known here%s%s", key,
            req->route->query != NULL ? "; known: " : "",
            req->route->query != NULL ? req->route->query : "");
    return MHD_NO;
}

bool head_query_check(struct request *req)
{
    MHD_get_connection_values(req->conn, MHD_GET_ARGUMENT_KIND, query_check_one, req);
    return req->err.code == ERR_NONE;
}

static enum MHD_Result body_head_one(void *cls, enum MHD_ValueKind kind, const char *key,
                                     const char *value)
{
    struct body_head *head = cls;
    const size_t len = strlen(key);

    (void)kind;
    if (len > 0 && (key[len - 1] == ' ' || key[len - 1] == '\t')) {
        head->unclear = "header"; /* "Content-Length : 5", which some take for a length */
    } else if (strcasecmp(key, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        head->n_codings++;
        if (value == NULL || strcasecmp(value, "chunked") != 0) {
            head->unclear = key;
        }
    } else if (strcasecmp(key, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0) {
        head->n_lengths++;
        head->known = true;
        head->length = value != NULL ? strtoull(value, NULL, 10) : 0;
    }
    return MHD_YES;
}

/* JSON, whatever curl -d and clients that say nothing call it. */
static bool body_type_check(struct request *req, struct err *err)
{
    static const char *const known[] = { "application/json", "application/x-www-form-urlencoded" };
    const char *type = request_header(req, MHD_HTTP_HEADER_CONTENT_TYPE);
    const size_t len = type != NULL ? strcspn(type, "; ") : 0;

    for (size_t i = 0; type != NULL && i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i]) == len && strncasecmp(type, known[i], len) == 0) {
            return true;
        }
    }
    return type == NULL ||
           err_set(err, ERR_TYPE, "Content-Type", "must be application/json, is '%.100s'", type);
}

bool head_body_read(struct request *req, const char *version, struct body_head *ret,
                    struct err *err)
{
    const char *coding = request_header_all(req, MHD_HTTP_HEADER_CONTENT_ENCODING);

    MHD_get_connection_values(req->conn, MHD_HEADER_KIND, body_head_one, ret);
    if (ret->n_codings > 1 || (ret->n_codings > 0 && strcmp(version, "HTTP/1.1") != 0)) {
        ret->unclear = MHD_HTTP_HEADER_TRANSFER_ENCODING;
    }
    if (ret->n_lengths > 1 || (ret->known && ret->n_codings > 0)) {
        ret->unclear = MHD_HTTP_HEADER_CONTENT_LENGTH;
        return err_set(err, ERR_SYNTAX, ret->unclear,
                       "must be there once, and not with Transfer-Encoding");
    }
    if (ret->unclear != NULL) {
        return err_set(err, ERR_SYNTAX, ret->unclear,
                       strcmp(ret->unclear, "header") == 0
                           ? "names must not end in a space"
                           : "must be chunked, once, and in HTTP/1.1");
    }
    if (!coding_read(coding, &req->coding, err)) {
        if (err->code == ERR_TYPE) { /* nothing was wrong before: RFC 9110, 15.5.16 */
            req->reply.accept_encoding = "gzip, deflate";
        }
        return false;
    }
    if (ret->known && ret->length > req->body_max) {
        return err_set(err, ERR_TOO_LARGE, "body", "must be %zu bytes at most, is %llu",
                       req->body_max, ret->length);
    }
    return req->route == NULL || req->route->body != BODY_DATA || body_type_check(req, err);
}

bool head_waits(struct request *req)
{
    return request_header(req, MHD_HTTP_HEADER_EXPECT) != NULL;
}

const char *head_path(const char *url)
{
    const char *host = strncasecmp(url, "http://", 7) == 0    ? url + 7
                       : strncasecmp(url, "https://", 8) == 0 ? url + 8
                                                              : NULL;

    if (host == NULL) {
        return url;
    }
    host += strcspn(host, "/");
    return *host != '\0' ? host : "/";
}
