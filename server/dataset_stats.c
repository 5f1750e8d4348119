/* Column statistics, in one pass over the mapped features. */
#include <math.h>
#include <stdlib.h>

#include "dataset.h"

/* Sums are of what is left of a value when the first of its column is taken away, so that a large
 * mean does not eat the digits of a small deviation. */
struct sums {
    size_t n;
    double *min, *max, *sum, *squares; /* n each, in one block */
    double *first;                     /* n; owned */
};

static void sums_add(struct sums *sums, const float *row, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        const size_t at = sums->n == 1 ? 0 : i;
        const double v = (double)row[i], d = v - sums->first[at];

        sums->min[at] = v < sums->min[at] ? v : sums->min[at];
        sums->max[at] = v > sums->max[at] ? v : sums->max[at];
        sums->sum[at] += d;
        sums->squares[at] += d * d;
    }
}

/* Row r as float32: its place in the data, or a copy in flat. */
static const float *row_at(const struct rows *x, size_t r, float *flat)
{
    const unsigned char *bytes = x->data;

    if (x->dtype == DTYPE_F32) {
        return (const float *)x->data + r * x->width;
    }
    for (size_t i = 0; i < x->width; i++) {
        flat[i] = (float)bytes[r * x->width + i];
    }
    return flat;
}

static void sums_finish(struct sums *sums, double count)
{
    for (size_t i = 0; i < sums->n; i++) {
        const double mean = sums->sum[i] / count;
        const double variance = sums->squares[i] / count - mean * mean;

        sums->sum[i] = sums->first[i] + mean;
        sums->squares[i] = sqrt(fmax(variance, 0.0));
    }
}

bool dataset_stats(const struct dataset *dataset, struct table_stats *ret, struct err *err)
{
    const struct rows x = dataset_data(dataset).x;
    const bool columns = x.width <= STATS_COLUMNS_MAX;
    const size_t n = columns ? x.width : 1;
    double *values, *first;
    float *flat;
    struct sums sums;

    if (dataset->info.x_rank == 0) {
        *ret = (struct table_stats){ 0 };
        return true;
    }
    values = calloc(4 * n, sizeof *values);
    first = calloc(n, sizeof *first);
    flat = calloc(x.width, sizeof *flat);
    if (values == NULL || first == NULL || flat == NULL) {
        free(values);
        free(first);
        free(flat);
        return err_set(err, ERR_MEMORY, "statistics", "do not fit into memory");
    }
    sums = (struct sums){ n, values, values + n, values + 2 * n, values + 3 * n, first };
    for (size_t i = 0; i < n; i++) {
        first[i] = sums.min[i] = sums.max[i] = (double)row_at(&x, 0, flat)[i];
    }
    for (size_t r = 0; r < x.n; r++) {
        sums_add(&sums, row_at(&x, r, flat), x.width);
    }
    sums_finish(&sums, (double)x.n * (columns ? 1.0 : (double)x.width));
    free(first);
    free(flat);
    *ret = (struct table_stats){ n, columns, values };
    return true;
}
