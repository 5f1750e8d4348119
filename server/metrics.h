/* What is counted, and the Prometheus text of it (proto/prometheus.h). Names and units are those of
 * "Metric and label naming", prometheus.io/docs/practices: base units, _total for counters. Every
 * label has few values: routes are templates, the jobs are those that run, and models have series of
 * their own up to METRICS_MODELS of them. Thread: the loop's. */
#ifndef METRICS_H
#define METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "msg_job.h"
#include "prometheus.h"
#include "request.h"
#include "text.h"

#define METRICS_CLASSES 6  /* of status: [2] counts 2xx, [0] hung up before the answer */
#define METRICS_MODELS 100 /* by name, that are told of one by one */

struct route_count {
    uint64_t by_class[METRICS_CLASSES];
    struct histogram seconds; /* of those that were answered */
};

/* Process lifetime. */
struct metrics {
    struct route_count *routes; /* owned; one a route and one for what matched none */
    uint64_t predicted, learned_steps, learned_rows, trained;
    uint64_t ended[JOB_STATES]; /* jobs, by how */
    uint64_t received;          /* bytes of bodies */
    struct histogram batches;   /* rows of each */
};

struct server;

bool metrics_create(struct metrics **ret, struct err *err);
void metrics_free(struct metrics *metrics);

/* A request has ended: counted by route and status class, with its time. */
void metrics_request(struct metrics *metrics, const struct request *req);
/* Rows answered by predict; steps and rows of learn. */
void metrics_predicted(struct metrics *metrics, size_t rows);
/* Rows of predictions that the pool has computed together. */
void metrics_batch(struct metrics *metrics, size_t rows);
void metrics_learned(struct metrics *metrics, size_t rows);
/* Rows trained on by a job, at each report of it; the end of one. */
void metrics_trained(struct metrics *metrics, size_t rows);
void metrics_job_ended(struct metrics *metrics, enum job_state state);

/* Everything, in text format 0.0.4. */
void metrics_encode(const struct server *server, struct text *text);

#endif
