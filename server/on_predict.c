/* POST /v1/models/{name}/predict: {"inputs": [[0, 1]]} -> {"outputs": [[0.97]]} */
#include "handlers.h"

#include "metrics.h"
#include "msg_predict.h"
#include "pin.h"
#include "server.h"

struct predict {
    struct version *version;     /* pinned */
    const struct labels *labels; /* borrowed: the pinned version keeps its model */
    size_t rows;
};

static void predict_work(struct request *req)
{
    struct predict *predict = req->task;
    const struct net *net = predict->version->net;
    const size_t outputs = spec_outputs(&net->spec);
    const struct rows_limits limits = server_rows_limits(req->server, net->spec.inputs, outputs);
    struct msg_predict msg;
    struct matrix out;
    struct rows x;
    struct text text = { 0 };
    void *scratch;

    if (!msg_predict_decode(req->body != NULL ? req->body : "", req->body_len, &limits, &req->arena,
                            &msg, &req->err)) {
        return;
    }
    predict->rows = msg.inputs.rows;
    out = (struct matrix){ msg.inputs.rows, outputs,
                           arena_alloc(&req->arena, msg.inputs.rows * outputs, sizeof(float)) };
    scratch = arena_alloc(&req->arena, net_scratch(net), 1);
    if (out.data == NULL || scratch == NULL) {
        err_set(&req->err, ERR_MEMORY, "inputs", "of %zu rows do not fit into memory",
                msg.inputs.rows);
        return;
    }
    x = (struct rows){ DTYPE_F32, msg.inputs.rows, msg.inputs.cols, msg.inputs.data };
    net_predict(net, &x, 0, x.n, out.data, scratch, NULL);
    if (msg_predict_encode(&text, predict->version->model->name, predict->version->number, &out,
                           predict->labels, &req->err)) {
        request_reply(req, 200, &text);
    } else {
        text_done(&text);
    }
}

static void predict_done(struct request *req)
{
    struct predict *predict = req->task;

    if (req->err.code == ERR_NONE) {
        predict->version->model->predictions += predict->rows;
        metrics_predicted(req->server->metrics, predict->rows);
    }
    version_unref(predict->version);
    request_finish(req);
}

/* About what the work will take: text at 400 bytes a microsecond, arithmetic at 20 GFLOP/s. */
static double estimate_us(const struct request *req, const struct net *net)
{
    const double rows = 1.0 + (double)req->body_len / (4.0 * (double)net->spec.inputs);

    return (double)req->body_len / 400.0 + rows * (double)net_flops(net) / 20000.0;
}

bool on_predict(struct request *req, struct err *err)
{
    struct predict *predict = arena_alloc(&req->arena, 1, sizeof *predict);

    if (predict == NULL) {
        return err_set(err, ERR_MEMORY, "inputs", "do not fit into memory");
    }
    *predict = (struct predict){ .version = pin_version(req, err) };
    if (predict->version == NULL) {
        return false;
    }
    predict->labels = predict->version->model->labels;
    req->task = predict;
    request_work(req, estimate_us(req, predict->version->net), predict_work, predict_done);
    return true;
}
