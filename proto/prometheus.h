/* Prometheus' text format 0.0.4 ("Exposition formats", prometheus.io/docs/instrumenting): families
 * of samples.
 *
 *   # HELP name help
 *   # TYPE name counter|gauge|histogram
 *   name{label="value",...} number
 *
 * A value of a label may be any UTF-8; \, " and the end of a line are escaped. All samples of a
 * family follow its head. Thread: any; they touch nothing but their arguments. */
#ifndef PROMETHEUS_H
#define PROMETHEUS_H

#include <stdint.h>

#include "text.h"

#define PROMETHEUS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Labels of a sample: name, value, ... and a NULL; LABELS() makes one. */
typedef const char *const *prometheus_labels;
#define LABELS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* type: as in TYPE. */
void prometheus_family(struct text *text, const char *name, const char *type, const char *help);
/* One sample; labels: NULL for none. NAN and infinities are written as they are called there. */
void prometheus_sample(struct text *text, const char *name, prometheus_labels labels, double value);
/* A family that is one sample without labels. */
void prometheus_one(struct text *text, const char *name, const char *type, const char *help,
                    double value);

#define HISTOGRAM_BOUNDS_MAX 24

/* Observations counted by size: counts[i] are those in (bounds[i - 1], bounds[i]], counts[n] those
 * above all bounds. */
struct histogram {
    const double *bounds; /* static; n of them, rising, of six digits at most */
    size_t n;             /* up to HISTOGRAM_BOUNDS_MAX */
    uint64_t counts[HISTOGRAM_BOUNDS_MAX + 1];
    double sum;
};

void histogram_observe(struct histogram *histogram, double value);
/* The samples NAME_bucket, each with those below it as the format has it, NAME_sum and
 * NAME_count. */
void prometheus_histogram(struct text *text, const char *name, prometheus_labels labels,
                          const struct histogram *histogram);

#endif
