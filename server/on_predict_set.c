/* POST /v1/models/{name}/predict?dataset=NAME: predictions of all rows of a data set, made while
 * they are sent, by the version and of the generation that were there when it was asked. */
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "answer_write.h"
#include "dataset.h"
#include "flow.h"
#include "matrix.h"
#include "metrics.h"
#include "offer.h"
#include "pin.h"
#include "predict.h"
#include "server.h"

#define SLICE_VALUES ((size_t)8192) /* outputs of a slice, about */
#define SLICE_US 10000.0            /* what it takes, about */
#define SLICE_ROWS ((size_t)64)     /* but so many: net_predict's own block */
#define ROW_US 0.1                  /* beside arithmetic at 20 GFLOP/s */
#define VALUE_US 0.05               /* to write an output */

static const struct offer offers[] = {
    [ANSWER_JSON] = { "json", "application/json" },
    [ANSWER_RAW] = { "raw", "application/octet-stream" },
    [ANSWER_NPY] = { "npy", "application/x-npy" },
    [ANSWER_CSV] = { "csv", "text/csv" },
};

struct predict_set {
    struct flow flow;
    struct answer_writer writer;
    struct version *version; /* a reference */
    struct dataset *dataset; /* a reference */
    struct metrics *metrics;
    size_t slice;    /* rows computed at a time */
    size_t computed; /* rows, each counted once */
};

static struct predict_set *set_of(struct flow *flow)
{
    return (struct predict_set *)((char *)flow - offsetof(struct predict_set, flow));
}

/* ---- on the pool ---- */

/* The outputs of the next rows, [*n][cols]; the caller frees. */
static float *slice_compute(const struct predict_set *set, size_t *n, struct err *err)
{
    const struct net *net = set->version->net;
    const struct answer_writer *w = &set->writer;
    const size_t left = w->rows - w->row, scratch_len = (net_scratch(net) + 63) / 64 * 64;
    const struct rows x = dataset_data(set->dataset).x;
    void *scratch = aligned_alloc(64, scratch_len > 0 ? scratch_len : 64);
    float *out;

    *n = left < set->slice ? left : set->slice;
    out = malloc(*n * w->cols * sizeof *out);
    if (out != NULL && scratch != NULL) {
        net_predict(net, &x, w->row, *n, out, scratch, NULL);
    } else {
        err_set(err, ERR_MEMORY, "dataset", "has rows that do not fit into memory, %zu at a time",
                *n);
        free(out);
        out = NULL;
    }
    free(scratch);
    return out;
}

static bool set_next(struct flow *flow, struct text *text, bool *end, struct err *err)
{
    struct predict_set *set = set_of(flow);
    struct answer_writer *w = &set->writer;
    size_t n;
    float *data = slice_compute(set, &n, err);
    const struct matrix out = { n, w->cols, data };
    bool ok = data != NULL;

    if (ok && !matrix_finite(&out, w->row, err)) {
        ok = false;
    }
    if (ok) {
        set->computed += w->again ? 0 : n;
        answer_add(w, &out, text, end);
    }
    free(data);
    return ok;
}

/* ---- on the loop ---- */

static void set_free(struct flow *flow)
{
    struct predict_set *set = set_of(flow);

    set->version->model->predictions += set->computed;
    metrics_predicted(set->metrics, set->computed);
    version_unref(set->version);
    dataset_unref(set->dataset);
}

/* How much is computed at a time, and how long that takes. */
static void slice_plan(struct predict_set *set)
{
    const size_t cols = set->writer.cols;
    const double row_us =
        ROW_US + VALUE_US * (double)cols + (double)net_flops(set->version->net) / 20000.0;
    const size_t by_time = (size_t)(SLICE_US / row_us);
    const size_t by_room = cols < SLICE_VALUES ? SLICE_VALUES / cols : 1;
    const size_t rows = by_time > SLICE_ROWS ? by_time : SLICE_ROWS;

    set->slice = rows < by_room ? rows : by_room;
    set->flow.next_us = (double)set->slice * row_us;
}

static void set_begin(struct request *req, struct predict_set *set, size_t top)
{
    const struct version *version = set->version;
    struct msg_version facts;

    set->flow.next = set_next;
    set->flow.free = set_free;
    set->writer.answer = (struct msg_answer){ .model = version->model->name,
                                              .version = version->number,
                                              .labels = version->model->labels,
                                              .top = top };
    set->writer.rows = set->dataset->info.rows;
    set->writer.cols = spec_outputs(&version->net->spec);
    set->flow.total = answer_total(&set->writer);
    slice_plan(set);
    version_info(version, &facts);
    offer_file(req, facts.digest, "%s-v%" PRIu64 "-%s.%s", version->model->name, version->number,
               set->dataset->name, offers[set->writer.form].name);
    flow_reply(req, offers[set->writer.form].type, &set->flow);
}

bool predict_set(struct request *req, struct err *err)
{
    struct predict_set *set = arena_alloc(&req->arena, 1, sizeof *set);
    struct dataset *dataset;
    size_t form = 0, top = 0;

    if (set == NULL) {
        return err_set(err, ERR_MEMORY, "dataset", "does not fit into memory");
    }
    if (req->body_len > 0) {
        return err_set(err, ERR_FIELD, "dataset",
                       "must be left out where rows come in the body, of %zu bytes", req->body_len);
    }
    memset(set, 0, sizeof *set);
    if (!auth_name_check(req, request_query(req, "dataset"), "dataset", err) ||
        !offer_choose(req, offers, sizeof offers / sizeof *offers, &form, err) ||
        (set->version = pin_version(req, err)) == NULL) {
        return false;
    }
    dataset = datasets_find(req->server->datasets, request_query(req, "dataset"), "dataset", err);
    if (dataset == NULL ||
        !dataset_suits(dataset, set->version->net->spec.inputs, "dataset", err) ||
        !predict_top(req, &set->version->net->spec, form == ANSWER_JSON, &top, err)) {
        version_unref(set->version);
        return false;
    }
    set->writer.form = (enum answer_form)form;
    set->dataset = dataset_ref(dataset);
    set->metrics = req->server->metrics;
    set_begin(req, set, top);
    return true;
}
