#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* False: nothing can have that address. */
static bool address_set(struct notify *notify, const char *path)
{
    const size_t len = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof notify->to.sun_path) {
        return false;
    }
    notify->to.sun_family = AF_UNIX;
    memcpy(notify->to.sun_path, path, len + 1);
    if (path[0] == '@') {
        notify->to.sun_path[0] = '\0';
    }
    /* An abstract name is all of its bytes; there is no NUL behind them. */
    notify->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'));
    return true;
}

void notify_open(struct notify *ret)
{
    const char *path = getenv("NOTIFY_SOCKET");

    *ret = (struct notify){ .fd = -1 };
    if (path == NULL) {
        return;
    }
    if (address_set(ret, path)) {
        ret->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    }
    if (ret->fd < 0) {
        log_at(LEVEL_WARNING, "NOTIFY_SOCKET '%s' cannot be used: nobody is notified", path);
    }
    unsetenv("NOTIFY_SOCKET");
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0) {
        close(notify->fd);
        notify->fd = -1;
    }
}

void notify_send(const struct notify *notify, const char *state, bool must)
{
    if (notify->fd < 0) {
        return;
    }
    log_at(LEVEL_DEBUG, "notify: %s", state);
    /* A manager that is gone, or hears nothing: ours is to serve all the same. */
    if (sendto(notify->fd, state, strlen(state), MSG_NOSIGNAL | (must ? 0 : MSG_DONTWAIT),
               (const struct sockaddr *)&notify->to, notify->to_len) < 0) {
        return;
    }
}
