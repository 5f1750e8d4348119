/* POST /v1/models/{name}/learn: one step on the rows given, on the served version, at once.
 *
 *   decode   any    the message, and the digests of key and body if there is a key
 *   line     loop   a call with that key was answered before, or this one gets in line
 *   step     any    learn_line.h has the rest */
#include "handlers.h"

#include <string.h>

#include "learn_line.h"
#include "pin.h"
#include "remembered.h"
#include "server.h"

static void decode_work(struct request *req)
{
    struct learn *learn = req->task;

    msg_learn_decode(req->body != NULL ? req->body : "", req->body_len, &learn->limits, &req->arena,
                     &learn->msg, &req->err);
}

static void keyed_decode_work(struct request *req)
{
    struct learn *learn = req->task;

    if (digest_bytes(learn->key_header, strlen(learn->key_header), learn->key.key, &req->err) &&
        digest_bytes(req->body, req->body_len, learn->key.request, &req->err)) {
        decode_work(req);
    }
}

/* A retry must not train twice: true, and answered, when a call with this key has been. Errors:
 * ERR_FIELD when that was another, ERR_BUSY while it is under way, ERR_MEMORY. */
static bool answered_before(struct request *req, const struct learn *learn)
{
    struct model *model = learn->model;
    const struct learn_answer *answer = learn_keys_find(model->keys, learn->key.key);
    const struct learn *other = learn_line_find(model->learn, learn->key.key);
    const struct learn_key *before = answer != NULL  ? &answer->key
                                     : other != NULL ? &other->key
                                                     : NULL;

    if (before != NULL && strcmp(before->request, learn->key.request) != 0) {
        return err_set(&req->err, ERR_FIELD, "Idempotency-Key", "was used for another request");
    }
    if (answer != NULL) {
        learn_reply(req, answer);
        return true;
    }
    if (other != NULL) {
        return err_set(&req->err, ERR_BUSY, "Idempotency-Key",
                       "belongs to a request that is under way");
    }
    learn_keys_need(&model->keys, &req->err);
    return false;
}

/* The rows of the prediction that is meant, in place of inputs. */
static bool prediction_rows(struct learn *learn, struct err *err)
{
    struct remembered *remembered = learn->req->server->remembered;
    struct msg_rows *rows = &learn->msg.rows;
    struct prediction *prediction;

    if (learn->msg.prediction[0] == '\0') {
        return true;
    }
    prediction =
        remembered_take(remembered, learn->msg.prediction, learn->model->name, server_clock(), err);
    if (prediction == NULL) {
        return false;
    }
    rows->has_inputs = true;
    rows->inputs = (struct matrix){ prediction->rows, prediction->cols, prediction->values };
    if (!msg_rows_count_check(rows, "prediction", err)) {
        remembered_give_back(remembered, prediction, false);
        return false;
    }
    learn->prediction = prediction; /* given back when the call ends */
    return true;
}

static void decode_done(struct request *req)
{
    struct learn *learn = req->task;
    bool answered = false;

    if (req->err.code == ERR_NONE && learn->key_header[0] != '\0') {
        answered = answered_before(req, learn);
    }
    if (req->err.code == ERR_NONE && !answered && prediction_rows(learn, &req->err)) {
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
    double us = (double)req->body_len / 400.0;

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
    if (!request_key(req, &learn->key_header, err)) {
        model_unref(learn->model);
        return false;
    }
    spec = &learn->model->spec;
    learn->limits = server_rows_limits(req->server, spec->inputs, spec_outputs(spec));
    req->task = learn;
    if (learn->key_header[0] == '\0') {
        request_work(req, us, decode_work, decode_done);
    } else {
        us += (double)req->body_len / DIGEST_BYTES_A_US;
        request_work(req, us, keyed_decode_work, decode_done);
    }
    return true;
}
