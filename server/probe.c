#include "probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"
#include "server.h"

static const char request[] = "GET /v2/health/ready HTTP/1.1\r\n"
                              "Host: localhost\r\n"
                              "Connection: close\r\n\r\n";

#define STATUS_LEN (sizeof "HTTP/1.1 200 " - 1)

/* Until fd can be read or written, or has failed. */
static bool wait_for(int fd, short events, double deadline, const char *address, struct err *err)
{
    struct pollfd poller = { .fd = fd, .events = events };
    int n;

    do {
        const double left = deadline - server_clock();

        n = left > 0.0 ? poll(&poller, 1, (int)(left * 1000.0) + 1) : 0;
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return err_set(err, ERR_UNAVAILABLE, address, "cannot be waited for: %s", strerror(errno));
    }
    return n > 0 ||
           err_set(err, ERR_UNAVAILABLE, address, "does not answer within %d s", PROBE_SECONDS);
}

static bool probe_connect(int fd, const struct sockaddr_storage *to, socklen_t len, double deadline,
                          const char *address, struct err *err)
{
    int failed = 0;
    socklen_t size = sizeof failed;

    if (connect(fd, (const struct sockaddr *)to, len) != 0) {
        failed = errno;
    }
    if (failed == EINPROGRESS) {
        if (!wait_for(fd, POLLOUT, deadline, address, err)) {
            return false;
        }
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) != 0) {
            failed = errno;
        }
    }
    return failed == 0 ||
           err_set(err, ERR_UNAVAILABLE, address, "cannot be reached: %s", strerror(failed));
}

static bool probe_send(int fd, double deadline, const char *address, struct err *err)
{
    size_t sent = 0;

    while (sent < sizeof request - 1) {
        const ssize_t n = send(fd, request + sent, sizeof request - 1 - sent, MSG_NOSIGNAL);

        if (n >= 0) {
            sent += (size_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
            return err_set(err, ERR_UNAVAILABLE, address, "cannot be asked: %s", strerror(errno));
        } else if (!wait_for(fd, POLLOUT, deadline, address, err)) {
            return false;
        }
    }
    return true;
}

/* The status, of which only the digits count. */
static bool probe_receive(int fd, double deadline, const char *address, struct err *err)
{
    char got[STATUS_LEN + 1] = "";
    size_t len = 0;

    while (len < STATUS_LEN) {
        const ssize_t n = recv(fd, got + len, STATUS_LEN - len, 0);

        if (n == 0) {
            return err_set(err, ERR_UNAVAILABLE, address, "has hung up without an answer");
        }
        if (n > 0) {
            len += (size_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
            return err_set(err, ERR_UNAVAILABLE, address, "cannot be heard: %s", strerror(errno));
        } else if (!wait_for(fd, POLLIN, deadline, address, err)) {
            return false;
        }
    }
    if (strncmp(got, "HTTP/1.", 7) != 0 || strspn(got + 9, "0123456789") != 3) {
        return err_set(err, ERR_UNAVAILABLE, address, "does not speak HTTP");
    }
    return strncmp(got + 9, "200", 3) == 0 ||
           err_set(err, ERR_UNAVAILABLE, address, "is not ready: it answers %.3s", got + 9);
}

static in_port_t port_of(const struct sockaddr_storage *at)
{
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;

    memcpy(&in4, at, sizeof in4);
    memcpy(&in6, at, sizeof in6);
    return at->ss_family == AF_INET ? in4.sin_port : in6.sin6_port;
}

bool probe_ready(const char *address, bool tls, struct err *err)
{
    const double deadline = server_clock() + PROBE_SECONDS;
    struct sockaddr_storage to;
    socklen_t len;
    bool ok;
    int fd;

    if (!listener_check(address, true, &to, &len, err)) {
        return false;
    }
    if (to.ss_family != AF_UNIX && port_of(&to) == 0) {
        return err_set(err, ERR_FIELD, "--listen", "is %s: nobody knows which port was picked",
                       address);
    }
    if (to.ss_family != AF_UNIX && tls) {
        return err_set(
            err, ERR_FIELD, "--listen",
            "is %s, where TLS is spoken: the first one must be a Unix socket to be asked", address);
    }
    fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return err_set(err, ERR_UNAVAILABLE, address, "cannot be reached: %s", strerror(errno));
    }
    ok = probe_connect(fd, &to, len, deadline, address, err) &&
         probe_send(fd, deadline, address, err) && probe_receive(fd, deadline, address, err);
    close(fd);
    return ok;
}
