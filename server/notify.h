/* Datagrams to the service manager: sd_notify(3), without libsystemd. Thread: the loop's. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int fd; /* owned; -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_len;
};

/* To the socket that NOTIFY_SOCKET names: a path, or "@name" of the abstract ones. The variable is
 * taken out of the environment. One that cannot be is a warning in the log. */
void notify_open(struct notify *ret);
void notify_close(struct notify *notify);

/* Assignments, a line each; all of them or none arrive. What must arrive waits for room there is
 * none of, as sd_notify does; the rest is dropped then. */
void notify_send(const struct notify *notify, const char *state, bool must);

#endif
