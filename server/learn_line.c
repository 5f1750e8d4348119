#include "learn_lines.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "job.h"
#include "server.h"

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
    learn_line_pump(line);
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
    learn_line_pump(line);
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
    learn_line_pump(learn->model->learn);
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
        learn_line_end(line);
    } else if (learn->entry.len > 0) {
        learn_write_batch(line);
    } else {
        learn_write_whole(line);
    }
    return true;
}

void learn_line_pump(struct learn_line *line)
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

        learn_leave_prediction(learn, false);
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
    learn_line_pump(line);
}
