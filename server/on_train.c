/* POST /v1/models/{name}/train: 202 and a job; with "Prefer: wait=SECONDS" the finished job.
 *
 *   decode   any   the message, and the rows in it if there are some
 *   resolve  loop  data sets by name; what the data's classes are called in the model
 *   check    any   every target against the cost
 *   queue    loop  the job exists from here on */
#include "handlers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth.h"
#include "etag.h"
#include "job.h"
#include "pin.h"
#include "server.h"

#define WAIT_MAX 86400.0

struct train {
    struct version *version; /* pinned: its net's shape is what the data have to fit */
    struct msg_train msg;
    struct feed train, validation;
    struct labels *labels;   /* owned; the data's, when the model has none */
    double wait;             /* seconds; below 0: not asked for */
    const char *key;         /* Idempotency-Key; "": none */
    char digest[DIGEST_HEX]; /* of the request that has it */
};

/* "wait=10" among the preferences of RFC 7240; others are passed over, as it says. */
static bool prefer_parse(struct request *req, double *ret, struct err *err)
{
    const char *at = request_header(req, "Prefer");

    *ret = -1.0;
    while (at != NULL && *at != '\0') {
        char *end;

        at += strspn(at, " \t,;");
        if (strncasecmp(at, "wait=", 5) == 0) {
            *ret = at[5] >= '0' && at[5] <= '9' ? strtod(at + 5, &end) : -1.0;
            if (*ret < 0.0 || *ret > WAIT_MAX || strchr(",; \t", *end) == NULL) {
                return err_set(err, ERR_FIELD, "Prefer",
                               "must have wait=SECONDS, 0 to %g, is '%.64s'", WAIT_MAX, at);
            }
        }
        at += strcspn(at, ",;");
    }
    return true;
}

/* What it holds; version may be NULL. */
static void train_drop(struct train *train)
{
    class_weights_done(&train->msg.weights);
    feed_done(&train->train);
    feed_done(&train->validation);
    labels_free(train->labels);
    if (train->version != NULL) {
        version_unref(train->version);
    }
}

static void train_end(struct request *req)
{
    train_drop(req->task);
    request_finish(req);
}

static void decode_work(struct request *req)
{
    struct train *train = req->task;
    const struct net_spec *spec = &train->version->model->spec;
    const struct rows_limits limits =
        server_rows_limits(req->server, spec->inputs, spec_outputs(spec));

    msg_train_decode(req->body != NULL ? req->body : "", req->body_len, &limits, &req->arena,
                     &train->msg, &req->err);
}

/* Signs of a part of the gradient are no signs of all of it. */
static bool batch_check(const struct train *train, struct err *err)
{
    const struct train_plan *plan = &train->msg.plan;
    const size_t rows = feed_rows(&train->train);

    return plan->optimizer != OPT_RPROP || plan->batch_size >= rows ||
           err_set(err, ERR_FIELD, "batch_size",
                   "must be all of the rows for rprop, %zu at least, is %zu", rows,
                   plan->batch_size);
}

static void check_work(struct request *req)
{
    struct train *train = req->task;
    const struct net_spec *spec = &train->version->model->spec;
    const struct msg_train *msg = &train->msg;

    if (!feed_check(&train->train, spec, &req->err)) {
        return;
    }
    if (split_is(&msg->split)) {
        if (!feed_split(&train->train, &msg->split, msg->plan.seed, &train->validation,
                        &req->err)) {
            return;
        }
    } else if (msg->has_validation && !feed_check(&train->validation, spec, &req->err)) {
        err_in(&req->err, "validation");
        return;
    }
    batch_check(train, &req->err);
}

/* Says where the job is, or waits for its end. */
static void job_answer(struct request *req, struct job *job, double wait)
{
    char location[48];

    snprintf(location, sizeof location, "/v1/jobs/%" PRIu64, job->id);
    req->reply.location = arena_copy(&req->arena, location, strlen(location));
    if (wait >= 0.0) {
        if (!job_wait(job, req, wait, &req->err)) {
            request_finish(req);
        }
        return;
    }
    job_reply(req, 202, job);
    request_finish(req);
}

/* The job is on disk, or could not be written. */
static void job_made(struct job *job, const struct err *err, void *arg)
{
    struct request *req = arg;
    struct train *train = req->task;

    if (err->code != ERR_NONE) {
        req->err = *err;
        train_end(req);
    } else {
        job_answer(req, job, train->wait);
        version_unref(train->version);
    }
}

/* A retry of a request whose answer was lost must not train twice: true, and answered, when a job
 * that this key has made is there. */
static bool answered_before(struct request *req)
{
    struct train *train = req->task;
    const double wait = train->wait;
    struct job *job =
        jobs_find_key(req->server->jobs, req->param[0], train->key, train->digest, &req->err);

    if (job != NULL) {
        train_drop(train);
        job_answer(req, job, wait);
    }
    return job != NULL;
}

static void check_done(struct request *req)
{
    struct train *train = req->task;
    struct job_order order = { .model = train->version->model,
                               .msg = &train->msg,
                               .train = train->train,
                               .validation = train->validation,
                               .labels = train->labels,
                               .key = train->key,
                               .request = train->digest };

    if (req->err.code != ERR_NONE) {
        train_end(req);
        return;
    }
    if (answered_before(req)) { /* another with this key may have got here meanwhile */
        return;
    }
    if (req->err.code != ERR_NONE || !etag_model_holds(req, train->version->model, &req->err)) {
        train_end(req);
        return;
    }
    train->train = train->validation = (struct feed){ 0 }; /* the job's, or gone */
    train->labels = NULL;
    if (!job_create(req->server->jobs, &order, job_made, req, &req->err)) {
        train_end(req);
    }
}

/* Whether rows have classes to be weighted by, called so. */
static bool weights_check(const struct train *train, struct err *err)
{
    const struct class_weights *weights = &train->msg.weights;
    const struct model *model = train->version->model;
    const size_t outputs = spec_outputs(&model->spec);
    float *ignored;
    bool ok;

    if (weights->kind == WEIGHTS_EQUAL) {
        return true;
    }
    if (train->train.dataset->info.kind != TARGET_LABELS) {
        return err_set(err, ERR_FIELD, "class_weights", "need labels, but the targets are numbers");
    }
    if (weights->kind == WEIGHTS_BALANCED) {
        return true;
    }
    ignored = malloc(outputs * sizeof *ignored);
    ok = ignored != NULL
             ? class_weights_resolve(weights, model->labels != NULL ? model->labels : train->labels,
                                     outputs, ignored, err)
             : err_set(err, ERR_MEMORY, "", "have no memory");
    free(ignored);
    return ok || err_in(err, "class_weights");
}

/* Whether the data can answer what promote asks of them. */
static bool promote_check(const struct train *train, struct err *err)
{
    const struct promote_rule *rule = &train->msg.promote;
    const struct feed *feed =
        metric_is_validation(rule->metric) ? &train->validation : &train->train;

    return rule->kind != PROMOTE_IF || metric_is_loss(rule->metric) || feed->has_accuracy ||
           err_set(err, ERR_FIELD, "promote.if",
                   "is %s, which these targets do not have: use a loss", metric_name(rule->metric));
}

/* Likewise what is monitored, at where. */
static bool monitor_check(const struct train *train, enum metric monitor, const char *where,
                          struct err *err)
{
    const struct feed *feed = metric_is_validation(monitor) ? &train->validation : &train->train;

    return metric_is_loss(monitor) || feed->has_accuracy ||
           err_set(err, ERR_FIELD, where, "is %s, which these targets do not have: use a loss",
                   metric_name(monitor));
}

static bool monitors_check(const struct train *train, struct err *err)
{
    const struct early_stopping *stopping = &train->msg.stopping;
    const struct msg_schedule *schedule = &train->msg.schedule;

    return (train->msg.sweep == NULL ||
            monitor_check(train, train->msg.sweep->monitor, "sweep.monitor", err)) &&
           (stopping->patience == 0 ||
            monitor_check(train, stopping->monitor, "early_stopping.monitor", err)) &&
           (schedule->schedule.kind != SCHEDULE_PLATEAU ||
            monitor_check(train, schedule->monitor, "schedule.monitor", err));
}

/* Whether what a sweep makes of the hidden layers is within the limits of a model. */
static bool layers_check(const struct train *train, struct err *err)
{
    const struct model *model = train->version->model;
    const struct model_limits limits = server_model_limits(model->server);
    const struct sweep *sweep = train->msg.sweep != NULL ? &train->msg.sweep->sweep : NULL;

    for (size_t i = 0; sweep != NULL && i < sweep->over[AXIS_LAYERS].n; i++) {
        const struct sweep_hidden *hidden = &sweep->hidden[i];
        struct net_spec spec = *version_spec(train->version);

        for (size_t l = 0; l < hidden->n; l++) {
            if (hidden->units[l] > limits.max_units) {
                err_set(err, ERR_FIELD, "", "must be 1 to %zu, is %" PRIu32, limits.max_units,
                        hidden->units[l]);
                return err_in(err, "sweep.over.layers[%zu][%zu]", i, l);
            }
        }
        if (hidden->n + 1 > limits.max_layers) {
            err_set(err, ERR_FIELD, "", "must have at most %zu layers, has %zu",
                    limits.max_layers - 1, hidden->n);
            return err_in(err, "sweep.over.layers[%zu]", i);
        }
        if (!sweep_shape(hidden, &spec, err)) {
            return err_in(err, "sweep.over");
        }
        if (spec_params(&spec) > limits.max_params) {
            err_set(err, ERR_FIELD, "", "must make at most %zu weights and biases, makes %zu",
                    limits.max_params, spec_params(&spec));
            return err_in(err, "sweep.over.layers[%zu]", i);
        }
        if (!plan_check(&train->msg.plan, &spec, err)) {
            return err_in(err, "sweep.over.layers[%zu]", i);
        }
    }
    return true;
}

static void decode_done(struct request *req)
{
    struct train *train = req->task;
    struct server *server = req->server;
    const struct model *model = train->version->model;
    const struct net_spec *spec = &train->version->model->spec;
    struct err *err = &req->err;
    double values;

    if (err->code == ERR_NONE && auth_name_check(req, train->msg.source.dataset, "dataset", err)) {
        feed_open(server, &train->msg.source, spec, model->labels, &train->labels, &train->train,
                  err);
    }
    if (err->code == ERR_NONE && split_is(&train->msg.split)) {
        feed_share(&train->train, &train->validation, err);
    } else if (err->code == ERR_NONE && train->msg.has_validation &&
               !(auth_name_check(req, train->msg.validation.dataset, "dataset", err) &&
                 feed_open(server, &train->msg.validation, spec, model->labels, &train->labels,
                           &train->validation, err))) {
        err_in(err, "validation");
    }
    if (err->code == ERR_NONE && promote_check(train, err) && monitors_check(train, err) &&
        weights_check(train, err) && plan_check(&train->msg.plan, spec, err)) {
        layers_check(train, err);
    }
    if (err->code != ERR_NONE) {
        train_end(req);
        return;
    }
    values = (double)(train->train.dataset->info.rows * train->train.dataset->info.y_width);
    if (train->msg.has_validation && !split_is(&train->msg.split)) {
        values += (double)(train->validation.dataset->info.rows *
                           train->validation.dataset->info.y_width);
    }
    request_work(req, values / 1000.0, check_work, check_done);
}

static bool train_begin(struct request *req, struct err *err)
{
    struct train *train = req->task;

    if ((train->version = pin_version(req, err)) == NULL) {
        return false;
    }
    if (!etag_model_holds(req, train->version->model, err)) {
        version_unref(train->version);
        return false;
    }
    request_work(req, (double)req->body_len / 400.0, decode_work, decode_done);
    return true;
}

static void key_work(struct request *req)
{
    struct train *train = req->task;

    digest_bytes(req->body, req->body_len, train->digest, &req->err);
}

static void key_done(struct request *req)
{
    if (req->err.code == ERR_NONE && answered_before(req)) {
        return;
    }
    if (req->err.code != ERR_NONE || (!train_begin(req, &req->err) && !req->again)) {
        request_finish(req);
    }
}

bool on_train(struct request *req, struct err *err)
{
    struct train *train = arena_alloc(&req->arena, 1, sizeof *train);

    if (train == NULL) {
        return err_set(err, ERR_MEMORY, "job", "has no memory");
    }
    memset(train, 0, sizeof *train);
    req->task = train;
    if (!prefer_parse(req, &train->wait, err) || !request_key(req, &train->key, err)) {
        return false;
    }
    if (train->key[0] == '\0') {
        return train_begin(req, err);
    }
    request_work(req, (double)req->body_len / DIGEST_BYTES_A_US, key_work, key_done);
    return true;
}
