/* PUT, GET and DELETE of /v1/datasets/{name} and its parts; GET /v1/datasets. */
#include "handlers.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "dataset.h"
#include "job.h"
#include "removal.h"
#include "route.h"
#include "server.h"
#include "upload.h"

/* ---- PUT ---- */

struct put {
    struct dataset *dataset; /* a reference: the one that was built */
};

static enum csv_part part_of(const struct request *req)
{
    const char *last = strrchr(req->route->path, '/');

    return strcmp(last, "/features") == 0  ? CSV_FEATURES
           : strcmp(last, "/targets") == 0 ? CSV_TARGETS
                                           : CSV_BOTH;
}

bool on_dataset_open(struct request *req, struct err *err)
{
    return upload_open(req, part_of(req), err);
}

static void put_work(struct request *req)
{
    struct put *put = req->task;

    upload_build(req, &put->dataset, &req->err);
}

static void dataset_reply(struct request *req, int status, const struct dataset *dataset)
{
    struct msg_dataset info;
    struct text text = { 0 };

    dataset_info(dataset, &info);
    msg_dataset_encode(&text, &info);
    text_str(&text, "\n");
    request_reply(req, status, &text);
}

static void put_done(struct request *req)
{
    struct put *put = req->task;
    struct datasets *datasets = req->server->datasets;
    struct err none = { 0 };
    struct dataset *old;
    bool fresh = false;

    if (req->err.code != ERR_NONE) {
        request_finish(req);
        return;
    }
    old = datasets_find(datasets, put->dataset->name, "name", &none);
    if (old != NULL && old->generation > put->dataset->generation) {
        /* A PUT that began later has ended sooner: it is as if this one had come first. */
        dataset_reply(req, 200, put->dataset);
        removal_path(req->server, put->dataset->path);
        dataset_unref(put->dataset);
    } else if ((old != NULL || datasets_vacant(datasets, put->dataset->name, &req->err))) {
        if (old != NULL && old->jobs > 0) {
            old->replaced = true; /* jobs go on with the generation they began with */
        } else if (old != NULL) {
            old->gone = true;
            removal_path(req->server, old->path);
        }
        dataset_reply(req, old == NULL ? 201 : 200, put->dataset);
        datasets_put(datasets, put->dataset, &fresh, &req->err);
    } else {
        removal_path(req->server, put->dataset->path);
        dataset_unref(put->dataset);
    }
    request_finish(req);
}

bool on_dataset_put(struct request *req, struct err *err)
{
    struct put *put = arena_alloc(&req->arena, 1, sizeof *put);

    if (put == NULL) {
        return err_set(err, ERR_MEMORY, "body", "has no memory to be read");
    }
    put->dataset = NULL;
    req->task = put;
    if (!upload_close(req, err)) {
        return false;
    }
    request_work(req, INFINITY, put_work, put_done);
    return true;
}

/* ---- GET ---- */

bool on_dataset_list(struct request *req, struct err *err)
{
    const struct datasets *datasets = req->server->datasets;
    struct msg_dataset info;
    struct text text = { 0 };

    (void)err;
    text_str(&text, "{\"datasets\": [");
    for (size_t i = 0; i < datasets_count(datasets); i++) {
        dataset_info(datasets_at(datasets, i), &info);
        text_str(&text, i > 0 ? ", " : "");
        msg_dataset_encode(&text, &info);
    }
    text_str(&text, "]}\n");
    request_reply(req, 200, &text);
    request_finish(req);
    return true;
}

bool on_dataset_get(struct request *req, struct err *err)
{
    const struct dataset *dataset =
        datasets_find(req->server->datasets, req->param[0], "name", err);

    if (dataset == NULL) {
        return false;
    }
    dataset_reply(req, 200, dataset);
    request_finish(req);
    return true;
}

/* ---- DELETE ---- */

struct deletion {
    struct dataset *dataset; /* a reference */
    const char *root;
};

static void delete_work(struct request *req)
{
    const struct deletion *deletion = req->task;

    datasets_discard(deletion->root, deletion->dataset, &req->err);
}

static void delete_done(struct request *req)
{
    const struct deletion *deletion = req->task;

    if (req->err.code == ERR_NONE) {
        datasets_remove(req->server->datasets, deletion->dataset);
        request_reply_empty(req, 204);
    } else {
        deletion->dataset->gone = false;
    }
    dataset_unref(deletion->dataset);
    request_finish(req);
}

bool on_dataset_delete(struct request *req, struct err *err)
{
    struct dataset *dataset = datasets_find(req->server->datasets, req->param[0], "name", err);
    struct deletion *deletion = arena_alloc(&req->arena, 1, sizeof *deletion);
    uint64_t job;

    if (dataset == NULL) {
        return false;
    }
    if (deletion == NULL) {
        return err_set(err, ERR_MEMORY, "name", "has no memory to be deleted");
    }
    if ((job = jobs_reader(req->server->jobs, dataset->name)) != 0) {
        return err_set(err, ERR_BUSY, "name", "'%s' is read by job %" PRIu64, dataset->name, job);
    }
    if (dataset->gone) {
        return err_set(err, ERR_BUSY, "name", "'%s' is being deleted", dataset->name);
    }
    *deletion = (struct deletion){ dataset_ref(dataset), datasets_root(req->server->datasets) };
    dataset->gone = true;
    req->task = deletion;
    request_work(req, INFINITY, delete_work, delete_done);
    return true;
}
