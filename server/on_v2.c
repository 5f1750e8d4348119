/* The Open Inference Protocol but for infer: metadata, readiness, configuration, statistics, and
 * the repository. A model is ready unless it has been unloaded, which is for this protocol alone
 * and not kept over a restart; unloading gives back the memory of versions that are on disk. */
#include "handlers.h"

#include <inttypes.h>
#include <string.h>

#include "auth.h"
#include "msg_infer.h"
#include "pin.h"
#include "registry.h"
#include "server.h"
#include "stats.h"
#include "version.h"

static bool reply(struct request *req, struct text *text)
{
    request_reply(req, 200, text);
    request_finish(req);
    return true;
}

bool on_v2(struct request *req, struct err *err)
{
    struct text text = { 0 };

    (void)err;
    text_str(&text, "{\"name\": \"sigmad\", \"version\": \"" SIGMAD_VERSION "\", \"extensions\": "
                    "[\"binary_tensor_data\", \"classification\", \"model_repository\", "
                    "\"statistics\", \"model_configuration\", \"parameters\"]}\n");
    return reply(req, &text);
}

/* The model, and *version, the one of the path, or NULL when it names none. */
static struct model *model_of(struct request *req, struct version **version, struct err *err)
{
    struct model *model = pin_model(req, err);

    *version = NULL;
    if (model != NULL && req->param[1] != NULL) {
        *version = pin_listed(req, model, err);
        return *version != NULL ? model : NULL;
    }
    return model;
}

bool on_v2_model(struct request *req, struct err *err)
{
    struct version *version;
    const struct model *model = model_of(req, &version, err);
    struct text text = { 0 };

    if (model == NULL) {
        return false;
    }
    text_str(&text, "{\"name\": ");
    text_json(&text, model->name);
    text_str(&text, ", \"versions\": [");
    for (size_t i = 0; i < model->n_versions; i++) {
        text_printf(&text, "%s\"%" PRIu64 "\"", i == 0 ? "" : ", ", model->versions[i]->number);
    }
    text_printf(&text,
                "], \"platform\": \"sigmad\", \"inputs\": [{\"name\": \"" INFER_INPUT "\", "
                "\"datatype\": \"FP32\", \"shape\": [-1, %zu]}], \"outputs\": [{\"name\": "
                "\"" INFER_OUTPUT "\", \"datatype\": \"FP32\", \"shape\": [-1, %zu]}]}\n",
                model->spec.inputs, spec_outputs(&model->spec));
    return reply(req, &text);
}

bool on_v2_model_ready(struct request *req, struct err *err)
{
    struct version *version;
    const struct model *model = model_of(req, &version, err);
    struct text text = { 0 };

    if (model == NULL || !pin_is_ready(model, err)) {
        return false;
    }
    text_str(&text, "{\"name\": ");
    text_json(&text, model->name);
    text_str(&text, ", \"ready\": true}\n");
    return reply(req, &text);
}

/* As Triton's ModelConfig has it in JSON. */
bool on_v2_config(struct request *req, struct err *err)
{
    struct version *version;
    const struct model *model = model_of(req, &version, err);
    struct text text = { 0 };

    if (model == NULL) {
        return false;
    }
    text_str(&text, "{\"name\": ");
    text_json(&text, model->name);
    text_printf(&text,
                ", \"platform\": \"sigmad\", \"backend\": \"sigmad\", \"version_policy\": "
                "{\"all\": {}}, \"max_batch_size\": %zu, \"input\": [{\"name\": \"" INFER_INPUT
                "\", \"data_type\": \"TYPE_FP32\", \"format\": \"FORMAT_NONE\", \"dims\": [%zu]}], "
                "\"output\": [{\"name\": \"" INFER_OUTPUT "\", \"data_type\": \"TYPE_FP32\", "
                "\"dims\": [%zu], \"label_filename\": \"\"}]}\n",
                req->server->options.max_rows, model->spec.inputs, spec_outputs(&model->spec));
    return reply(req, &text);
}

/* ---- statistics ---- */

static void model_stats(struct text *text, const struct model *model, bool *first)
{
    for (size_t i = 0; i < model->n_versions; i++) {
        text_str(text, *first ? "" : ", ");
        stats_encode(text, model->versions[i]);
        *first = false;
    }
}

bool on_v2_model_stats(struct request *req, struct err *err)
{
    struct version *version;
    const struct model *model = model_of(req, &version, err);
    struct text text = { 0 };
    bool first = true;

    if (model == NULL) {
        return false;
    }
    text_str(&text, "{\"model_stats\": [");
    if (version != NULL) {
        stats_encode(&text, version);
    } else {
        model_stats(&text, model, &first);
    }
    text_str(&text, "]}\n");
    return reply(req, &text);
}

bool on_v2_stats(struct request *req, struct err *err)
{
    const struct registry *registry = req->server->registry;
    struct text text = { 0 };
    bool first = true;

    (void)err;
    text_str(&text, "{\"model_stats\": [");
    for (size_t i = 0; i < registry_count(registry); i++) {
        const struct model *model = registry_at(registry, i);

        if (auth_sees(req, model->name)) {
            model_stats(&text, model, &first);
        }
    }
    text_str(&text, "]}\n");
    return reply(req, &text);
}

/* ---- the repository ---- */

bool on_v2_index(struct request *req, struct err *err)
{
    const struct registry *registry = req->server->registry;
    struct text text = { 0 };
    bool ready, first = true;

    if (!msg_index_decode(req->body != NULL ? req->body : "", req->body_len, &ready, err)) {
        return false;
    }
    text_str(&text, "[");
    for (size_t m = 0; m < registry_count(registry); m++) {
        const struct model *model = registry_at(registry, m);
        const bool shown = auth_sees(req, model->name) && !(ready && model->unloaded);

        for (size_t v = 0; v < model->n_versions && shown; v++) {
            text_str(&text, first ? "{\"name\": " : ", {\"name\": ");
            text_json(&text, model->name);
            text_printf(&text,
                        ", \"version\": \"%" PRIu64 "\", \"state\": \"%s\", \"reason\": \"%s\"}",
                        model->versions[v]->number, model->unloaded ? "UNAVAILABLE" : "READY",
                        model->unloaded ? "unloaded" : "");
            first = false;
        }
    }
    text_str(&text, "]\n");
    return reply(req, &text);
}

static bool load_set(struct request *req, bool unloaded, struct err *err)
{
    struct model *model = pin_model(req, err);

    if (model == NULL || !msg_load_decode(req->body != NULL ? req->body : "", req->body_len, err)) {
        return false;
    }
    model->unloaded = unloaded;
    for (size_t i = 0; unloaded && i < model->n_versions; i++) {
        version_forget(model->versions[i]);
    }
    request_reply_empty(req, 200);
    request_finish(req);
    return true;
}

bool on_v2_load(struct request *req, struct err *err)
{
    return load_set(req, false, err);
}

bool on_v2_unload(struct request *req, struct err *err)
{
    return load_set(req, true, err);
}
