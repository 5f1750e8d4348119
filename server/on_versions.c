/* GET /v1/models/{name}/versions and /export; POST /v1/models/{name}/promote. */
#include "handlers.h"

#include <inttypes.h>
#include <string.h>

#include "msg_model.h"
#include "pin.h"
#include "server.h"

bool on_version_list(struct request *req, struct err *err)
{
    const struct model *model = pin_model(req, err);
    struct msg_version version;
    struct text text = { 0 };

    if (model == NULL) {
        return false;
    }
    text_printf(&text, "{\"model\": \"%s\", \"served\": %" PRIu64 ", \"versions\": [", model->name,
                model->served->number);
    for (size_t i = 0; i < model->n_versions; i++) {
        text_str(&text, i > 0 ? ", " : "");
        version_info(model->versions[i], &version);
        msg_version_encode(&text, &version);
    }
    text_str(&text, "]}\n");
    request_reply(req, 200, &text);
    request_finish(req);
    return true;
}

bool on_promote(struct request *req, struct err *err)
{
    struct model *model = pin_model(req, err);
    struct msg_version version;
    struct text text = { 0 };
    uint64_t number;

    if (model == NULL ||
        !msg_promote_decode(req->body != NULL ? req->body : "", req->body_len, &number, err) ||
        !model_promote(model, number, err)) {
        return false;
    }
    version_info(model->served, &version);
    msg_version_encode(&text, &version);
    text_str(&text, "\n");
    request_reply(req, 200, &text);
    request_finish(req);
    return true;
}

struct export
{
    struct version *version; /* pinned */
    const struct labels *labels;
};

static void export_work(struct request *req)
{
    const struct export *export = req->task;
    struct text text = { 0 };

    msg_model_encode(&text, export->version->net, export->labels);
    request_reply(req, 200, &text);
}

static void export_done(struct request *req)
{
    const struct export *export = req->task;

    version_unref(export->version);
    request_finish(req);
}

bool on_export(struct request *req, struct err *err)
{
    struct export *export = arena_alloc(&req->arena, 1, sizeof *export);
    const char *format = request_query(req, "format");

    if (export == NULL) {
        return err_set(err, ERR_MEMORY, "", "there is no memory for the export");
    }
    if (format != NULL && strcmp(format, "json") != 0) {
        return err_set(err, ERR_FIELD, "format", "must be json, is '%.64s'", format);
    }
    export->version = pin_version(req, err);
    if (export->version == NULL) {
        return false;
    }
    export->labels = export->version->model->labels;
    req->task = export;
    request_work(req, (double)export->version->net->n_params / 50.0, export_work, export_done);
    return true;
}
