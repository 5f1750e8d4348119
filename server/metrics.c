#include "metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dataset.h"
#include "job.h"
#include "kernel.h"
#include "registry.h"
#include "remembered.h"
#include "route.h"
#include "server.h"
#include "version.h"

#define CLASSES 6 /* of status: [2] counts 2xx */

#define BATCH_BUCKETS 8 /* up to 1, 2, 4 .. 64 rows, and any */

struct route_count {
    uint64_t by_class[CLASSES];
    double seconds;
};

struct metrics {
    struct route_count *routes; /* owned; one a route and one for what matched none */
    uint64_t predicted, learned_steps, learned_rows, trained;
    uint64_t batches[BATCH_BUCKETS], batch_rows; /* each batch in the first bucket it fits */
};

bool metrics_create(struct metrics **ret, struct err *err)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    struct route_count *routes = calloc(route_count() + 1, sizeof *routes);

    if (metrics == NULL || routes == NULL) {
        free(metrics);
        free(routes);
        return err_set(err, ERR_MEMORY, "metrics", "there is no memory for them");
    }
    metrics->routes = routes;
    *ret = metrics;
    return true;
}

void metrics_free(struct metrics *metrics)
{
    if (metrics != NULL) {
        free(metrics->routes);
        free(metrics);
    }
}

void metrics_request(struct metrics *metrics, const struct request *req)
{
    size_t i = req->route != NULL ? (size_t)(req->route - route_at(0)) : route_count();
    int class = req->answered ? req->reply.status / 100 : 0; /* 0: hung up before the answer */

    metrics->routes[i].by_class[class]++;
    metrics->routes[i].seconds += (double)(uv_hrtime() - req->started) * 1e-9;
}

void metrics_predicted(struct metrics *metrics, size_t rows)
{
    metrics->predicted += rows;
}

void metrics_batch(struct metrics *metrics, size_t rows)
{
    size_t i = 0;

    while (i < BATCH_BUCKETS - 1 && rows > (size_t)1 << i) {
        i++;
    }
    metrics->batches[i]++;
    metrics->batch_rows += rows;
}

void metrics_learned(struct metrics *metrics, size_t rows)
{
    metrics->learned_steps++;
    metrics->learned_rows += rows;
}

void metrics_trained(struct metrics *metrics, size_t rows)
{
    metrics->trained += rows;
}

static void head(struct text *text, const char *name, const char *type, const char *help)
{
    text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void one(struct text *text, const char *name, const char *type, const char *help, double v)
{
    head(text, name, type, help);
    text_printf(text, "%s ", name);
    text_double(text, v);
    text_str(text, "\n");
}

static void requests_encode(const struct metrics *metrics, struct text *text)
{
    static const char *const classes[CLASSES] = { "none", "1xx", "2xx", "3xx", "4xx", "5xx" };

    head(text, "sigmad_requests_total", "counter", "HTTP requests ended, by route and status.");
    for (size_t i = 0; i <= route_count(); i++) {
        const struct route *route = i < route_count() ? route_at(i) : NULL;

        for (size_t c = 0; c < CLASSES; c++) {
            if (metrics->routes[i].by_class[c] > 0) {
                text_printf(text,
                            "sigmad_requests_total{method=\"%s\",route=\"%s\",status=\"%s\"} "
                            "%" PRIu64 "\n",
                            route != NULL ? route->method : "", route != NULL ? route->path : "",
                            classes[c], metrics->routes[i].by_class[c]);
            }
        }
    }
    head(text, "sigmad_request_seconds_total", "counter",
         "Time from the headers of requests to the last byte of their replies, by route.");
    for (size_t i = 0; i < route_count(); i++) {
        text_printf(text, "sigmad_request_seconds_total{method=\"%s\",route=\"%s\"} %.6f\n",
                    route_at(i)->method, route_at(i)->path, metrics->routes[i].seconds);
    }
}

static void batches_encode(const struct metrics *metrics, struct text *text)
{
    uint64_t sum = 0;

    head(text, "sigmad_predict_batch_rows", "histogram",
         "Rows of predictions that the pool has computed together.");
    for (size_t i = 0; i < BATCH_BUCKETS; i++) {
        sum += metrics->batches[i];
        if (i < BATCH_BUCKETS - 1) {
            text_printf(text, "sigmad_predict_batch_rows_bucket{le=\"%zu\"} %" PRIu64 "\n",
                        (size_t)1 << i, sum);
        }
    }
    text_printf(text,
                "sigmad_predict_batch_rows_bucket{le=\"+Inf\"} %" PRIu64 "\n"
                "sigmad_predict_batch_rows_sum %" PRIu64 "\n"
                "sigmad_predict_batch_rows_count %" PRIu64 "\n",
                sum, metrics->batch_rows, sum);
}

/* Resident bytes of this process; 0 when /proc does not say. */
static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    if (file != NULL) {
        if (fscanf(file, "%*u %lu", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

void metrics_encode(const struct server *server, struct text *text)
{
    const struct metrics *metrics = server->metrics;

    head(text, "sigmad_build_info", "gauge", "What runs here; always 1.");
    text_printf(text, "sigmad_build_info{version=\"%s\",isa=\"%s\"} 1\n", SIGMAD_VERSION,
                kernel_name(kernel_chosen()));
    one(text, "sigmad_start_time_seconds", "gauge", "When the daemon started, in Unix time.",
        server->started);
    one(text, "sigmad_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    one(text, "sigmad_connections", "gauge", "Connections that are open.",
        (double)server->connections);
    one(text, "sigmad_requests", "gauge", "Requests under way, this one included.",
        (double)server->requests);
    one(text, "sigmad_held_bytes", "gauge", "Request bodies and replies held in memory.",
        (double)server->held);
    one(text, "sigmad_remembered_predictions", "gauge", "Predictions that can be learned from.",
        (double)remembered_count(server->remembered));
    one(text, "sigmad_remembered_bytes", "gauge", "Memory that their rows take.",
        (double)remembered_bytes(server->remembered));
    one(text, "sigmad_models", "gauge", "Models.", (double)registry_count(server->registry));
    one(text, "sigmad_datasets", "gauge", "Data sets.", (double)datasets_count(server->datasets));
    one(text, "sigmad_workers", "gauge", "Training threads.", (double)server->options.workers);
    head(text, "sigmad_jobs", "gauge", "Jobs whose record is kept, by state.");
    for (int s = 0; s < JOB_STATES; s++) {
        text_printf(text, "sigmad_jobs{state=\"%s\"} %zu\n", job_state_name((enum job_state)s),
                    jobs_in_state(server->jobs, (enum job_state)s));
    }
    one(text, "sigmad_predictions_total", "counter", "Rows answered by predict.",
        (double)metrics->predicted);
    batches_encode(metrics, text);
    one(text, "sigmad_learn_steps_total", "counter", "Steps taken by learn.",
        (double)metrics->learned_steps);
    one(text, "sigmad_learned_rows_total", "counter", "Rows learned by learn.",
        (double)metrics->learned_rows);
    one(text, "sigmad_trained_rows_total", "counter", "Rows trained on by jobs.",
        (double)metrics->trained);
    requests_encode(metrics, text);
}
