#include "offer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "accept.h"

/* The index of the one that has the name; n: none has. */
static size_t offer_find(const struct offer *offers, size_t n, const char *name)
{
    size_t i = 0;

    while (i < n && strcmp(offers[i].name, name) != 0) {
        i++;
    }
    return i;
}

bool offer_choose(struct request *req, const struct offer *offers, size_t n, size_t *ret,
                  struct err *err)
{
    const char *name = request_query(req, "format");
    const char *types[OFFERS_MAX];
    char list[160] = "";
    size_t at = n;

    assert(n <= OFFERS_MAX);
    for (size_t i = 0; i < n; i++) {
        types[i] = offers[i].type;
        strncat(list, i > 0 ? ", " : "", sizeof list - strlen(list) - 1);
        strncat(list, offers[i].name, sizeof list - strlen(list) - 1);
    }
    if (name != NULL && (at = offer_find(offers, n, name)) == n) {
        return err_set(err, ERR_FIELD, "format", "must be %s%s, is '%.64s'", n > 1 ? "one of " : "",
                       list, name);
    }
    if (name == NULL && !accept_choose(request_header_all(req, "Accept"), types, n, &at)) {
        return err_set(err, ERR_ACCEPT, "Accept", "must allow the type of %s%s",
                       n > 1 ? "one of " : "", list);
    }
    req->reply.vary = "Accept, Accept-Encoding";
    *ret = at;
    return true;
}

void offer_tag(char etag[ETAG_LEN], const char *suffix)
{
    const size_t len = strlen(etag) - 1; /* without the last quote */

    snprintf(etag + len, ETAG_LEN - len, "-%s\"", suffix);
}

void offer_file(struct request *req, const char *digest, const char *fmt, ...)
{
    char name[2 * NAME_MAX_LEN + 64] = "attachment; filename=\"";
    size_t len = strlen(name);
    va_list args;

    va_start(args, fmt);
    vsnprintf(name + len, sizeof name - len - 1, fmt, args);
    va_end(args);
    strcat(name, "\"");
    req->reply.file_name = arena_copy(&req->arena, name, strlen(name));
    req->reply.digest = arena_copy(&req->arena, digest, strlen(digest));
}
