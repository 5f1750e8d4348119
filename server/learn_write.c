/* Computed calls to disk, many at once, and to their ends: served and answered, or failed. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "etag.h"
#include "learn_lines.h"
#include "learn_log.h"
#include "metrics.h"
#include "remembered.h"
#include "server.h"

/* ---- ends ---- */

void learn_leave_prediction(struct learn *learn, bool used)
{
    if (learn->prediction != NULL) {
        remembered_give_back(learn->model->server->remembered, learn->prediction, used);
        learn->prediction = NULL;
    }
}

void learn_line_end(struct learn_line *line)
{
    struct learn *learn = line->head;
    struct model *model = learn->model;
    struct request *req = learn->req;

    line->head = learn->next;
    if (line->head == NULL) {
        line->tail = NULL;
    }
    learn_leave_prediction(learn, false);
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
    learn_leave_prediction(learn, true);
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
        learn_line_end(line);
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
        learn_line_end(line);
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
    learn_line_pump(line);
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
    learn_line_pump(line);
    model_unref(model);
}

void learn_write_whole(struct learn_line *line)
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

void learn_write_batch(struct learn_line *line)
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
