#include "publish.h"

#include "server.h"
#include "store.h"

static void save_run(uv_work_t *uv)
{
    struct publication *publication = uv->data;
    const struct version *version = publication->version;
    const struct msg_version facts = version_facts(version);

    const char *folder = version->model->folder;

    if (publication->judge != NULL) {
        publication->judge(publication);
    }
    /* Before the version is there, or a crash in between would have it served. */
    if (folder != NULL && publication->err.code == ERR_NONE && publication->keep != 0) {
        const struct serving serving = { publication->keep, version->number, publication->since };

        publication->kept = store_serve(folder, &serving, &publication->err);
    }
    if (folder != NULL && publication->err.code == ERR_NONE) {
        store_save(folder, version->net, publication->labels, &facts, version->carry,
                   &publication->err);
    }
}

static void save_after(uv_work_t *uv, int status)
{
    struct publication *publication = uv->data;
    struct version *version = publication->version;
    struct model *model = version->model;

    (void)status;
    if (!model->deleted &&
        (publication->kept || (publication->keep != 0 && model->folder == NULL))) {
        model_choose(model, model->served, version->number);
    }
    if (publication->err.code == ERR_NONE) {
        version->on_disk = model->folder != NULL;
        if (!model->deleted) {
            model_list(model, version, publication->keep == 0, &publication->err);
        }
    }
    publication->done(publication);
}

void publish_begin(struct publication *publication)
{
    struct model *model = publication->version->model;

    publication->uv.data = publication;
    publication->since = model->updated;
    publication->err = (struct err){ 0 };
    publication->kept = false;
    if (model->folder == NULL && publication->judge == NULL) {
        save_after(&publication->uv, 0);
    } else if (uv_queue_work(model->server->loop, &publication->uv, save_run, save_after) != 0) {
        err_set(&publication->err, ERR_MEMORY, "version", "cannot be written");
        save_after(&publication->uv, 0);
    }
}
