#define _GNU_SOURCE /* memmem */

#include "multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "quote.h"

#define BOUNDARY_MAX 70 /* RFC 2046, 5.1.1 */

/* Bytes not yet read. */
struct rest {
    const char *at, *end;
};

/* ---- Header values ---- */

static void blanks_skip(struct rest *rest)
{
    while (rest->at < rest->end && (*rest->at == ' ' || *rest->at == '\t')) {
        rest->at++;
    }
}

/* A token up to a semicolon or blank, or what stands between quotes, into ret, which has room for
 * cap - 1 bytes and a NUL. *len is its whole length. False: the quotes have no end. */
static bool value_take(struct rest *rest, char *ret, size_t cap, size_t *len)
{
    const bool quoted = rest->at < rest->end && *rest->at == '"';

    *len = 0;
    rest->at += quoted;
    while (rest->at < rest->end &&
           (quoted ? *rest->at != '"' : memchr("; \t", *rest->at, 3) == NULL)) {
        rest->at += quoted && *rest->at == '\\' && rest->at + 1 < rest->end;
        if (*len + 1 < cap) {
            ret[*len] = *rest->at;
        }
        ++*len;
        rest->at++;
    }
    ret[*len < cap ? *len : cap - 1] = '\0';
    if (quoted && rest->at == rest->end) {
        return false;
    }
    rest->at += quoted;
    return true;
}

/* The parameter called name behind a header's first word: "form-data; name=\"x\"". False: it is not
 * there once, or the header cannot be read; else *len and ret as value_take. */
static bool param_find(const char *text, size_t text_len, const char *name, char *ret, size_t cap,
                       size_t *len)
{
    const size_t name_len = strlen(name);
    struct rest rest = { text, text + text_len };
    bool found = false;

    while (rest.at < rest.end && *rest.at != ';') {
        rest.at++;
    }
    while (rest.at < rest.end && *rest.at == ';') {
        char none[1] = "";
        size_t none_len;
        const char *key;
        bool wanted;

        rest.at++;
        blanks_skip(&rest);
        key = rest.at;
        while (rest.at < rest.end && *rest.at != '=' && *rest.at != ';') {
            rest.at++;
        }
        if (rest.at == rest.end || *rest.at == ';') {
            continue; /* a word without a value */
        }
        wanted = (size_t)(rest.at - key) == name_len && strncasecmp(key, name, name_len) == 0;
        rest.at++;
        if ((wanted && found) || !value_take(&rest, wanted ? ret : none, wanted ? cap : sizeof none,
                                             wanted ? len : &none_len)) {
            return false;
        }
        found = found || wanted;
        blanks_skip(&rest);
    }
    return found && rest.at == rest.end;
}

/* Whether a header's first word is that, in either case. */
static bool word_is(const char *text, size_t len, const char *word)
{
    const size_t word_len = strlen(word);

    return len >= word_len && strncasecmp(text, word, word_len) == 0 &&
           (len == word_len || memchr("; \t", text[word_len], 3) != NULL);
}

bool multipart_is(const char *type)
{
    return type != NULL && word_is(type, strlen(type), "multipart/form-data");
}

/* ---- A part ---- */

/* The line at rest without its CRLF, behind which rest is then. False: it has no end. */
static bool line_take(struct rest *rest, const char **line, size_t *len)
{
    const char *end = memmem(rest->at, (size_t)(rest->end - rest->at), "\r\n", 2);

    if (end == NULL) {
        return false;
    }
    *line = rest->at;
    *len = (size_t)(end - rest->at);
    rest->at = end + 2;
    return true;
}

/* The value of a line that is the header of that name, colon and all; NULL: it is another. */
static const char *header_value(const char *line, size_t *len, const char *name)
{
    const size_t name_len = strlen(name);
    struct rest rest;

    if (*len < name_len || strncasecmp(line, name, name_len) != 0) {
        return NULL;
    }
    rest = (struct rest){ line + name_len, line + *len };
    blanks_skip(&rest);
    *len = (size_t)(rest.end - rest.at);
    return rest.at;
}

static bool header_read(const char *line, size_t len, size_t n, struct multipart_part *part,
                        struct err *err)
{
    size_t value_len = len, name_len = 0;
    const char *value = header_value(line, &value_len, "Content-Disposition:");

    if (memchr(line, ':', len) == NULL || line[0] == ' ' || line[0] == '\t') {
        return err_set(err, ERR_SYNTAX, "body", "has a header that is none in part %zu: %s", n,
                       quote(line, len).text);
    }
    if (value != NULL) {
        if (part->name[0] != '\0' || !word_is(value, value_len, "form-data") ||
            !param_find(value, value_len, "name", part->name, sizeof part->name, &name_len) ||
            name_len == 0 || name_len > MULTIPART_NAME_MAX) {
            return err_set(err, ERR_SYNTAX, "body",
                           "must have one name of 1 to %d bytes in part %zu, has %s",
                           MULTIPART_NAME_MAX, n, quote(line, len).text);
        }
        return true;
    }
    value_len = len;
    value = header_value(line, &value_len, "Content-Type:");
    if (value != NULL) {
        if (value_len > MULTIPART_TYPE_MAX) {
            return err_set(err, ERR_FIELD, "body",
                           "must have a type of at most %d bytes in part %zu, has %zu",
                           MULTIPART_TYPE_MAX, n, value_len);
        }
        snprintf(part->type, sizeof part->type, "%.*s", (int)value_len, value);
    }
    return true;
}

/* The headers of part n, up to the line that is empty. */
static bool headers_read(struct rest *rest, size_t n, struct multipart_part *part, struct err *err)
{
    const char *line;
    struct rest near = *rest;
    size_t len;

    if ((size_t)(near.end - near.at) > MULTIPART_HEADERS_MAX) {
        near.end = near.at + MULTIPART_HEADERS_MAX;
    }
    for (;;) {
        if (!line_take(&near, &line, &len)) {
            return err_set(err, ERR_SYNTAX, "body",
                           "has no end of the headers of part %zu within %d bytes", n,
                           MULTIPART_HEADERS_MAX);
        }
        if (len == 0) {
            break;
        }
        if (!header_read(line, len, n, part, err)) {
            return false;
        }
    }
    rest->at = near.at;
    return part->name[0] != '\0' ||
           err_set(err, ERR_SYNTAX, "body", "has no Content-Disposition in part %zu", n);
}

/* ---- The body ---- */

/* What stands behind a boundary: "--" after the last, else a new line. */
static bool boundary_end(struct rest *rest, bool *last, struct err *err)
{
    *last = rest->end - rest->at >= 2 && memcmp(rest->at, "--", 2) == 0;
    rest->at += *last ? 2 : 0;
    blanks_skip(rest);
    if (*last && rest->at == rest->end) {
        return true;
    }
    if (rest->end - rest->at < 2 || memcmp(rest->at, "\r\n", 2) != 0) {
        return err_set(err, ERR_SYNTAX, "body", "has something behind a boundary, or is cut there");
    }
    rest->at += 2;
    return true;
}

static bool part_read(struct rest *rest, const char *boundary, struct multipart *parts,
                      struct err *err)
{
    struct multipart_part *part = &parts->part[parts->n];
    const char *end;

    if (parts->n == MULTIPART_PARTS_MAX) {
        return err_set(err, ERR_FIELD, "body", "must have at most %d parts, has more",
                       MULTIPART_PARTS_MAX);
    }
    if (!headers_read(rest, parts->n + 1, part, err)) {
        return false;
    }
    for (size_t i = 0; i < parts->n; i++) {
        if (strcmp(parts->part[i].name, part->name) == 0) {
            return err_set(err, ERR_FIELD, part->name, "is there twice");
        }
    }
    /* a part without bytes ends where its headers do: their last CRLF is the boundary's */
    end = memmem(rest->at - 2, (size_t)(rest->end - rest->at) + 2, boundary, strlen(boundary));
    if (end == NULL) {
        return err_set(err, ERR_SYNTAX, "body", "is cut: no boundary ends part '%s'", part->name);
    }
    part->bytes = rest->at;
    part->len = end > rest->at ? (size_t)(end - rest->at) : 0;
    rest->at = end + strlen(boundary);
    parts->n++;
    return true;
}

bool multipart_read(const char *type, const char *bytes, size_t len, struct multipart *ret,
                    struct err *err)
{
    char boundary[4 + BOUNDARY_MAX + 1] = "\r\n--"; /* as it stands behind a part */
    struct multipart parts = { .n = 0 };
    struct rest rest = { bytes, bytes + len };
    bool last = false;
    size_t n = 0;

    if (!param_find(type, strlen(type), "boundary", boundary + 4, BOUNDARY_MAX + 1, &n) || n == 0 ||
        n > BOUNDARY_MAX) {
        return err_set(err, ERR_TYPE, "Content-Type",
                       "must have one boundary of 1 to %d characters, is '%.64s'", BOUNDARY_MAX,
                       type);
    }
    if (len >= n + 2 && memcmp(bytes, boundary + 2, n + 2) == 0) {
        rest.at += n + 2;
    } else {
        rest.at = memmem(bytes, len, boundary, n + 4);
        if (rest.at == NULL) {
            return err_set(err, ERR_SYNTAX, "body", "has no boundary '%s' in it", boundary + 4);
        }
        rest.at += n + 4;
    }
    if (!boundary_end(&rest, &last, err)) {
        return false;
    }
    while (!last) {
        if (!part_read(&rest, boundary, &parts, err) || !boundary_end(&rest, &last, err)) {
            return false;
        }
    }
    *ret = parts;
    return true;
}
