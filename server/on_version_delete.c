/* DELETE /v1/models/{name}/versions/{version}.
 *
 * A version goes with its file. One that only the learn log leads to goes with the log; one that
 * the log begins with goes once the version that the log leads to has a file of its own. */
#include "handlers.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>

#include "etag.h"
#include "job.h"
#include "learn_line.h"
#include "loader.h"
#include "pin.h"
#include "server.h"
#include "store.h"

struct removing {
    struct turn turn;
    struct load_waiter waiter;
    struct request *req;
    struct model *model; /* a reference */
    uint64_t number;
    bool has_file;
    /* The learn log that has to go with it; base 0: none does. */
    uint64_t log_base, log_first;
    struct version *tip; /* a reference: to be written before the log goes; NULL: none is */
    const struct labels *labels;
    uint64_t served, last; /* last 0: the count of versions is not at stake */
};

static void removing_end(struct removing *removing)
{
    struct model *model = removing->model;

    if (removing->tip != NULL) {
        version_unref(removing->tip);
    }
    turn_leave(&model->turns, &removing->turn);
    model_unref(model);
    request_finish(removing->req);
}

static void remove_work(struct request *req)
{
    const struct removing *removing = req->task;
    const char *folder = removing->model->folder;
    const struct version *tip = removing->tip;
    struct msg_version facts;

    if (folder == NULL) {
        return;
    }
    if (tip != NULL) {
        facts = version_facts(tip);
        store_save(folder, tip->net, removing->labels, &facts, &req->err);
    }
    if (req->err.code == ERR_NONE && removing->last != 0) {
        store_serve(folder, removing->served, removing->last, &req->err);
    }
    if (req->err.code == ERR_NONE) {
        store_remove(folder, removing->has_file ? removing->number : 0, removing->log_base,
                     removing->log_first, &req->err);
    }
}

static void remove_done(struct request *req)
{
    struct removing *removing = req->task;
    struct model *model = removing->model;
    struct err none = { 0 };
    struct version *version;

    if (req->err.code == ERR_NONE) {
        if (removing->tip != NULL) {
            removing->tip->on_disk = model->folder != NULL;
        }
        if (removing->log_base != 0) {
            learn_line_forget(model->learn);
        }
        version = model_version(model, removing->number, &none);
        if (version != NULL) {
            version->on_disk = false; /* its file has gone already */
            model_unlist(model, version);
        }
        request_reply_empty(req, 204);
    }
    removing_end(removing);
}

/* The newest version that only the learn log leads to; NULL: there is none. */
static struct version *log_tip(const struct model *model)
{
    for (size_t i = model->n_versions; i-- > 0;) {
        if (!model->versions[i]->on_disk) {
            return model->versions[i];
        }
    }
    return NULL;
}

/* Finds out what has to go with the version. False: the tip's net is being read first. */
static bool remove_plan(struct removing *removing, const struct version *version)
{
    struct model *model = removing->model;
    struct version *tip = log_tip(model);

    removing->has_file = version->on_disk;
    removing->served = model->served->number;
    removing->last = version->number == model->last ? model->last : 0;
    if (!learn_line_log(model->learn, &removing->log_base, &removing->log_first) ||
        (version != tip && version->number != removing->log_base)) {
        removing->log_base = 0;
        return true;
    }
    if (version == tip || tip == NULL) {
        return true;
    }
    removing->tip = version_ref(tip);
    removing->labels = model->labels;
    if (tip->net != NULL) {
        return true;
    }
    version_load(tip, &removing->waiter);
    return false;
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
    } else if (remove_plan(removing, version)) {
        request_work(req, removing->model->folder != NULL ? INFINITY : 0.0, remove_work,
                     remove_done);
    }
}

static void tip_loaded(struct load_waiter *waiter, const struct err *err)
{
    struct removing *removing =
        (struct removing *)((char *)waiter - offsetof(struct removing, waiter));

    if (err->code != ERR_NONE) {
        removing->req->err = *err;
        removing_end(removing);
    } else {
        request_work(removing->req, INFINITY, remove_work, remove_done);
    }
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
    *removing = (struct removing){ .turn.go = remove_go,
                                   .waiter.done = tip_loaded,
                                   .req = req,
                                   .model = model,
                                   .number = version->number };
    if (!remove_check(removing, &version, err)) {
        return false;
    }
    model_ref(model);
    req->task = removing;
    turn_take(&model->turns, &removing->turn);
    return true;
}
