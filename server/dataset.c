#include "dataset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "column_stats.h"
#include "disk.h"
#include "server.h"

/* Maps one part, or finds that there should be none; its length must be exactly count x size. */
static bool part_map(const char *dir, const char *name, bool wanted, size_t count, size_t size,
                     void **ret, size_t *len, struct err *err)
{
    char *path;
    bool ok;

    if (!wanted) {
        return true;
    }
    if (!disk_path(dir, name, &path, err)) {
        return false;
    }
    ok = disk_map(path, ret, len, err);
    if (ok && (count > SIZE_MAX / size || *len != count * size)) {
        ok = err_set(err, ERR_IO, name, "has %zu bytes, expected %zu", *len, count * size);
    }
    free(path);
    return ok;
}

static bool parts_map(struct dataset *dataset, struct err *err)
{
    const struct table_info *info = &dataset->info;
    const size_t x_size = info->x_dtype == DTYPE_U8 ? 1 : sizeof(float);

    if (info->rows > SIZE_MAX / SPEC_UNITS_MAX) { /* which no row is wider than */
        return err_set(err, ERR_FIELD, "rows", "are more than memory has addresses for");
    }
    return part_map(dataset->path, "features", info->x_rank > 0, info->rows * info->x_width, x_size,
                    &dataset->features, &dataset->features_len, err) &&
           part_map(dataset->path, "targets", info->kind != TARGET_NONE, info->rows * info->y_width,
                    sizeof(float), &dataset->targets, &dataset->targets_len, err);
}

bool dataset_open(const char *path, struct dataset **ret, struct err *err)
{
    struct dataset *dataset = calloc(1, sizeof *dataset);
    char *meta_path = NULL;
    void *meta = NULL;
    size_t meta_len = 0, text_len = 0;
    bool ok;

    if (dataset == NULL || (dataset->path = strdup(path)) == NULL) {
        free(dataset);
        return err_set(err, ERR_MEMORY, "datasets", "there is no memory for another");
    }
    dataset->refs = 1;
    ok = disk_path(path, "dataset.json", &meta_path, err) &&
         disk_text_map(meta_path, &meta, &meta_len, &text_len, err) &&
         msg_dataset_load(meta, text_len, dataset->name, dataset->digest, &dataset->generation,
                          &dataset->created, &dataset->info, &dataset->stats, err) &&
         parts_map(dataset, err);
    disk_unmap(meta, meta_len);
    free(meta_path);
    if (!ok) {
        dataset_unref(dataset);
        return false;
    }
    *ret = dataset;
    return true;
}

bool dataset_inline(const struct table_info *info, void *features, void *targets,
                    struct dataset **ret, struct err *err)
{
    struct dataset *dataset = calloc(1, sizeof *dataset);

    if (dataset == NULL) {
        free(features);
        free(targets);
        return err_set(err, ERR_MEMORY, "inputs", "do not fit into memory");
    }
    dataset->refs = 1;
    dataset->info = *info;
    dataset->features = features;
    dataset->targets = targets;
    dataset->features_len = info->rows * info->x_width * sizeof(float);
    dataset->targets_len = info->rows * info->y_width * sizeof(float);
    dataset->created = server_now();
    *ret = dataset;
    return true;
}

struct dataset *dataset_ref(struct dataset *dataset)
{
    dataset->refs++;
    return dataset;
}

void dataset_unref(struct dataset *dataset)
{
    assert(dataset->refs > 0);
    if (--dataset->refs > 0) {
        return;
    }
    if (dataset->path != NULL) {
        disk_unmap(dataset->features, dataset->features_len);
        disk_unmap(dataset->targets, dataset->targets_len);
    } else {
        free(dataset->features);
        free(dataset->targets);
    }
    table_info_done(&dataset->info);
    table_stats_done(&dataset->stats);
    free(dataset->path);
    free(dataset);
}

struct data dataset_data(const struct dataset *dataset)
{
    const struct table_info *info = &dataset->info;

    return (struct data){
        .x = { info->x_dtype, info->rows, info->x_width, dataset->features },
        .classes = info->kind == TARGET_LABELS ? dataset->targets : NULL,
        .values = info->kind == TARGET_NUMBERS ? dataset->targets : NULL,
    };
}

bool dataset_suits(const struct dataset *dataset, size_t inputs, const char *where, struct err *err)
{
    const struct table_info *info = &dataset->info;

    if (info->x_rank == 0) {
        return err_set(err, ERR_FIELD, where, "'%s' has no features yet", dataset->name);
    }
    return info->x_width == inputs ||
           err_set(err, ERR_FIELD, where, "'%s' has %zu features a row, the model %zu inputs",
                   dataset->name, info->x_width, inputs);
}

size_t dataset_bytes(const struct dataset *dataset)
{
    return dataset->features_len + dataset->targets_len;
}

void dataset_info(const struct dataset *dataset, struct msg_dataset *ret)
{
    *ret = (struct msg_dataset){ .name = dataset->name,
                                 .generation = dataset->generation,
                                 .info = &dataset->info,
                                 .digest = dataset->digest,
                                 .created = dataset->created };
}

bool dataset_digest_begin(size_t rows, size_t width, struct digest *ret, struct err *err)
{
    const uint64_t shape[2] = { rows, width };

    if (!digest_begin(ret, err)) {
        return false;
    }
    digest_add(ret, shape, sizeof shape);
    return true;
}

/* As float32, so that the same values have one digest however they came. */
void dataset_digest_features(struct digest *digest, const struct rows *x)
{
    const size_t len = x->n * x->width;
    _Alignas(64) float block[4096];

    if (x->dtype == DTYPE_F32) {
        digest_add(digest, x->data, len * sizeof(float));
        return;
    }
    for (size_t at = 0; at < len; at += sizeof block / sizeof *block) {
        const size_t n =
            len - at < sizeof block / sizeof *block ? len - at : sizeof block / sizeof *block;

        rows_widen(x, at, n, block);
        digest_add(digest, block, n * sizeof *block);
    }
}

void dataset_digest_end(struct digest *digest, const struct dataset *dataset, char ret[DIGEST_HEX])
{
    const struct labels *classes = dataset->info.classes;
    const uint64_t y_width = dataset->info.y_width;

    digest_add(digest, &y_width, sizeof y_width);
    for (size_t i = 0; classes != NULL && i < classes->n; i++) {
        digest_add(digest, classes->name[i], strlen(classes->name[i]) + 1);
    }
    digest_add(digest, dataset->targets, dataset->targets_len);
    digest_end(digest, ret);
}

bool dataset_digest(const struct dataset *dataset, char ret[DIGEST_HEX], struct err *err)
{
    const struct table_info *info = &dataset->info;
    const struct rows x = dataset_data(dataset).x;
    struct digest digest;

    if (!dataset_digest_begin(info->rows, info->x_rank > 0 ? info->x_width : 0, &digest, err)) {
        return false;
    }
    if (info->x_rank > 0) {
        dataset_digest_features(&digest, &x);
    }
    dataset_digest_end(&digest, dataset, ret);
    return true;
}

bool dataset_stats(const struct dataset *dataset, struct table_stats *ret, struct err *err)
{
    const struct rows x = dataset_data(dataset).x;
    struct column_stats *stats;

    *ret = (struct table_stats){ 0 };
    if (dataset->info.x_rank == 0) {
        return true;
    }
    if (!column_stats_begin(x.width, &stats, err)) {
        return false;
    }
    column_stats_add(stats, &x);
    column_stats_end(stats, ret);
    return true;
}
