/* POST /v1/models/{name}/learn: one step on the rows given, on the served version, at once. */
#include "handlers.h"

#include <string.h>

#include "learn_line.h"
#include "pin.h"
#include "server.h"

static void decode_work(struct request *req)
{
    struct learn *learn = req->task;

    msg_learn_decode(req->body != NULL ? req->body : "", req->body_len, &learn->limits, &req->arena,
                     &learn->msg, &req->err);
}

static void decode_done(struct request *req)
{
    struct learn *learn = req->task;

    if (req->err.code == ERR_NONE) {
        learn_line_add(learn);
        return;
    }
    model_unref(learn->model);
    request_finish(req);
}

bool on_learn(struct request *req, struct err *err)
{
    struct version *version = pin_version(req, err);
    struct learn *learn = arena_alloc(&req->arena, 1, sizeof *learn);
    const struct net_spec *spec;

    if (version == NULL) {
        return false;
    }
    if (learn == NULL) {
        version_unref(version);
        return err_set(err, ERR_MEMORY, "inputs", "do not fit into memory");
    }
    memset(learn, 0, sizeof *learn);
    learn->req = req;
    learn->model = model_ref(version->model);
    version_unref(version); /* which one it goes on from is known when its turn comes */
    spec = &learn->model->spec;
    learn->limits = server_rows_limits(req->server, spec->inputs, spec_outputs(spec));
    req->task = learn;
    request_work(req, (double)req->body_len / 400.0, decode_work, decode_done);
    return true;
}
