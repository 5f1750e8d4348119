#include "grant.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
#define BLANK " \t\r\n"

static const char *const scopes[SCOPES] = { "public", "read", "predict", "train", "admin" };

/* ---- the words of a line ---- */

const char *scope_name(enum scope scope)
{
    return scopes[scope];
}

static bool scope_parse(const char *text, const char *where, enum scope *ret, struct err *err)
{
    for (enum scope s = SCOPE_READ; s < SCOPES; s++) {
        if (strcmp(text, scopes[s]) == 0) {
            *ret = s;
            return true;
        }
    }
    return err_set(err, ERR_FIELD, where, "must be read, predict, train or admin, is '%.64s'",
                   text);
}

static bool name_parse(const char *name, const char *where, struct err *err)
{
    const size_t len = strlen(name);

    return (len > 0 && len <= GRANT_NAME_MAX && strspn(name, NAME_CHARS) == len &&
            strchr("._-", name[0]) == NULL) ||
           err_set(err, ERR_FIELD, where, "must be [A-Za-z0-9][A-Za-z0-9._-]{0,%d}, is '%.80s'",
                   GRANT_NAME_MAX - 1, name);
}

static bool models_parse(const char *models, const char *where, struct err *err)
{
    const char *at = models;
    bool ok = strspn(models, NAME_CHARS "*,") == strlen(models);

    for (; ok; at++) {
        const size_t len = strcspn(at, ",");

        ok = len > 0;
        at += len;
        if (*at == '\0') {
            break;
        }
    }
    return ok || err_set(err, ERR_FIELD, where,
                         "must be names with * for any characters, and commas between, is '%.80s'",
                         models);
}

static bool whole_parse(const char *text, const char *where, uint32_t least, uint32_t most,
                        uint32_t *ret, struct err *err)
{
    const size_t len = strspn(text, "0123456789");
    const unsigned long long n = strtoull(text, NULL, 10); /* of too many digits ULLONG_MAX */

    if (len == 0 || text[len] != '\0' || n < least || n > most) {
        return err_set(err, ERR_FIELD, where, "must be a whole number %u to %u, is '%.32s'", least,
                       most, text);
    }
    *ret = (uint32_t)n;
    return true;
}

static bool hash_parse(const char *text, unsigned char *ret, struct err *err)
{
    if (strlen(text) != 2 * GRANT_HASH || strspn(text, "0123456789abcdef") != 2 * GRANT_HASH) {
        return err_set(err, ERR_FIELD, "sha256", "must have %d digits 0 to 9, a to f",
                       2 * GRANT_HASH);
    }
    for (size_t i = 0; i < GRANT_HASH; i++) {
        const char pair[] = { text[2 * i], text[2 * i + 1], '\0' };

        ret[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return true;
}

static bool user_parse(const char *text, uint32_t *ret, struct err *err)
{
    const struct passwd *user = getpwnam(text);

    if (user == NULL) {
        return err_set(err, ERR_FIELD, "user", "'%.64s' is not known on this machine", text);
    }
    *ret = user->pw_uid;
    return true;
}

static bool group_parse(const char *text, uint32_t *ret, struct err *err)
{
    const struct group *group = getgrnam(text);

    if (group == NULL) {
        return err_set(err, ERR_FIELD, "group", "'%.64s' is not known on this machine", text);
    }
    *ret = group->gr_gid;
    return true;
}

static bool copy_parse(const char *text, char **ret, struct err *err)
{
    *ret = strdup(text);
    return *ret != NULL || err_set(err, ERR_MEMORY, "", "does not fit into memory");
}

static bool who_parse(const char *word, struct grant *grant, struct err *err)
{
    const char *colon = strchr(word, ':');
    const size_t len = colon != NULL ? (size_t)(colon - word) : 0;
    const char *value = colon != NULL ? colon + 1 : word;

    if (len == 6 && memcmp(word, "sha256", len) == 0) {
        grant->who = GRANT_TOKEN;
        return hash_parse(value, grant->hash, err);
    }
    if (len == 3 && (memcmp(word, "uid", len) == 0 || memcmp(word, "gid", len) == 0)) {
        grant->who = word[0] == 'u' ? GRANT_UID : GRANT_GID;
        /* the largest is the kernel's for nobody */
        return whole_parse(value, word[0] == 'u' ? "uid" : "gid", 0, UINT32_MAX - 1, &grant->id,
                           err);
    }
    if (len == 4 && memcmp(word, "user", len) == 0) {
        grant->who = GRANT_UID;
        return user_parse(value, &grant->id, err);
    }
    if (len == 5 && memcmp(word, "group", len) == 0) {
        grant->who = GRANT_GID;
        return group_parse(value, &grant->id, err);
    }
    if (len == 4 && memcmp(word, "cert", len) == 0 && value[0] != '\0') {
        grant->who = GRANT_CERT;
        return copy_parse(value, &grant->cert, err);
    }
    return err_set(err, ERR_FIELD, "who",
                   "must be sha256:, uid:, gid:, user:, group: or cert:, is '%.80s'", word);
}

static bool extra_parse(const char *word, struct grant *grant, struct err *err)
{
    if (strncmp(word, "models=", 7) == 0 && grant->models == NULL) {
        return models_parse(word + 7, "models", err) && copy_parse(word + 7, &grant->models, err);
    }
    if (strncmp(word, "rate=", 5) == 0 && grant->rate.n == 0) {
        return whole_parse(word + 5, "rate", 1, RATE_MAX, &grant->rate.n, err);
    }
    return err_set(err, ERR_FIELD, "", "'%.80s' must be models= or rate=, each once", word);
}

void grant_done(struct grant *grant)
{
    free(grant->cert);
    free(grant->models);
}

bool grant_parse(char *line, struct grant *ret, struct err *err)
{
    struct grant grant = { .name = "" };
    char *words[6], *rest = NULL;
    size_t n = 0;

    line[strcspn(line, "#")] = '\0';
    for (char *w = strtok_r(line, BLANK, &rest); w != NULL && n < sizeof words / sizeof *words;
         w = strtok_r(NULL, BLANK, &rest)) {
        words[n++] = w; /* the sixth is one too many, and refused as such */
    }
    if (n > 0 && n < 3) {
        return err_set(err, ERR_FIELD, "", "must be NAME SCOPE WHO, has %zu words", n);
    }
    if (n > 0 &&
        !(name_parse(words[0], "name", err) && scope_parse(words[1], "scope", &grant.scope, err) &&
          who_parse(words[2], &grant, err))) {
        grant_done(&grant);
        return false;
    }
    for (size_t i = 3; i < n; i++) {
        if (!extra_parse(words[i], &grant, err)) {
            grant_done(&grant);
            return false;
        }
    }
    if (n > 0) {
        snprintf(grant.name, sizeof grant.name, "%s", words[0]);
    }
    *ret = grant;
    return true;
}

/* ---- what it is for ---- */

bool grant_hash(const char *token, size_t len, unsigned char *ret)
{
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, token, len, ret) == 0;
}

/* Whether all of name fits the pattern of len characters. After a * that does not lead on, the last
 * one takes one character more: no more than strlen(name) * len steps. */
static bool pattern_fits(const char *pattern, size_t len, const char *name)
{
    const char *star_name = NULL;
    size_t p = 0, star = 0;

    while (*name != '\0') {
        if (p < len && pattern[p] == '*') {
            star = ++p;
            star_name = name;
        } else if (p < len && pattern[p] == *name) {
            p++;
            name++;
        } else if (star_name != NULL) {
            p = star;
            name = ++star_name;
        } else {
            return false;
        }
    }
    while (p < len && pattern[p] == '*') {
        p++;
    }
    return p == len;
}

bool grant_sees(const struct grant *grant, const char *name)
{
    const char *at = grant->models;

    while (at != NULL) {
        const size_t len = strcspn(at, ",");

        if (pattern_fits(at, len, name)) {
            return true;
        }
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    return grant->models == NULL;
}
