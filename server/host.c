#include "host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 253 /* bytes of a name in DNS */

/* Takes the port off, if there is one, and the brackets of an IPv6 address. *six: there were some.
 * False: it is nothing of the kind. */
static bool host_split(const char *host, char ret[HOST_MAX + 1], bool *six)
{
    const bool bracket = host[0] == '[';
    const char *at = bracket ? host + 1 : host;
    const char *end = at + strcspn(at, bracket ? "]" : ":");
    const size_t len = (size_t)(end - at);

    if (len == 0 || len > HOST_MAX || (bracket && *end != ']')) {
        return false;
    }
    memcpy(ret, at, len);
    ret[len] = '\0';
    *six = bracket;
    end = bracket ? end + 1 : end;
    return *end == '\0' || (*end == ':' && end[1 + strspn(end + 1, "0123456789")] == '\0');
}

bool host_known(const char *host, const struct option_list *names)
{
    unsigned char address[sizeof(struct in6_addr)];
    char name[HOST_MAX + 1];
    bool six = false;

    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->at[i], "*") == 0) {
            return true;
        }
    }
    if (!host_split(host, name, &six)) {
        return false;
    }
    if (inet_pton(six ? AF_INET6 : AF_INET, name, address) == 1) {
        return true;
    }
    for (size_t i = 0; i < names->n && !six; i++) {
        if (strcasecmp(names->at[i], name) == 0) {
            return true;
        }
    }
    return !six && strcasecmp(name, "localhost") == 0;
}

bool host_names_check(const struct option_list *names, struct err *err)
{
    for (size_t i = 0; i < names->n; i++) {
        const size_t len = strlen(names->at[i]);

        if (len == 0 || len > HOST_MAX || strpbrk(names->at[i], ":/[] \t") != NULL) {
            return err_set(err, ERR_FIELD, "--allow-host",
                           "must be a name of 1 to %d bytes without a port, or *, is '%.100s'",
                           HOST_MAX, names->at[i]);
        }
    }
    return true;
}
