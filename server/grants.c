#include "grants.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <gnutls/gnutls.h>

/* ---- the file ---- */

static struct grant *named(const struct grants *grants, const char *name)
{
    for (size_t i = 0; grants != NULL && i < grants->n; i++) {
        if (strcmp(grants->list[i].name, name) == 0) {
            return &grants->list[i];
        }
    }
    return NULL;
}

static bool grants_add(struct grants *grants, const struct grant *grant, struct err *err)
{
    if (named(grants, grant->name) != NULL) {
        return err_set(err, ERR_FIELD, "name", "'%s' is there twice", grant->name);
    }
    if (grants->n == GRANTS_MAX) {
        return err_set(err, ERR_FIELD, "", "there are more than %d grants", GRANTS_MAX);
    }
    if (grants->n == grants->cap) {
        const size_t cap = grants->cap > 0 ? 2 * grants->cap : 8;
        struct grant *list = reallocarray(grants->list, cap, sizeof *list);

        if (list == NULL) {
            return err_set(err, ERR_MEMORY, "", "does not fit into memory");
        }
        grants->list = list;
        grants->cap = cap;
    }
    grants->list[grants->n++] = *grant;
    return true;
}

static bool line_add(struct grants *grants, char *line, const struct grants *before,
                     struct err *err)
{
    struct grant grant;
    const struct grant *old;

    if (!grant_parse(line, &grant, err)) {
        return false;
    }
    if (grant.name[0] == '\0') {
        return true;
    }
    old = named(before, grant.name);
    if (old != NULL && old->rate.n == grant.rate.n) {
        grant.rate = old->rate;
    }
    if (!grants_add(grants, &grant, err)) {
        grant_done(&grant);
        return false;
    }
    return true;
}

/* *number: the line that err is about. */
static bool lines_read(FILE *file, const struct grants *before, struct grants *grants,
                       size_t *number, struct err *err)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    bool ok = true;

    while (ok && (len = getline(&line, &cap, file)) >= 0) {
        ++*number;
        ok = (len <= GRANTS_LINE_MAX ||
              err_set(err, ERR_FIELD, "", "must have %d bytes at most, has %zd", GRANTS_LINE_MAX,
                      len)) &&
             (strlen(line) == (size_t)len || err_set(err, ERR_FIELD, "", "has a byte 0")) &&
             line_add(grants, line, before, err);
    }
    free(line);
    return ok &&
           (feof(file) != 0 || err_set(err, ERR_IO, "", "cannot be read: %s", strerror(errno)));
}

static FILE *file_open(const char *path, struct err *err)
{
    FILE *file = fopen(path, "re");
    struct stat st;

    if (file == NULL || fstat(fileno(file), &st) != 0) {
        err_set(err, ERR_FIELD, "--tokens", "%s cannot be read: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        err_set(err, ERR_FIELD, "--tokens", "%s is no file", path);
    } else if ((st.st_mode & S_IWOTH) != 0) {
        err_set(err, ERR_FIELD, "--tokens",
                "%s can be written to by anybody, who could let himself in: chmod o-w", path);
    } else {
        return file;
    }
    if (file != NULL) {
        fclose(file);
    }
    return NULL;
}

bool grants_load(const char *path, const struct grants *before, struct grants **ret,
                 struct err *err)
{
    FILE *file = file_open(path, err);
    struct grants *grants = file != NULL ? calloc(1, sizeof *grants) : NULL;
    struct err why = { 0 };
    char text[sizeof why.where + sizeof why.text];
    size_t number = 0;
    bool ok;

    if (grants == NULL) {
        if (file != NULL) {
            fclose(file);
        }
        return err_set(err, ERR_MEMORY, "--tokens", "does not fit into memory");
    }
    grants->refs = 1;
    ok = lines_read(file, before, grants, &number, &why);
    fclose(file);
    if (!ok) {
        grants_unref(grants);
        err_detail(&why, text, sizeof text);
        return err_set(err, why.code, "--tokens", "%s:%zu: %s", path, number, text);
    }
    *ret = grants;
    return true;
}

struct grants *grants_ref(struct grants *grants)
{
    grants->refs++;
    return grants;
}

void grants_unref(struct grants *grants)
{
    if (grants == NULL || --grants->refs > 0) {
        return;
    }
    for (size_t i = 0; i < grants->n; i++) {
        grant_done(&grants->list[i]);
    }
    free(grants->list);
    free(grants);
}

/* ---- who it is ---- */

struct grant *grants_find_token(const struct grants *grants, const char *token, size_t len)
{
    unsigned char hash[GRANT_HASH];
    struct grant *found = NULL;

    if (!grant_hash(token, len, hash)) {
        return NULL;
    }
    for (size_t i = 0; i < grants->n; i++) {
        struct grant *grant = &grants->list[i];

        if (gnutls_memcmp(grant->hash, hash, sizeof hash) == 0 && grant->who == GRANT_TOKEN) {
            found = grant;
        }
    }
    return found;
}

struct grant *grants_find_peer(const struct grants *grants, uint32_t uid, const uint32_t *gids,
                               size_t n_gids)
{
    for (size_t i = 0; i < grants->n; i++) {
        struct grant *grant = &grants->list[i];

        if (grant->who == GRANT_UID && grant->id == uid) {
            return grant;
        }
        for (size_t g = 0; grant->who == GRANT_GID && g < n_gids; g++) {
            if (grant->id == gids[g]) {
                return grant;
            }
        }
    }
    return NULL;
}

struct grant *grants_find_cert(const struct grants *grants, const char *name)
{
    for (size_t i = 0; i < grants->n; i++) {
        if (grants->list[i].who == GRANT_CERT && strcmp(grants->list[i].cert, name) == 0) {
            return &grants->list[i];
        }
    }
    return NULL;
}
