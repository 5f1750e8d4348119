#include "publish.h"

#include "server.h"
#include "store.h"

static void save_run(uv_work_t *uv)
{
    struct publication *publication = uv->data;
    const struct version *version = publication->version;
    const struct msg_version facts = version_facts(version);

    store_save(version->model->folder, version->net, publication->labels, &facts,
               &publication->err);
}

static void save_after(uv_work_t *uv, int status)
{
    struct publication *publication = uv->data;
    struct version *version = publication->version;

    (void)status;
    if (publication->err.code == ERR_NONE) {
        version->on_disk = version->model->folder != NULL;
        if (!version->model->deleted) {
            model_list(version->model, version, true, &publication->err);
        }
    }
    publication->done(publication);
}

void publish_begin(struct publication *publication)
{
    struct model *model = publication->version->model;

    publication->uv.data = publication;
    publication->err = (struct err){ 0 };
    if (model->folder == NULL) {
        save_after(&publication->uv, 0);
    } else if (uv_queue_work(model->server->loop, &publication->uv, save_run, save_after) != 0) {
        err_set(&publication->err, ERR_MEMORY, "version", "cannot be written");
        save_after(&publication->uv, 0);
    }
}
