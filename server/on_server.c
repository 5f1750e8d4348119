/* GET /v1/server, /metrics, /v2/health/live and /v2/health/ready. */
#include "handlers.h"

#include <gnutls/gnutls.h>
#include <zlib.h>

#include "bf16.h"
#include "dataset.h"
#include "export.h"
#include "http.h"
#include "import.h"
#include "job.h"
#include "kernel.h"
#include "metrics.h"
#include "registry.h"
#include "request.h"
#include "server.h"
#include "version.h"

/* Every number that this daemon was told, by its flag's name. */
static void limits_encode(const struct options *opts, struct text *text)
{
    const struct option *o;
    bool any = false;

    text_str(text, "\"limits\": {");
    for (size_t k = 0; (o = option_nth(k)) != NULL; k++) {
        const void *field = (const char *)opts + o->at;
        char name[OPTION_NAME_MAX + 1];
        size_t len = 0;

        if (o->type != OPTION_COUNT && o->type != OPTION_BYTES && o->type != OPTION_SECONDS) {
            continue;
        }
        for (; len < sizeof name - 1 && o->name[len] != '\0'; len++) {
            name[len] = (char)(o->name[len] == '-' ? '_' : o->name[len]);
        }
        name[len] = '\0';
        text_printf(text, "%s\"%s\": %zu", any ? ", " : "", name, *(const size_t *)field);
        any = true;
    }
    text_str(text, "}");
}

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

#if defined(__x86_64__)
#define ARCHITECTURE "x86_64"
#elif defined(__aarch64__)
#define ARCHITECTURE "aarch64"
#else
#define ARCHITECTURE "unknown"
#endif

static void build_encode(struct text *text)
{
    text_str(text, "\"build\": {\"compiler\": ");
    text_json(text, COMPILER);
    text_str(text, ", \"architecture\": \"" ARCHITECTURE "\", \"libmicrohttpd\": ");
    text_json(text, http_library());
    text_str(text, ", \"libuv\": ");
    text_json(text, uv_version_string());
    text_str(text, ", \"gnutls\": ");
    text_json(text, gnutls_check_version(NULL));
    text_str(text, ", \"zlib\": ");
    text_json(text, zlibVersion());
    text_str(text, "}");
}

static void formats_encode(struct text *text)
{
    const struct import_format *in;
    const struct export_format *out;

    text_str(text, "\"formats\": {\"import\": [");
    for (size_t i = 0; (in = import_format_at(i)) != NULL; i++) {
        text_str(text, i > 0 ? ", " : "");
        text_json(text, in->name);
    }
    text_str(text, "], \"export\": [");
    for (size_t i = 0; (out = export_format_at(i)) != NULL; i++) {
        text_str(text, i > 0 ? ", " : "");
        text_json(text, out->name);
    }
    text_str(text, "]}");
}

static void startup_encode(const struct server *server, struct text *text)
{
    const struct startup *startup = &server->startup;

    text_printf(text,
                "\"startup\": {\"seconds\": %.3f, \"models\": %zu, \"versions\": %zu, "
                "\"datasets\": %zu, \"jobs\": %zu, \"corrupt\": %zu, \"newer\": %zu}",
                startup->seconds, startup->models, startup->versions, startup->datasets,
                startup->jobs, server->n_corrupt, server->n_newer);
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
    for (size_t i = 0; i < server->n_http; i++) {
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
    startup_encode(server, &text);
    text_str(&text, ", ");
    build_encode(&text);
    text_str(&text, ", ");
    formats_encode(&text);
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
