/* POST /v1/models/{name}/learn: one step on the rows given, on the served version, at once.
 *
 * Calls to one model take turns, in the order they were decoded: each goes on from what the one
 * before has published, so that none is lost. The head of the model's list is the one under way. */
#include "handlers.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "metrics.h"
#include "pin.h"
#include "server.h"
#include "train.h"

struct learn {
    struct request *req;
    struct learn *next;
    bool begun;
    struct model *model; /* a reference */
    struct msg_learn msg;
    struct rows_limits limits;
    struct feed feed;
    struct labels *labels; /* owned; of the rows, when the model has none */
    struct version *base;  /* pinned while begun */
    struct train_plan plan;
    struct net *net; /* owned; the next version's */
    struct origin origin;
};

static void learn_pump(struct jobs *jobs, struct model *model);

static void learn_end(struct learn *learn)
{
    struct request *req = learn->req;

    net_free(learn->net);
    feed_done(&learn->feed);
    labels_free(learn->labels);
    if (learn->base != NULL) {
        version_unref(learn->base);
    }
    model_unref(learn->model);
    request_finish(req);
}

/* ---- the step ---- */

static bool step(struct learn *learn, struct err *err)
{
    const struct net_spec *spec = &learn->base->net->spec;
    const struct labels *labels =
        learn->labels != NULL ? learn->labels : learn->base->model->labels;
    const struct data data = feed_data(&learn->feed);
    struct share alone = SHARE_ALONE;
    struct trainer *trainer = NULL;
    struct train_sum sum;
    bool ok;

    ok = feed_check(&learn->feed, spec, err) && net_clone(learn->base->net, &learn->net, err) &&
         trainer_create(learn->net, &data, &learn->plan, &trainer, err) &&
         trainer_step(trainer, &alone, err);
    if (ok) {
        sum = trainer_sum(trainer);
        learn->origin = (struct origin){
            .source = SOURCE_LEARN,
            .loss = sum.loss,
            .accuracy = learn->feed.has_accuracy ? (double)sum.correct / (double)sum.rows : NAN,
        };
    }
    trainer_free(trainer);
    return ok && digest_net(learn->net, labels, learn->origin.digest, err);
}

static void learn_work(struct request *req)
{
    step(req->task, &req->err);
}

static void learn_publish(struct learn *learn, struct err *err)
{
    struct model *model = learn->model;
    struct text text = { 0 };
    struct net *net = learn->net;

    learn->net = NULL; /* the version's */
    if (!model_publish(model, net, &learn->origin, learn->req->server->options.keep_versions,
                       err)) {
        return;
    }
    if (model->labels == NULL) {
        model->labels = learn->labels;
        learn->labels = NULL;
    }
    model->plan = learn->plan;
    metrics_learned(learn->req->server->metrics, learn->msg.rows.inputs.rows);
    text_str(&text, "{\"loss\": ");
    text_double(&text, learn->origin.loss);
    text_printf(&text, ", \"version\": %" PRIu64 "}\n", model->last);
    request_reply(learn->req, 200, &text);
}

static void learn_done(struct request *req)
{
    struct learn *learn = req->task;
    struct model *model = model_ref(learn->model);
    struct jobs *jobs = req->server->jobs;

    if (req->err.code == ERR_NONE && model->deleted) {
        err_set(&req->err, ERR_NOT_FOUND, "name", "'%s' has been deleted meanwhile", model->name);
    }
    if (req->err.code == ERR_NONE) {
        learn_publish(learn, &req->err);
    }
    model->learn_head = learn->next;
    if (model->learn_head == NULL) {
        model->learn_tail = NULL;
    }
    learn_end(learn);
    learn_pump(jobs, model);
    model_unref(model);
}

/* ---- turns ---- */

/* The plan last used, with what the message says otherwise. */
static struct train_plan plan_of(const struct learn *learn)
{
    struct train_plan plan = learn->model->plan;

    if (learn->msg.has_optimizer) {
        plan.optimizer = learn->msg.plan.optimizer;
        plan.learning_rate = learn->msg.plan.learning_rate;
        plan.momentum = learn->msg.plan.momentum;
        plan.nesterov = learn->msg.plan.nesterov;
    }
    if (learn->msg.has_l2) {
        plan.l2 = learn->msg.plan.l2;
    }
    plan.batch_size = learn->msg.rows.inputs.rows;
    return plan;
}

static bool learn_begin(struct learn *learn, struct err *err)
{
    struct model *model = learn->model;
    const struct msg_source source = { .rows = learn->msg.rows };
    const struct net *net;

    if (model->deleted) {
        return err_set(err, ERR_NOT_FOUND, "name", "'%s' has been deleted meanwhile", model->name);
    }
    if (model->job != NULL) {
        return err_set(err, ERR_BUSY, "name", "'%s' is being trained by job %" PRIu64, model->name,
                       model->job->id);
    }
    net = model->served->net;
    if (net->shift == NULL && (net->spec.norm == NORM_STANDARD || net->spec.norm == NORM_MINMAX)) {
        return err_set(err, ERR_BUSY, "normalize",
                       "is %s, which train has to work out from a whole data set first",
                       norm_name(net->spec.norm));
    }
    learn->plan = plan_of(learn);
    learn->base = version_ref(model->served);
    return feed_open(learn->req->server, &source, &net->spec, model->labels, &learn->labels,
                     &learn->feed, err);
}

/* Begins the head of the list, and the next while they end at once. */
static void learn_pump(struct jobs *jobs, struct model *model)
{
    if (model->learn_pumping) {
        return; /* the loop below will see what there is */
    }
    model->learn_pumping = true;
    while (model->learn_head != NULL && !model->learn_head->begun) {
        struct learn *learn = model->learn_head;
        struct request *req = learn->req;
        double us = 0.0;

        learn->begun = true;
        if (learn_begin(learn, &req->err)) {
            /* Forward, backward, update, clone and digest: about 10 flops a weight and row. */
            us = (double)net_flops(learn->base->net) *
                 (3.0 * (double)learn->msg.rows.inputs.rows + 4.0) / 20000.0;
            request_work(req, us, learn_work, learn_done);
        } else {
            learn_done(req);
        }
    }
    model->learn_pumping = false;
    if (model->learn_head == NULL && model->jobs > 0) {
        jobs_dispatch(jobs);
    }
}

static void decode_work(struct request *req)
{
    struct learn *learn = req->task;

    msg_learn_decode(req->body != NULL ? req->body : "", req->body_len, &learn->limits, &req->arena,
                     &learn->msg, &req->err);
}

static void decode_done(struct request *req)
{
    struct learn *learn = req->task;
    struct model *model = learn->model;

    if (req->err.code != ERR_NONE) {
        learn_end(learn);
        return;
    }
    if (model->learn_tail != NULL) {
        model->learn_tail->next = learn;
    } else {
        model->learn_head = learn;
    }
    model->learn_tail = learn;
    learn_pump(req->server->jobs, model);
}

bool on_learn(struct request *req, struct err *err)
{
    struct model *model = pin_model(req, err);
    struct learn *learn = arena_alloc(&req->arena, 1, sizeof *learn);

    if (model == NULL) {
        return false;
    }
    if (learn == NULL) {
        return err_set(err, ERR_MEMORY, "inputs", "do not fit into memory");
    }
    memset(learn, 0, sizeof *learn);
    learn->req = req;
    learn->model = model_ref(model);
    learn->limits = server_rows_limits(req->server, model->served->net->spec.inputs,
                                       spec_outputs(&model->served->net->spec));
    req->task = learn;
    request_work(req, (double)req->body_len / 400.0, decode_work, decode_done);
    return true;
}
