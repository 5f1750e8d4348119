#include "removal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "disk.h"
#include "learn_keys.h"
#include "learn_log.h"
#include "model.h"
#include "server.h"

struct removal {
    uv_work_t uv;
    struct server *server;
    char *path; /* owned */
};

static void removal_run(uv_work_t *uv)
{
    const struct removal *removal = uv->data;

    disk_drop(datasets_root(removal->server->datasets), removal->path);
}

static void removal_after(uv_work_t *uv, int status)
{
    struct removal *removal = uv->data;

    (void)status;
    free(removal->path);
    free(removal);
}

/* Takes path over. */
static void removal_start(struct server *server, char *path)
{
    struct removal *removal = calloc(1, sizeof *removal);

    if (removal == NULL || path == NULL) {
        free(removal);
        free(path);
        return;
    }
    removal->server = server;
    removal->path = path;
    removal->uv.data = removal;
    if (uv_queue_work(server->loop, &removal->uv, removal_run, removal_after) != 0) {
        removal_after(&removal->uv, 0);
    }
}

void removal_path(struct server *server, const char *path)
{
    removal_start(server, strdup(path));
}

void removal_version(struct model *model, uint64_t version)
{
    struct err none = { 0 };
    char name[48];
    char *path = NULL;

    snprintf(name, sizeof name, "%" PRIu64 ".safetensors", version);
    if (disk_path(model->folder, name, &path, &none)) {
        learn_keys_remove(model, path);
    }
    free(path);
}

void removal_log(struct model *model, uint64_t base, uint64_t first)
{
    struct err none = { 0 };
    char *path = NULL;

    if (learn_log_path(model->folder, base, first, &path, &none)) {
        learn_keys_remove(model, path);
    }
    free(path);
}
