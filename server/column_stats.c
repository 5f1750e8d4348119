#include "column_stats.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Sums are of what is left of a value when the first of its column is taken away, so that a large
 * mean does not eat the digits of a small deviation. */
struct column_stats {
    size_t n, width, count; /* sums, values a row, rows */
    double *values;         /* owned; as table_stats has them; n each of: */
    double *min, *max, *sum, *squares;
    double *first; /* n; owned */
    size_t block;  /* rows at a time, */
    size_t wide;   /* and of bytes, which are widened */
    float *flat;   /* owned; to here */
};

static double value_at(const char *floats, size_t i)
{
    float value;

    memcpy(&value, floats + i * sizeof value, sizeof value);
    return (double)value;
}

static void value_add(struct column_stats *stats, size_t at, double v)
{
    const double d = v - stats->first[at];

    stats->min[at] = v < stats->min[at] ? v : stats->min[at];
    stats->max[at] = v > stats->max[at] ? v : stats->max[at];
    stats->sum[at] += d;
    stats->squares[at] += d * d;
}

/* Four columns, in the lanes of vectors that every machine has; rows as in value_add, one after the
 * other, so that sums have the same bits. */
#define LANES 4
#define BLOCK 128 /* rows; those of one strip stay in the first cache for the next */
#define FLAT 8192 /* values widened at a time: each upload has room for so many */
typedef double pair __attribute__((vector_size(16)));
typedef float four __attribute__((vector_size(16)));
typedef int32_t mask __attribute__((vector_size(16)));

/* Lanes of a where m is all ones, of b where it is zero. */
static inline four four_pick(mask m, four a, four b)
{
    return (four)((m & (mask)a) | (~m & (mask)b));
}

static inline void pair_add(pair v, const double *first, pair *sum, pair *squares)
{
    const pair d = v - (pair){ first[0], first[1] };

    *sum += d;
    *squares += d * d;
}

/* Columns at .. at + 3 of n rows of float32. */
static void strip_add(struct column_stats *stats, const char *rows, size_t n, size_t at)
{
    const size_t stride = stats->width * sizeof(float);
    double *min = stats->min + at, *max = stats->max + at, *sum = stats->sum + at;
    double *squares = stats->squares + at;
    four low = { (float)min[0], (float)min[1], (float)min[2], (float)min[3] };
    four high = { (float)max[0], (float)max[1], (float)max[2], (float)max[3] };
    pair sum0 = { sum[0], sum[1] }, sum1 = { sum[2], sum[3] };
    pair squares0 = { squares[0], squares[1] }, squares1 = { squares[2], squares[3] };

    rows += at * sizeof(float);
    for (size_t r = 0; r < n; r++, rows += stride) {
        four v;

        memcpy(&v, rows, sizeof v);
        low = four_pick(v < low, v, low);
        high = four_pick(v > high, v, high);
        pair_add((pair){ v[0], v[1] }, stats->first + at, &sum0, &squares0);
        pair_add((pair){ v[2], v[3] }, stats->first + at + 2, &sum1, &squares1);
    }
    for (size_t i = 0; i < LANES; i++) {
        min[i] = (double)low[i];
        max[i] = (double)high[i];
        sum[i] = i < 2 ? sum0[i] : sum1[i - 2];
        squares[i] = i < 2 ? squares0[i] : squares1[i - 2];
    }
}

/* n rows of float32. */
static void columns_add(struct column_stats *stats, const char *rows, size_t n)
{
    size_t at = 0;

    for (; at + LANES <= stats->width; at += LANES) {
        strip_add(stats, rows, n, at);
    }
    for (; at < stats->width; at++) {
        for (size_t r = 0; r < n; r++) {
            value_add(stats, at, value_at(rows, r * stats->width + at));
        }
    }
}

bool column_stats_begin(size_t width, struct column_stats **ret, struct err *err)
{
    const size_t n = width <= STATS_COLUMNS_MAX ? width : 1;
    const size_t block = n == width ? BLOCK : 1;
    const size_t wide = width < FLAT ? FLAT / width : 1;
    const size_t room = (wide * width + 15) / 16 * 16 * sizeof(float);
    struct column_stats *stats = calloc(1, sizeof *stats);

    if (stats == NULL || (stats->values = calloc(STAT_COUNT * n, sizeof(double))) == NULL ||
        (stats->first = calloc(n, sizeof(double))) == NULL ||
        (stats->flat = aligned_alloc(64, (room + 63) / 64 * 64)) == NULL) {
        column_stats_free(stats);
        return err_set(err, ERR_MEMORY, "statistics", "do not fit into memory");
    }
    stats->n = n;
    stats->width = width;
    stats->block = block;
    stats->wide = wide;
    stats->min = stats->values + STAT_MIN * n;
    stats->max = stats->values + STAT_MAX * n;
    stats->sum = stats->values + STAT_MEAN * n; /* in the end */
    stats->squares = stats->values + STAT_DEVIATION * n;
    *ret = stats;
    return true;
}

void column_stats_free(struct column_stats *stats)
{
    if (stats != NULL) {
        free(stats->values);
        free(stats->first);
        free(stats->flat);
        free(stats);
    }
}

static void block_add(struct column_stats *stats, const char *rows, size_t n)
{
    for (size_t i = 0; stats->count == 0 && i < stats->n; i++) {
        stats->first[i] = stats->min[i] = stats->max[i] = value_at(rows, i);
    }
    stats->count += n;
    if (stats->n == stats->width) {
        columns_add(stats, rows, n);
        return;
    }
    for (size_t i = 0; i < n * stats->width; i++) {
        value_add(stats, 0, value_at(rows, i));
    }
}

void column_stats_add(struct column_stats *stats, const struct rows *x)
{
    const size_t block = x->dtype == DTYPE_F32 ? stats->block : stats->wide;

    for (size_t at = 0; at < x->n; at += block) {
        const size_t n = x->n - at < block ? x->n - at : block;

        if (x->dtype == DTYPE_F32) {
            block_add(stats, (const char *)x->data + at * x->width * sizeof(float), n);
        } else {
            rows_widen(x, at * x->width, n * x->width, stats->flat);
            block_add(stats, (const char *)stats->flat, n);
        }
    }
}

void column_stats_end(struct column_stats *stats, struct table_stats *ret)
{
    const bool columns = stats->n == stats->width;
    const double count = (double)stats->count * (columns ? 1.0 : (double)stats->width);

    for (size_t i = 0; i < stats->n; i++) {
        const double mean = stats->sum[i] / count;
        const double variance = stats->squares[i] / count - mean * mean;

        stats->sum[i] = stats->first[i] + mean;
        stats->squares[i] = sqrt(fmax(variance, 0.0));
    }
    *ret = (struct table_stats){ stats->n, columns, stats->values };
    stats->values = NULL;
    column_stats_free(stats);
}
