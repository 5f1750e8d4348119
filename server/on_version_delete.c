/* DELETE /v1/models/{name}/versions/{version}.
 *
 * That it has been deleted is written down first; then it leaves the list, and its file and learn
 * log go as far as no other version needs them. */
#include "handlers.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "etag.h"
#include "job.h"
#include "pin.h"
#include "server.h"
#include "store.h"

struct removing {
    struct turn turn;
    struct request *req;
    struct model *model; /* a reference */
    uint64_t number;
    uint64_t oldest; /* the first of the oldest learn log */
    struct serving serving;
    bool is_last; /* its number must not be given again */
};

static void removing_end(struct removing *removing)
{
    struct model *model = removing->model;

    turn_leave(&model->turns, &removing->turn);
    model_unref(model);
    request_finish(removing->req);
}

static void remove_work(struct request *req)
{
    const struct removing *removing = req->task;
    const char *folder = removing->model->folder;

    if (folder != NULL &&
        (!removing->is_last || store_serve(folder, &removing->serving, &req->err))) {
        store_delete(folder, removing->number, removing->oldest, &req->err);
    }
}

static void remove_done(struct request *req)
{
    struct removing *removing = req->task;
    struct err none = { 0 };
    struct version *version;

    if (req->err.code == ERR_NONE) {
        version = model_version(removing->model, removing->number, &none);
        if (version != NULL) {
            model_unlist(removing->model, version);
        }
        request_reply_empty(req, 204);
    }
    removing_end(removing);
}

static void remove_plan(struct removing *removing)
{
    const struct model *model = removing->model;

    removing->oldest = UINT64_MAX;
    for (size_t i = 0; i < model->logs.n; i++) {
        if (model->logs.at[i].first < removing->oldest) {
            removing->oldest = model->logs.at[i].first;
        }
    }
    removing->is_last = removing->number == model->last;
    removing->serving = (struct serving){ model->served->number, model->last, model->updated };
}

static bool remove_check(const struct removing *removing, struct version **ret, struct err *err)
{
    struct request *req = removing->req;
    struct model *model = removing->model;
    struct version *version;
    char etag[ETAG_LEN];
    uint64_t job;

    if (model->deleted) {
        return err_set(err, ERR_NOT_FOUND, "name", "'%s' has been deleted meanwhile", model->name);
    }
    version = model_version(model, removing->number, err);
    if (version == NULL) {
        return false;
    }
    etag_version(version, etag);
    if (!etag_holds(req, etag, err)) {
        return false;
    }
    if (version == model->served) {
        return err_set(err, ERR_BUSY, "version",
                       "%" PRIu64 " is the one served: promote another first", version->number);
    }
    job = jobs_based_on(req->server->jobs, version);
    if (job != 0) {
        return err_set(err, ERR_BUSY, "version", "%" PRIu64 " is what job %" PRIu64 " goes on from",
                       version->number, job);
    }
    *ret = version;
    return true;
}

static void remove_go(struct turn *turn)
{
    struct removing *removing = (struct removing *)((char *)turn - offsetof(struct removing, turn));
    struct request *req = removing->req;
    struct version *version;

    if (!remove_check(removing, &version, &req->err)) {
        removing_end(removing);
        return;
    }
    remove_plan(removing);
    request_work(req, removing->model->folder != NULL ? INFINITY : 0.0, remove_work, remove_done);
}

bool on_version_delete(struct request *req, struct err *err)
{
    struct model *model = pin_model(req, err);
    struct version *version = model != NULL ? pin_listed(req, model, err) : NULL;
    struct removing *removing = arena_alloc(&req->arena, 1, sizeof *removing);

    if (version == NULL) {
        return false;
    }
    if (removing == NULL) {
        return err_set(err, ERR_MEMORY, "version", "has no memory to be deleted");
    }
    *removing = (struct removing){
        .turn.go = remove_go, .req = req, .model = model, .number = version->number
    };
    if (!remove_check(removing, &version, err)) {
        return false;
    }
    model_ref(model);
    req->task = removing;
    turn_take(&model->turns, &removing->turn);
    return true;
}
