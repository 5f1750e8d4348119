/* Features of a CSV that are missing (csv_missing.h), on their way through an upload. Pool. */
#include "uploads.h"

#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "disk.h"

/* The map is of pages, and rows are of any length: all of it is walked by one running column. */
bool missing_fill(struct upload *up, const struct table_info *info, struct err *err)
{
    const size_t n = info->rows * info->x_width;
    float *all;

    if (info->fill == NULL) {
        return true;
    }
    if (!part_flush(&up->features, err)) {
        return false;
    }
    all = mmap(NULL, n * sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED, up->features.fd, 0);
    if (all == MAP_FAILED) {
        return disk_err(err, "map", up->features.path);
    }
    for (size_t i = 0, column = 0; i < n; i++) {
        if (isnan(all[i])) {
            all[i] = info->fill[column];
        }
        column = column + 1 < info->x_width ? column + 1 : 0;
    }
    munmap(all, n * sizeof *all);
    return true;
}

bool missing_means(struct upload *up, struct err *err)
{
    const struct rows x = dataset_data(up->base).x;
    const size_t len = x.n * x.width;
    _Alignas(64) float block[4096];
    double *sum = calloc(x.width, sizeof *sum);

    up->means = malloc(x.width * sizeof *up->means);
    if (sum == NULL || up->means == NULL) {
        free(sum);
        return err_set(err, ERR_MEMORY, "missing", "has no memory for means");
    }
    for (size_t at = 0, column = 0; at < len; at += sizeof block / sizeof *block) {
        const size_t left = len - at;
        const size_t n = left < sizeof block / sizeof *block ? left : sizeof block / sizeof *block;

        rows_widen(&x, at, n, block);
        for (size_t i = 0; i < n; i++) {
            sum[column] += (double)block[i];
            column = column + 1 < x.width ? column + 1 : 0;
        }
    }
    for (size_t j = 0; j < x.width; j++) {
        const double mean = sum[j] / (double)x.n;

        up->means[j] = (float)(x.dtype == DTYPE_U8 ? rint(mean) : mean); /* bytes stay bytes */
    }
    free(sum);
    up->csv.fill = up->means;
    up->csv.n_fill = x.width;
    return true;
}

void missing_count(const struct upload *up, const struct table_info *info,
                   struct table_stats *stats)
{
    const bool features_stay = up->append || up->part == CSV_TARGETS;
    const struct table_stats *old = features_stay && up->base != NULL ? &up->base->stats : NULL;
    double *to = stats->values + STAT_IMPUTED * stats->n;

    for (size_t j = 0; stats->n > 0 && info->imputed != NULL && j < info->x_width; j++) {
        to[stats->columns ? j : 0] += (double)info->imputed[j];
    }
    for (size_t j = 0; old != NULL && old->n == stats->n && j < stats->n; j++) {
        to[j] += old->values[STAT_IMPUTED * old->n + j];
    }
}
