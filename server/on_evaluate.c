/* POST /v1/models/{name}/evaluate: {"dataset": "mnist-test"}, or rows, -> loss, accuracy,
 * confusion and the other scores. */
#include "handlers.h"

#include <string.h>

#include "auth.h"
#include "feed.h"
#include "msg_evaluate.h"
#include "pin.h"
#include "server.h"

struct evaluate {
    struct version *version; /* pinned */
    const struct labels *labels;
    struct msg_evaluate msg;
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

/* Zeros for the confusion of so many classes, or NULL when there is to be none. */
static bool confusion_alloc(struct arena *arena, size_t classes, uint64_t **ret, struct err *err)
{
    uint64_t *confusion = NULL;

    if (classes > 0 && classes <= EVALUATE_OUTPUTS_MAX) {
        confusion = arena_alloc(arena, classes * classes, sizeof *confusion);
        if (confusion == NULL) {
            return err_set(err, ERR_MEMORY, "", "there is no memory for a confusion matrix");
        }
        memset(confusion, 0, classes * classes * sizeof *confusion);
    }
    *ret = confusion;
    return true;
}

static void evaluate_score(struct request *req, const struct data *data, struct score *score)
{
    const struct evaluate *evaluate = req->task;
    const struct version *version = evaluate->version;
    struct eval eval = { .score = score };
    const struct msg_evaluation said = {
        .model = version->model->name,
        .version = version->number,
        .eval = &eval,
        .has_accuracy = evaluate->feed.has_accuracy,
        .labels = evaluate->labels != NULL ? evaluate->labels : evaluate->fresh,
    };
    struct text text = { 0 };
    void *scratch = arena_alloc(&req->arena, net_scratch(version->net), 1);

    if (scratch == NULL) {
        err_set(&req->err, ERR_MEMORY, "", "there is no memory to evaluate");
        return;
    }
    if (!confusion_alloc(&req->arena, score->classes, &eval.confusion, &req->err) ||
        !net_evaluate(version->net, data, scratch, NULL, &eval, &req->err)) {
        return;
    }
    msg_evaluate_encode(&text, &said);
    request_reply(req, 200, &text);
}

static void evaluate_work(struct request *req)
{
    const struct evaluate *evaluate = req->task;
    const struct net_spec *spec = &evaluate->version->net->spec;
    const struct data data = feed_data(&evaluate->feed);
    struct score score;

    if (feed_check(&evaluate->feed, spec, &req->err) &&
        score_init(&score, &data, spec, evaluate->msg.top_k, &req->err)) {
        evaluate_score(req, &data, &score);
        score_done(&score);
    }
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

/* Arithmetic at 20 GFLOP/s, and what small nets spend on the targets, the cost and the scores. */
static double estimate_us(const struct net *net, size_t rows)
{
    const double outputs = (double)spec_outputs(&net->spec);

    return (double)rows * ((double)net_flops(net) / 20000.0 + 0.3 + 0.015 * outputs);
}

static void decode_done(struct request *req)
{
    struct evaluate *evaluate = req->task;
    const struct net *net = evaluate->version->net;

    if (req->err.code != ERR_NONE ||
        !auth_name_check(req, evaluate->msg.source.dataset, "dataset", &req->err) ||
        !feed_open(req->server, &evaluate->msg.source, &net->spec, evaluate->labels,
                   &evaluate->fresh, &evaluate->feed, &req->err)) {
        evaluate_end(req);
        return;
    }
    request_work(req, estimate_us(net, evaluate->feed.dataset->info.rows), evaluate_work,
                 evaluate_end);
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
