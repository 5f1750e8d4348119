/* From the spool to a folder of files, committed by one rename. Pool. */
#include "uploads.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "server.h"

#define PART_BUFFER ((size_t)256 * 1024) /* between a reader's rows and the disk */

bool part_flush(struct part_file *file, struct err *err)
{
    const size_t len = file->len;

    file->len = 0;
    return disk_write(file->fd, file->buffer, len, file->path, err);
}

bool part_begin(struct part_file *file, const char *folder, const char *name, struct err *err)
{
    if (!disk_path(folder, name, &file->path, err)) {
        return false;
    }
    file->buffer = malloc(PART_BUFFER);
    if (file->buffer == NULL) {
        return err_set(err, ERR_MEMORY, "body", "has no memory to be read");
    }
    file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return file->fd >= 0 || disk_err(err, "create", file->path);
}

bool part_add(struct part_file *file, const void *bytes, size_t len, struct err *err)
{
    if (len > PART_BUFFER - file->len && !part_flush(file, err)) {
        return false;
    }
    if (len > PART_BUFFER) {
        return disk_write(file->fd, bytes, len, file->path, err);
    }
    memcpy(file->buffer + file->len, bytes, len);
    file->len += len;
    return true;
}

struct upload *upload_of(struct table_sink *table)
{
    return (struct upload *)((char *)table - offsetof(struct upload, table));
}

static bool add_features(struct table_sink *table, const void *bytes, size_t len, struct err *err)
{
    struct upload *up = upload_of(table);

    return (up->features.fd >= 0 || part_begin(&up->features, up->folder, "features", err)) &&
           part_add(&up->features, bytes, len, err);
}

static bool add_targets(struct table_sink *table, const void *bytes, size_t len, struct err *err)
{
    struct upload *up = upload_of(table);

    return (up->targets.fd >= 0 || part_begin(&up->targets, up->folder, "targets", err)) &&
           part_add(&up->targets, bytes, len, err);
}

static bool body_read(struct upload *up, const char *bytes, size_t len, struct table_info *ret,
                      struct err *err)
{
    const struct table_limits limits = server_table_limits(up->server);
    enum format format = up->format;

    /* The first bytes of a body need not say so much. */
    if (up->guessed && format == FORMAT_JSON && json_lines_guess(bytes, len, up->part)) {
        format = FORMAT_JSON_LINES;
    }
    switch (format) {
    case FORMAT_JSON:
        return json_table_read(bytes, len, up->part, &limits, &up->table, ret, err);
    case FORMAT_JSON_LINES:
        return json_lines_read(bytes, len, up->part, up->csv.kind, &limits, &up->table, ret, err);
    case FORMAT_IDX:
        return idx_read(bytes, len, up->part, up->csv.kind, &limits, &up->table, ret, err);
    case FORMAT_NPY:
        return npy_read(bytes, len, up->part, up->csv.kind, &limits, &up->table, ret, err);
    case FORMAT_NPZ:
        return upload_npz_read(up, bytes, len, ret, err);
    case FORMAT_RAW:
        return raw_read(bytes, len, up->shape, up->rank, up->part, up->csv.kind, &limits,
                        &up->table, ret, err);
    case FORMAT_NONE:
    case FORMAT_CSV:
        break;
    }
    return csv_read(bytes, len, &up->csv, &limits, &up->table, ret, err);
}

/* The head, and right behind it the spool, which begins with a page. *ret_len is of the map, *ret
 * its first page. */
static bool spool_map(struct upload *up, size_t len, char **ret, size_t *ret_len, struct err *err)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t front = (up->head_len + page - 1) / page * page;
    char *map = mmap(NULL, front + len, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (map == MAP_FAILED) {
        return disk_err(err, "map", up->spool);
    }
    if (len > 0 &&
        mmap(map + front, len, PROT_READ, MAP_PRIVATE | MAP_FIXED, up->fd, 0) == MAP_FAILED) {
        munmap(map, front + len);
        return disk_err(err, "map", up->spool);
    }
    if (up->head_len > 0) {
        memcpy(map + front - up->head_len, up->head, up->head_len);
    }
    madvise(map + front, len, MADV_SEQUENTIAL);
    *ret = map;
    *ret_len = front + len;
    return true;
}

bool spool_read(struct upload *up, struct table_info *ret, struct err *err)
{
    const size_t len = (size_t)up->written;
    size_t map_len = 0;
    char *map = NULL;
    bool ok;

    if (!spool_map(up, len, &map, &map_len, err)) {
        return false;
    }
    ok = body_read(up, map + map_len - len - up->head_len, up->head_len + len, ret, err);
    munmap(map, map_len);
    return ok;
}

/* Provisional class indices become final ones, in place. */
bool targets_remap(struct upload *up, size_t at, size_t n, const uint32_t *remap, struct err *err)
{
    const size_t len = (at + n) * sizeof(uint32_t);
    uint32_t *all = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, up->targets.fd, 0);

    if (all == MAP_FAILED) {
        return disk_err(err, "map", up->targets.path);
    }
    for (size_t i = at; i < at + n; i++) {
        all[i] = remap[all[i]];
    }
    munmap(all, len);
    return true;
}

bool part_sync(struct part_file *file, struct err *err)
{
    return file->fd < 0 || (part_flush(file, err) && disk_sync(file->fd, file->path, err));
}

/* The other part, as it is in the present generation, by a second link to its file. */
static bool other_part_take(struct upload *up, struct table_info *info, struct err *err)
{
    const struct table_info *old = up->base != NULL ? &up->base->info : NULL;
    const bool mine_is_x = up->part == CSV_FEATURES;
    const char *name = mine_is_x ? "targets" : "features";
    char *from = NULL, *to = NULL;
    bool ok;

    if (old == NULL || (mine_is_x ? old->kind == TARGET_NONE : old->x_rank == 0)) {
        return true;
    }
    if (old->rows != info->rows) {
        return err_set(err, ERR_FIELD, "rows",
                       "are %zu, but the %s of '%s' have %zu: delete it "
                       "first to replace both",
                       info->rows, name, up->name, old->rows);
    }
    ok = disk_path(up->base->path, name, &from, err) && disk_path(up->folder, name, &to, err);
    if (ok && link(from, to) != 0) {
        ok = errno == ENOENT
                 ? err_set(err, ERR_BUSY, "name", "'%s' was changed meanwhile", up->name)
                 : disk_err(err, "link", to);
    }
    free(from);
    free(to);
    if (ok && mine_is_x) {
        info->kind = old->kind;
        info->y_width = old->y_width;
        ok = old->classes == NULL || labels_copy(old->classes, &info->classes, err);
    } else if (ok) {
        info->x_dtype = old->x_dtype;
        info->x_rank = old->x_rank;
        info->x_width = old->x_width;
        memcpy(info->x_shape, old->x_shape, sizeof info->x_shape);
    }
    return ok;
}

/* dataset.json in the folder; a first one without a digest lets the data be opened to compute it.
 */
static bool meta_put(struct upload *up, const struct table_info *info, const char *digest,
                     const struct table_stats *stats, struct err *err)
{
    const struct msg_dataset meta = { .name = up->name,
                                      .generation = up->generation,
                                      .info = info,
                                      .digest = digest,
                                      .created = server_now(),
                                      .stats = stats };
    struct text text = { 0 };
    bool ok;

    msg_dataset_store(&text, &meta);
    ok = !text.failed || err_set(err, ERR_MEMORY, "body", "has no memory for its description");
    ok = ok && disk_text_put(up->folder, "dataset.json", text.data, text.len, err);
    text_done(&text);
    return ok;
}

/* It is there under its final name, or as if it had never been. */
static bool folder_rename(struct upload *up, struct dataset **ret, struct err *err)
{
    const char *root = datasets_root(up->server->datasets);
    char *all = NULL, *final = NULL;
    char name[NAME_MAX_LEN + 32];
    bool ok;

    snprintf(name, sizeof name, "datasets/%s@%" PRIu64, up->name, up->generation);
    ok = disk_path(root, "datasets", &all, err) && disk_path(root, name, &final, err) &&
         disk_sync_dir(up->folder, err) && disk_rename(up->folder, final, all, err) &&
         dataset_open(final, ret, err);
    if (!ok && final != NULL) {
        /* What the client was not told of must not be there after a restart. */
        disk_drop(root, final);
    }
    free(all);
    free(final);
    return ok;
}

/* Everything in the folder is there: digest, sync, rename, open under its final name. */
bool folder_commit(struct upload *up, const struct table_info *info, struct dataset **ret,
                   struct err *err)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct quota *memory = &up->server->dataset_memory;
    struct dataset *dataset = NULL;
    struct table_stats stats = { 0 };
    char digest[DIGEST_HEX];
    size_t bytes;
    bool ok = true;

    if (!meta_put(up, info, zeros, NULL, err) || !dataset_open(up->folder, &dataset, err)) {
        return false;
    }
    bytes = dataset_bytes(dataset);
    if (upload_stream_whole(up)) {
        upload_stream_end(up, dataset, digest, &stats);
    } else {
        ok = dataset_digest(dataset, digest, err) && dataset_stats(dataset, &stats, err);
    }
    if (ok) {
        missing_count(up, info, &stats);
    }
    ok = ok && meta_put(up, info, digest, &stats, err);
    table_stats_done(&stats);
    dataset_unref(dataset);
    if (!ok || !quota_change(memory, up->old_bytes, bytes, err)) {
        return false;
    }
    if (!folder_rename(up, ret, err)) {
        quota_move(memory, bytes, up->old_bytes);
        return false;
    }
    return true;
}

/* The spool is what the part's file would be. */
static bool spool_adopt(struct upload *up, struct err *err)
{
    if (!disk_path(up->folder, "features", &up->features.path, err)) {
        return false;
    }
    if (rename(up->spool, up->features.path) != 0) {
        return disk_err(err, "rename", up->spool);
    }
    up->features.fd = up->fd;
    up->fd = -1;
    return true;
}

/* The body's rows, in files of their own or, of what is kept as it came, in the spool. */
static bool rows_take(struct upload *up, struct table_info *ret, struct err *err)
{
    return upload_stream_whole(up) ? upload_stream_take(up, ret, err) && spool_adopt(up, err)
                                   : spool_read(up, ret, err);
}

/* It is not needed any more. */
static void spool_done(struct upload *up)
{
    if (up->fd >= 0) {
        unlink(up->spool);
        close(up->fd);
        up->fd = -1;
    }
}

bool upload_build(struct request *req, struct dataset **ret, struct err *err)
{
    struct upload *up = (struct upload *)req->sink;
    struct table_info info = { 0 };
    bool ok;

    up->table = (struct table_sink){ add_features, add_targets };
    if (mkdir(up->folder, 0700) != 0) {
        return disk_err(err, "make folder", up->folder);
    }
    if (up->append) {
        ok = upload_append(up, ret, err);
        spool_done(up);
        if (!ok) {
            disk_remove(up->folder);
        }
        return ok;
    }
    ok = rows_take(up, &info, err) && missing_fill(up, &info, err) &&
         part_sync(&up->features, err) && (up->targets.fd < 0 || part_flush(&up->targets, err)) &&
         (info.remap == NULL || up->targets.fd < 0 ||
          targets_remap(up, 0, info.rows, info.remap, err)) &&
         part_sync(&up->targets, err) &&
         (up->part == CSV_BOTH || other_part_take(up, &info, err)) &&
         folder_commit(up, &info, ret, err);
    spool_done(up);
    if (!ok) {
        disk_remove(up->folder);
    }
    table_info_done(&info);
    return ok;
}
