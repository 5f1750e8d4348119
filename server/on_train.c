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

#include "job.h"
#include "pin.h"
#include "server.h"

#define WAIT_MAX 86400.0

struct train {
    struct version *version; /* pinned: its net's shape is what the data have to fit */
    struct msg_train msg;
    struct feed train, validation;
    struct labels *labels; /* owned; the data's, when the model has none */
    double wait;           /* seconds; below 0: not asked for */
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

static void train_end(struct request *req)
{
    struct train *train = req->task;

    feed_done(&train->train);
    feed_done(&train->validation);
    labels_free(train->labels);
    version_unref(train->version);
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

static void check_work(struct request *req)
{
    struct train *train = req->task;
    const struct net_spec *spec = &train->version->model->spec;

    if (feed_check(&train->train, spec, &req->err) && train->msg.has_validation &&
        !feed_check(&train->validation, spec, &req->err)) {
        err_in(&req->err, "validation");
    }
}

static void job_reply(struct request *req, struct job *job)
{
    char location[48];
    struct msg_job info;
    struct text text = { 0 };

    job_info(job, &info);
    msg_job_encode(&text, &info, true);
    text_str(&text, "\n");
    snprintf(location, sizeof location, "/v1/jobs/%" PRIu64, job->id);
    req->reply.location = arena_copy(&req->arena, location, strlen(location));
    request_reply(req, 202, &text);
}

static void check_done(struct request *req)
{
    struct train *train = req->task;
    struct model *model = train->version->model;
    struct job *job;
    bool waits = false;

    if (req->err.code == ERR_NONE && model->deleted) {
        err_set(&req->err, ERR_NOT_FOUND, "name", "'%s' has been deleted meanwhile", model->name);
    }
    if (req->err.code == ERR_NONE) {
        const bool ok = job_create(req->server->jobs, model, &train->msg, &train->train,
                                   &train->validation, train->labels, &job, &req->err);

        train->train = train->validation = (struct feed){ 0 }; /* the job's, or gone */
        train->labels = NULL;
        waits = ok && train->wait >= 0.0 && job_wait(job, req, train->wait, &req->err);
        if (ok && !waits && req->err.code == ERR_NONE) {
            job_reply(req, job);
        }
    }
    if (waits) { /* the waiter finishes the request, or has done so */
        version_unref(train->version);
        return;
    }
    train_end(req);
}

static void decode_done(struct request *req)
{
    struct train *train = req->task;
    struct server *server = req->server;
    const struct model *model = train->version->model;
    const struct net_spec *spec = &train->version->model->spec;
    struct err *err = &req->err;
    double values;

    if (err->code == ERR_NONE) {
        feed_open(server, &train->msg.source, spec, model->labels, &train->labels, &train->train,
                  err);
    }
    if (err->code == ERR_NONE && train->msg.has_validation &&
        !feed_open(server, &train->msg.validation, spec, model->labels, &train->labels,
                   &train->validation, err)) {
        err_in(err, "validation");
    }
    if (err->code != ERR_NONE) {
        train_end(req);
        return;
    }
    values = (double)(train->train.dataset->info.rows * train->train.dataset->info.y_width);
    if (train->msg.has_validation) {
        values += (double)(train->validation.dataset->info.rows *
                           train->validation.dataset->info.y_width);
    }
    request_work(req, values / 1000.0, check_work, check_done);
}

bool on_train(struct request *req, struct err *err)
{
    struct train *train = arena_alloc(&req->arena, 1, sizeof *train);

    if (train == NULL) {
        return err_set(err, ERR_MEMORY, "job", "has no memory");
    }
    memset(train, 0, sizeof *train);
    if (!prefer_parse(req, &train->wait, err)) {
        return false;
    }
    train->version = pin_version(req, err);
    if (train->version == NULL) {
        return false;
    }
    req->task = train;
    request_work(req, (double)req->body_len / 400.0, decode_work, decode_done);
    return true;
}
