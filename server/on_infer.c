/* POST /v2/models/{name}[/versions/{version}]/infer: see proto/msg_infer.h. */
#include "handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "matrix.h"
#include "msg_infer.h"
#include "pin.h"
#include "server.h"

#define HEADER "Inference-Header-Content-Length"

struct infer {
    struct ask ask;              /* first, so that one is the other */
    const struct labels *labels; /* borrowed: the pinned version keeps its model */
    size_t json_len;             /* bytes of the body that are JSON */
    struct msg_infer msg;
};

static void infer_decode(struct ask *ask)
{
    static char nothing[1];
    struct infer *infer = (struct infer *)ask;
    struct request *req = ask->req;
    const struct net_spec *spec = &ask->version->net->spec;
    const size_t outputs = spec_outputs(spec);
    const struct rows_limits limits = server_rows_limits(req->server, spec->inputs, outputs);
    const struct matrix *inputs = &infer->msg.inputs;

    if (msg_infer_decode(req->body != NULL ? req->body : nothing, req->body_len, infer->json_len,
                         &limits, outputs, &req->arena, &infer->msg, &req->err)) {
        ask->inputs = (struct rows){ DTYPE_F32, inputs->rows, inputs->cols, inputs->data };
    }
}

static void infer_encode(struct ask *ask)
{
    struct infer *infer = (struct infer *)ask;
    struct request *req = ask->req;
    const struct version *version = ask->version;
    const struct matrix out = { ask->inputs.n, spec_outputs(&version->net->spec), ask->outputs };
    struct text text = { 0 };
    char length[24];
    size_t json_len;

    if (!matrix_finite(&out, 0, &req->err)) {
        return;
    }
    msg_infer_encode(&text, version->model->name, version->number, &infer->msg, &out, infer->labels,
                     &json_len);
    if (infer->msg.binary) {
        snprintf(length, sizeof length, "%zu", json_len);
        req->reply.inference_header = arena_copy(&req->arena, length, strlen(length));
    }
    request_reply_type(req, 200,
                       infer->msg.binary ? "application/octet-stream" : "application/json", &text);
}

/* How much of the body is JSON: all of it, unless the header says. */
static bool json_len_parse(struct request *req, size_t *ret, struct err *err)
{
    const char *text = request_header(req, HEADER);
    char *end = NULL;
    unsigned long long n;

    *ret = req->body_len > 0 ? req->body_len : 1; /* an empty body is no raw request */
    if (text == NULL) {
        return true;
    }
    errno = 0;
    n = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (end == NULL || errno != 0 || *end != '\0' || n > req->body_len) {
        return err_set(err, ERR_FIELD, HEADER,
                       "must be a whole number 0 to %zu, the length of the body, is '%.64s'",
                       req->body_len, text);
    }
    *ret = (size_t)n;
    return true;
}

bool on_infer(struct request *req, struct err *err)
{
    struct infer *infer = arena_alloc(&req->arena, 1, sizeof *infer);
    double json, rows;
    const struct net *net;

    if (infer == NULL) {
        return err_set(err, ERR_MEMORY, "inputs", "do not fit into memory");
    }
    *infer = (struct infer){
        .ask = { .req = req, .decode = infer_decode, .encode = infer_encode },
    };
    if (!json_len_parse(req, &infer->json_len, err)) {
        return false;
    }
    infer->ask.version = pin_ready(req, err);
    if (infer->ask.version == NULL) {
        return false;
    }
    net = infer->ask.version->net;
    infer->labels = infer->ask.version->model->labels;
    json = (double)(infer->json_len < req->body_len ? infer->json_len : req->body_len);
    rows = (json / 8.0 + ((double)req->body_len - json) / 4.0) / (double)net->spec.inputs;
    batch_ask(req->server->batcher, &infer->ask,
              json / 400.0 + (rows > 1.0 ? rows : 1.0) * (double)net_flops(net) / 20000.0);
    return true;
}
