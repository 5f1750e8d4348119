#include "learn_lines.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "etag.h"
#include "job.h"
#include "learn_log.h"
#include "learn_logs.h"
#include "metrics.h"
#include "remembered.h"
#include "server.h"

static void line_pump(struct learn_line *line);

bool learn_line_writes(const struct learn_line *line, uint64_t base, uint64_t first)
{
    if (line == NULL) {
        return false;
    }
    for (const struct learn *learn = line->head; learn != NULL; learn = learn->next) {
        if (learn->version != NULL && learn->version->log_base == base &&
            learn->version->log_first == first) {
            return true;
        }
    }
    return line->base == base && line->first == first && line->tip != 0 &&
           model_lists(line->model, line->tip);
}

const struct learn *learn_line_find(const struct learn_line *line, const char *key)
{
    const struct learn *learn = line != NULL ? line->head : NULL;

    while (learn != NULL && strcmp(learn->key.key, key) != 0) {
        learn = learn->next;
    }
    return learn;
}

bool learn_line_idle(const struct learn_line *line)
{
    return line == NULL || line->head == NULL;
}

void learn_line_free(struct learn_line *line)
{
    assert(learn_line_idle(line));
    free(line);
}

static bool line_create(struct model *model, struct err *err)
{
    if (model->learn == NULL && (model->learn = calloc(1, sizeof *model->learn)) == NULL) {
        return err_set(err, ERR_MEMORY, "inputs", "do not fit into memory");
    }
    model->learn->model = model;
    return true;
}

bool learn_line_restore(struct model *model, uint64_t base, uint64_t first, uint64_t tip,
                        size_t count, size_t bytes, struct err *err)
{
    struct learn_line *line;

    if (!line_create(model, err)) {
        return false;
    }
    line = model->learn;
    line->base = base;
    line->first = first;
    line->tip = tip;
    line->count = count;
    line->bytes = bytes;
    return true;
}

/* ---- ends ---- */

/* Whether it has been learned from or not, nobody needs the prediction for this call any more. */
static void prediction_leave(struct learn *learn, bool used)
{
    if (learn->prediction != NULL) {
        remembered_give_back(learn->model->server->remembered, learn->prediction, used);
        learn->prediction = NULL;
    }
}

/* Takes the head off and answers its client. */
static void learn_end(struct learn_line *line)
{
    struct learn *learn = line->head;
    struct model *model = learn->model;
    struct request *req = learn->req;

    line->head = learn->next;
    if (line->head == NULL) {
        line->tail = NULL;
    }
    prediction_leave(learn, false);
    net_free(learn->net);
    carry_unref(learn->carry);
    carry_unref(learn->from);
    feed_done(&learn->feed);
    labels_free(learn->labels);
    text_done(&learn->entry);
    if (learn->base != NULL) {
        version_unref(learn->base);
    }
    if (learn->version != NULL) {
        version_unref(learn->version);
    }
    request_finish(req);
    model_unref(model);
}

void learn_reply(struct request *req, const struct learn_answer *answer)
{
    struct text text = { 0 };
    char etag[ETAG_LEN];

    text_str(&text, "{\"loss\": ");
    text_double(&text, answer->loss);
    text_printf(&text, ", \"version\": %" PRIu64 "}\n", answer->version);
    etag_numbered(answer->version, answer->created, etag);
    etag_reply(req, etag);
    request_reply(req, 200, &text);
}

/* The head's version is served: says so. */
static void learn_answer(struct learn *learn)
{
    const struct version *version = learn->version;
    const struct learn_answer answer = { learn->key, version->number, version->created,
                                         learn->origin.loss };
    struct model *model = learn->model;

    if (model->labels == NULL && learn->labels != NULL) {
        model->labels = learn->labels;
        learn->labels = NULL;
    }
    metrics_learned(model->server->metrics, learn->msg.rows.inputs.rows);
    if (learn->key.key[0] != '\0') {
        learn_keys_add(model->keys, &answer);
    }
    prediction_leave(learn, true);
    learn_reply(learn->req, &answer);
}

/* The settings last used are again those before the first call that has been computed. */
static void plan_back(struct learn_line *line)
{
    for (const struct learn *learn = line->head; learn != NULL; learn = learn->next) {
        if (learn->version != NULL) {
            line->model->plan = learn->before;
            return;
        }
    }
}

/* Everything computed, and what is being computed, fails: it stands on what did not get to disk. */
static void line_fail(struct learn_line *line, const struct err *err)
{
    struct err gone = { 0 };

    if (line->model->deleting || line->model->deleted) { /* which is why its folder was not there */
        err_set(&gone, ERR_NOT_FOUND, "name", "'%s' has been deleted meanwhile", line->model->name);
        err = &gone;
    }
    plan_back(line);
    for (struct learn *learn = line->head; learn != NULL; learn = learn->next) {
        if (learn->state == LEARN_COMPUTING) {
            learn->doom = *err; /* its request is a pool thread's at the moment */
        } else if (learn->state != LEARN_QUEUED && learn->req->err.code == ERR_NONE) {
            learn->req->err = *err;
        }
    }
    while (line->head != NULL &&
           (line->head->state == LEARN_READY || line->head->state == LEARN_WRITING)) {
        learn_end(line);
    }
    line->tip = 0; /* the next one writes its version whole, or begins another log */
}

/* ---- the disk ---- */

static void batch_run(uv_work_t *uv)
{
    struct learn_line *line = uv->data;

    learn_log_append(line->path, line->fresh, line->batch.data, line->batch.len, &line->err);
}

/* All that are WRITING have got to disk. */
static void written(struct learn_line *line)
{
    while (line->head != NULL && line->head->state == LEARN_WRITING) {
        struct learn *learn = line->head;

        if (learn->model->deleted) {
            err_set(&learn->req->err, ERR_NOT_FOUND, "name", "'%s' has been deleted meanwhile",
                    learn->model->name);
        } else if (learn->version != learn->model->served &&
                   !model_list(learn->model, learn->version, true, &learn->req->err)) {
            line->tip = 0;
        } else {
            learn_answer(learn);
        }
        learn_end(line);
    }
}

static void batch_after(uv_work_t *uv, int status)
{
    struct learn_line *line = uv->data;
    struct model *model = model_ref(line->model);

    (void)status;
    line->writing = false;
    free(line->path);
    line->path = NULL;
    text_done(&line->batch);
    if (line->err.code != ERR_NONE) {
        line_fail(line, &line->err);
    } else {
        written(line);
    }
    line_pump(line);
    model_unref(model);
}

/* A version was written whole. */
static void whole_after(struct publication *publication)
{
    struct learn *learn =
        (struct learn *)((char *)publication - offsetof(struct learn, publication));
    struct learn_line *line = learn->model->learn;
    struct model *model = model_ref(learn->model);

    line->writing = false;
    if (publication->err.code != ERR_NONE) {
        line_fail(line, &publication->err);
    } else {
        written(line);
    }
    line_pump(line);
    model_unref(model);
}

static void whole_begin(struct learn_line *line)
{
    struct learn *learn = line->head;

    learn->state = LEARN_WRITING;
    line->writing = true;
    learn->publication =
        (struct publication){ .version = learn->version,
                              .labels = learn->labels != NULL ? learn->labels : line->model->labels,
                              .done = whole_after };
    publish_begin(&learn->publication);
}

/* All entries that are ready, up to the next that begins a log of its own. */
static void batch_begin(struct learn_line *line)
{
    const struct learn *head = line->head;
    struct learn *learn = line->head;

    line->err = (struct err){ 0 };
    line->fresh = head->begins_log;
    if (!learn_log_path(line->model->folder, head->version->log_base, head->version->log_first,
                        &line->path, &line->err)) {
        line_fail(line, &line->err);
        return;
    }
    do {
        learn->state = LEARN_WRITING;
        text_add(&line->batch, learn->entry.data, learn->entry.len);
        text_done(&learn->entry);
        learn = learn->next;
    } while (learn != NULL && learn->state == LEARN_READY && learn->entry.len > 0 &&
             !learn->begins_log);
    line->writing = true;
    line->uv.data = line;
    if (line->batch.failed) {
        err_set(&line->err, ERR_MEMORY, "inputs", "do not fit into memory");
        batch_after(&line->uv, 0);
    } else if (uv_queue_work(line->model->server->loop, &line->uv, batch_run, batch_after) != 0) {
        batch_run(&line->uv);
        batch_after(&line->uv, 0);
    }
}

/* ---- the step ---- */

static void step_work(struct request *req)
{
    learn_step(req->task, &req->err);
}

/* What a step has come to becomes a version. */
static void step_take(struct learn_line *line, struct learn *learn, struct err *err)
{
    struct model *model = line->model;
    struct net *net = learn->net;

    learn->net = NULL; /* the version's */
    if (!version_create(model, net, ++model->last, server_now(), &learn->origin, &learn->version,
                        err)) {
        return;
    }
    learn->version->carry = learn->carry;
    learn->carry = NULL;
    if (!learn_entry_make(line, learn, err)) {
        version_unref(learn->version); /* nobody goes on from it */
        learn->version = NULL;
        return;
    }
    learn->before = model->plan;
    model->plan = learn->plan;
}

static void step_done(struct request *req)
{
    struct learn *learn = req->task;
    struct learn_line *line = learn->model->learn;
    struct model *model = model_ref(learn->model);

    learn->state = LEARN_READY;
    if (req->err.code == ERR_NONE) {
        req->err = learn->doom;
    }
    if (req->err.code == ERR_NONE) {
        step_take(line, learn, &req->err);
    }
    version_unref(learn->base);
    carry_unref(learn->from);
    learn->base = NULL;
    learn->from = NULL;
    line_pump(line);
    model_unref(model);
}

/* ---- the turn ---- */

static bool in_flight(const struct learn_line *line)
{
    return line->head != NULL && line->head->state != LEARN_QUEUED;
}

static void line_turn(struct turn *turn)
{
    struct learn_line *line =
        (struct learn_line *)((char *)turn - offsetof(struct learn_line, turn));

    line->holds = true;
    line_pump(line);
}

/* Whether one more call may begin. */
static bool may_begin(struct learn_line *line)
{
    if (line->holds) {
        return !in_flight(line) || !turn_wanted(&line->turn);
    }
    if (!line->asked) {
        line->asked = true;
        line->turn.go = line_turn;
        turn_take(&line->model->turns, &line->turn);
    }
    return line->holds;
}

/* Leaves when nothing is under way. True: there is more to do, for which the turn is wanted again.
 */
static bool line_leave(struct learn_line *line)
{
    if (!line->holds || in_flight(line)) {
        return false;
    }
    line->asked = line->holds = false;
    turn_leave(&line->model->turns, &line->turn);
    return line->head != NULL;
}

/* ---- the line ---- */

/* Whether one before this brings the model's labels, which are part of each version that goes on
 * from it: they are known for good once its version is on disk. */
static bool labels_come(const struct learn_line *line, const struct learn *learn)
{
    for (const struct learn *at = line->head; at != learn; at = at->next) {
        if (line->model->labels == NULL && at->labels != NULL) {
            return true;
        }
    }
    return false;
}

/* The net is there again, or cannot be had. */
static void base_loaded(struct load_waiter *waiter, const struct err *err)
{
    struct learn *learn = (struct learn *)((char *)waiter - offsetof(struct learn, waiter));

    learn->req->err = *err;
    learn->state = err->code == ERR_NONE ? LEARN_QUEUED : LEARN_READY;
    line_pump(learn->model->learn);
}

/* Begins the first that is queued, if the one before it has been computed. False: nothing to do. */
static bool compute_next(struct learn_line *line)
{
    struct version *base = line->model->served;
    struct learn *learn = line->head;
    bool comes = false; /* the base is of one before it */
    double us;

    for (; learn != NULL && learn->state != LEARN_QUEUED; learn = learn->next) {
        if (learn->state == LEARN_COMPUTING) {
            return false;
        }
        if (learn->version != NULL) {
            base = learn->version;
            comes = true;
        }
    }
    if (learn == NULL || labels_come(line, learn)) {
        return false;
    }
    if (comes && line->model->folder != NULL && line->tip != base->number && !base->on_disk) {
        return false; /* it is written whole, and the next log begins with its file */
    }
    if (!may_begin(line)) {
        return false;
    }
    learn->state = LEARN_COMPUTING;
    if (!line->model->deleted && base->net == NULL) { /* unloaded (/v2) since the call came */
        learn->waiter.done = base_loaded;
        version_load(base, &learn->waiter);
        return true;
    }
    if (!learn_begin(learn, base, &learn->req->err)) {
        learn->state = LEARN_READY;
        return true;
    }
    /* Forward, backward, update, clone and digest: about 10 flops a weight and row. */
    us = (double)net_flops(learn->base->net) * (3.0 * (double)learn->msg.rows.inputs.rows + 4.0) /
         20000.0;
    request_work(learn->req, us, step_work, step_done);
    return true;
}

/* Has the head written, or answered when it has failed. False: nothing to do. */
static bool write_next(struct learn_line *line)
{
    struct learn *learn = line->head;

    if (learn == NULL || learn->state != LEARN_READY || line->writing) {
        return false;
    }
    if (learn->req->err.code != ERR_NONE) {
        learn_end(line);
    } else if (learn->entry.len > 0) {
        batch_begin(line);
    } else {
        whole_begin(line);
    }
    return true;
}

static void line_pump(struct learn_line *line)
{
    struct model *model;

    if (line->pumping) {
        return; /* the loop below sees what there is */
    }
    model = model_ref(line->model);
    line->pumping = true;
    do {
        while (compute_next(line) || write_next(line)) {
        }
    } while (line_leave(line));
    line->pumping = false;
    if (line->head == NULL && model->jobs > 0) {
        jobs_dispatch(model->server->jobs);
    }
    model_unref(model);
}

void learn_line_add(struct learn *learn)
{
    struct learn_line *line;

    if (!line_create(learn->model, &learn->req->err)) {
        struct model *model = learn->model;

        prediction_leave(learn, false);
        request_finish(learn->req);
        model_unref(model);
        return;
    }
    line = learn->model->learn;
    learn->state = LEARN_QUEUED;
    if (line->tail != NULL) {
        line->tail->next = learn;
    } else {
        line->head = learn;
    }
    line->tail = learn;
    line_pump(line);
}
