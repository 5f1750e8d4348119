/* PUT, GET and DELETE of /v1/models/{name}; GET /v1/models. */
#include "handlers.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "digest.h"
#include "disk.h"
#include "etag.h"
#include "import.h"
#include "job.h"
#include "pin.h"
#include "registry.h"
#include "remembered.h"
#include "removal.h"
#include "safetensors.h"
#include "server.h"
#include "store.h"

static void model_info(const struct model *model, struct msg_version *served, struct text *text)
{
    struct msg_model_info info = { .name = model->name,
                                   .spec = version_spec(model->served),
                                   .labels = model->labels,
                                   .versions = model->n_versions,
                                   .created = model->created,
                                   .updated = model->updated,
                                   .job = model->job != NULL ? model->job->id : 0 };

    version_info(model->served, served);
    info.served = served;
    msg_model_info_encode(text, &info);
}

/* ---- PUT: create from a spec, or import with weights ---- */

struct create {
    const struct import_format *format; /* NULL: by the first bytes */
    const char *spec;                   /* beside weights, in the arena; NULL: none, or in a form */
    const char *form;                   /* the Content-Type of a form; NULL: the body is the file */
    struct msg_model msg;
    struct net *net; /* owned */
    size_t claimed;  /* of --max-model-memory; the model's once it is there */
    char *folder;    /* owned; NULL: in memory only */
    double created;
    struct origin origin;
};

/* shift and scale of an import, or of "unit", which are the same for every column. */
static bool net_norm(struct net *net, const struct msg_model *msg, struct arena *arena,
                     struct err *err)
{
    const struct data none = { .x = { DTYPE_F32, 0, msg->spec.inputs, NULL } };
    float *flat;

    if (msg->target_shift != NULL &&
        !net_set_target_norm(net, msg->target_shift, msg->target_scale, err)) {
        return false;
    }
    if (msg->shift != NULL) {
        return net_set_norm(net, msg->shift, msg->scale, err);
    }
    if (msg->spec.norm != NORM_UNIT) {
        return true;
    }
    flat = arena_alloc(arena, 2 * msg->spec.inputs, sizeof *flat);
    if (flat == NULL) {
        return err_set(err, ERR_MEMORY, "normalize", "has no memory");
    }
    norm_fit(NORM_UNIT, &none, flat, flat + msg->spec.inputs);
    return net_set_norm(net, flat, flat + msg->spec.inputs, err);
}

/* A checksum that the body ends with is that of what stands before it. */
static bool checksum_check(const struct request *req, struct err *err)
{
    const size_t len = req->body_len - SAFETENSORS_CHECKSUM;
    unsigned char sum[SAFETENSORS_CHECKSUM];
    struct digest digest;

    if (!digest_begin(&digest, err)) {
        return false;
    }
    digest_add(&digest, req->body, len);
    digest_end_raw(&digest, sum);
    return memcmp(sum, req->body + len, sizeof sum) == 0 ||
           err_set(err, ERR_SYNTAX, "body", "is not what its SHA-256 at the end is of");
}

/* The spec, and the weights if there are some. *digest: what the file says of itself, or NULL. */
static bool body_read(struct request *req, struct create *create, const char **digest)
{
    const struct model_limits limits = server_model_limits(req->server);
    struct import_file file = { .format = create->format,
                                .bytes = req->body != NULL ? req->body : "",
                                .len = req->body_len,
                                .spec = create->spec };
    struct import import;

    if ((create->form != NULL && !import_form_read(create->form, &req->arena, &file, &req->err)) ||
        !import_read(&file, &limits, &req->arena, &import, &req->err)) {
        return false;
    }
    create->msg = import.model;
    *digest = import.digest;
    return !import.has_checksum || checksum_check(req, &req->err);
}

/* What a file says of itself is so. A version that is older than its model's labels was digested
 * without them, and is exported with them. */
static bool digest_check(const struct create *create, const char *said, struct err *err)
{
    char bare[DIGEST_HEX];

    if (said == NULL || strcmp(said, create->origin.digest) == 0) {
        return true;
    }
    return (digest_net(create->net, NULL, bare, err) && strcmp(said, bare) == 0) ||
           err_set(err, ERR_FIELD, "digest", "is %.64s, that of the weights is %s", said,
                   create->origin.digest);
}

/* Of what the net will take, before it does. */
static bool memory_claim(struct request *req, struct create *create)
{
    const size_t bytes = net_spec_bytes(&create->msg.spec);

    if (!quota_change(&req->server->model_memory, 0, bytes, &req->err)) {
        return false;
    }
    create->claimed = bytes;
    return true;
}

/* Drawn from the seed, or with the weights that came. */
static bool net_make(struct request *req, struct create *create)
{
    struct msg_model *msg = &create->msg;
    const char *digest = NULL;

    if (!body_read(req, create, &digest) || !memory_claim(req, create) ||
        !net_create(&msg->spec, &create->net, &req->err) ||
        !net_norm(create->net, msg, &req->arena, &req->err)) {
        return false;
    }
    for (size_t l = 0; msg->has_weights && l < msg->spec.n_layers; l++) {
        net_set_layer(create->net, l, msg->weights[l], msg->biases[l]);
    }
    if (!msg->has_weights) {
        net_init(create->net);
    }
    create->origin = (struct origin){ .source = msg->has_weights ? SOURCE_IMPORT : SOURCE_CREATE,
                                      .loss = NAN,
                                      .accuracy = NAN };
    return digest_net(create->net, msg->labels, create->origin.digest, &req->err) &&
           digest_check(create, digest, &req->err);
}

static void create_work(struct request *req)
{
    struct create *create = req->task;
    struct msg_version facts;

    create->created = server_now();
    if (net_make(req, create) && create->folder != NULL) {
        facts = origin_info(&create->origin, 1, create->created);
        facts.model_created = create->created;
        store_create(req->server->options.state, create->folder, create->net, create->msg.labels,
                     &facts, &req->err);
    }
}

/* The model is on disk: it exists from here on. */
static bool create_add(struct request *req, struct create *create, struct model **ret)
{
    struct model *model;
    struct version *version;
    struct net *net = create->net;
    bool ok;

    create->net = NULL; /* the version's */
    ok = model_create(req->server, req->param[0], &create->msg.spec, create->msg.labels,
                      create->folder, &model, &req->err);
    create->msg.labels = NULL;
    create->folder = NULL;
    if (!ok) {
        net_free(net);
        return false;
    }
    model->created = create->created;
    model->claimed = create->claimed; /* which model_serve makes its own */
    create->claimed = 0;
    ok = version_create(model, net, 1, create->created, &create->origin, &version, &req->err);
    if (ok) {
        version->on_disk = model->folder != NULL;
        ok = model_list(model, version, true, &req->err);
        version_unref(version);
    }
    if (!ok) {
        model_unref(model);
        return false;
    }
    *ret = model;
    return registry_add(req->server->registry, model, &req->err);
}

static void create_reply(struct request *req, const struct model *model)
{
    struct msg_version served;
    struct text text = { 0 };
    char location[sizeof "/v1/models/" + NAME_MAX_LEN];

    model_info(model, &served, &text);
    text_str(&text, "\n");
    snprintf(location, sizeof location, "/v1/models/%s", model->name);
    req->reply.location = arena_copy(&req->arena, location, strlen(location));
    etag_reply_version(req, model->served);
    request_reply(req, 201, &text);
}

static void create_done(struct request *req)
{
    struct create *create = req->task;
    struct model *model = NULL;
    char *folder = NULL;

    if (req->err.code == ERR_NONE) {
        folder = create->folder != NULL
                     ? arena_copy(&req->arena, create->folder, strlen(create->folder))
                     : NULL;
        if (create_add(req, create, &model)) {
            create_reply(req, model);
        } else if (folder != NULL) {
            removal_path(req->server, folder); /* it must not be there after a restart */
        }
    }
    if (model == NULL || req->err.code != ERR_NONE) {
        registry_release(req->server->registry, req->param[0]);
    }
    quota_move(&req->server->model_memory, create->claimed, 0);
    net_free(create->net);
    labels_free(create->msg.labels);
    free(create->folder);
    request_finish(req);
}

/* Keeps the name for this request, if the preconditions let it: nothing can come between from here
 * on. Of two who create at once and only if there is nothing, the second hears 412. */
static bool name_reserve(struct request *req, struct err *err)
{
    struct registry *registry = req->server->registry;
    struct err none = { 0 };
    const struct model *model = registry_find(registry, req->param[0], &none);

    if (!etag_model_holds(req, model, err)) {
        return false;
    }
    if (registry_reserve(registry, req->param[0], err)) {
        return true;
    }
    if (err->code == ERR_EXISTS && etag_create_only(req)) {
        err->code = ERR_PRECONDITION;
    }
    return false;
}

bool on_model_put(struct request *req, struct err *err)
{
    struct registry *registry = req->server->registry;
    struct create *create = arena_alloc(&req->arena, 1, sizeof *create);
    char name[NAME_MAX_LEN + 48];
    const char *type;

    if (create == NULL) {
        return err_set(err, ERR_MEMORY, "", "there is no memory for another model");
    }
    memset(create, 0, sizeof *create);
    type = request_header(req, "Content-Type");
    create->spec = request_query(req, "spec");
    create->form = import_form_is(type) ? type : NULL;
    if (!import_format_find(request_query(req, "format"), create->form != NULL ? NULL : type,
                            &create->format, err) ||
        !name_reserve(req, err)) {
        return false;
    }
    snprintf(name, sizeof name, "models/%s@%" PRIu64, req->param[0], registry_id(registry));
    if (req->server->options.state != NULL &&
        !disk_path(req->server->options.state, name, &create->folder, err)) {
        registry_release(registry, req->param[0]);
        return false;
    }
    req->task = create;
    /* How large the net will be is not known before decoding: never on the loop. */
    request_work(req, INFINITY, create_work, create_done);
    return true;
}

/* ---- GET ---- */

bool on_model_list(struct request *req, struct err *err)
{
    const struct registry *registry = req->server->registry;
    struct msg_version served;
    struct text text = { 0 };
    size_t n = 0;

    (void)err;
    text_str(&text, "{\"models\": [");
    for (size_t i = 0; i < registry_count(registry); i++) {
        const struct model *model = registry_at(registry, i);

        if (auth_sees(req, model->name)) {
            text_str(&text, n++ > 0 ? ", " : "");
            model_info(model, &served, &text);
        }
    }
    text_str(&text, "]}\n");
    request_reply(req, 200, &text);
    request_finish(req);
    return true;
}

bool on_model_get(struct request *req, struct err *err)
{
    const struct model *model = pin_model(req, err);
    struct msg_version served;
    struct text text = { 0 };
    char etag[ETAG_LEN];
    bool fresh;

    if (model == NULL) {
        return false;
    }
    etag_version(model->served, etag);
    if (!etag_read(req, etag, &fresh, err) || fresh) {
        return err->code == ERR_NONE;
    }
    model_info(model, &served, &text);
    text_str(&text, "\n");
    request_reply(req, 200, &text);
    request_finish(req);
    return true;
}

/* ---- DELETE ---- */

/* An id of the model's jobs that have not ended, for the message. */
static uint64_t job_of(const struct jobs *jobs, const struct model *model)
{
    for (size_t i = 0; i < jobs_count(jobs); i++) {
        const struct job *job = jobs_at(jobs, i);

        if (job->model == model && !job_ended(job)) {
            return job->id;
        }
    }
    return 0;
}

struct deletion {
    struct turn turn; /* first, so that one is the other */
    struct request *req;
    struct model *model; /* a reference */
    bool force;
};

/* The folder goes first: a model that is not answered for any more must not be back after a
 * restart. */
static void delete_work(struct request *req)
{
    const struct deletion *deletion = req->task;
    const struct model *model = deletion->model;

    if (model->folder != NULL) {
        store_discard(req->server->options.state, model->folder, &req->err);
    }
}

static void delete_done(struct request *req)
{
    struct deletion *deletion = req->task;
    struct model *model = deletion->model;

    if (req->err.code == ERR_NONE) {
        registry_remove(req->server->registry, model);
        remembered_forget(req->server->remembered, model->name);
        request_reply_empty(req, 204);
    } else {
        model->deleting = false;
    }
    turn_leave(&model->turns, &deletion->turn);
    model_unref(model);
    request_finish(req);
}

/* Whether it may go now. */
static bool delete_check(const struct deletion *deletion, struct err *err)
{
    struct request *req = deletion->req;
    const struct model *model = deletion->model;

    if (model->deleted) {
        return err_set(err, ERR_NOT_FOUND, "name", "'%s' has been deleted meanwhile", model->name);
    }
    if (model->jobs > 0 && !deletion->force) {
        return err_set(err, ERR_BUSY, "name",
                       "'%s' is trained by job %" PRIu64 ": cancel it, or delete with ?force=true",
                       model->name, job_of(req->server->jobs, model));
    }
    return etag_model_holds(req, model, err);
}

/* Nobody changes the model now, and from here on nobody begins to. */
static void delete_go(struct turn *turn)
{
    struct deletion *deletion = (struct deletion *)turn;
    struct request *req = deletion->req;
    struct model *model = deletion->model;

    if (!delete_check(deletion, &req->err)) {
        turn_leave(&model->turns, turn);
        model_unref(model);
        request_finish(req);
        return;
    }
    model->deleting = true;
    jobs_cancel_model(req->server->jobs, model);
    request_work(req, model->folder != NULL ? INFINITY : 0.0, delete_work, delete_done);
}

bool on_model_delete(struct request *req, struct err *err)
{
    struct model *model = pin_model(req, err);
    struct deletion *deletion = arena_alloc(&req->arena, 1, sizeof *deletion);
    const char *force;

    if (model == NULL) {
        return false;
    }
    if (deletion == NULL) {
        return err_set(err, ERR_MEMORY, "name", "has no memory to be deleted");
    }
    force = request_query(req, "force");
    if (force != NULL && strcmp(force, "true") != 0 && strcmp(force, "false") != 0) {
        return err_set(err, ERR_FIELD, "force", "must be true or false, is '%.64s'", force);
    }
    *deletion = (struct deletion){
        .turn.go = delete_go, .req = req, .model = model, .force = force != NULL && force[0] == 't'
    };
    if (!delete_check(deletion, err)) {
        return false;
    }
    if (model->deleting) {
        return err_set(err, ERR_BUSY, "name", "'%s' is being deleted", model->name);
    }
    model_ref(model);
    req->task = deletion;
    turn_take(&model->turns, &deletion->turn);
    return true;
}
