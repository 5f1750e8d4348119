#include "learn_log.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "disk.h"
#include "msg_train.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are written as memory has them");

#define MAGIC 0x314c4753u      /* SGL1 */
#define MAGIC_KEY 0x324c4753u  /* SGL2 */
#define MAGIC_MORE 0x334c4753u /* SGL3 */
#define HEX (DIGEST_HEX - 1)
#define KEY_BYTES ((size_t)2 * HEX)

struct frame {
    uint32_t magic, len, crc, own; /* own: of the three before it */
};

static uint32_t crc_of(const void *bytes, size_t len)
{
    return (uint32_t)crc32_z(0, bytes, len);
}

static size_t payload_len(const struct learn_entry *entry)
{
    return sizeof *entry + entry->rows * entry->inputs * sizeof(float) +
           entry->rows * (entry->labels != 0 ? 1 : entry->y_width) * sizeof(float);
}

/* What stands between the entry and its rows. */
static void extras_encode(struct text *text, uint32_t magic, const struct learn_key *key,
                          const struct train_plan *plan, bool anew)
{
    const bool has_key = key->key[0] != '\0';
    struct text json = { 0 };
    struct learn_more more = { .has_key = has_key, .anew = anew };

    if (magic == MAGIC_MORE) {
        text_str(&json, "{");
        msg_plan_encode(&json, plan);
        text_str(&json, "}");
        more.plan_len = (uint32_t)json.len;
        text->failed = text->failed || json.failed;
        text_add(text, (const char *)&more, sizeof more);
        text_add(text, json.data != NULL ? json.data : "", json.len);
        text_done(&json);
    }
    if (has_key) {
        text_add(text, key->key, HEX);
        text_add(text, key->request, HEX);
    }
}

void learn_entry_encode(struct text *text, const struct version *version,
                        const struct train_plan *plan, bool anew, const struct data *data,
                        size_t outputs)
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
    const struct learn_key *key = &version->origin.key;
    struct frame frame = { .magic = !plan_is_plain(plan) || carry_blocks(plan) > 0 ? MAGIC_MORE
                                    : key->key[0] != '\0'                          ? MAGIC_KEY
                                                                                   : MAGIC };
    const size_t at = text->len, x_len = entry.rows * entry.inputs * sizeof(float);
    const void *y = data->classes != NULL ? (const void *)data->classes : data->values;

    memcpy(entry.digest, version->origin.digest, sizeof entry.digest);
    text_add(text, (const char *)&frame, sizeof frame);
    text_add(text, (const char *)&entry, sizeof entry);
    extras_encode(text, frame.magic, key, plan, anew);
    text_add(text, data->x.data, x_len);
    text_add(text, y, payload_len(&entry) - sizeof entry - x_len);
    if (!text->failed) {
        frame.len = (uint32_t)(text->len - at - sizeof frame);
        frame.crc = crc_of(text->data + at + sizeof frame, frame.len);
        frame.own = crc_of(&frame, offsetof(struct frame, own));
        memcpy(text->data + at, &frame, sizeof frame);
    }
}

/* The settings of one that has no others. */
static struct train_plan entry_plan(const struct learn_entry *entry)
{
    return (struct train_plan){ .batch_size = entry->rows,
                                .optimizer = (enum optimizer)entry->optimizer,
                                .learning_rate = entry->learning_rate,
                                .momentum = entry->momentum,
                                .nesterov = entry->nesterov != 0,
                                .l2 = entry->l2 };
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

bool learn_log_name(const char *name, uint64_t *base, uint64_t *first)
{
    char again[64];

    if (sscanf(name, "learn-%" SCNu64 "-%" SCNu64, base, first) != 2) {
        return false;
    }
    snprintf(again, sizeof again, "learn-%" PRIu64 "-%" PRIu64, *base, *first);
    return strcmp(name, again) == 0; /* and nothing behind it, as in *.corrupt */
}

enum entry { ENTRY_WHOLE, ENTRY_CUT, ENTRY_BAD, ENTRY_NEWER };

/* The settings of SGL3, which stand at *at of len bytes; steps behind them. False: they do not fit.
 */
static bool more_read(const char *payload, size_t len, size_t *at, bool *has_key,
                      struct learn_record *ret)
{
    struct learn_more more;
    struct err none = { 0 };

    if (len - *at < sizeof more) {
        return false;
    }
    memcpy(&more, payload + *at, sizeof more);
    *at += sizeof more;
    if (more.plan_len > len - *at ||
        !msg_plan_decode(payload + *at, more.plan_len, &ret->plan, &none)) {
        return false;
    }
    *at += more.plan_len;
    *has_key = more.has_key != 0;
    ret->carries = true;
    ret->anew = more.anew != 0;
    return true;
}

/* What is in a payload whose sum is right; *at becomes the place of its rows. */
static bool payload_read(uint32_t magic, const char *payload, size_t len, size_t *at,
                         struct learn_record *ret)
{
    struct learn_entry *entry = &ret->entry;
    bool has_key = magic == MAGIC_KEY;

    *ret = (struct learn_record){ .entry.version = 0 };
    if (len < sizeof *entry) {
        return false;
    }
    memcpy(entry, payload, sizeof *entry);
    *at = sizeof *entry;
    ret->plan = entry_plan(entry);
    if (magic == MAGIC_MORE && !more_read(payload, len, at, &has_key, ret)) {
        return false;
    }
    if (has_key && len - *at >= KEY_BYTES) {
        memcpy(ret->key.key, payload + *at, HEX);
        memcpy(ret->key.request, payload + *at + HEX, HEX);
    }
    *at += has_key ? KEY_BYTES : 0;
    return payload_len(entry) - sizeof *entry + *at == len;
}

/* The entry at *at; steps behind one that is whole. *data points to its rows, at an address that
 * need not be aligned. */
static enum entry entry_next(const char *bytes, size_t len, size_t *at, struct learn_record *ret,
                             const char **data)
{
    struct frame frame;
    struct learn_record record;
    size_t rows_at;
    const char *payload = bytes + *at + sizeof frame;

    if (len - *at < sizeof frame) {
        return ENTRY_CUT;
    }
    memcpy(&frame, bytes + *at, sizeof frame);
    if (frame.own != crc_of(&frame, offsetof(struct frame, own)) ||
        (frame.magic ^ MAGIC) << 8 != 0) { /* "SGL" is the same for all */
        return ENTRY_BAD;
    }
    if (frame.magic != MAGIC && frame.magic != MAGIC_KEY && frame.magic != MAGIC_MORE) {
        return ENTRY_NEWER;
    }
    if (frame.len > len - *at - sizeof frame) {
        return ENTRY_CUT;
    }
    if (crc_of(payload, frame.len) != frame.crc ||
        !payload_read(frame.magic, payload, frame.len, &rows_at, &record)) {
        return ENTRY_BAD;
    }
    *ret = record;
    *at += sizeof frame + frame.len;
    *data = payload + rows_at;
    return ENTRY_WHOLE;
}

static bool entries_read(const char *bytes, struct learn_log *log, struct err *err)
{
    struct learn_record record;
    enum entry kind = ENTRY_CUT;
    const char *data;
    size_t cap = 0;

    while (log->bytes < log->len &&
           (kind = entry_next(bytes, log->len, &log->bytes, &record, &data)) == ENTRY_WHOLE) {
        if (log->count == cap) {
            struct learn_record *grown;

            cap = cap == 0 ? 64 : 2 * cap;
            grown = realloc(log->records, cap * sizeof *grown);
            if (grown == NULL) {
                return err_set(err, ERR_MEMORY, "models", "do not fit into memory");
            }
            log->records = grown;
        }
        log->records[log->count++] = record;
    }
    if (kind == ENTRY_NEWER) {
        return err_set(err, ERR_FIELD, "format", "of entry %zu is %c, this server reads %c",
                       log->count + 1, bytes[log->bytes + 3], (char)(MAGIC_MORE >> 24));
    }
    log->broken = log->bytes < log->len && kind == ENTRY_BAD;
    return true;
}

bool learn_log_scan(const char *folder, uint64_t base, uint64_t first, struct learn_log *ret,
                    struct err *err)
{
    struct learn_log log = { .base = base, .first = first };
    char *path = NULL;
    void *bytes = NULL;
    bool ok = learn_log_path(folder, base, first, &path, err) &&
              disk_map(path, &bytes, &log.len, err) && entries_read(bytes, &log, err);

    disk_unmap(bytes, log.len);
    free(path);
    if (!ok) {
        learn_log_done(&log);
        return false;
    }
    *ret = log;
    return true;
}

void learn_log_done(struct learn_log *log)
{
    free(log->records);
    log->records = NULL;
}

/* The whole entries alone, in place of the file, which another name keeps. */
static bool log_replace(const char *folder, const char *path, const struct learn_log *log,
                        struct err *err)
{
    char *tmp = NULL;
    void *bytes = NULL;
    size_t len = 0;
    bool ok = disk_map(path, &bytes, &len, err) && disk_tmp_in(folder, "learn", &tmp, err);

    ok = ok && disk_put(tmp, bytes, log->bytes, err) && disk_rename(tmp, path, folder, err);
    if (!ok && tmp != NULL) {
        unlink(tmp);
    }
    disk_unmap(bytes, len);
    free(tmp);
    return ok;
}

/* In place: a full disk has room for that. */
static bool log_truncate(const char *path, size_t len, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = fd >= 0 && ftruncate(fd, (off_t)len) == 0 && disk_sync(fd, path, err);

    if (fd >= 0) {
        close(fd);
    }
    return ok || disk_err(err, "cut", path);
}

bool learn_log_cut(const char *folder, const struct learn_log *log, struct err *err)
{
    char aside[80];
    char *path = NULL, *corrupt = NULL;
    bool ok = learn_log_path(folder, log->base, log->first, &path, err);

    snprintf(aside, sizeof aside, "learn-%" PRIu64 "-%" PRIu64 ".corrupt", log->base, log->first);
    ok = ok && disk_path(folder, aside, &corrupt, err);
    if (ok && log->broken) {
        unlink(corrupt);
        ok = link(path, corrupt) == 0 || disk_err(err, "link", corrupt);
    }
    if (ok && log->count == 0) {
        unlink(path);
    } else if (ok && log->broken) {
        ok = log_replace(folder, path, log, err);
    } else if (ok && log->bytes < log->len) {
        ok = log_truncate(path, log->bytes, err);
    }
    free(path);
    free(corrupt);
    return ok;
}

/* One call to learn, again. data points to the rows in the map. */
static bool entry_replay(const struct learn_record *record, const char *data, struct net *net,
                         struct carry **carry, struct err *err)
{
    const struct learn_entry *entry = &record->entry;
    const size_t x_len = entry->rows * entry->inputs * sizeof(float);
    const size_t y_len = payload_len(entry) - sizeof *entry - x_len;
    const struct train_plan *plan = &record->plan;
    const bool goes_on = record->carries && !record->anew;
    char *copy = malloc(x_len + y_len);
    struct data rows = { .x = { DTYPE_F32, entry->rows, entry->inputs, copy } };
    struct carry *next = NULL;
    struct train_sum sum;
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
         plan->optimizer < OPT_COUNT && data_check(&rows, &net->spec, err);
    ok = ok || err_set(err, ERR_SYNTAX, "version", "has rows in its learn log that do not fit it");
    ok = ok && (!goes_on || carry_goes_on(*carry, plan) ||
                err_set(err, ERR_SYNTAX, "version",
                        "goes on with what its optimizer kept, which is not there"));
    ok = ok && carry_step(net, &rows, plan, goes_on ? *carry : NULL, &next, &sum, err);
    free(copy);
    if (ok && !record->carries) {
        carry_unref(next);
        next = NULL;
    }
    if (ok) {
        carry_unref(*carry);
        *carry = next;
    }
    return ok;
}

bool learn_log_replay(const char *folder, uint64_t base, uint64_t first, uint64_t upto,
                      struct net *net, struct carry **carry, const struct labels *labels,
                      struct err *err)
{
    struct learn_record record = { 0 };
    const struct learn_entry *entry = &record.entry;
    char *path = NULL, digest[DIGEST_HEX];
    void *bytes = NULL;
    const char *data;
    size_t len = 0, at = 0;
    bool ok = learn_log_path(folder, base, first, &path, err) && disk_map(path, &bytes, &len, err);

    while (ok && entry->version < upto &&
           entry_next(bytes, len, &at, &record, &data) == ENTRY_WHOLE) {
        ok = entry_replay(&record, data, net, carry, err);
    }
    if (ok && entry->version != upto) {
        ok = err_set(err, ERR_SYNTAX, "version", "%" PRIu64 " is not in %s", upto, path);
    }
    ok = ok && digest_net(net, labels, digest, err);
    if (ok && memcmp(digest, entry->digest, sizeof entry->digest) != 0) {
        ok = err_set(err, ERR_SYNTAX, "version", "%" PRIu64 " does not come out of %s", upto, path);
    }
    disk_unmap(bytes, len);
    free(path);
    return ok;
}
