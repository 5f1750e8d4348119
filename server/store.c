#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "learn_log.h"
#include "safetensors.h"

/* ---- writing ---- */

/* A file under way: its bytes are hashed as they pass. */
struct out {
    int fd;
    const char *path;
    struct digest digest;
};

static bool out_add(void *arg, const void *bytes, size_t len, struct err *err)
{
    struct out *out = arg;

    digest_add(&out->digest, bytes, len);
    return disk_write(out->fd, bytes, len, out->path, err);
}

static bool version_write(struct out *out, const struct net *net, const struct labels *labels,
                          const struct msg_version *facts, struct err *err)
{
    struct text head = { 0 };
    unsigned char checksum[SAFETENSORS_CHECKSUM];
    bool ok;

    safetensors_head(&head, net, labels, facts, true);
    if (head.failed) {
        return err_set(err, ERR_MEMORY, "disk", "has no memory to write with");
    }
    ok = out_add(out, head.data, head.len, err) && safetensors_data(net, out_add, out, err);
    text_done(&head);
    digest_end_raw(&out->digest, checksum);
    return ok && disk_write(out->fd, checksum, sizeof checksum, out->path, err) &&
           disk_sync(out->fd, out->path, err);
}

/* A whole version under a path that nobody else knows. On failure nothing is left. */
static bool version_put(const char *path, const struct net *net, const struct labels *labels,
                        const struct msg_version *facts, struct err *err)
{
    struct out out = { .path = path };
    bool ok;

    if (!digest_begin(&out.digest, err)) {
        return false;
    }
    out.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (out.fd < 0) {
        digest_end(&out.digest, NULL);
        return disk_err(err, "create", path);
    }
    ok = version_write(&out, net, labels, facts, err);
    if (close(out.fd) != 0 && ok) {
        ok = disk_err(err, "close", path);
    }
    if (!ok) {
        unlink(path);
    }
    return ok;
}

static bool version_path(const char *folder, uint64_t version, const char *suffix, char **ret,
                         struct err *err)
{
    char name[64];

    snprintf(name, sizeof name, "%" PRIu64 ".safetensors%s", version, suffix);
    return disk_path(folder, name, ret, err);
}

bool store_save(const char *folder, const struct net *net, const struct labels *labels,
                const struct msg_version *facts, struct err *err)
{
    char *tmp = NULL, *path = NULL;
    bool ok = version_path(folder, facts->version, ".tmp", &tmp, err) &&
              version_path(folder, facts->version, "", &path, err);

    if (ok) {
        unlink(tmp); /* of an earlier try that failed */
        ok = version_put(tmp, net, labels, facts, err);
    }
    if (ok && !disk_rename(tmp, path, folder, err)) {
        unlink(tmp);
        unlink(path);
        ok = false;
    }
    free(tmp);
    free(path);
    return ok;
}

bool store_create(const char *root, const char *folder, const struct net *net,
                  const struct labels *labels, const struct msg_version *facts, struct err *err)
{
    char *models = NULL, *tmp = NULL, *path = NULL;
    const char *name = strrchr(folder, '/') + 1;
    bool ok = disk_path(root, "models", &models, err) && disk_tmp(root, name, &tmp, err) &&
              version_path(tmp, facts->version, "", &path, err);

    ok = ok && disk_make_dirs(tmp, err) && version_put(path, net, labels, facts, err) &&
         disk_sync_dir(tmp, err) && disk_rename(tmp, folder, models, err);
    if (!ok && tmp != NULL) {
        disk_remove(tmp);
        disk_remove(folder);
    }
    free(models);
    free(tmp);
    free(path);
    return ok;
}

bool store_serve(const char *folder, uint64_t served, uint64_t last, struct err *err)
{
    char *tmp = NULL, *path = NULL, line[64];
    bool ok = disk_path(folder, "served.tmp", &tmp, err) && disk_path(folder, "served", &path, err);

    if (ok) {
        snprintf(line, sizeof line, "%" PRIu64 " %" PRIu64 "\n", served, last);
        unlink(tmp);
        ok = disk_put(tmp, line, strlen(line), err) && disk_rename(tmp, path, folder, err);
    }
    free(tmp);
    free(path);
    return ok;
}

bool store_remove(const char *folder, uint64_t version, uint64_t log_base, uint64_t log_first,
                  struct err *err)
{
    char *path = NULL, *log = NULL;
    bool ok = (log_base == 0 || learn_log_path(folder, log_base, log_first, &log, err)) &&
              (version == 0 || version_path(folder, version, "", &path, err));

    ok = ok && (log == NULL || unlink(log) == 0 || errno == ENOENT || disk_err(err, "remove", log));
    ok = ok &&
         (path == NULL || unlink(path) == 0 || errno == ENOENT || disk_err(err, "remove", path));
    ok = ok && disk_sync_dir(folder, err);
    free(path);
    free(log);
    return ok;
}

bool store_discard(const char *root, const char *folder, struct err *err)
{
    return disk_discard(root, "models", folder, err);
}

/* ---- reading ---- */

static bool checksum_verify(const char *bytes, size_t len, const char *path, struct err *err)
{
    unsigned char sum[SAFETENSORS_CHECKSUM];
    struct digest digest;

    if (!digest_begin(&digest, err)) {
        return false;
    }
    digest_add(&digest, bytes, len - sizeof sum);
    digest_end_raw(&digest, sum);
    return memcmp(sum, bytes + len - sizeof sum, sizeof sum) == 0 ||
           err_set(err, ERR_SYNTAX, "checksum", "of %s does not match", path);
}

static bool net_load(const struct safetensors *file, struct net **ret, struct err *err)
{
    const struct msg_model *model = &file->model;
    struct net *net;

    if (!net_create(&model->spec, &net, err)) {
        return false;
    }
    if (model->shift != NULL && !net_set_norm(net, model->shift, model->scale, err)) {
        net_free(net);
        return false;
    }
    for (size_t l = 0; l < model->spec.n_layers; l++) {
        net_set_layer(net, l, model->weights[l], model->biases[l]);
    }
    *ret = net;
    return true;
}

static bool source_find(const char *name, enum source *ret)
{
    for (int i = 0; i < SOURCE_COUNT; i++) {
        if (strcmp(name, source_name((enum source)i)) == 0) {
            *ret = (enum source)i;
            return true;
        }
    }
    return false;
}

/* What the file says, into *ret. */
static bool stored_take(struct safetensors *file, uint64_t version, bool load, struct stored *ret,
                        struct err *err)
{
    const struct msg_version *facts = &file->facts;

    if (!file->has_facts || !file->has_checksum || facts->version != version ||
        strlen(facts->digest) != DIGEST_HEX - 1 ||
        !source_find(facts->source, &ret->origin.source)) {
        return err_set(err, ERR_FIELD, "__metadata__", "is not that of version %" PRIu64, version);
    }
    ret->spec = file->model.spec;
    ret->version = version;
    ret->created = facts->created;
    ret->origin.job = facts->job;
    ret->origin.epoch = facts->epoch;
    ret->origin.loss = facts->loss;
    ret->origin.accuracy = facts->accuracy;
    memcpy(ret->origin.digest, facts->digest, DIGEST_HEX);
    if (load && !net_load(file, &ret->net, err)) {
        return false;
    }
    ret->labels = file->model.labels;
    file->model.labels = NULL;
    return true;
}

bool store_read(const char *folder, uint64_t version, const struct model_limits *limits,
                bool verify, bool load, struct stored *ret, struct err *err)
{
    struct safetensors file = { 0 };
    struct arena arena = { 0 };
    struct stored got = { 0 };
    char *path = NULL;
    void *bytes = NULL;
    size_t len = 0;
    bool ok = version_path(folder, version, "", &path, err) && disk_map(path, &bytes, &len, err);

    if (ok && (len < SAFETENSORS_CHECKSUM + 8)) {
        ok = err_set(err, ERR_SYNTAX, "body", "of %s has %zu bytes: it is cut", path, len);
    }
    ok = ok && (!verify || checksum_verify(bytes, len, path, err)) &&
         safetensors_read(bytes, len, limits, load, &arena, &file, err) &&
         stored_take(&file, version, load, &got, err);
    labels_free(file.model.labels);
    arena_done(&arena);
    disk_unmap(bytes, len);
    free(path);
    if (ok) {
        *ret = got;
    }
    return ok;
}

void stored_done(struct stored *stored)
{
    net_free(stored->net);
    labels_free(stored->labels);
    *stored = (struct stored){ 0 };
}
