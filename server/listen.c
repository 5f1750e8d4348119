#include "listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static bool listen_unix(struct listener *listener, const char *path, struct err *err)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    struct stat st;

    if (strlen(path) == 0 || strlen(path) >= sizeof sun.sun_path) {
        return err_set(err, ERR_FIELD, "--listen", "unix: needs a path of 1 to %zu bytes",
                       sizeof sun.sun_path - 1);
    }
    snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
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

static bool listen_bind(struct listener *listener, const struct addrinfo *ai, const char *address,
                        bool insecure, struct err *err)
{
    const int on = 1;
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    char host[64], port[16];

    if (!is_loopback(ai->ai_addr) && !insecure) {
        return err_set(err, ERR_FIELD, "--listen",
                       "%s is not a loopback address: whoever reaches it could do anything; "
                       "--insecure allows it",
                       address);
    }
    listener->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0 ||
        setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (ai->ai_family == AF_INET6 &&
         setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        bind(listener->fd, ai->ai_addr, ai->ai_addrlen) != 0 ||
        getsockname(listener->fd, (struct sockaddr *)&bound, &len) != 0) {
        return err_set(err, ERR_IO, "--listen", "cannot bind %s: %s", address, strerror(errno));
    }
    if (getnameinfo((struct sockaddr *)&bound, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return err_set(err, ERR_IO, "--listen", "cannot name %s", address);
    }
    snprintf(listener->url, sizeof listener->url,
             ai->ai_family == AF_INET6 ? "http://[%s]:%s" : "http://%s:%s", host, port);
    return true;
}

static bool listen_tcp(struct listener *listener, const char *address, bool insecure,
                       struct err *err)
{
    const struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    const char *colon = strrchr(address, ':');
    struct addrinfo *ai = NULL;
    char host[128];
    size_t len;
    bool ok;
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
    rc = getaddrinfo(host, colon + 1, &hints, &ai);
    if (rc != 0) {
        return err_set(err, ERR_FIELD, "--listen", "'%s' is no address: %s", address,
                       gai_strerror(rc));
    }
    ok = listen_bind(listener, ai, address, insecure, err);
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
