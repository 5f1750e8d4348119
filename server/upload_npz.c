/* An archive of arrays. Those that are deflated may be a thousand times as large as the body, so
 * their room is on the disk, and counted. Pool. */
#include "uploads.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "disk.h"
#include "server.h"

struct npz_room {
    struct table_room room; /* first, so that one is the other */
    const struct upload *up;
    size_t left; /* of --max-upload */
    size_t n;
    struct {
        char *bytes;
        size_t len;
    } map[2]; /* features and targets */
};

/* A file that is gone when it is not mapped any more. All of it is there: a map of one that meets
 * the disk's end when it is written to would be the end of the process. */
static bool file_begin(const struct upload *up, size_t len, int *ret, struct err *err)
{
    char *path = NULL;
    int fd, rc;

    if (!disk_path(up->folder, "inflated", &path, err)) {
        return false;
    }
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    rc = fd < 0 ? errno : posix_fallocate(fd, 0, (off_t)len);
    if (rc != 0) {
        errno = rc;
        disk_err(err, "create", path);
    }
    if (fd >= 0) {
        unlink(path);
    }
    if (fd >= 0 && rc != 0) {
        close(fd);
    }
    free(path);
    *ret = fd;
    return rc == 0;
}

static char *room_take(struct table_room *room, size_t len, struct err *err)
{
    struct npz_room *to = (struct npz_room *)room;
    char *bytes;
    int fd = -1;

    if (len > to->left) {
        err_set(err, ERR_TOO_LARGE, "body", "must be %zu bytes at most, inflated",
                to->up->server->options.max_upload);
        return NULL;
    }
    if (!file_begin(to->up, len, &fd, err)) {
        return NULL;
    }
    bytes = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED) {
        disk_err(err, "map", to->up->folder);
        bytes = NULL;
    } else {
        to->left -= len;
        to->map[to->n].bytes = bytes;
        to->map[to->n++].len = len;
    }
    close(fd);
    return bytes;
}

bool upload_npz_read(struct upload *up, const char *bytes, size_t len, struct table_info *ret,
                     struct err *err)
{
    const struct table_limits limits = server_table_limits(up->server);
    const struct npz_names names = { up->array, up->csv.target };
    struct npz_room room = { .room = { room_take },
                             .up = up,
                             .left = up->server->options.max_upload };
    const bool ok = npz_table_read(bytes, len, up->part, up->csv.kind, &names, &limits, &room.room,
                                   &up->table, ret, err);

    for (size_t i = 0; i < room.n; i++) {
        munmap(room.map[i].bytes, room.map[i].len);
    }
    return ok;
}
