#include "prometheus.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void prometheus_family(struct text *text, const char *name, const char *type, const char *help)
{
    text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void label_add(struct text *text, const char *name, const char *value)
{
    text_printf(text, "%s=\"", name);
    for (;;) {
        const size_t plain = strcspn(value, "\\\"\n");

        text_add(text, value, plain);
        value += plain;
        if (*value == '\0') {
            break;
        }
        text_str(text, *value == '\n' ? "\\n" : *value == '"' ? "\\\"" : "\\\\");
        value++;
    }
    text_str(text, "\"");
}

/* {a="b",le="..."}, or nothing; le is the bound of a bucket, NULL for none. */
static void labels_add(struct text *text, prometheus_labels labels, const char *le)
{
    bool any = false;

    for (; labels != NULL && labels[0] != NULL; labels += 2, any = true) {
        text_str(text, any ? "," : "{");
        label_add(text, labels[0], labels[1]);
    }
    if (le != NULL) {
        text_str(text, any ? "," : "{");
        label_add(text, "le", le);
        any = true;
    }
    text_str(text, any ? "} " : " ");
}

static void value_add(struct text *text, double value)
{
    if (isfinite(value)) {
        text_double(text, value);
    } else {
        text_str(text, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    }
    text_str(text, "\n");
}

void prometheus_sample(struct text *text, const char *name, prometheus_labels labels, double value)
{
    text_str(text, name);
    labels_add(text, labels, NULL);
    value_add(text, value);
}

void prometheus_one(struct text *text, const char *name, const char *type, const char *help,
                    double value)
{
    prometheus_family(text, name, type, help);
    prometheus_sample(text, name, NULL, value);
}

void histogram_observe(struct histogram *histogram, double value)
{
    size_t i = 0;

    assert(histogram->n <= HISTOGRAM_BOUNDS_MAX);
    while (i < histogram->n && value > histogram->bounds[i]) {
        i++;
    }
    histogram->counts[i]++;
    histogram->sum += value;
}

void prometheus_histogram(struct text *text, const char *name, prometheus_labels labels,
                          const struct histogram *histogram)
{
    uint64_t below = 0;

    for (size_t i = 0; i <= histogram->n; i++) {
        char le[32] = "+Inf";

        below += histogram->counts[i];
        if (i < histogram->n) {
            snprintf(le, sizeof le, "%g", histogram->bounds[i]);
        }
        text_printf(text, "%s_bucket", name);
        labels_add(text, labels, le);
        value_add(text, (double)below);
    }
    text_printf(text, "%s_sum", name);
    labels_add(text, labels, NULL);
    value_add(text, histogram->sum);
    text_printf(text, "%s_count", name);
    labels_add(text, labels, NULL);
    value_add(text, (double)below);
}
