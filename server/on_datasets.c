/* PUT, GET and DELETE of /v1/datasets/{name} and its parts; POST of its rows; GET /v1/datasets. */
#include "handlers.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "auth.h"
#include "dataset.h"
#include "etag.h"
#include "job.h"
#include "removal.h"
#include "route.h"
#include "server.h"
#include "upload.h"

/* ---- PUT ---- */

struct put {
    struct turn turn; /* first, so that one is the other */
    struct request *req;
    struct dataset *dataset; /* a reference: the one that was built */
    bool append;
};

static enum csv_part part_of(const struct request *req)
{
    const char *last = strrchr(req->route->path, '/');

    return strcmp(last, "/features") == 0  ? CSV_FEATURES
           : strcmp(last, "/targets") == 0 ? CSV_TARGETS
                                           : CSV_BOTH;
}

/* Whether the preconditions let the data set be changed as it is now. */
static bool put_check(struct request *req, struct err *err)
{
    struct err none = { 0 };
    const struct dataset *dataset =
        datasets_find(req->server->datasets, req->param[0], "name", &none);
    char etag[ETAG_LEN];

    if (dataset != NULL) {
        etag_dataset(dataset, etag);
    }
    return etag_holds(req, dataset != NULL ? etag : NULL, err);
}

bool on_dataset_open(struct request *req, struct err *err)
{
    return put_check(req, err) && upload_open(req, part_of(req), err);
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
    char etag[ETAG_LEN];

    etag_dataset(dataset, etag);
    etag_reply(req, etag);
    dataset_info(dataset, &info);
    info.stats = &dataset->stats;
    msg_dataset_encode(&text, &info);
    text_str(&text, "\n");
    request_reply(req, status, &text);
}

static void put_end(struct put *put)
{
    turn_leave(datasets_turns(put->req->server->datasets), &put->turn);
    request_finish(put->req);
}

static void put_done(struct request *req)
{
    struct put *put = req->task;
    struct datasets *datasets = req->server->datasets;
    struct err none = { 0 };
    struct dataset *old;

    if (req->err.code != ERR_NONE) {
        put_end(put);
        return;
    }
    old = datasets_find(datasets, put->dataset->name, "name", &none);
    if (datasets_reserve(datasets, old == NULL ? 1 : 0, &req->err)) {
        if (old != NULL && old->jobs > 0) {
            old->replaced = true; /* jobs go on with the generation they began with */
        } else if (old != NULL) {
            old->gone = true;
            removal_path(req->server, old->path);
        }
        dataset_reply(req, old == NULL ? 201 : 200, put->dataset);
        datasets_release(datasets, old == NULL ? 1 : 0);
        datasets_put(datasets, put->dataset, &none);
    } else {
        removal_path(req->server, put->dataset->path);
        quota_move(&req->server->dataset_memory, dataset_bytes(put->dataset), 0);
        dataset_unref(put->dataset);
    }
    put_end(put);
}

/* Nobody else changes the data set now, up to put_end. */
static void put_go(struct turn *turn)
{
    struct put *put = (struct put *)turn;
    struct request *req = put->req;

    if (put_check(req, &req->err) && upload_close(req, put->append, &req->err)) {
        request_work(req, INFINITY, put_work, put_done);
    } else {
        put_end(put);
    }
}

static bool put_begin(struct request *req, bool append, struct err *err)
{
    struct put *put = arena_alloc(&req->arena, 1, sizeof *put);

    if (put == NULL) {
        return err_set(err, ERR_MEMORY, "body", "has no memory to be read");
    }
    *put = (struct put){ .turn = { .key = req->param[0], .go = put_go },
                         .req = req,
                         .append = append };
    req->task = put;
    turn_take(datasets_turns(req->server->datasets), &put->turn);
    return true;
}

bool on_dataset_put(struct request *req, struct err *err)
{
    return put_begin(req, false, err);
}

/* ---- POST rows ---- */

bool on_rows_open(struct request *req, struct err *err)
{
    return datasets_find(req->server->datasets, req->param[0], "name", err) != NULL &&
           put_check(req, err) && upload_open(req, CSV_BOTH, err);
}

bool on_rows_post(struct request *req, struct err *err)
{
    return put_begin(req, true, err);
}

/* ---- GET ---- */

bool on_dataset_list(struct request *req, struct err *err)
{
    const struct datasets *datasets = req->server->datasets;
    struct msg_dataset info;
    struct text text = { 0 };
    size_t n = 0;

    (void)err;
    text_str(&text, "{\"datasets\": [");
    for (size_t i = 0; i < datasets_count(datasets); i++) {
        const struct dataset *dataset = datasets_at(datasets, i);

        if (auth_sees(req, dataset->name)) {
            dataset_info(dataset, &info);
            text_str(&text, n++ > 0 ? ", " : "");
            msg_dataset_encode(&text, &info);
        }
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

    char etag[ETAG_LEN];
    bool fresh;

    if (dataset == NULL) {
        return false;
    }
    etag_dataset(dataset, etag);
    if (!etag_read(req, etag, &fresh, err) || fresh) {
        return err->code == ERR_NONE;
    }
    dataset_reply(req, 200, dataset);
    request_finish(req);
    return true;
}

/* ---- DELETE ---- */

struct deletion {
    struct turn turn; /* first, so that one is the other */
    struct request *req;
    struct dataset *dataset; /* a reference, once it is its turn */
    const char *root;
};

static void delete_work(struct request *req)
{
    const struct deletion *deletion = req->task;

    datasets_discard(deletion->root, deletion->dataset, &req->err);
}

static void delete_end(struct deletion *deletion)
{
    turn_leave(datasets_turns(deletion->req->server->datasets), &deletion->turn);
    request_finish(deletion->req);
}

static void delete_done(struct request *req)
{
    struct deletion *deletion = req->task;

    if (req->err.code == ERR_NONE) {
        datasets_remove(req->server->datasets, deletion->dataset);
        request_reply_empty(req, 204);
    } else {
        deletion->dataset->gone = false;
    }
    dataset_unref(deletion->dataset);
    delete_end(deletion);
}

static bool delete_check(struct request *req, struct dataset **ret, struct err *err)
{
    struct dataset *dataset = datasets_find(req->server->datasets, req->param[0], "name", err);
    uint64_t job;

    if (dataset == NULL) {
        return false;
    }
    if ((job = jobs_reader(req->server->jobs, dataset->name)) != 0) {
        return err_set(err, ERR_BUSY, "name", "'%s' is read by job %" PRIu64, dataset->name, job);
    }
    *ret = dataset;
    return put_check(req, err);
}

static void delete_go(struct turn *turn)
{
    struct deletion *deletion = (struct deletion *)turn;
    struct request *req = deletion->req;
    struct dataset *dataset;

    if (delete_check(req, &dataset, &req->err)) {
        deletion->dataset = dataset_ref(dataset);
        dataset->gone = true;
        request_work(req, INFINITY, delete_work, delete_done);
    } else {
        delete_end(deletion);
    }
}

bool on_dataset_delete(struct request *req, struct err *err)
{
    struct deletion *deletion = arena_alloc(&req->arena, 1, sizeof *deletion);
    struct dataset *dataset;

    if (deletion == NULL) {
        return err_set(err, ERR_MEMORY, "name", "has no memory to be deleted");
    }
    if (!delete_check(req, &dataset, err)) {
        return false;
    }
    *deletion = (struct deletion){ .turn = { .key = req->param[0], .go = delete_go },
                                   .req = req,
                                   .root = datasets_root(req->server->datasets) };
    req->task = deletion;
    turn_take(datasets_turns(req->server->datasets), &deletion->turn);
    return true;
}
