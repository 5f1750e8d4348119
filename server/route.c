#include "route.h"

#include <assert.h>
#include <string.h>

#include "handlers.h"
#include "problem.h"

#define M "/v1/models/{name}"
#define D "/v1/datasets/{name}"
#define I "/v2/models/{name}"
#define V "/versions/{version}"
#define R "/v2/repository"
#define UPLOAD "header target kind delimiter shape missing features"
#define JOBS "limit after state model"
#define PUBLIC SCOPE_PUBLIC
#define READ SCOPE_READ
#define PREDICT SCOPE_PREDICT
#define TRAIN SCOPE_TRAIN
#define ADMIN SCOPE_ADMIN
#define U "urn:sigmad:problem:"

/* Every endpoint, in README's order; openapi.json has an entry for each. */
/* clang-format off */
static const struct route routes[] = {
    { "PUT",    M,                  TRAIN,   "format spec",    BODY_ANY,    NULL,            on_model_put },
    { "GET",    "/v1/models",       READ,    NULL,             BODY_NONE,   NULL,            on_model_list },
    { "GET",    M,                  READ,    NULL,             BODY_NONE,   NULL,            on_model_get },
    { "DELETE", M,                  ADMIN,   "force",          BODY_NONE,   NULL,            on_model_delete },
    { "POST",   M "/predict",       PREDICT, "version top dataset", BODY_ANY, NULL,          on_predict },
    { "POST",   M "/train",         TRAIN,   NULL,             BODY_DATA,   NULL,            on_train },
    { "POST",   M "/learn",         TRAIN,   NULL,             BODY_DATA,   NULL,            on_learn },
    { "POST",   M "/evaluate",      PREDICT, "version",        BODY_DATA,   NULL,            on_evaluate },
    { "GET",    M "/export",        READ,    "version format part precision calibrate", BODY_NONE, NULL, on_export },
    { "GET",    M "/versions",      READ,    NULL,             BODY_NONE,   NULL,            on_version_list },
    { "GET",    M "/versions/{version}", READ,    NULL,        BODY_NONE,   NULL,            on_version_get },
    { "DELETE", M "/versions/{version}", ADMIN,   NULL,        BODY_NONE,   NULL,            on_version_delete },
    { "POST",   M "/promote",       ADMIN,   NULL,             BODY_DATA,   NULL,            on_promote },
    { "PUT",    D,                  TRAIN,   UPLOAD,           BODY_UPLOAD, on_dataset_open, on_dataset_put },
    { "PUT",    D "/features",      TRAIN,   UPLOAD,           BODY_UPLOAD, on_dataset_open, on_dataset_put },
    { "PUT",    D "/targets",       TRAIN,   UPLOAD,           BODY_UPLOAD, on_dataset_open, on_dataset_put },
    { "POST",   D "/rows",          TRAIN,   UPLOAD,           BODY_UPLOAD, on_rows_open,    on_rows_post },
    { "GET",    D "/rows",          READ,    "format",         BODY_NONE,   NULL,            on_rows_get },
    { "GET",    D "/features",      READ,    "format",         BODY_NONE,   NULL,            on_rows_get },
    { "GET",    D "/targets",       READ,    "format",         BODY_NONE,   NULL,            on_rows_get },
    { "GET",    "/v1/datasets",     READ,    NULL,             BODY_NONE,   NULL,            on_dataset_list },
    { "GET",    D,                  READ,    NULL,             BODY_NONE,   NULL,            on_dataset_get },
    { "DELETE", D,                  ADMIN,   NULL,             BODY_NONE,   NULL,            on_dataset_delete },
    { "GET",    "/v1/jobs",         READ,    JOBS,             BODY_NONE,   NULL,            on_job_list },
    { "GET",    "/v1/jobs/{id}",    READ,    NULL,             BODY_NONE,   NULL,            on_job_get },
    { "GET",    "/v1/jobs/{id}/events", READ,    NULL,         BODY_NONE,   NULL,            on_job_events },
    { "POST",   "/v1/jobs/{id}/pause",  TRAIN,   NULL,         BODY_NONE,   NULL,            on_job_pause },
    { "POST",   "/v1/jobs/{id}/resume", TRAIN,   NULL,         BODY_NONE,   NULL,            on_job_resume },
    { "PATCH",  "/v1/jobs/{id}",    TRAIN,   NULL,             BODY_DATA,   NULL,            on_job_patch },
    { "DELETE", "/v1/jobs/{id}",    TRAIN,   NULL,             BODY_NONE,   NULL,            on_job_delete },
    { "GET",    "/v1/export",       ADMIN,   NULL,             BODY_NONE,   NULL,            on_bundle_get },
    { "PUT",    "/v1/import",       ADMIN,   NULL,             BODY_UPLOAD, on_bundle_open,  on_bundle_put },
    { "GET",    "/v1/server",       READ,    NULL,             BODY_NONE,   NULL,            on_server },
    { "GET",    "/openapi.json",    READ,    NULL,             BODY_NONE,   NULL,            on_openapi },
    { "GET",    "/metrics",         READ,    NULL,             BODY_NONE,   NULL,            on_metrics },
    { "GET",    "/v2/health/live",  PUBLIC,  NULL,             BODY_NONE,   NULL,            on_live },
    { "GET",    "/v2/health/ready", PUBLIC,  NULL,             BODY_NONE,   NULL,            on_ready },
    { "GET",    "/v2",              READ,    NULL,             BODY_NONE,   NULL,            on_v2 },
    { "GET",    "/v2/",             READ,    NULL,             BODY_NONE,   NULL,            on_v2 },
    { "GET",    "/v2/models/stats", READ,    NULL,             BODY_NONE,   NULL,            on_v2_stats },
    { "GET",    I,                  READ,    NULL,             BODY_NONE,   NULL,            on_v2_model },
    { "GET",    I V,                READ,    NULL,             BODY_NONE,   NULL,            on_v2_model },
    { "GET",    I "/ready",         READ,    NULL,             BODY_NONE,   NULL,            on_v2_model_ready },
    { "GET",    I V "/ready",       READ,    NULL,             BODY_NONE,   NULL,            on_v2_model_ready },
    { "POST",   I "/infer",         PREDICT, NULL,             BODY_ANY,    NULL,            on_infer },
    { "POST",   I V "/infer",       PREDICT, NULL,             BODY_ANY,    NULL,            on_infer },
    { "GET",    I "/config",        READ,    NULL,             BODY_NONE,   NULL,            on_v2_config },
    { "GET",    I V "/config",      READ,    NULL,             BODY_NONE,   NULL,            on_v2_config },
    { "GET",    I "/stats",         READ,    NULL,             BODY_NONE,   NULL,            on_v2_model_stats },
    { "GET",    I V "/stats",       READ,    NULL,             BODY_NONE,   NULL,            on_v2_model_stats },
    { "POST",   R "/index",         READ,    NULL,             BODY_ANY,    NULL,            on_v2_index },
    { "POST",   R "/models/{name}/load",   ADMIN,   NULL,      BODY_ANY,    NULL,            on_v2_load },
    { "POST",   R "/models/{name}/unload", ADMIN,   NULL,      BODY_ANY,    NULL,            on_v2_unload },
};

#define NO_MEMORY "There is no memory for this"
static const struct { int status; const char *type, *title; } codes[ERR_COUNT] = {
    [ERR_NONE]         = { 200, U "none", "No error" },
    [ERR_SYNTAX]       = { 400, U "syntax", "The body or a header cannot be read" },
    [ERR_FIELD]        = { 422, U "field", "A field is missing, unknown or out of its limits" },
    [ERR_RANGE]        = { 422, U "range", "A number in the data is out of range" },
    [ERR_NUMBER]       = { 422, U "number", "The arithmetic stopped being finite" },
    [ERR_NOT_FOUND]    = { 404, U "not-found", "There is nothing of that name" },
    [ERR_EXISTS]       = { 409, U "exists", "There is something of that name" },
    [ERR_BUSY]         = { 409, U "busy", "It is in use" },
    [ERR_METHOD]       = { 405, U "method", "The method is not offered here" },
    [ERR_TOO_LARGE]    = { 413, U "too-large", "The request is over a limit" },
    [ERR_TYPE]         = { 415, U "type", "The body's content type is not taken here" },
    [ERR_ACCEPT]       = { 406, U "accept", "No such representation is made here" },
    [ERR_PRECONDITION] = { 412, U "precondition", "A precondition does not hold" },
    [ERR_AUTH]         = { 401, U "auth", "It is not known who asks" },
    [ERR_DENIED]       = { 403, U "denied", "Who asks may not do that" },
    [ERR_RATE]         = { 429, U "rate", "Who asks has asked too often" },
    [ERR_QUEUE]        = { 429, U "queue", "The queue of jobs is full" },
    [ERR_HOST]         = { 421, U "host", "The request is for another server" },
    [ERR_LIMIT]        = { 503, U "limit", "A limit of this server is reached" },
    [ERR_MEMORY]       = { 503, U "memory", NO_MEMORY },
    [ERR_IO]           = { 500, U "io", "The disk failed" },
    [ERR_FULL]         = { 507, U "full", "The disk is full" },
    [ERR_DRAINING]     = { 503, U "draining", "The server is going down" },
    [ERR_UNAVAILABLE]  = { 503, U "unavailable", "It is not in service" },
    [ERR_INTERNAL]     = { 500, U "internal", "The server made a mistake" },
};
/* clang-format on */

#define ROUTES (sizeof routes / sizeof routes[0])

bool route_changes(const struct route *route)
{
    return route->scope >= SCOPE_TRAIN && strcmp(route->method, "GET") != 0;
}

size_t route_count(void)
{
    return ROUTES;
}

const struct route *route_at(size_t i)
{
    return &routes[i];
}

int route_status(enum err_code code)
{
    return codes[code].status;
}

const char *route_type(enum err_code code)
{
    return codes[code].type;
}

const char *route_title(enum err_code code)
{
    return codes[code].title;
}

static size_t segment_len(const char *at)
{
    return strcspn(at, "/");
}

/* Whether path fits the pattern, segment by segment; params and lens get what {x} matched. */
static bool path_match(const char *pattern, const char *path, const char **params, size_t *lens)
{
    size_t n = 0;

    while (*pattern == '/' && *path == '/') {
        size_t want = segment_len(++pattern);
        size_t have = segment_len(++path);

        if (pattern[0] == '{' && have > 0) {
            assert(n < REQUEST_PARAMS_MAX);
            params[n] = path;
            lens[n++] = have;
        } else if (want != have || memcmp(pattern, path, want) != 0) {
            return false;
        }
        pattern += want;
        path += have;
    }
    return *pattern == '\0' && *path == '\0';
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c);

    return at != NULL ? (int)(at - digits) : -1;
}

/* %XX of one segment, decoded once. What a name may be is for name_check to say; here only bytes
 * that no string can hold, and half an escape, are refused. */
static bool segment_decode(struct request *req, const char *raw, size_t len, const char **ret,
                           struct err *err)
{
    char *text = arena_copy(&req->arena, raw, len);
    size_t to = 0;

    if (text == NULL) {
        return err_set(err, ERR_MEMORY, "path", "does not fit into memory");
    }
    for (size_t i = 0; i < len; i++) {
        int high, low;

        if (raw[i] != '%') {
            text[to++] = raw[i];
            continue;
        }
        high = i + 2 < len ? hex_digit(raw[i + 1]) : -1;
        low = high >= 0 ? hex_digit(raw[i + 2]) : -1;
        if (low < 0 || high * 16 + low == 0) {
            return err_set(err, ERR_FIELD, "path", "has an escape that is not %%01 to %%FF");
        }
        text[to++] = (char)(high * 16 + low);
        i += 2;
    }
    text[to] = '\0';
    *ret = text;
    return true;
}

const char *route_methods(struct request *req, const char *path)
{
    const char *params[REQUEST_PARAMS_MAX];
    size_t lens[REQUEST_PARAMS_MAX];
    char list[64] = "";

    for (size_t i = 0; i < ROUTES; i++) {
        if (path_match(routes[i].path, path, params, lens)) {
            strncat(list, list[0] == '\0' ? "" : ", ", sizeof list - strlen(list) - 1);
            strncat(list, routes[i].method, sizeof list - strlen(list) - 1);
        }
    }
    return list[0] == '\0' ? NULL : arena_copy(&req->arena, list, strlen(list));
}

bool route_find(struct request *req, const char *method, const char *path, struct err *err)
{
    const char *params[REQUEST_PARAMS_MAX] = { NULL };
    size_t lens[REQUEST_PARAMS_MAX] = { 0 };

    if (strcmp(method, "HEAD") == 0) {
        method = "GET"; /* MHD leaves the body off */
    }
    for (size_t i = 0; i < ROUTES; i++) {
        if (strcmp(method, routes[i].method) != 0 ||
            !path_match(routes[i].path, path, params, lens)) {
            continue;
        }
        req->route = &routes[i];
        for (size_t p = 0; p < REQUEST_PARAMS_MAX && params[p] != NULL; p++) {
            if (!segment_decode(req, params[p], lens[p], &req->param[p], err)) {
                return false;
            }
        }
        return true;
    }
    req->reply.allow = route_methods(req, path);
    if (req->reply.allow != NULL) {
        return err_set(err, ERR_METHOD, "method", "must be one of %s, is %s", req->reply.allow,
                       method);
    }
    return err_set(err, ERR_NOT_FOUND, "path", "'%s' is none of this server's", path);
}

/* The Open Inference Protocol has 400 for what is wrong with a request. */
static int status_of(const struct request *req, enum err_code code)
{
    const int status = codes[code].status;
    const bool v2 = req->route != NULL && strncmp(req->route->path, "/v2", 3) == 0;

    return v2 && (status == 422 || status == 415 || status == 406) ? 400 : status;
}

void route_problem(struct request *req)
{
    const enum err_code code = req->err.code;
    const int status = status_of(req, code);
    struct text text = { 0 };

    problem_encode(&text, &req->err, status, codes[code].type, codes[code].title);
    req->reply.status = status;
    req->reply.type = "application/problem+json";
    req->reply.location = NULL;
    req->reply.etag = req->reply.file_name = req->reply.digest = NULL;
    if (code == ERR_LIMIT || code == ERR_MEMORY || code == ERR_DRAINING || code == ERR_QUEUE) {
        req->reply.retry_after = "1";
    }
    req->reply.data = text_detach(&text, &req->reply.len);
    if (req->reply.data == NULL) { /* no memory even for this */
        req->reply.status = codes[ERR_MEMORY].status;
        req->reply.retry_after = "1";
        req->reply.spare =
            "{\"type\": \"" U "memory\", \"title\": \"" NO_MEMORY "\", "
            "\"status\": 503, \"detail\": \"there is no memory to say what is wrong\", "
            "\"error\": \"there is no memory to say what is wrong\"}";
        req->reply.len = strlen(req->reply.spare);
    }
}
