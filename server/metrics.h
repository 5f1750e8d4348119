/* What is counted, and the Prometheus text of it. Thread: the loop's. */
#ifndef METRICS_H
#define METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "request.h"
#include "text.h"

struct metrics;
struct server;

bool metrics_create(struct metrics **ret, struct err *err);
void metrics_free(struct metrics *metrics);

/* A request has ended: counted by route and status class, its time added up. */
void metrics_request(struct metrics *metrics, const struct request *req);
/* Rows answered by predict; steps and rows of learn. */
void metrics_predicted(struct metrics *metrics, size_t rows);
/* Rows of predictions that the pool has computed together. */
void metrics_batch(struct metrics *metrics, size_t rows);
void metrics_learned(struct metrics *metrics, size_t rows);
/* Rows trained on by a job, at each report of it. */
void metrics_trained(struct metrics *metrics, size_t rows);

/* Text format 0.0.4. */
void metrics_encode(const struct server *server, struct text *text);

#endif
