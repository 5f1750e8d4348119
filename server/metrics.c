#include "metrics.h"

#include <stdlib.h>

#include "route.h"

#define N(a) (sizeof(a) / sizeof(a)[0])

/* From a prediction on the loop to an upload or "Prefer: wait". */
static const double seconds[] = { 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                  0.1,    0.25,    0.5,    1,     2.5,    5,     10,   30,    60 };
static const double rows[] = { 1, 2, 4, 8, 16, 32, 64 };

bool metrics_create(struct metrics **ret, struct err *err)
{
    struct metrics *metrics = calloc(1, sizeof *metrics);
    struct route_count *routes = calloc(route_count() + 1, sizeof *routes);

    if (metrics == NULL || routes == NULL) {
        free(metrics);
        free(routes);
        return err_set(err, ERR_MEMORY, "metrics", "there is no memory for them");
    }
    for (size_t i = 0; i <= route_count(); i++) {
        routes[i].seconds = (struct histogram){ .bounds = seconds, .n = N(seconds) };
    }
    metrics->routes = routes;
    metrics->batches = (struct histogram){ .bounds = rows, .n = N(rows) };
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
    int class = req->answered ? req->reply.status / 100 : 0;

    metrics->routes[i].by_class[class]++;
    metrics->received += req->received;
    if (req->answered) {
        histogram_observe(&metrics->routes[i].seconds, (double)(uv_hrtime() - req->started) * 1e-9);
    }
}

void metrics_predicted(struct metrics *metrics, size_t n)
{
    metrics->predicted += n;
}

void metrics_batch(struct metrics *metrics, size_t n)
{
    histogram_observe(&metrics->batches, (double)n);
}

void metrics_learned(struct metrics *metrics, size_t n)
{
    metrics->learned_steps++;
    metrics->learned_rows += n;
}

void metrics_trained(struct metrics *metrics, size_t n)
{
    metrics->trained += n;
}

void metrics_job_ended(struct metrics *metrics, enum job_state state)
{
    metrics->ended[state]++;
}
