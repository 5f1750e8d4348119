#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

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

/* Of length and header, with zeros for its own digits. */
static uLong header_crc(const char *head, size_t len)
{
    const size_t behind = SAFETENSORS_CRC_AT + 8;
    uLong crc = crc32_z(0, (const Bytef *)head, SAFETENSORS_CRC_AT);

    crc = crc32_z(crc, (const Bytef *)"00000000", 8);
    return crc32_z(crc, (const Bytef *)head + behind, len - behind);
}

static bool version_write(struct out *out, const struct net *net, const struct labels *labels,
                          const struct msg_version *facts, const struct carry *carry,
                          struct err *err)
{
    struct text head = { 0 };
    unsigned char checksum[SAFETENSORS_CHECKSUM];
    char digits[9];
    bool ok = true;

    safetensors_head(&head, net, labels, facts, carry, true);
    if (head.failed) {
        ok = err_set(err, ERR_MEMORY, "disk", "has no memory to write with");
    } else {
        snprintf(digits, sizeof digits, "%08lx", header_crc(head.data, head.len));
        memcpy(head.data + SAFETENSORS_CRC_AT, digits, 8);
    }
    ok = ok && out_add(out, head.data, head.len, err) &&
         safetensors_data(net, carry, out_add, out, err);
    text_done(&head);
    digest_end_raw(&out->digest, checksum);
    return ok && disk_write(out->fd, checksum, sizeof checksum, out->path, err) &&
           disk_sync(out->fd, out->path, err);
}

/* A whole version under a path that nobody else knows. On failure nothing is left. */
static bool version_put(const char *path, const struct net *net, const struct labels *labels,
                        const struct msg_version *facts, const struct carry *carry, struct err *err)
{
    struct out out = { .path = path };
    bool ok;

    if (!digest_begin(&out.digest, err)) {
        return false;
    }
    if (!disk_create(path, &out.fd, err)) {
        digest_end(&out.digest, NULL);
        return false;
    }
    ok = version_write(&out, net, labels, facts, carry, err);
    if (close(out.fd) != 0 && ok) {
        ok = disk_err(err, "close", path);
    }
    if (!ok) {
        unlink(path);
    }
    return ok;
}

static bool version_path(const char *folder, uint64_t version, char **ret, struct err *err)
{
    char name[64];

    snprintf(name, sizeof name, "%" PRIu64 ".safetensors", version);
    return disk_path(folder, name, ret, err);
}

/* rename, unless there is such a file: then *mine is false. */
static bool rename_new(const char *from, const char *to, bool *mine, struct err *err)
{
    *mine = true;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return true;
    }
    if (errno == EEXIST) {
        *mine = false;
        unlink(from);
        return true;
    }
    if (errno == EINVAL || errno == ENOSYS) { /* a file system that does not know how */
        return rename(from, to) == 0 || disk_err(err, "rename to", to);
    }
    return disk_err(err, "rename to", to);
}

/* A version may be saved twice, by a promotion and by the job that starts from it: to the same
 * bytes, and the first stays. */
bool store_save(const char *folder, const struct net *net, const struct labels *labels,
                const struct msg_version *facts, const struct carry *carry, struct err *err)
{
    char *tmp = NULL, *path = NULL;
    bool mine = false;
    bool ok = disk_tmp_in(folder, "version", &tmp, err) &&
              version_path(folder, facts->version, &path, err) &&
              version_put(tmp, net, labels, facts, carry, err);

    if (ok && !rename_new(tmp, path, &mine, err)) {
        unlink(tmp);
        ok = false;
    } else if (ok && !disk_sync_dir(folder, err)) {
        if (mine) {
            unlink(path); /* nobody was told of it */
        }
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
              version_path(tmp, facts->version, &path, err);

    ok = ok && disk_make_dirs(tmp, err) && version_put(path, net, labels, facts, NULL, err) &&
         disk_sync_dir(tmp, err) && disk_rename(tmp, folder, models, err);
    if (!ok && tmp != NULL) {
        disk_remove(tmp);
        disk_drop(root, folder);
    }
    free(models);
    free(tmp);
    free(path);
    return ok;
}

bool store_serve(const char *folder, const struct serving *serving, struct err *err)
{
    struct text text = { 0 };
    bool ok;

    text_printf(&text, "%" PRIu64 " %" PRIu64 " ", serving->version, serving->last);
    text_double(&text, serving->since);
    text_str(&text, "\n");
    ok = !text.failed || err_set(err, ERR_MEMORY, "disk", "has no memory to write with");
    ok = ok && disk_text_put(folder, "served", text.data, text.len, err);
    text_done(&text);
    return ok;
}

bool store_serving(const char *folder, struct serving *ret, struct err *err)
{
    struct serving got = { 0 };
    char *path = NULL, text[96];
    void *bytes = NULL;
    size_t len = 0, text_len = 0;
    bool ok = disk_path(folder, "served", &path, err);

    if (ok && access(path, F_OK) == 0) {
        ok = disk_text_map(path, &bytes, &len, &text_len, err);
        if (ok) {
            snprintf(text, sizeof text, "%.*s", (int)(text_len < 95 ? text_len : 95),
                     (const char *)bytes);
            ok = sscanf(text, "%" SCNu64 " %" SCNu64 " %lf", &got.version, &got.last, &got.since) ==
                     3 ||
                 err_set(err, ERR_SYNTAX, "disk", "%s is not as it should be", path);
        }
    }
    disk_unmap(bytes, len);
    free(path);
    if (ok) {
        *ret = got;
    }
    return ok;
}

/* "3 7 9\n" */
static bool deleted_parse(const char *text, size_t len, const char *path, struct deleted *ret,
                          struct err *err)
{
    size_t at = 0;

    ret->number = calloc(len + 1, sizeof *ret->number); /* a number has a digit */
    if (ret->number == NULL) {
        return err_set(err, ERR_MEMORY, "disk", "has no memory to read %s", path);
    }
    while (at < len && text[at] >= '0' && text[at] <= '9') {
        uint64_t number = 0;

        for (; at < len && text[at] >= '0' && text[at] <= '9'; at++) {
            number = number * 10 + (uint64_t)(text[at] - '0');
        }
        ret->number[ret->n++] = number;
        at += at < len; /* the blank, or the end of the line */
    }
    return at == len || err_set(err, ERR_SYNTAX, "disk", "%s is not as it should be", path);
}

bool store_deleted(const char *folder, struct deleted *ret, struct err *err)
{
    struct deleted got = { 0 };
    char *path = NULL;
    void *bytes = NULL;
    size_t len = 0, text_len = 0;
    bool ok = disk_path(folder, "deleted", &path, err);

    if (ok && access(path, F_OK) == 0) {
        ok = disk_text_map(path, &bytes, &len, &text_len, err) &&
             deleted_parse(bytes, text_len, path, &got, err);
    }
    disk_unmap(bytes, len);
    free(path);
    if (ok) {
        *ret = got;
    } else {
        deleted_done(&got);
    }
    return ok;
}

void deleted_done(struct deleted *deleted)
{
    free(deleted->number);
    *deleted = (struct deleted){ 0 };
}

bool store_delete(const char *folder, uint64_t version, uint64_t oldest, struct err *err)
{
    struct deleted deleted = { 0 };
    struct text text = { 0 };
    bool ok = store_deleted(folder, &deleted, err);

    for (size_t i = 0; ok && i < deleted.n; i++) {
        const uint64_t number = deleted.number[i];
        char *path = NULL;

        ok = version_path(folder, number, &path, err);
        if (ok && (number >= oldest || access(path, F_OK) == 0)) {
            text_printf(&text, "%" PRIu64 " ", number);
        }
        free(path);
    }
    text_printf(&text, "%" PRIu64 "\n", version);
    ok = ok && (!text.failed || err_set(err, ERR_MEMORY, "disk", "has no memory to write with"));
    ok = ok && disk_text_put(folder, "deleted", text.data, text.len, err);
    text_done(&text);
    deleted_done(&deleted);
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

/* The header's own sum tells a header that can be believed without reading the weights. */
static bool header_verify(const char *bytes, size_t len, const char *path, struct err *err)
{
    char digits[9];
    uint64_t n = 0;

    for (size_t i = 0; i < 8; i++) {
        n |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    }
    if (n > len - 8 || n < SAFETENSORS_CRC_AT + 8) {
        return err_set(err, ERR_SYNTAX, "header", "of %s does not fit: it is cut", path);
    }
    snprintf(digits, sizeof digits, "%08lx", header_crc(bytes, (size_t)n + 8));
    return memcmp(bytes + SAFETENSORS_CRC_AT, digits, 8) == 0 ||
           err_set(err, ERR_SYNTAX, "header", "of %s does not match its checksum", path);
}

static bool net_load(const struct safetensors *file, struct net **ret, struct err *err)
{
    const struct msg_model *model = &file->model;
    struct net *net;

    if (!net_create(&model->spec, &net, err)) {
        return false;
    }
    if ((model->shift != NULL && !net_set_norm(net, model->shift, model->scale, err)) ||
        (model->target_shift != NULL &&
         !net_set_target_norm(net, model->target_shift, model->target_scale, err))) {
        net_free(net);
        return false;
    }
    for (size_t l = 0; l < model->spec.n_layers; l++) {
        net_set_layer(net, l, model->weights[l], model->biases[l]);
    }
    *ret = net;
    return true;
}

static bool carry_load(const struct safetensors *file, const struct net *net, struct carry **ret,
                       struct err *err)
{
    struct carry *carry = NULL;

    if (file->blocks > 0 && !carry_create(net, &file->facts.plan, &carry, err)) {
        return false;
    }
    for (size_t i = 0; i < file->blocks; i++) {
        for (size_t l = 0; l < net->spec.n_layers; l++) {
            carry_set_layer(carry, net, i, l, file->block_weights[i][l], file->block_biases[i][l]);
        }
    }
    if (carry != NULL) {
        memcpy(carry->power, file->power, sizeof carry->power);
    }
    *ret = carry;
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
    ret->model_created = facts->model_created;
    ret->origin.has_plan = facts->has_plan;
    ret->origin.plan = facts->plan;
    memcpy(ret->origin.digest, facts->digest, DIGEST_HEX);
    if (strlen(facts->key) == DIGEST_HEX - 1 && strlen(facts->request) == DIGEST_HEX - 1) {
        memcpy(ret->origin.key.key, facts->key, DIGEST_HEX);
        memcpy(ret->origin.key.request, facts->request, DIGEST_HEX);
    }
    if (load && !net_load(file, &ret->net, err)) {
        return false;
    }
    if (load && !carry_load(file, ret->net, &ret->carry, err)) {
        net_free(ret->net);
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
    bool ok = version_path(folder, version, &path, err) && disk_map(path, &bytes, &len, err);

    if (ok && (len < SAFETENSORS_CHECKSUM + 8)) {
        ok = err_set(err, ERR_SYNTAX, "body", "of %s has %zu bytes: it is cut", path, len);
    }
    ok = ok && header_verify(bytes, len, path, err) &&
         (!verify || checksum_verify(bytes, len, path, err)) &&
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
    carry_unref(stored->carry);
    labels_free(stored->labels);
    *stored = (struct stored){ 0 };
}
