#include "listen.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool unix_address(const char *path, struct sockaddr_un *ret, struct err *err)
{
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) == 0 || strlen(path) >= sizeof ret->sun_path) {
        return err_set(err, ERR_FIELD, "--listen", "unix: needs a path of 1 to %zu bytes",
                       sizeof ret->sun_path - 1);
    }
    snprintf(ret->sun_path, sizeof ret->sun_path, "%s", path);
    return true;
}

static bool listen_unix(struct listener *listener, const char *path, struct err *err)
{
    struct sockaddr_un sun;
    struct stat st;

    if (!unix_address(path, &sun, err)) {
        return false;
    }
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool alive = probe >= 0 && connect(probe, (struct sockaddr *)&sun, sizeof sun) == 0;

        close(probe);
        if (alive) {
            return err_set(err, ERR_IO, "--listen", "unix:%s is in use", path);
        }
        unlink(path); /* left by a process that was killed */
    }
    listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0 || bind(listener->fd, (struct sockaddr *)&sun, sizeof sun) != 0 ||
        chmod(path, 0660) != 0) {
        return err_set(err, ERR_IO, "--listen", "cannot bind unix:%s: %s", path, strerror(errno));
    }
    snprintf(listener->socket_path, sizeof listener->socket_path, "%s", path);
    snprintf(listener->url, sizeof listener->url, "unix:%s", path);
    return true;
}

#define BEYOND                                                                                     \
    "is not a loopback address: whoever reaches it could do anything; --tokens says who may do "   \
    "what, --tls-client-ca who may come in; --insecure allows it as it is"

static bool is_loopback(const struct sockaddr *sa)
{
    static const unsigned char six[16] = { [15] = 1 };
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;

    if (sa->sa_family == AF_INET) {
        memcpy(&in4, sa, sizeof in4);
        return ntohl(in4.sin_addr.s_addr) >> 24 == 127;
    }
    memcpy(&in6, sa, sizeof in6);
    return memcmp(&in6.sin6_addr, six, sizeof six) == 0;
}

/* What a TCP socket is bound to; false: that cannot be had. */
static bool tcp_name(struct listener *listener, const struct sockaddr_storage *bound, socklen_t len)
{
    char host[64], port[16];

    if (getnameinfo((const struct sockaddr *)bound, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return false;
    }
    snprintf(listener->url, sizeof listener->url,
             bound->ss_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s", host, port);
    return true;
}

static bool beyond_check(const struct addrinfo *ai, const char *address, bool insecure,
                         struct err *err)
{
    return is_loopback(ai->ai_addr) || insecure ||
           err_set(err, ERR_FIELD, "--listen", "%s " BEYOND, address);
}

static bool listen_bind(struct listener *listener, const struct addrinfo *ai, const char *address,
                        struct err *err)
{
    const int on = 1;
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;

    listener->beyond = !is_loopback(ai->ai_addr);
    listener->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0 ||
        setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (ai->ai_family == AF_INET6 &&
         setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        bind(listener->fd, ai->ai_addr, ai->ai_addrlen) != 0 ||
        getsockname(listener->fd, (struct sockaddr *)&bound, &len) != 0) {
        return err_set(err, ERR_IO, "--listen", "cannot bind %s: %s", address, strerror(errno));
    }
    return tcp_name(listener, &bound, len) ||
           err_set(err, ERR_IO, "--listen", "cannot name %s", address);
}

/* *ret is for freeaddrinfo. */
static bool tcp_resolve(const char *address, struct addrinfo **ret, struct err *err)
{
    const struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    const char *colon = strrchr(address, ':');
    char host[128];
    size_t len;
    int rc;

    if (colon == NULL || colon == address || (size_t)(colon - address) >= sizeof host) {
        return err_set(err, ERR_FIELD, "--listen", "must be ADDR:PORT or unix:PATH, is '%s'",
                       address);
    }
    len = strspn(colon + 1, "0123456789"); /* getaddrinfo takes 99999 for 34463 */
    if (len < 1 || len > 5 || colon[1 + len] != '\0' || atoi(colon + 1) > 65535) {
        return err_set(err, ERR_FIELD, "--listen", "needs a port of 0 to 65535, is '%s'", address);
    }
    len = (size_t)(colon - address);
    if (address[0] == '[' && colon[-1] == ']') {
        snprintf(host, sizeof host, "%.*s", (int)len - 2, address + 1);
    } else {
        snprintf(host, sizeof host, "%.*s", (int)len, address);
    }
    rc = getaddrinfo(host, colon + 1, &hints, ret);
    return rc == 0 ||
           err_set(err, ERR_FIELD, "--listen", "'%s' is no address: %s", address, gai_strerror(rc));
}

static bool listen_tcp(struct listener *listener, const char *address, bool insecure,
                       struct err *err)
{
    struct addrinfo *ai = NULL;
    bool ok;

    if (!tcp_resolve(address, &ai, err)) {
        return false;
    }
    ok = beyond_check(ai, address, insecure, err) && listen_bind(listener, ai, address, err);
    freeaddrinfo(ai);
    return ok;
}

bool listener_check(const char *address, bool insecure, struct sockaddr_storage *ret,
                    socklen_t *len, struct err *err)
{
    struct sockaddr_un sun;
    struct addrinfo *ai = NULL;
    bool ok;

    if (strncmp(address, "unix:", 5) == 0) {
        if (!unix_address(address + 5, &sun, err)) {
            return false;
        }
        memcpy(ret, &sun, sizeof sun);
        *len = sizeof sun;
        return true;
    }
    if (!tcp_resolve(address, &ai, err)) {
        return false;
    }
    ok = beyond_check(ai, address, insecure, err);
    if (ok) {
        memcpy(ret, ai->ai_addr, ai->ai_addrlen);
        *len = ai->ai_addrlen;
    }
    freeaddrinfo(ai);
    return ok;
}

bool listener_open(struct listener *ret, const char *address, bool insecure, struct err *err)
{
    *ret = (struct listener){ .fd = -1 };
    if (strncmp(address, "unix:", 5) == 0 ? !listen_unix(ret, address + 5, err)
                                          : !listen_tcp(ret, address, insecure, err)) {
        listener_close(ret);
        return false;
    }
    if (listen(ret->fd, SOMAXCONN) != 0) {
        err_set(err, ERR_IO, "--listen", "cannot listen on %s: %s", address, strerror(errno));
        listener_close(ret);
        return false;
    }
    return true;
}

/* ---- a socket that was passed ---- */

static int socket_option(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof value;

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

/* "unix:/path", "unix:@name" of the abstract ones, "unix:" of one without a name. */
static void unix_name(struct listener *listener, const struct sockaddr_storage *bound,
                      socklen_t len)
{
    const size_t at = offsetof(struct sockaddr_un, sun_path);
    struct sockaddr_un sun;
    size_t n = len > at ? len - at : 0;

    memcpy(&sun, bound, sizeof sun);
    if (n > 0 && sun.sun_path[0] == '\0') {
        sun.sun_path[0] = '@';
    } else {
        n = strnlen(sun.sun_path, n);
    }
    snprintf(listener->url, sizeof listener->url, "unix:%.*s", (int)n, sun.sun_path);
}

static bool adopt(struct listener *listener, const char *what, bool insecure, struct err *err)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t len = sizeof bound;
    const int fd = listener->fd, family = socket_option(fd, SO_DOMAIN);
    const int flags = fcntl(fd, F_GETFL);

    if (socket_option(fd, SO_TYPE) != SOCK_STREAM || socket_option(fd, SO_ACCEPTCONN) != 1) {
        return err_set(err, ERR_FIELD, "LISTEN_FDS",
                       "%s is not a stream socket that listens (ListenStream=, Accept=no)", what);
    }
    if (family != AF_UNIX && family != AF_INET && family != AF_INET6) {
        return err_set(err, ERR_FIELD, "LISTEN_FDS", "%s is neither of TCP nor of Unix", what);
    }
    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0 || flags < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        return err_set(err, ERR_FIELD, "LISTEN_FDS", "%s cannot be used: %s", what,
                       strerror(errno));
    }
    if (family == AF_UNIX) {
        unix_name(listener, &bound, len);
        return true;
    }
    if (!tcp_name(listener, &bound, len)) {
        return err_set(err, ERR_FIELD, "LISTEN_FDS", "%s has no address", what);
    }
    listener->beyond = !is_loopback((const struct sockaddr *)&bound);
    return !listener->beyond || insecure ||
           err_set(err, ERR_FIELD, "LISTEN_FDS", "%s listens on %s, which " BEYOND, what,
                   listener->url);
}

bool listener_adopt(struct listener *ret, int fd, const char *name, bool insecure, struct err *err)
{
    char what[96];

    snprintf(what, sizeof what, name[0] != '\0' ? "descriptor %d (%s)" : "descriptor %d", fd, name);
    *ret = (struct listener){ .fd = fd };
    if (!adopt(ret, what, insecure, err)) {
        listener_close(ret);
        return false;
    }
    return true;
}

void listener_secure(struct listener *listener)
{
    static const char scheme[] = "https";
    const size_t at = strlen("http");

    assert(strncmp(listener->url, "http:", at + 1) == 0);
    memmove(listener->url + at + 1, listener->url + at, sizeof listener->url - at - 1);
    memcpy(listener->url, scheme, sizeof scheme - 1);
    listener->url[sizeof listener->url - 1] = '\0';
}

void listener_close(struct listener *listener)
{
    if (listener->fd >= 0) {
        close(listener->fd);
        listener->fd = -1;
    }
    if (listener->socket_path[0] != '\0') {
        unlink(listener->socket_path);
        listener->socket_path[0] = '\0';
    }
}
