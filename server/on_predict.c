/* POST /v1/models/{name}/predict: {"inputs": [[0, 1]]} -> {"outputs": [[0.97]]}, and the same as
 * float32 or NPY, each way. */
#include "handlers.h"

#include <errno.h>
#include <stdlib.h>

#include "accept.h"
#include "batch.h"
#include "matrix.h"
#include "msg_predict.h"
#include "pin.h"
#include "predict.h"
#include "remembered.h"
#include "server.h"

enum form { FORM_JSON, FORM_RAW, FORM_NPY, FORM_COUNT };

static const char *const form_types[FORM_COUNT] = {
    [FORM_JSON] = "application/json",
    [FORM_RAW] = "application/octet-stream",
    [FORM_NPY] = "application/x-npy",
};

struct predict {
    struct ask ask;              /* first, so that one is the other */
    const struct labels *labels; /* borrowed: the pinned version keeps its model */
    enum form in, out;
    size_t top;              /* 0: all outputs */
    uint64_t number;         /* the prediction's, if it is to be remembered */
    struct prediction *rows; /* owned; its rows; NULL: none are remembered */
};

static void predict_decode(struct ask *ask)
{
    struct predict *predict = (struct predict *)ask;
    struct request *req = ask->req;
    const struct net_spec *spec = &ask->version->net->spec;
    const struct rows_limits limits =
        server_rows_limits(req->server, spec->inputs, spec_outputs(spec));
    struct msg_predict msg = { .remember = false };
    bool ok;

    if (predict->in == FORM_RAW) {
        ok = matrix_raw(req->body, req->body_len, spec->inputs, limits.max_rows, "body",
                        &msg.inputs, &req->err);
    } else if (predict->in == FORM_NPY) {
        ok = matrix_npy(req->body != NULL ? req->body : "", req->body_len, spec->inputs,
                        limits.max_rows, "inputs", &req->arena, &msg.inputs, &req->err);
    } else {
        ok = msg_predict_decode(req->body != NULL ? req->body : "", req->body_len, &limits,
                                &req->arena, &msg, &req->err);
    }
    if (ok && msg.remember && predict->out != FORM_JSON) {
        ok = err_set(&req->err, ERR_FIELD, "remember",
                     "can be answered with an id in application/json only");
    }
    if (ok) {
        ask->inputs = (struct rows){ DTYPE_F32, msg.inputs.rows, msg.inputs.cols, msg.inputs.data };
        ok = !msg.remember ||
             prediction_create(req->server->remembered, ask->version->model->name, predict->number,
                               &ask->inputs, &predict->rows, &req->err);
    }
}

static void predict_encode(struct ask *ask)
{
    const struct predict *predict = (const struct predict *)ask;
    const struct version *version = ask->version;
    const struct matrix out = { ask->inputs.n, spec_outputs(&version->net->spec), ask->outputs };
    struct msg_answer answer = { .model = version->model->name,
                                 .version = version->number,
                                 .outputs = &out,
                                 .labels = predict->labels,
                                 .top = predict->top };
    char id[PREDICTION_ID_LEN];
    struct text text = { 0 };

    if (!matrix_finite(&out, 0, &ask->req->err)) {
        return;
    }
    if (predict->rows != NULL) {
        remembered_id(ask->req->server->remembered, predict->number, id);
        answer.prediction = id;
    }
    if (predict->out == FORM_RAW) {
        matrix_raw_encode(&text, &out);
    } else if (predict->out == FORM_NPY) {
        matrix_npy_encode(&text, &out);
    } else {
        msg_predict_encode(&text, &answer);
    }
    request_reply_type(ask->req, 200, form_types[predict->out], &text);
}

/* The rows are remembered from before their id is told. */
static void predict_done(struct ask *ask)
{
    struct predict *predict = (struct predict *)ask;
    struct remembered *remembered = ask->req->server->remembered;

    if (predict->rows == NULL) {
        return;
    }
    if (ask->req->err.code == ERR_NONE && !ask->version->model->deleted) {
        remembered_add(remembered, predict->rows, server_clock());
    } else {
        prediction_free(predict->rows);
    }
}

/* About what it takes alone: text at 400 bytes a microsecond, of 8 a number or so, numbers that
 * need no reading at 8000, and arithmetic at 20 GFLOP/s. */
static double estimate_us(const struct request *req, const struct net *net, enum form in)
{
    const double bytes = (double)req->body_len, inputs = (double)net->spec.inputs;
    const double rows = bytes / (in == FORM_JSON ? 8.0 * inputs : 4.0 * inputs);

    return bytes / (in == FORM_JSON ? 400.0 : 8000.0) +
           (rows > 1.0 ? rows : 1.0) * (double)net_flops(net) / 20000.0;
}

/* What comes, by its Content-Type: JSON whatever curl -d and clients that say nothing call it. */
static bool form_in(struct request *req, enum form *ret, struct err *err)
{
    const char *type = request_header(req, "Content-Type");

    *ret = FORM_JSON;
    if (type == NULL || accept_is(type, "application/x-www-form-urlencoded")) {
        return true;
    }
    for (int i = 0; i < FORM_COUNT; i++) {
        if (accept_is(type, form_types[i])) {
            *ret = (enum form)i;
            return true;
        }
    }
    return err_set(err, ERR_TYPE, "Content-Type",
                   "must be application/json, application/octet-stream (float32) or "
                   "application/x-npy, is '%.100s'",
                   type);
}

static bool form_out(struct request *req, enum form *ret, struct err *err)
{
    const char *accept = request_header_all(req, "Accept");
    size_t form;

    if (!accept_choose(accept, form_types, FORM_COUNT, &form)) {
        return err_set(err, ERR_ACCEPT, "Accept",
                       "must have one of application/json, application/octet-stream and "
                       "application/x-npy, is '%.100s'",
                       accept);
    }
    *ret = (enum form)form;
    return true;
}

bool predict_top(struct request *req, const struct net_spec *spec, bool json, size_t *ret,
                 struct err *err)
{
    const char *text = request_query(req, "top");
    const enum act act = spec->layers[spec->n_layers - 1].act;
    char *end = NULL;
    unsigned long long n;

    if (text == NULL) {
        return true;
    }
    errno = 0;
    n = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (n == 0 || errno != 0 || *end != '\0' || n > spec_outputs(spec)) {
        return err_set(err, ERR_FIELD, "top", "must be a whole number 1 to %zu, is '%.64s'",
                       spec_outputs(spec), text);
    }
    if (act != ACT_SOFTMAX && act != ACT_SIGMOID) {
        return err_set(err, ERR_FIELD, "top",
                       "needs outputs that are probabilities, sigmoid or softmax; these are %s",
                       act_name(act));
    }
    if (!json) {
        return err_set(err, ERR_FIELD, "top", "can be answered in application/json only");
    }
    *ret = (size_t)n;
    return true;
}

bool on_predict(struct request *req, struct err *err)
{
    struct predict *predict = arena_alloc(&req->arena, 1, sizeof *predict);
    const struct net *net;

    if (request_query(req, "dataset") != NULL) {
        return predict_set(req, err);
    }
    if (predict == NULL) {
        return err_set(err, ERR_MEMORY, "inputs", "do not fit into memory");
    }
    *predict = (struct predict){
        .ask = { .req = req,
                 .decode = predict_decode,
                 .encode = predict_encode,
                 .done = predict_done },
        .number = remembered_number(req->server->remembered),
    };
    if (!form_in(req, &predict->in, err) || !form_out(req, &predict->out, err)) {
        return false;
    }
    predict->ask.version = pin_version(req, err);
    if (predict->ask.version == NULL) {
        return false;
    }
    net = predict->ask.version->net;
    if (!predict_top(req, &net->spec, predict->out == FORM_JSON, &predict->top, err)) {
        version_unref(predict->ask.version);
        return false;
    }
    predict->labels = predict->ask.version->model->labels;
    batch_ask(req->server->batcher, &predict->ask, estimate_us(req, net, predict->in));
    return true;
}
