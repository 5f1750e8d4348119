#include "site.h"

#include <string.h>
#include <strings.h>

/* What follows the scheme, or NULL. */
static const char *authority(const char *origin)
{
    return strncmp(origin, "http://", 7) == 0    ? origin + 7
           : strncmp(origin, "https://", 8) == 0 ? origin + 8
                                                 : NULL;
}

enum site site_judge(const char *origin, const char *fetch, const char *host,
                     const struct option_list *allowed)
{
    const char *at;

    if (origin == NULL) {
        return fetch == NULL || strcmp(fetch, "same-origin") == 0 || strcmp(fetch, "none") == 0
                   ? SITE_OWN
                   : SITE_FOREIGN;
    }
    at = authority(origin);
    if (at != NULL && host != NULL && strcasecmp(at, host) == 0) {
        return SITE_OWN;
    }
    for (size_t i = 0; i < allowed->n; i++) {
        if (strcmp(allowed->at[i], origin) == 0) {
            return SITE_ALLOWED;
        }
    }
    return SITE_FOREIGN; /* "null" too, which many a page can be */
}

bool sites_check(const struct option_list *allowed, struct err *err)
{
    for (size_t i = 0; i < allowed->n; i++) {
        const char *at = authority(allowed->at[i]);

        if (at == NULL || at[0] == '\0' || strpbrk(at, "/*?# \t") != NULL) {
            return err_set(err, ERR_FIELD, "--allow-origin",
                           "must be http:// or https:// and a host, without a path, is '%.100s'",
                           allowed->at[i]);
        }
    }
    return true;
}
