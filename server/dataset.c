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
    size_t meta_len = 0;
    bool ok;

    if (dataset == NULL || (dataset->path = strdup(path)) == NULL) {
        free(dataset);
        return err_set(err, ERR_MEMORY, "datasets", "there is no memory for another");
    }
    dataset->refs = 1;
    ok = disk_path(path, "dataset.json", &meta_path, err) &&
         disk_map(meta_path, &meta, &meta_len, err) &&
         msg_dataset_load(meta != NULL ? meta : "", meta_len, dataset->name, dataset->digest,
                          &dataset->generation, &dataset->created, &dataset->info, err) &&
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
