/* GET /v1/server, /metrics, /v2/health/live and /v2/health/ready. */
#include "bf16.h"
#include "handlers.h"

#include "dataset.h"
#include "http.h"
#include "job.h"
#include "kernel.h"
#include "metrics.h"
#include "registry.h"
#include "request.h"
#include "server.h"
#include "version.h"

static void limits_encode(const struct options *o, struct text *text)
{
    text_printf(text,
                "\"limits\": {\"max_connections\": %zu, \"max_body\": %zu, \"max_upload\": %zu, "
                "\"max_models\": %zu, \"max_datasets\": %zu, \"max_jobs\": %zu, "
                "\"max_layers\": %zu, \"max_units\": %zu, \"max_parameters\": %zu, "
                "\"max_rows\": %zu, \"max_features\": %zu, \"keep_versions\": %zu, "
                "\"keep_jobs\": %zu, \"timeout\": %zu, \"prediction_memory\": %zu, "
                "\"prediction_seconds\": %zu}",
                o->max_connections, o->max_body, o->max_upload, o->max_models, o->max_datasets,
                o->max_jobs, o->max_layers, o->max_units, o->max_parameters, o->max_rows,
                o->max_features, o->keep_versions, o->keep_jobs, o->timeout, o->prediction_memory,
                o->prediction_seconds);
}

static void paths_encode(char *const *paths, size_t n, struct text *text)
{
    text_str(text, "[");
    for (size_t i = 0; i < n; i++) {
        text_str(text, i > 0 ? ", " : "");
        text_json(text, paths[i]);
    }
    text_str(text, "]");
}

bool on_server(struct request *req, struct err *err)
{
    const struct server *server = req->server;
    struct text text = { 0 };

    (void)err;
    text_printf(
        &text,
        "{\"version\": \"%s\", \"isa\": \"%s\", \"bf16\": \"%s\", \"workers\": %zu, \"started\": ",
        SIGMAD_VERSION, kernel_name(kernel_chosen()), bf16_name(), server->options.workers);
    text_time(&text, server->started);
    text_printf(&text, ", \"uptime_seconds\": %.3f, \"listen\": [", server_now() - server->started);
    for (size_t i = 0; i < server->options.listen.n; i++) {
        text_str(&text, i > 0 ? ", " : "");
        text_json(&text, http_url(server->http[i]));
    }
    text_str(&text, "], \"state\": ");
    if (server->options.state != NULL) {
        text_json(&text, server->options.state);
    } else {
        text_str(&text, "null");
    }
    text_printf(&text, ", \"models\": %zu, \"datasets\": %zu, \"jobs\": %zu, ",
                registry_count(server->registry), datasets_count(server->datasets),
                jobs_count(server->jobs));
    text_printf(&text, "\"durability\": \"%s\", \"corrupt\": ", server->options.durability);
    paths_encode(server->corrupt, server->n_corrupt, &text);
    text_str(&text, ", \"newer\": ");
    paths_encode(server->newer, server->n_newer, &text);
    text_str(&text, ", ");
    limits_encode(&server->options, &text);
    text_str(&text, "}\n");
    request_reply(req, 200, &text);
    request_finish(req);
    return true;
}

bool on_metrics(struct request *req, struct err *err)
{
    struct text text = { 0 };

    (void)err;
    metrics_encode(req->server, &text);
    request_reply_type(req, 200, PROMETHEUS_TYPE, &text);
    request_finish(req);
    return true;
}

bool on_live(struct request *req, struct err *err)
{
    struct text text = { 0 };

    (void)err;
    text_str(&text, "{\"live\": true}\n");
    request_reply(req, 200, &text);
    request_finish(req);
    return true;
}

bool on_ready(struct request *req, struct err *err)
{
    struct text text = { 0 };

    if (req->server->draining) {
        return err_set(err, ERR_DRAINING, "", "the server is going down");
    }
    text_str(&text, "{\"ready\": true}\n");
    request_reply(req, 200, &text);
    request_finish(req);
    return true;
}
