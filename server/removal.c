#include "removal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "disk.h"
#include "server.h"

struct removal {
    uv_work_t uv;
    char *path;       /* owned */
    const char *root; /* borrowed; a data set's: it vanishes whole; NULL: just removed */
};

static void removal_run(uv_work_t *uv)
{
    const struct removal *removal = uv->data;

    struct err none = { 0 };

    if (removal->root != NULL) {
        disk_discard(removal->root, "datasets", removal->path, &none);
    } else {
        disk_remove(removal->path);
    }
}

static void removal_after(uv_work_t *uv, int status)
{
    struct removal *removal = uv->data;

    (void)status;
    free(removal->path);
    free(removal);
}

/* Takes path over. */
static void removal_start(struct server *server, char *path, const char *root)
{
    struct removal *removal = calloc(1, sizeof *removal);

    if (removal == NULL || path == NULL) {
        free(removal);
        free(path);
        return;
    }
    removal->path = path;
    removal->root = root;
    removal->uv.data = removal;
    if (uv_queue_work(server->loop, &removal->uv, removal_run, removal_after) != 0) {
        removal_after(&removal->uv, 0);
    }
}

void removal_path(struct server *server, const char *path)
{
    removal_start(server, strdup(path), NULL);
}

void removal_dataset(struct server *server, const char *path)
{
    removal_start(server, strdup(path), datasets_root(server->datasets));
}

void removal_version(struct server *server, const char *folder, uint64_t version)
{
    struct err none = { 0 };
    char name[48];
    char *path = NULL;

    snprintf(name, sizeof name, "%" PRIu64 ".safetensors", version);
    if (disk_path(folder, name, &path, &none)) {
        removal_start(server, path, NULL);
    }
}
