#include "passed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A whole number in decimal, and nothing else; -1: it is none. */
static long whole(const char *text)
{
    char *end;
    long n;

    if (text[0] < '0' || text[0] > '9') {
        return -1;
    }
    errno = 0;
    n = strtol(text, &end, 10);
    return errno == 0 && *end == '\0' ? n : -1;
}

static void names_read(const char *text, struct passed *passed)
{
    for (size_t i = 0; i < passed->n && text != NULL; i++) {
        const size_t len = strcspn(text, ":");
        const size_t shown = len < PASSED_NAME_MAX ? len : PASSED_NAME_MAX;

        memcpy(passed->names[i], text, shown);
        passed->names[i][shown] = '\0';
        text = text[len] == ':' ? text + len + 1 : NULL;
    }
}

static bool fds_read(const char *fds, const char *names, struct passed *ret, struct err *err)
{
    const long n = whole(fds);
    struct passed passed = { 0 };

    if (n < 1 || n > LISTEN_MAX) {
        return err_set(err, ERR_FIELD, "LISTEN_FDS", "must be 1 to %d, is '%s'", LISTEN_MAX, fds);
    }
    passed.n = (size_t)n;
    names_read(names, &passed);
    for (int fd = PASSED_FIRST; fd < PASSED_FIRST + (int)n; fd++) {
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
            return err_set(err, ERR_FIELD, "LISTEN_FDS", "is %ld, but descriptor %d is not open", n,
                           fd);
        }
    }
    *ret = passed;
    return true;
}

bool passed_take(struct passed *ret, struct err *err)
{
    const char *fds = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    struct passed passed = { 0 };
    bool ok = true;

    /* They may be a parent's, which it has forgotten to unset: then they are not for us. */
    if (fds != NULL && pid != NULL && whole(pid) == (long)getpid()) {
        ok = fds_read(fds, getenv("LISTEN_FDNAMES"), &passed, err);
    }
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDNAMES");
    if (ok) {
        *ret = passed;
    }
    return ok;
}
