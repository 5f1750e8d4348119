#include "etag.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void etag_numbered(uint64_t number, double created, char ret[ETAG_LEN])
{
    snprintf(ret, ETAG_LEN, "\"%" PRIu64 "-%" PRIx64 "\"", number,
             (uint64_t)(created > 0.0 ? created * 1e6 + 0.5 : 0.0));
}

void etag_version(const struct version *version, char ret[ETAG_LEN])
{
    etag_numbered(version->number, version->created, ret);
}

void etag_dataset(const struct dataset *dataset, char ret[ETAG_LEN])
{
    etag_numbered(dataset->generation, dataset->created, ret);
}

static const enum coding codings[] = { CODING_GZIP, CODING_DEFLATE };

/* Whether a tag as a client sent it, len bytes, is etag, or that of what is compressed. */
static bool tag_is(const char *tag, size_t len, const char *etag)
{
    const size_t bare = strlen(etag) - 1; /* without the last quote */

    if (len < bare + 1 || memcmp(tag, etag, bare) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
        const char *name = coding_name(codings[i]);
        const size_t n = strlen(name);

        if (len == bare + n + 2 && tag[bare] == '-' && memcmp(tag + bare + 1, name, n) == 0) {
            return true;
        }
    }
    return len == bare + 1;
}

/* One tag, W/ included; steps behind it. False: there is none. */
static bool tag_next(const char **at, bool *weak, const char **begin, size_t *len)
{
    const char *p = *at;

    *weak = strncmp(p, "W/", 2) == 0;
    p += *weak ? 2 : 0;
    *begin = p;
    if (*p++ != '"') {
        return false;
    }
    while (*p == '!' || ((unsigned char)*p >= '#' && (unsigned char)*p != 0x7f)) {
        p++;
    }
    if (*p++ != '"') {
        return false;
    }
    *len = (size_t)(p - *begin);
    *at = p;
    return true;
}

bool etag_listed(const char *list, const char *etag, bool weak, bool *ret)
{
    const char *at = list + strspn(list, " \t");
    bool found = false;

    if (*at == '*' && at[1 + strspn(at + 1, " \t")] == '\0') {
        *ret = etag != NULL;
        return true;
    }
    for (;;) {
        const char *begin;
        bool is_weak;
        size_t len;

        at += strspn(at, " \t,");
        if (*at == '\0') {
            break;
        }
        if (!tag_next(&at, &is_weak, &begin, &len)) {
            return false;
        }
        at += strspn(at, " \t");
        if (*at != ',' && *at != '\0') {
            return false;
        }
        found = found || (etag != NULL && (weak || !is_weak) && tag_is(begin, len, etag));
    }
    *ret = found;
    return true;
}

/* Whether the header is there, and, if so, lists the tag. */
static bool header_lists(struct request *req, const char *name, const char *etag, bool weak,
                         bool *there, bool *listed, struct err *err)
{
    const char *list = request_header_all(req, name);

    *there = list != NULL;
    *listed = false;
    return list == NULL || etag_listed(list, etag, weak, listed) ||
           err_set(err, ERR_SYNTAX, name, "must be * or tags such as \"1\", is '%.100s'", list);
}

static bool match_holds(struct request *req, const char *etag, struct err *err)
{
    bool there, listed;

    if (!header_lists(req, "If-Match", etag, false, &there, &listed, err)) {
        return false;
    }
    if (!there || listed) {
        return true;
    }
    return etag == NULL
               ? err_set(err, ERR_PRECONDITION, "If-Match", "does not hold: there is nothing yet")
               : err_set(err, ERR_PRECONDITION, "If-Match", "does not hold: the ETag is %s", etag);
}

bool etag_holds(struct request *req, const char *etag, struct err *err)
{
    bool there, listed;

    if (!match_holds(req, etag, err) ||
        !header_lists(req, "If-None-Match", etag, true, &there, &listed, err)) {
        return false;
    }
    return !listed ||
           err_set(err, ERR_PRECONDITION, "If-None-Match", "does not hold: the ETag is %s", etag);
}

bool etag_model_holds(struct request *req, const struct model *model, struct err *err)
{
    char etag[ETAG_LEN];

    if (model == NULL || model->deleted) {
        return etag_holds(req, NULL, err);
    }
    etag_version(model->served, etag);
    return etag_holds(req, etag, err);
}

bool etag_create_only(struct request *req)
{
    const char *list = request_header_all(req, "If-None-Match");

    return list != NULL && list[strspn(list, " \t")] == '*';
}

/* A client that has it compressed, and would get it so, is told of that one's tag. */
static void fresh_coded(struct request *req, const char *etag)
{
    const enum coding coding = coding_wanted(request_header_all(req, "Accept-Encoding"));
    const char *list = request_header_all(req, "If-None-Match");
    char end[16];

    snprintf(end, sizeof end, "-%s\"", coding_name(coding));
    if (coding != CODING_IDENTITY && strstr(list, end) != NULL) {
        etag_reply_coded(req, etag, coding);
    }
}

bool etag_read(struct request *req, const char *etag, bool *fresh, struct err *err)
{
    bool there;

    if (!match_holds(req, etag, err) ||
        !header_lists(req, "If-None-Match", etag, true, &there, fresh, err)) {
        return false;
    }
    etag_reply(req, etag);
    if (req->reply.vary == NULL) {
        req->reply.vary = "Accept-Encoding";
    }
    if (*fresh) {
        fresh_coded(req, etag);
        request_reply_empty(req, 304);
        request_finish(req);
    }
    return true;
}

void etag_reply_coded(struct request *req, const char *etag, enum coding coding)
{
    char coded[ETAG_LEN + 16];

    snprintf(coded, sizeof coded, "%.*s-%s\"", (int)(strlen(etag) - 1), etag, coding_name(coding));
    etag_reply(req, coded);
}

void etag_reply(struct request *req, const char *etag)
{
    req->reply.etag = arena_copy(&req->arena, etag, strlen(etag));
}

void etag_reply_version(struct request *req, const struct version *version)
{
    char etag[ETAG_LEN];

    etag_version(version, etag);
    etag_reply(req, etag);
}
