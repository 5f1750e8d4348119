#include "learn_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "disk.h"
#include "train.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are written as memory has them");

#define MAGIC 0x314c4753u /* SGL1 */

struct frame {
    uint32_t magic, len, crc, zero;
};

static size_t payload_len(const struct learn_entry *entry)
{
    return sizeof *entry + entry->rows * entry->inputs * sizeof(float) +
           entry->rows * (entry->labels != 0 ? 1 : entry->y_width) * sizeof(float);
}

void learn_entry_encode(struct text *text, const struct version *version,
                        const struct train_plan *plan, const struct data *data, size_t outputs)
{
    struct learn_entry entry = {
        .version = version->number,
        .created = version->created,
        .loss = version->origin.loss,
        .accuracy = version->origin.accuracy,
        .rows = data->x.n,
        .inputs = data->x.width,
        .y_width = outputs,
        .labels = data->classes != NULL,
        .optimizer = (uint32_t)plan->optimizer,
        .learning_rate = plan->learning_rate,
        .momentum = plan->momentum,
        .l2 = plan->l2,
        .nesterov = plan->nesterov,
    };
    struct frame frame = { .magic = MAGIC, .len = (uint32_t)payload_len(&entry) };
    const size_t at = text->len;
    const void *y = data->classes != NULL ? (const void *)data->classes : data->values;

    memcpy(entry.digest, version->origin.digest, sizeof entry.digest);
    text_add(text, (const char *)&frame, sizeof frame);
    text_add(text, (const char *)&entry, sizeof entry);
    text_add(text, data->x.data, entry.rows * entry.inputs * sizeof(float));
    text_add(text, y, frame.len - sizeof entry - entry.rows * entry.inputs * sizeof(float));
    if (!text->failed) {
        frame.crc = (uint32_t)crc32(0, (const Bytef *)text->data + at + sizeof frame, frame.len);
        memcpy(text->data + at, &frame, sizeof frame);
    }
}

bool learn_log_path(const char *folder, uint64_t base, uint64_t first, char **ret, struct err *err)
{
    char name[64];

    snprintf(name, sizeof name, "learn-%" PRIu64 "-%" PRIu64, base, first);
    return disk_path(folder, name, ret, err);
}

bool learn_log_append(const char *path, bool fresh, const void *bytes, size_t len, struct err *err)
{
    char *folder = strdup(path);
    off_t was;
    int fd;
    bool ok;

    if (folder == NULL) {
        return err_set(err, ERR_MEMORY, "disk", "has no memory for a path");
    }
    *strrchr(folder, '/') = '\0';
    if (fresh) {
        unlink(path);
    }
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | (fresh ? O_CREAT | O_EXCL : 0),
              0600);
    was = fd >= 0 ? lseek(fd, 0, SEEK_END) : -1;
    if (was < 0) {
        ok = disk_err(err, "open", path);
    } else {
        ok = disk_write(fd, bytes, len, path, err) && disk_sync(fd, path, err) &&
             (!fresh || disk_sync_dir(folder, err));
        if (!ok && ftruncate(fd, was) == 0) {
            struct err none = { 0 };

            disk_sync(fd, path, &none);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    free(folder);
    return ok;
}

/* The entry at *at, when it is whole; steps behind it. rows of data follow the returned pointer's
 * struct, at an address that need not be aligned. */
static const char *entry_next(const char *bytes, size_t len, size_t *at, struct learn_entry *ret)
{
    struct frame frame;
    const char *payload;

    if (len - *at < sizeof frame) {
        return NULL;
    }
    memcpy(&frame, bytes + *at, sizeof frame);
    payload = bytes + *at + sizeof frame;
    if (frame.magic != MAGIC || frame.len < sizeof *ret || frame.len > len - *at - sizeof frame ||
        (uint32_t)crc32(0, (const Bytef *)payload, frame.len) != frame.crc) {
        return NULL;
    }
    memcpy(ret, payload, sizeof *ret);
    if (payload_len(ret) != frame.len) {
        return NULL;
    }
    *at += sizeof frame + frame.len;
    return payload + sizeof *ret;
}

/* Whether a whole entry begins anywhere behind at. */
static bool entry_behind(const char *bytes, size_t len, size_t at)
{
    const uint32_t magic = MAGIC;
    struct learn_entry entry;

    for (size_t i = at + 1; i + sizeof(struct frame) <= len; i++) {
        size_t from = i;

        if (memcmp(bytes + i, &magic, sizeof magic) == 0 &&
            entry_next(bytes, len, &from, &entry) != NULL) {
            return true;
        }
    }
    return false;
}

bool learn_log_scan(const char *path, struct learn_log *ret, struct err *err)
{
    struct learn_log log = { 0 };
    struct learn_entry entry;
    void *bytes = NULL;
    size_t len = 0;

    if (sscanf(strrchr(path, '/') + 1, "learn-%" SCNu64 "-%" SCNu64, &log.base, &log.first) != 2) {
        return err_set(err, ERR_SYNTAX, "disk", "%s is no learn log", path);
    }
    if (!disk_map(path, &bytes, &len, err)) {
        return false;
    }
    while (entry_next(bytes, len, &log.bytes, &entry) != NULL) {
        log.last = entry;
        log.count++;
    }
    log.broken = log.bytes < len && entry_behind(bytes, len, log.bytes);
    disk_unmap(bytes, len);
    if (log.count == 0 && !log.broken) {
        return err_set(err, ERR_SYNTAX, "disk", "%s has no whole entry", path);
    }
    *ret = log;
    return true;
}

bool learn_log_cut(const char *path, const struct learn_log *log, struct err *err)
{
    const size_t room = strlen(path) + sizeof ".corrupt";
    char *other = malloc(room), *folder = strdup(path);
    void *bytes = NULL;
    size_t len = 0;
    bool ok = disk_map(path, &bytes, &len, err);

    if (other == NULL || folder == NULL) {
        ok = err_set(err, ERR_MEMORY, "disk", "has no memory for a path");
    }
    if (ok && log->broken) {
        snprintf(other, room, "%s.corrupt", path);
        unlink(other);
        ok = link(path, other) == 0 || disk_err(err, "link", other);
    }
    if (ok && log->bytes < len) {
        *strrchr(folder, '/') = '\0';
        snprintf(other, room, "%s.tmp", path);
        unlink(other);
        ok = disk_put(other, bytes, log->bytes, err) && disk_rename(other, path, folder, err);
    }
    disk_unmap(bytes, len);
    free(other);
    free(folder);
    return ok;
}

/* One call to learn, again. data points to the rows in the map. */
static bool entry_replay(const struct learn_entry *entry, const char *data, struct net *net,
                         struct err *err)
{
    const size_t x_len = entry->rows * entry->inputs * sizeof(float);
    const size_t y_len = payload_len(entry) - sizeof *entry - x_len;
    const struct train_plan plan = { .batch_size = entry->rows,
                                     .optimizer = (enum optimizer)entry->optimizer,
                                     .learning_rate = entry->learning_rate,
                                     .momentum = entry->momentum,
                                     .nesterov = entry->nesterov != 0,
                                     .l2 = entry->l2 };
    char *copy = malloc(x_len + y_len);
    struct data rows = { .x = { DTYPE_F32, entry->rows, entry->inputs, copy } };
    struct share alone = SHARE_ALONE;
    struct trainer *trainer = NULL;
    bool ok;

    if (copy == NULL) {
        return err_set(err, ERR_MEMORY, "version", "does not fit into memory");
    }
    memcpy(copy, data, x_len + y_len);
    if (entry->labels != 0) {
        rows.classes = (const void *)(copy + x_len);
    } else {
        rows.values = (const void *)(copy + x_len);
    }
    ok = entry->inputs == net->spec.inputs && entry->y_width == spec_outputs(&net->spec) &&
         plan.optimizer < OPT_COUNT && data_check(&rows, &net->spec, err);
    ok = ok || err_set(err, ERR_SYNTAX, "version", "has rows in its learn log that do not fit it");
    ok = ok && trainer_create(net, &rows, &plan, &trainer, err) &&
         trainer_step(trainer, &alone, err);
    trainer_free(trainer);
    free(copy);
    return ok;
}

/* The one log that goes on from base and leads to upto; malloc'd path. */
static bool log_find(const char *folder, uint64_t base, uint64_t upto, char **ret, struct err *err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    uint64_t b, f, best = 0;

    if (dir == NULL) {
        return disk_err(err, "open folder", folder);
    }
    while ((entry = readdir(dir)) != NULL) {
        if (sscanf(entry->d_name, "learn-%" SCNu64 "-%" SCNu64, &b, &f) == 2 && b == base &&
            f <= upto && f > best) {
            best = f;
        }
    }
    closedir(dir);
    if (best == 0) {
        return err_set(err, ERR_SYNTAX, "version", "%" PRIu64 " has lost its learn log", upto);
    }
    return learn_log_path(folder, base, best, ret, err);
}

bool learn_log_replay(const char *folder, uint64_t base, uint64_t upto, struct net *net,
                      const struct labels *labels, struct err *err)
{
    struct learn_entry entry = { 0 };
    char *path = NULL, digest[DIGEST_HEX];
    void *bytes = NULL;
    const char *data;
    size_t len = 0, at = 0;
    bool ok = log_find(folder, base, upto, &path, err) && disk_map(path, &bytes, &len, err);

    while (ok && entry.version < upto && (data = entry_next(bytes, len, &at, &entry)) != NULL) {
        ok = entry_replay(&entry, data, net, err);
    }
    if (ok && entry.version != upto) {
        ok = err_set(err, ERR_SYNTAX, "version", "%" PRIu64 " is not in %s", upto, path);
    }
    ok = ok && digest_net(net, labels, digest, err);
    if (ok && memcmp(digest, entry.digest, sizeof entry.digest) != 0) {
        ok = err_set(err, ERR_SYNTAX, "version", "%" PRIu64 " does not come out of %s", upto, path);
    }
    disk_unmap(bytes, len);
    free(path);
    return ok;
}
