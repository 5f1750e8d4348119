/* POST /v1/models/{name}/evaluate: {"dataset": "mnist-test"}, or rows, -> loss, accuracy,
 * confusion. */
#include "handlers.h"

#include <string.h>

#include "feed.h"
#include "pin.h"
#include "server.h"

#define CONFUSION_MAX 1024 /* outputs; a matrix of more is nothing to read, and 8 MB */

struct evaluate {
    struct version *version; /* pinned */
    const struct labels *labels;
    struct msg_source msg;
    struct feed feed;
    struct labels *fresh; /* owned; of the data, when the model has none */
};

static void evaluate_end(struct request *req)
{
    struct evaluate *evaluate = req->task;

    feed_done(&evaluate->feed);
    labels_free(evaluate->fresh);
    version_unref(evaluate->version);
    request_finish(req);
}

static void evaluate_work(struct request *req)
{
    const struct evaluate *evaluate = req->task;
    const struct net *net = evaluate->version->net;
    const struct data data = feed_data(&evaluate->feed);
    const size_t outputs = spec_outputs(&net->spec);
    struct text text = { 0 };
    struct eval eval = { 0 };
    void *scratch = arena_alloc(&req->arena, net_scratch(net), 1);

    if (data.classes != NULL && outputs > 1 && outputs <= CONFUSION_MAX) {
        eval.confusion = arena_alloc(&req->arena, outputs * outputs, sizeof *eval.confusion);
        if (eval.confusion != NULL) {
            memset(eval.confusion, 0, outputs * outputs * sizeof *eval.confusion);
        }
    }
    if (scratch == NULL) {
        err_set(&req->err, ERR_MEMORY, "", "there is no memory to evaluate");
        return;
    }
    if (!feed_check(&evaluate->feed, &net->spec, &req->err) ||
        !net_evaluate(net, &data, scratch, NULL, &eval, &req->err)) {
        return;
    }
    msg_evaluate_encode(&text, evaluate->version->model->name, evaluate->version->number, &eval,
                        evaluate->feed.has_accuracy, outputs,
                        evaluate->labels != NULL ? evaluate->labels : evaluate->fresh);
    request_reply(req, 200, &text);
}

static void decode_work(struct request *req)
{
    struct evaluate *evaluate = req->task;
    const struct net_spec *spec = &evaluate->version->net->spec;
    const struct rows_limits limits =
        server_rows_limits(req->server, spec->inputs, spec_outputs(spec));

    msg_evaluate_decode(req->body != NULL ? req->body : "", req->body_len, &limits, &req->arena,
                        &evaluate->msg, &req->err);
}

static void decode_done(struct request *req)
{
    struct evaluate *evaluate = req->task;
    const struct net *net = evaluate->version->net;

    if (req->err.code != ERR_NONE ||
        !feed_open(req->server, &evaluate->msg, &net->spec, evaluate->labels, &evaluate->fresh,
                   &evaluate->feed, &req->err)) {
        evaluate_end(req);
        return;
    }
    request_work(req, (double)evaluate->feed.dataset->info.rows * (double)net_flops(net) / 20000.0,
                 evaluate_work, evaluate_end);
}

bool on_evaluate(struct request *req, struct err *err)
{
    struct evaluate *evaluate = arena_alloc(&req->arena, 1, sizeof *evaluate);

    if (evaluate == NULL) {
        return err_set(err, ERR_MEMORY, "inputs", "do not fit into memory");
    }
    memset(evaluate, 0, sizeof *evaluate);
    evaluate->version = pin_version(req, err);
    if (evaluate->version == NULL) {
        return false;
    }
    evaluate->labels = evaluate->version->model->labels;
    req->task = evaluate;
    request_work(req, (double)req->body_len / 400.0, decode_work, decode_done);
    return true;
}
