/* POST /v1/models/{name}/predict: {"inputs": [[0, 1]]} -> {"outputs": [[0.97]]} */
#include "handlers.h"

#include "batch.h"
#include "msg_predict.h"
#include "pin.h"
#include "server.h"

struct predict {
    struct ask ask;              /* first, so that one is the other */
    const struct labels *labels; /* borrowed: the pinned version keeps its model */
};

static void predict_decode(struct ask *ask)
{
    struct request *req = ask->req;
    const struct net_spec *spec = &ask->version->net->spec;
    const struct rows_limits limits =
        server_rows_limits(req->server, spec->inputs, spec_outputs(spec));
    struct msg_predict msg;

    if (msg_predict_decode(req->body != NULL ? req->body : "", req->body_len, &limits, &req->arena,
                           &msg, &req->err)) {
        ask->inputs = (struct rows){ DTYPE_F32, msg.inputs.rows, msg.inputs.cols, msg.inputs.data };
    }
}

static void predict_encode(struct ask *ask)
{
    const struct predict *predict = (const struct predict *)ask;
    const struct version *version = ask->version;
    const struct matrix out = { ask->inputs.n, spec_outputs(&version->net->spec), ask->outputs };
    struct text text = { 0 };

    if (msg_predict_encode(&text, version->model->name, version->number, &out, predict->labels,
                           &ask->req->err)) {
        request_reply(ask->req, 200, &text);
    } else {
        text_done(&text);
    }
}

/* About what it takes alone: text at 400 bytes a microsecond, of 8 a number or so, and arithmetic
 * at 20 GFLOP/s. */
static double estimate_us(const struct request *req, const struct net *net)
{
    const double rows = (double)req->body_len / (8.0 * (double)net->spec.inputs);

    return (double)req->body_len / 400.0 +
           (rows > 1.0 ? rows : 1.0) * (double)net_flops(net) / 20000.0;
}

bool on_predict(struct request *req, struct err *err)
{
    struct predict *predict = arena_alloc(&req->arena, 1, sizeof *predict);

    if (predict == NULL) {
        return err_set(err, ERR_MEMORY, "inputs", "do not fit into memory");
    }
    *predict = (struct predict){
        .ask = { .req = req, .decode = predict_decode, .encode = predict_encode },
    };
    predict->ask.version = pin_version(req, err);
    if (predict->ask.version == NULL) {
        return false;
    }
    predict->labels = predict->ask.version->model->labels;
    batch_ask(req->server->batcher, &predict->ask, estimate_us(req, predict->ask.version->net));
    return true;
}
