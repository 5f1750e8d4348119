/* Whether openapi.json has what route.c's table has, and nothing else: an entry for each route,
 * with its query parameters and a body where it takes one, and this version. The build runs it; it
 * says what differs. Plain C without cmocka, which building does not need.
 *
 *   openapi FILE */
#include <stdio.h>
#include <string.h>
#include <jansson.h>

#include "route.h"
#include "server.h"

#define WORD_MAX 64

static size_t differences;

/* main.c's, which is not there; nobody calls it here. */
void server_request_ended(struct server *server)
{
    (void)server;
}

static void differs(const char *method, const char *path, const char *what, const char *name)
{
    fprintf(stderr, "openapi.json: %s %s %s%s\n", method, path, what, name);
    differences++;
}

/* "/v2/" is answered as "/v2" is, and has no entry of its own. */
static bool is_alias(const struct route *route)
{
    const size_t len = strlen(route->path);

    return len > 1 && route->path[len - 1] == '/';
}

/* "GET" -> "get"; ret[WORD_MAX]. */
static void lower(const char *method, char *ret)
{
    size_t i = 0;

    for (; method[i] != '\0' && i < WORD_MAX - 1; i++) {
        ret[i] = (char)(method[i] | 0x20);
    }
    ret[i] = '\0';
}

static const struct route *route_of(const char *method, const char *path)
{
    char lowered[WORD_MAX];

    for (size_t i = 0; i < route_count(); i++) {
        lower(route_at(i)->method, lowered);
        if (strcmp(lowered, method) == 0 && strcmp(route_at(i)->path, path) == 0) {
            return route_at(i);
        }
    }
    return NULL;
}

/* Borrowed; what {"$ref": "#/components/parameters/NAME"} stands for. */
static const json_t *parameter_at(const json_t *document, const json_t *parameters, size_t i)
{
    const json_t *parameter = json_array_get(parameters, i);
    const char *ref = json_string_value(json_object_get(parameter, "$ref"));
    const json_t *shared = json_object_get(json_object_get(document, "components"), "parameters");

    return ref != NULL && strrchr(ref, '/') != NULL ? json_object_get(shared, strrchr(ref, '/') + 1)
                                                    : parameter;
}

/* Whether a query parameter of that name, len bytes long, is among them. */
static bool is_parameter(const json_t *document, const json_t *parameters, const char *name,
                         size_t len)
{
    for (size_t i = 0; i < json_array_size(parameters); i++) {
        const json_t *parameter = parameter_at(document, parameters, i);
        const char *in = json_string_value(json_object_get(parameter, "in"));
        const char *said = json_string_value(json_object_get(parameter, "name"));

        if (in != NULL && said != NULL && strcmp(in, "query") == 0 && strlen(said) == len &&
            memcmp(said, name, len) == 0) {
            return true;
        }
    }
    return false;
}

static size_t query_count(const json_t *document, const json_t *parameters)
{
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(parameters); i++) {
        const json_t *parameter = parameter_at(document, parameters, i);
        const char *in = json_string_value(json_object_get(parameter, "in"));

        n += in != NULL && strcmp(in, "query") == 0;
    }
    return n;
}

static void query_compare(const struct route *route, const json_t *document, const json_t *entry)
{
    const json_t *parameters = json_object_get(entry, "parameters");
    size_t n = 0;

    for (const char *at = route->query; at != NULL && *at != '\0';) {
        const size_t len = strcspn(at, " ");
        char name[WORD_MAX];

        snprintf(name, sizeof name, "%.*s", (int)len, at);
        if (!is_parameter(document, parameters, at, len)) {
            differs(route->method, route->path, "has no query parameter ", name);
        }
        at += len + (at[len] == ' ');
        n++;
    }
    if (query_count(document, parameters) > n) {
        differs(route->method, route->path, "has query parameters that it does not take", "");
    }
}

static void body_compare(const struct route *route, const json_t *entry)
{
    const json_t *body = json_object_get(entry, "requestBody");
    const json_t *types = json_object_get(body, "content");
    const bool json = json_object_get(types, "application/json") != NULL;

    if ((route->body != BODY_NONE) != (json_object_size(types) > 0)) {
        differs(route->method, route->path,
                route->body == BODY_NONE ? "takes no body" : "lacks its body", "");
    } else if (route->body == BODY_DATA && (!json || json_object_size(types) != 1)) {
        differs(route->method, route->path, "must take application/json, and no other type", "");
    }
}

/* What needs no grant says so; all else has what the document says of all. */
static void security_compare(const struct route *route, const json_t *entry)
{
    const json_t *security = json_object_get(entry, "security");

    if ((route->scope == SCOPE_PUBLIC) != json_is_array(security) ||
        json_array_size(security) > 0) {
        differs(route->method, route->path, "must have security [] if it is public, else none", "");
    }
}

static void routes_compare(const json_t *document)
{
    const json_t *paths = json_object_get(document, "paths");

    for (size_t i = 0; i < route_count(); i++) {
        const struct route *route = route_at(i);
        const json_t *entry;
        char method[WORD_MAX];

        if (is_alias(route)) {
            continue;
        }
        lower(route->method, method);
        entry = json_object_get(json_object_get(paths, route->path), method);
        if (entry == NULL) {
            differs(route->method, route->path, "has no entry", "");
            continue;
        }
        query_compare(route, document, entry);
        body_compare(route, entry);
        security_compare(route, entry);
    }
}

static void entries_compare(json_t *document)
{
    const char *path, *method;
    json_t *entries, *entry;

    json_object_foreach(json_object_get(document, "paths"), path, entries)
    {
        json_object_foreach(entries, method, entry)
        {
            if (route_of(method, path) == NULL) {
                differs(method, path, "is no route", "");
            }
        }
    }
}

int main(int argc, char **argv)
{
    json_error_t error;
    json_t *document = json_load_file(argc == 2 ? argv[1] : "", JSON_REJECT_DUPLICATES, &error);
    const json_t *info = json_object_get(document, "info");
    const char *version = json_string_value(json_object_get(info, "version"));

    if (document == NULL) {
        fprintf(stderr, "openapi.json: line %d: %s\n", error.line, error.text);
        return 1;
    }
    if (version == NULL || strcmp(version, SIGMAD_VERSION) != 0) {
        differs("info", "version", "must be ", SIGMAD_VERSION);
    }
    routes_compare(document);
    entries_compare(document);
    json_decref(document);
    return differences == 0 ? 0 : 1;
}
