#include "job_store.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "digest.h"
#include "disk.h"

#define MAGIC "SIGMAJC2"
#define MAGIC_FIRST "SIGMAJC1" /* with parts of the memory of that time's servers */
#define SUM 32

/* ---- checkpoints ---- */

static size_t checkpoint_len(const struct checkpoint_head *head)
{
    const uint64_t blocks = 1u + head->blocks + (head->has_best != 0);

    return sizeof *head +
           (blocks * head->block_len + (head->has_norm ? 2 * head->inputs : 0)) * sizeof(float);
}

bool checkpoint_make(const struct checkpoint_head *head, const struct net *net, const float *memory,
                     const struct net *best, struct checkpoint *ret, struct err *err)
{
    struct checkpoint_head full = *head;
    char *at;

    memcpy(full.magic, MAGIC, sizeof full.magic);
    full.block_len = net->block_len;
    full.inputs = net->spec.inputs;
    full.has_norm = net->shift != NULL;
    full.has_best = best != NULL;
    ret->len = checkpoint_len(&full);
    ret->head = malloc(ret->len);
    if (ret->head == NULL) {
        return err_set(err, ERR_MEMORY, "checkpoint", "does not fit into memory");
    }
    *ret->head = full;
    at = (char *)(ret->head + 1);
    at = mempcpy(at, net->block, net->block_len * sizeof(float));
    if (full.blocks > 0) {
        at = mempcpy(at, memory, full.blocks * net->block_len * sizeof(float));
    }
    if (net->shift != NULL) {
        at = mempcpy(at, net->shift, net->spec.inputs * sizeof(float));
        at = mempcpy(at, net->scale, net->spec.inputs * sizeof(float));
    }
    if (best != NULL) {
        memcpy(at, best->block, best->block_len * sizeof(float));
    }
    return true;
}

void checkpoint_done(struct checkpoint *checkpoint)
{
    free(checkpoint->head);
    *checkpoint = (struct checkpoint){ 0 };
}

void checkpoint_apply(const struct checkpoint *checkpoint, struct net *net, float *memory,
                      struct net *best)
{
    const struct checkpoint_head *head = checkpoint->head;
    const float *at = (const float *)(const void *)(head + 1);

    memcpy(net->block, at, net->block_len * sizeof(float));
    at += net->block_len;
    if (head->blocks > 0) {
        memcpy(memory, at, head->blocks * net->block_len * sizeof(float));
        at += head->blocks * net->block_len;
    }
    if (head->has_norm) {
        memcpy(net->shift, at, net->spec.inputs * sizeof(float));
        memcpy(net->scale, at + net->spec.inputs, net->spec.inputs * sizeof(float));
        at += 2 * net->spec.inputs;
    }
    if (head->has_best) {
        memcpy(best->block, at, best->block_len * sizeof(float));
    }
}

static bool checkpoint_sum(const void *bytes, size_t len, unsigned char *ret, struct err *err)
{
    struct digest digest;

    if (!digest_begin(&digest, err)) {
        return false;
    }
    digest_add(&digest, bytes, len);
    digest_end_raw(&digest, ret);
    return true;
}

static bool checkpoint_put(const char *folder, const struct checkpoint *checkpoint, struct err *err)
{
    char *path = NULL, *tmp = NULL;
    unsigned char sum[SUM];
    int fd = -1;
    bool ok = disk_path(folder, "checkpoint", &path, err) &&
              disk_tmp_in(folder, "checkpoint", &tmp, err) &&
              checkpoint_sum(checkpoint->head, checkpoint->len, sum, err) &&
              disk_create(tmp, &fd, err);

    ok = ok && disk_write(fd, checkpoint->head, checkpoint->len, tmp, err) &&
         disk_write(fd, sum, sizeof sum, tmp, err) && disk_sync(fd, tmp, err);
    if (fd >= 0 && close(fd) != 0 && ok) {
        ok = disk_err(err, "close", tmp);
    }
    ok = ok && disk_rename(tmp, path, folder, err);
    if (!ok && fd >= 0) {
        unlink(tmp);
    }
    free(path);
    free(tmp);
    return ok;
}

bool job_store_checkpoint(const char *root, uint64_t id, struct checkpoint *ret, struct err *err)
{
    char *path = NULL;
    unsigned char sum[SUM];
    void *bytes = NULL;
    size_t len = 0;
    bool ok = job_store_path(root, id, "checkpoint", &path, err);

    if (!ok || access(path, F_OK) != 0 || !disk_map(path, &bytes, &len, err)) {
        free(path);
        return false;
    }
    if (len > 8 && memcmp(bytes, MAGIC_FIRST, 8) == 0) {
        ok = false;
    } else if (len <= sizeof *ret->head + SUM || memcmp(bytes, MAGIC, 8) != 0 ||
               checkpoint_len(bytes) != len - SUM) {
        ok = err_set(err, ERR_SYNTAX, "checkpoint", "of job %" PRIu64 " is not whole", id);
    } else if (!checkpoint_sum(bytes, len - SUM, sum, err)) {
        ok = false;
    } else if (memcmp(sum, (const char *)bytes + len - SUM, SUM) != 0) {
        ok =
            err_set(err, ERR_SYNTAX, "checkpoint", "of job %" PRIu64 " does not match its sum", id);
    } else if ((ret->head = malloc(len - SUM)) == NULL) {
        ok = err_set(err, ERR_MEMORY, "checkpoint", "does not fit into memory");
    } else {
        memcpy(ret->head, bytes, len - SUM);
        ret->len = len - SUM;
    }
    disk_unmap(bytes, len);
    free(path);
    return ok;
}

/* ---- records ---- */

bool job_store_path(const char *root, uint64_t id, const char *name, char **ret, struct err *err)
{
    char path[64];

    snprintf(path, sizeof path, "jobs/%" PRIu64 "%s%s", id, name != NULL ? "/" : "",
             name != NULL ? name : "");
    return disk_path(root, path, ret, err);
}

static bool record_put(const char *folder, const struct job_file *file, struct err *err)
{
    struct text text = { 0 };
    bool ok;

    job_file_encode(&text, file);
    ok = !text.failed || err_set(err, ERR_MEMORY, "job", "has no memory for its record");
    ok = ok && disk_text_put(folder, "job.json", text.data, text.len, err);
    text_done(&text);
    return ok;
}

/* Rows that came with a request, as a data set's folder. */
static bool rows_put(const char *folder, const char *name, const struct dataset *dataset,
                     struct err *err)
{
    struct msg_dataset meta;
    struct text text = { 0 };
    char *path = NULL, *x = NULL, *y = NULL, digest[DIGEST_HEX];
    bool ok;

    dataset_info(dataset, &meta);
    meta.name = "inline";
    meta.digest = digest;
    if (!dataset_digest(dataset, digest, err)) {
        return false;
    }
    msg_dataset_store(&text, &meta);
    ok = !text.failed || err_set(err, ERR_MEMORY, "job", "has no memory for its rows");
    ok = ok && disk_path(folder, name, &path, err) && disk_path(path, "features", &x, err) &&
         disk_path(path, "targets", &y, err) && disk_make_dirs(path, err) &&
         disk_put(x, dataset->features, dataset->features_len, err) &&
         disk_put(y, dataset->targets, dataset->targets_len, err) &&
         disk_text_put(path, "dataset.json", text.data, text.len, err);
    text_done(&text);
    free(path);
    free(x);
    free(y);
    return ok;
}

bool job_store_create(const char *root, const struct job_file *file, const struct dataset *data,
                      const struct dataset *validation, struct err *err)
{
    char name[32];
    char *jobs = NULL, *tmp = NULL, *path = NULL;
    bool ok;

    snprintf(name, sizeof name, "job-%" PRIu64, file->id);
    ok = disk_path(root, "jobs", &jobs, err) && disk_tmp(root, name, &tmp, err) &&
         job_store_path(root, file->id, NULL, &path, err) && disk_make_dirs(tmp, err) &&
         (data == NULL || rows_put(tmp, "data", data, err)) &&
         (validation == NULL || rows_put(tmp, "validation", validation, err)) &&
         record_put(tmp, file, err) && disk_rename(tmp, path, jobs, err);
    if (!ok && path != NULL) { /* whoever asked is told that there is no such job */
        disk_remove(tmp);
        disk_drop(root, path);
    }
    free(jobs);
    free(tmp);
    free(path);
    return ok;
}

bool job_store_save(const char *root, const struct job_file *file,
                    const struct checkpoint *checkpoint, struct err *err)
{
    char *folder = NULL;
    /* The record first: its history must reach at least as far as the checkpoint. */
    bool ok = job_store_path(root, file->id, NULL, &folder, err) && record_put(folder, file, err) &&
              (checkpoint == NULL || checkpoint_put(folder, checkpoint, err));

    free(folder);
    return ok;
}

bool job_store_end(const char *root, const struct job_file *file, struct err *err)
{
    static const char *const rest[] = { "checkpoint", "data", "validation" };
    bool ok = job_store_save(root, file, NULL, err);

    for (size_t i = 0; ok && i < sizeof rest / sizeof rest[0]; i++) {
        char *path = NULL;

        if (job_store_path(root, file->id, rest[i], &path, err)) {
            disk_remove(path);
        }
        free(path);
    }
    return ok;
}
