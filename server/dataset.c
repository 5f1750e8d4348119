#include "dataset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

void dataset_info(const struct dataset *dataset, struct msg_dataset *ret)
{
    *ret = (struct msg_dataset){ .name = dataset->name,
                                 .generation = dataset->generation,
                                 .info = &dataset->info,
                                 .digest = dataset->digest,
                                 .created = dataset->created };
}

/* Hashes the features as float32, so that the same values have one digest however they came. */
static void features_hash(struct digest *digest, const struct dataset *dataset)
{
    const struct rows x = dataset_data(dataset).x;
    float block[4096];

    if (x.dtype == DTYPE_F32) {
        digest_add(digest, dataset->features, dataset->features_len);
        return;
    }
    for (size_t at = 0; at < dataset->features_len;) {
        size_t n = 0;

        while (n < sizeof block / sizeof block[0] && at < dataset->features_len) {
            block[n++] = ((const uint8_t *)dataset->features)[at++];
        }
        digest_add(digest, block, n * sizeof block[0]);
    }
}

bool dataset_digest(const struct dataset *dataset, char ret[DIGEST_HEX], struct err *err)
{
    const struct table_info *info = &dataset->info;
    const uint64_t x_shape[2] = { info->rows, info->x_rank > 0 ? info->x_width : 0 };
    const uint64_t y_width = info->y_width;
    struct digest digest;

    if (!digest_begin(&digest, err)) {
        return false;
    }
    digest_add(&digest, x_shape, sizeof x_shape);
    features_hash(&digest, dataset);
    digest_add(&digest, &y_width, sizeof y_width);
    for (size_t i = 0; info->classes != NULL && i < info->classes->n; i++) {
        digest_add(&digest, info->classes->name[i], strlen(info->classes->name[i]) + 1);
    }
    digest_add(&digest, dataset->targets, dataset->targets_len);
    digest_end(&digest, ret);
    return true;
}
