#include "state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "disk.h"

#define MEMORY "/dev/shm" /* a file system in memory, on every Linux */
#define PREFIX "sigmad-none-"

/* -1: it cannot be had; *busy tells whether another process has it. */
static int lock_take(const char *folder, bool *busy, struct err *err)
{
    char *path = NULL;
    int fd = -1;

    *busy = false;
    if (!disk_path(folder, "lock", &path, err)) {
        return -1;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        disk_err(err, "open", path);
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        *busy = true;
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

/* What processes left that had no time to. */
static void memory_tidy(void)
{
    DIR *dir = opendir(MEMORY);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct err none = { 0 };
        char *path = NULL;
        bool busy;
        int fd;

        if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) != 0 ||
            !disk_path(MEMORY, entry->d_name, &path, &none)) {
            continue;
        }
        fd = lock_take(path, &busy, &none);
        if (fd >= 0) {
            disk_remove(path);
            close(fd);
        }
        free(path);
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

/* A folder made and not locked yet would be taken for one that was left: another name until then. */
static bool memory_open(struct state *ret, struct err *err)
{
    char made[] = MEMORY "/sigmad-new-XXXXXX";
    char *path = NULL, name[64];
    bool busy, ok;
    int fd;

    memory_tidy();
    if (mkdtemp(made) == NULL) {
        return disk_err(err, "make a folder in", MEMORY);
    }
    snprintf(name, sizeof name, PREFIX "%s", strrchr(made, '-') + 1);
    fd = lock_take(made, &busy, err);
    ok = fd >= 0 && disk_path(MEMORY, name, &path, err) &&
         (rename(made, path) == 0 || disk_err(err, "rename to", path));
    if (!ok) {
        disk_remove(made);
        if (fd >= 0) {
            close(fd);
        }
        free(path);
        return false;
    }
    *ret = (struct state){ fd, path };
    return true;
}

bool state_open(const char *folder, struct state *ret, struct err *err)
{
    bool busy;
    int fd;

    if (folder == NULL) {
        return memory_open(ret, err);
    }
    if (!disk_make_dirs(folder, err)) {
        return false;
    }
    fd = lock_take(folder, &busy, err);
    if (busy) {
        return err_set(err, ERR_BUSY, "--state", "%s is used by another sigmad", folder);
    }
    *ret = (struct state){ fd, NULL };
    return fd >= 0;
}

bool state_busy(const char *folder)
{
    struct err none = { 0 };
    char *path = NULL;
    bool busy = false;
    int fd;

    if (!disk_path(folder, "lock", &path, &none)) {
        return false;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        busy = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        close(fd);
    }
    free(path);
    return busy;
}

void state_close(struct state *state)
{
    if (state->memory != NULL) {
        disk_remove(state->memory);
        free(state->memory);
    }
    if (state->lock >= 0) {
        close(state->lock);
    }
}
