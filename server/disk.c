#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* A file below it is read: page faults and the mapping itself cost more than a copy. */
#define MAP_LEAST (1 << 20)

static enum disk_durability durability = DISK_POWER; /* process lifetime */

static atomic_size_t errors_io, errors_full;

void disk_durability_set(enum disk_durability wanted)
{
    durability = wanted;
}

bool disk_err(struct err *err, const char *what, const char *path)
{
    const bool full = errno == ENOSPC || errno == EDQUOT;

    atomic_fetch_add_explicit(full ? &errors_full : &errors_io, 1, memory_order_relaxed);
    return err_set(err, full ? ERR_FULL : ERR_IO, "disk", "cannot %s %s: %s", what, path,
                   strerror(errno));
}

size_t disk_errors(enum err_code code)
{
    return atomic_load_explicit(code == ERR_FULL ? &errors_full : &errors_io, memory_order_relaxed);
}

bool disk_path(const char *dir, const char *name, char **ret, struct err *err)
{
    const size_t len = strlen(dir) + strlen(name) + 2;
    char *path = malloc(len);

    if (path == NULL) {
        return err_set(err, ERR_MEMORY, "disk", "has no memory for a path");
    }
    snprintf(path, len, "%s/%s", dir, name);
    *ret = path;
    return true;
}

/* One folder, and its name in the one above on the device. */
static bool dir_make(char *path, struct err *err)
{
    char *slash = strrchr(path, '/');
    bool ok;

    if (mkdir(path, 0700) != 0) {
        return errno == EEXIST || disk_err(err, "make folder", path);
    }
    if (slash == NULL || slash == path) {
        return disk_sync_dir(slash == NULL ? "." : "/", err);
    }
    *slash = '\0';
    ok = disk_sync_dir(path, err);
    *slash = '/';
    return ok;
}

bool disk_make_dirs(const char *path, struct err *err)
{
    char *copy = strdup(path);
    bool ok = true;

    if (copy == NULL) {
        return err_set(err, ERR_MEMORY, "disk", "has no memory for a path");
    }
    for (char *at = copy + 1; ok; at++) {
        const char was = *at;

        if (was != '/' && was != '\0') {
            continue;
        }
        *at = '\0';
        ok = dir_make(copy, err);
        *at = was;
        if (was == '\0') {
            break;
        }
    }
    free(copy);
    return ok;
}

bool disk_sync(int fd, const char *path, struct err *err)
{
    return durability == DISK_PROCESS || fsync(fd) == 0 || disk_err(err, "sync", path);
}

void disk_push(int fd, uint64_t at, uint64_t len)
{
    if (durability != DISK_PROCESS) {
        sync_file_range(fd, (off_t)at, (off_t)len, SYNC_FILE_RANGE_WRITE); /* at best */
    }
}

bool disk_sync_dir(const char *path, struct err *err)
{
    int fd;
    bool ok;

    if (durability == DISK_PROCESS) {
        return true;
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return disk_err(err, "open folder", path);
    }
    ok = disk_sync(fd, path, err);
    close(fd);
    return ok;
}

bool disk_write(int fd, const void *bytes, size_t len, const char *path, struct err *err)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n == 0 ? ENOSPC : errno; /* no room, said by halves */
            return disk_err(err, "write", path);
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool disk_create(const char *path, int *fd, struct err *err)
{
    int got;

    do {
        got = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        return disk_err(err, "create", path);
    }
    *fd = got;
    return true;
}

bool disk_put(const char *path, const void *bytes, size_t len, struct err *err)
{
    int fd;
    bool ok;

    if (!disk_create(path, &fd, err)) {
        return false;
    }
    ok = disk_write(fd, bytes, len, path, err) && disk_sync(fd, path, err);
    if (close(fd) != 0 && ok) {
        ok = disk_err(err, "close", path);
    }
    return ok;
}

/* len bytes of the file, malloc'd. */
static bool file_read(int fd, size_t len, const char *path, void **ret, struct err *err)
{
    char *bytes = malloc(len);
    size_t got = 0;

    if (bytes == NULL) {
        return err_set(err, ERR_MEMORY, "disk", "has no memory to read %s", path);
    }
    while (got < len) {
        const ssize_t n = read(fd, bytes + got, len - got);

        if (n <= 0 && (n == 0 || errno != EINTR)) {
            free(bytes);
            return n == 0 ? err_set(err, ERR_IO, "disk", "%s became shorter", path)
                          : disk_err(err, "read", path);
        }
        got += n > 0 ? (size_t)n : 0;
    }
    *ret = bytes;
    return true;
}

bool disk_map(const char *path, void **ret, size_t *len, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    void *at = NULL;
    bool ok = true;

    if (fd < 0) {
        return disk_err(err, "open", path);
    }
    if (fstat(fd, &st) != 0) {
        ok = disk_err(err, "stat", path);
    } else if (st.st_size > 0 && st.st_size < MAP_LEAST) {
        ok = file_read(fd, (size_t)st.st_size, path, &at, err);
    } else if (st.st_size > 0) {
        at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
        ok = at != MAP_FAILED || disk_err(err, "map", path);
    }
    close(fd);
    if (ok) {
        *ret = at;
        *len = (size_t)st.st_size;
    }
    return ok;
}

void disk_unmap(void *at, size_t len)
{
    if (len < MAP_LEAST) {
        free(at);
    } else {
        munmap(at, len);
    }
}

bool disk_rename(const char *from, const char *to, const char *to_dir, struct err *err)
{
    return (rename(from, to) == 0 || disk_err(err, "rename to", to)) && disk_sync_dir(to_dir, err);
}

bool disk_tmp(const char *root, const char *name, char **ret, struct err *err)
{
    const size_t len = strlen(root) + strlen(name) + 8;
    char *path = malloc(len);

    if (path == NULL) {
        return err_set(err, ERR_MEMORY, "disk", "has no memory for a path");
    }
    snprintf(path, len, "%s/tmp/%s", root, name);
    *ret = path;
    return true;
}

bool disk_tmp_in(const char *folder, const char *name, char **ret, struct err *err)
{
    static atomic_uint count;
    const size_t len = strlen(folder) + strlen(name) + 24;
    char *path = malloc(len);

    if (path == NULL) {
        return err_set(err, ERR_MEMORY, "disk", "has no memory for a path");
    }
    snprintf(path, len, "%s/%s.%u.tmp", folder, name, atomic_fetch_add(&count, 1));
    *ret = path;
    return true;
}

bool disk_discard(const char *root, const char *kind, const char *path, struct err *err)
{
    char *tmp = NULL, *trash = NULL, *all = NULL;
    bool ok = disk_path(root, "tmp", &tmp, err) && disk_tmp_in(tmp, "trash", &trash, err) &&
              disk_path(root, kind, &all, err) &&
              (rename(path, trash) == 0 || disk_err(err, "rename", path));

    if (ok && !disk_sync_dir(all, err)) {
        if (rename(trash, path) == 0) { /* or it is in neither place for sure */
            struct err none = { 0 };

            disk_sync_dir(all, &none);
        }
        ok = false;
    } else if (ok) {
        disk_remove(trash);
    }
    free(tmp);
    free(all);
    free(trash);
    return ok;
}

void disk_remove(const char *path)
{
    DIR *dir;
    const struct dirent *entry;
    struct err none = { 0 };

    if (unlink(path) == 0 || (errno != EISDIR && errno != EPERM)) {
        return;
    }
    dir = opendir(path);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char *inner = NULL;

        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            disk_path(path, entry->d_name, &inner, &none)) {
            disk_remove(inner); /* our own folders are four deep at most */
        }
        free(inner);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    rmdir(path);
}

void disk_drop(const char *root, const char *path)
{
    struct err none = { 0 };
    char *tmp = NULL, *trash = NULL;

    if (unlink(path) == 0) {
        return;
    }
    if (disk_path(root, "tmp", &tmp, &none) && disk_tmp_in(tmp, "trash", &trash, &none) &&
        rename(path, trash) == 0) {
        disk_remove(trash);
    }
    free(tmp);
    free(trash);
}

/* ---- small files of text ---- */

static void crc_line(const char *text, size_t len, char *ret)
{
    snprintf(ret, DISK_CRC_LINE + 1, "crc32 %08lx\n", crc32_z(0, (const Bytef *)text, len));
}

bool disk_text_put(const char *folder, const char *name, const char *text, size_t len,
                   struct err *err)
{
    char line[DISK_CRC_LINE + 1];
    char *tmp = NULL, *path = NULL;
    int fd = -1;
    bool ok = disk_path(folder, name, &path, err) && disk_tmp_in(folder, name, &tmp, err) &&
              disk_create(tmp, &fd, err);

    crc_line(text, len, line);
    ok = ok && disk_write(fd, text, len, tmp, err) &&
         disk_write(fd, line, DISK_CRC_LINE, tmp, err) && disk_sync(fd, tmp, err);
    if (fd >= 0 && close(fd) != 0 && ok) {
        ok = disk_err(err, "close", tmp);
    }
    ok = ok && disk_rename(tmp, path, folder, err);
    if (!ok && fd >= 0) {
        unlink(tmp);
    }
    free(tmp);
    free(path);
    return ok;
}

bool disk_text_map(const char *path, void **ret, size_t *len, size_t *text_len, struct err *err)
{
    char line[DISK_CRC_LINE + 1] = "";
    void *bytes = NULL;
    size_t got = 0;

    if (!disk_map(path, &bytes, &got, err)) {
        return false;
    }
    if (got >= DISK_CRC_LINE) {
        crc_line(bytes, got - DISK_CRC_LINE, line);
    }
    if (got < DISK_CRC_LINE ||
        memcmp((char *)bytes + got - DISK_CRC_LINE, line, DISK_CRC_LINE) != 0) {
        disk_unmap(bytes, got);
        return err_set(err, ERR_SYNTAX, "disk", "%s does not match its checksum", path);
    }
    *ret = bytes;
    *len = got;
    *text_len = got - DISK_CRC_LINE;
    return true;
}
