/* GET /v1/models/{name}/versions and /versions/{version}; POST .../promote. */
#include "handlers.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "etag.h"
#include "loader.h"
#include "msg_model.h"
#include "pin.h"
#include "server.h"
#include "store.h"

bool on_version_list(struct request *req, struct err *err)
{
    const struct model *model = pin_model(req, err);
    struct msg_version version;
    struct text text = { 0 };

    if (model == NULL) {
        return false;
    }
    text_printf(&text, "{\"model\": \"%s\", \"served\": %" PRIu64 ", \"versions\": [", model->name,
                model->served->number);
    for (size_t i = 0; i < model->n_versions; i++) {
        text_str(&text, i > 0 ? ", " : "");
        version_info(model->versions[i], &version);
        msg_version_encode(&text, &version);
    }
    text_str(&text, "]}\n");
    request_reply(req, 200, &text);
    request_finish(req);
    return true;
}

bool on_version_get(struct request *req, struct err *err)
{
    struct model *model = pin_model(req, err);
    const struct version *version = model != NULL ? pin_listed(req, model, err) : NULL;
    struct msg_version facts;
    struct text text = { 0 };
    char etag[ETAG_LEN];
    bool fresh;

    if (version == NULL) {
        return false;
    }
    etag_version(version, etag);
    if (!etag_read(req, etag, &fresh, err) || fresh) {
        return err->code == ERR_NONE;
    }
    version_info(version, &facts);
    msg_version_encode(&text, &facts);
    text_str(&text, "\n");
    request_reply(req, 200, &text);
    request_finish(req);
    return true;
}

/* ---- promote ---- */

/* Promotions of one model take turns, so that the last one answered is the last one on disk. */
struct promote {
    struct version *version; /* a reference */
    struct load_waiter waiter;
    struct turn turn;
    struct request *req;
    struct serving serving;
};

/* A version that learn made has no file of its own until somebody promotes it. */
static void promote_work(struct request *req)
{
    struct promote *promote = req->task;
    struct version *version = promote->version;
    const struct model *model = version->model;
    const struct msg_version facts = version_facts(version);

    if (model->folder != NULL &&
        (version->on_disk || store_save(model->folder, version->net, model->labels, &facts,
                                        version->carry, &req->err))) {
        store_serve(model->folder, &promote->serving, &req->err);
    }
}

static void promote_end(struct promote *promote)
{
    struct version *version = promote->version;
    struct model *model = version->model;

    turn_leave(&model->turns, &promote->turn);
    version_unref(version);
    request_finish(promote->req);
}

static void promote_done(struct request *req)
{
    struct promote *promote = req->task;
    struct version *version = promote->version;
    struct model *model = version->model;
    struct msg_version facts;
    struct text text = { 0 };

    if (req->err.code == ERR_NONE) {
        version->on_disk = model->folder != NULL;
        model_choose(model, version, promote->serving.last);
        model->updated = promote->serving.since;
        version_info(version, &facts);
        msg_version_encode(&text, &facts);
        text_str(&text, "\n");
        etag_reply_version(req, version);
        request_reply(req, 200, &text);
    }
    promote_end(promote);
}

/* Nobody changes the model now: what is decided here still holds when it is on disk. */
static void promote_go(struct turn *turn)
{
    struct promote *promote = (struct promote *)((char *)turn - offsetof(struct promote, turn));
    struct request *req = promote->req;
    struct model *model = promote->version->model;

    if (model->deleted) {
        err_set(&req->err, ERR_NOT_FOUND, "name", "'%s' has been deleted meanwhile", model->name);
    }
    if (req->err.code != ERR_NONE || !etag_model_holds(req, model, &req->err) ||
        model_version(model, promote->version->number, &req->err) == NULL) {
        promote_end(promote);
        return;
    }
    promote->serving = (struct serving){ promote->version->number, model->last, server_now() };
    request_work(req, model->folder != NULL ? INFINITY : 0.0, promote_work, promote_done);
}

static void promote_loaded(struct load_waiter *waiter, const struct err *err)
{
    struct promote *promote = (struct promote *)((char *)waiter - offsetof(struct promote, waiter));

    if (err->code == ERR_NONE) {
        turn_take(&promote->version->model->turns, &promote->turn);
        return;
    }
    promote->req->err = *err;
    version_unref(promote->version);
    request_finish(promote->req);
}

bool on_promote(struct request *req, struct err *err)
{
    struct model *model = pin_model(req, err);
    struct promote *promote = arena_alloc(&req->arena, 1, sizeof *promote);
    struct version *version;
    uint64_t number;

    if (model == NULL ||
        !msg_promote_decode(req->body != NULL ? req->body : "", req->body_len, &number, err) ||
        (version = model_version(model, number, err)) == NULL) {
        return false;
    }
    if (promote == NULL) {
        return err_set(err, ERR_MEMORY, "", "there is no memory to promote");
    }
    *promote = (struct promote){ .version = version_ref(version), .req = req };
    promote->waiter.done = promote_loaded;
    promote->turn.go = promote_go;
    req->task = promote;
    if (version->net == NULL) {
        version_load(version, &promote->waiter);
    } else {
        turn_take(&model->turns, &promote->turn);
    }
    return true;
}
