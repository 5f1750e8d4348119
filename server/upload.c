#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "server.h"

#define BUFFER ((size_t)256 * 1024) /* between a reader's rows and the disk */

enum format { FORMAT_NONE, FORMAT_CSV, FORMAT_JSON, FORMAT_IDX, FORMAT_NPY, FORMAT_RAW };

/* A part's file, being written. */
struct part_file {
    int fd;       /* -1: not begun */
    char *path;   /* owned */
    char *buffer; /* owned, BUFFER bytes */
    size_t len;
};

struct upload {
    struct sink sink; /* the request's; first, so that one is the other */
    struct server *server;
    enum csv_part part;
    enum format format; /* FORMAT_NONE: by the first bytes */
    struct csv_options csv;
    size_t shape[TABLE_RANK_MAX];
    size_t rank;
    char name[NAME_MAX_LEN + 1];
    char *spool;  /* owned; path of the upload as it comes */
    char *folder; /* owned; where it is built */
    int fd;       /* the spool's; -1 until the first byte */
    uint64_t generation;
    struct dataset *base; /* what the other part comes from; a reference, or NULL */
    struct table_sink table;
    struct part_file features, targets;
};

/* ---- open: what the client says of its body ---- */

static bool format_find(const char *type, enum format *ret, struct err *err)
{
    static const struct {
        const char *type;
        enum format format;
    } known[] = { { "text/csv", FORMAT_CSV },
                  { "application/json", FORMAT_JSON },
                  { "application/x-idx", FORMAT_IDX },
                  { "application/x-npy", FORMAT_NPY },
                  { "application/octet-stream", FORMAT_RAW },
                  { "application/x-www-form-urlencoded", FORMAT_NONE } }; /* curl's, if not told */
    size_t len = type != NULL ? strcspn(type, "; ") : 0;

    if (type == NULL) {
        *ret = FORMAT_NONE;
        return true;
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strlen(known[i].type) == len && strncasecmp(type, known[i].type, len) == 0) {
            *ret = known[i].format;
            return true;
        }
    }
    return err_set(err, ERR_TYPE, "Content-Type",
                   "must be text/csv, application/json, application/x-idx, application/x-npy or "
                   "application/octet-stream, is '%.100s'",
                   type);
}

static bool shape_parse(const char *text, struct upload *up, struct err *err)
{
    const char *at = text;

    do {
        char *end;
        unsigned long long n;

        errno = 0;
        n = *at >= '0' && *at <= '9' ? strtoull(at, &end, 10) : 0;
        if (n == 0 || errno != 0 || (*end != ',' && *end != '\0') || up->rank == TABLE_RANK_MAX) {
            return err_set(err, ERR_FIELD, "shape",
                           "must be 1 to %d whole numbers above 0 such as 60000,784, is '%.100s'",
                           TABLE_RANK_MAX, text);
        }
        up->shape[up->rank++] = (size_t)n;
        at = *end == ',' ? end + 1 : end;
    } while (*at != '\0');
    return true;
}

static bool header_parse(const char *text, enum csv_header *ret, struct err *err)
{
    if (text == NULL || strcmp(text, "auto") == 0) {
        *ret = CSV_HEADER_AUTO;
    } else if (strcmp(text, "present") == 0) {
        *ret = CSV_HEADER_PRESENT;
    } else if (strcmp(text, "absent") == 0) {
        *ret = CSV_HEADER_ABSENT;
    } else {
        return err_set(err, ERR_FIELD, "header", "must be auto, present or absent, is '%.100s'",
                       text);
    }
    return true;
}

static bool query_parse(struct request *req, struct upload *up, struct err *err)
{
    const char *kind = request_query(req, "kind");
    const char *delimiter = request_query(req, "delimiter");
    const char *shape = request_query(req, "shape");

    if (!header_parse(request_query(req, "header"), &up->csv.header, err)) {
        return false;
    }
    up->csv.part = up->part;
    up->csv.target = request_query(req, "target");
    up->csv.kind = kind != NULL && strcmp(kind, "numbers") == 0 ? TARGET_NUMBERS : TARGET_LABELS;
    if (kind != NULL && up->csv.kind == TARGET_LABELS && strcmp(kind, "labels") != 0) {
        return err_set(err, ERR_FIELD, "kind", "must be labels or numbers, is '%.100s'", kind);
    }
    up->csv.delimiter = ',';
    if (delimiter != NULL) {
        if (strcmp(delimiter, "tab") == 0) {
            delimiter = "\t";
        }
        if (strlen(delimiter) != 1 || strchr("\"\r\n+-.", delimiter[0]) != NULL ||
            (delimiter[0] >= '0' && delimiter[0] <= '9')) {
            return err_set(err, ERR_FIELD, "delimiter",
                           "must be one byte that no number has, or tab, is '%.100s'", delimiter);
        }
        up->csv.delimiter = delimiter[0];
    }
    return shape == NULL || shape_parse(shape, up, err);
}

static bool spool_write(struct sink *sink, const char *bytes, size_t len, struct err *err)
{
    struct upload *up = (struct upload *)sink;

    if (up->fd < 0) {
        up->fd = open(up->spool, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (up->fd < 0) {
            return disk_err(err, "create", up->spool);
        }
        unlink(up->spool); /* it goes with its descriptor, whatever happens */
    }
    return disk_write(up->fd, bytes, len, up->spool, err);
}

static void part_file_done(struct part_file *file)
{
    if (file->fd >= 0) {
        close(file->fd);
    }
    free(file->path);
    free(file->buffer);
}

static void upload_free(struct sink *sink)
{
    struct upload *up = (struct upload *)sink;

    if (up->fd >= 0) {
        close(up->fd);
    }
    part_file_done(&up->features);
    part_file_done(&up->targets);
    if (up->base != NULL) {
        dataset_unref(up->base);
    }
    free(up->spool);
    free(up->folder);
    free(up);
}

bool upload_open(struct request *req, enum csv_part part, struct err *err)
{
    struct datasets *datasets = req->server->datasets;
    struct upload *up;
    char name[64];

    if (!datasets_vacant(datasets, req->param[0], err)) {
        return false;
    }
    up = calloc(1, sizeof *up);
    if (up == NULL) {
        return err_set(err, ERR_MEMORY, "body", "has no memory to be received");
    }
    up->sink = (struct sink){ spool_write, upload_free };
    up->server = req->server;
    up->part = part;
    up->fd = up->features.fd = up->targets.fd = -1;
    snprintf(up->name, sizeof up->name, "%s", req->param[0]);
    req->sink = &up->sink; /* freed with the request from here on */
    snprintf(name, sizeof name, "tmp/upload-%" PRIu64, datasets_generation(datasets));
    return query_parse(req, up, err) &&
           format_find(request_header(req, "Content-Type"), &up->format, err) &&
           disk_path(datasets_root(datasets), name, &up->spool, err);
}

bool upload_close(struct request *req, struct err *err)
{
    struct upload *up = (struct upload *)req->sink;
    struct datasets *datasets = up->server->datasets;
    struct err none = { 0 };
    char name[64];

    if (up->fd < 0) {
        return err_set(err, ERR_SYNTAX, "body", "is empty");
    }
    up->generation = datasets_generation(datasets);
    if (up->part != CSV_BOTH) {
        up->base = datasets_find(datasets, up->name, "name", &none);
        if (up->base != NULL) {
            dataset_ref(up->base);
        }
    }
    snprintf(name, sizeof name, "tmp/dataset-%" PRIu64, up->generation);
    return disk_path(datasets_root(datasets), name, &up->folder, err);
}

/* ---- build: from the spool to a folder ---- */

static bool part_flush(struct part_file *file, struct err *err)
{
    const size_t len = file->len;

    file->len = 0;
    return disk_write(file->fd, file->buffer, len, file->path, err);
}

static bool part_begin(struct part_file *file, const char *folder, const char *name,
                       struct err *err)
{
    if (!disk_path(folder, name, &file->path, err)) {
        return false;
    }
    file->buffer = malloc(BUFFER);
    if (file->buffer == NULL) {
        return err_set(err, ERR_MEMORY, "body", "has no memory to be read");
    }
    file->fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return file->fd >= 0 || disk_err(err, "create", file->path);
}

static bool part_add(struct part_file *file, const void *bytes, size_t len, struct err *err)
{
    if (len > BUFFER - file->len && !part_flush(file, err)) {
        return false;
    }
    if (len > BUFFER) {
        return disk_write(file->fd, bytes, len, file->path, err);
    }
    memcpy(file->buffer + file->len, bytes, len);
    file->len += len;
    return true;
}

static struct upload *upload_of(struct table_sink *table)
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

/* What a body without a content type is, by its first bytes; formats with a magic number cannot be
 * taken for text. */
static enum format format_guess(const char *bytes, size_t len)
{
    size_t at = 0;

    if (len >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0) {
        return FORMAT_NPY;
    }
    if (len >= 4 && bytes[0] == 0 && bytes[1] == 0) {
        return FORMAT_IDX;
    }
    while (at < len && strchr(" \t\r\n", bytes[at]) != NULL && bytes[at] != '\0') {
        at++;
    }
    return at < len && (bytes[at] == '{' || bytes[at] == '[') ? FORMAT_JSON : FORMAT_CSV;
}

static bool body_read(struct upload *up, const char *bytes, size_t len, struct table_info *ret,
                      struct err *err)
{
    const struct table_limits limits = server_table_limits(up->server);
    const enum format format = up->format != FORMAT_NONE ? up->format : format_guess(bytes, len);

    if (up->part == CSV_BOTH && format != FORMAT_CSV && format != FORMAT_JSON) {
        return err_set(err, ERR_TYPE, "Content-Type",
                       "holds one array: PUT it to .../features or .../targets");
    }
    if (up->rank > 0 && format != FORMAT_RAW) {
        return err_set(err, ERR_FIELD, "shape", "belongs to application/octet-stream only");
    }
    switch (format) {
    case FORMAT_JSON:
        return json_table_read(bytes, len, up->part, &limits, &up->table, ret, err);
    case FORMAT_IDX:
        return idx_read(bytes, len, up->part, up->csv.kind, &limits, &up->table, ret, err);
    case FORMAT_NPY:
        return npy_read(bytes, len, up->part, up->csv.kind, &limits, &up->table, ret, err);
    case FORMAT_RAW:
        if (up->rank == 0) {
            return err_set(err, ERR_FIELD, "shape", "is missing: ?shape=ROWS,COLUMNS");
        }
        return raw_read(bytes, len, up->shape, up->rank, up->part, up->csv.kind, &limits,
                        &up->table, ret, err);
    case FORMAT_NONE:
    case FORMAT_CSV:
        break;
    }
    return csv_read(bytes, len, &up->csv, &limits, &up->table, ret, err);
}

static bool spool_read(struct upload *up, struct table_info *ret, struct err *err)
{
    struct stat st;
    void *bytes;
    bool ok;

    if (fstat(up->fd, &st) != 0) {
        return disk_err(err, "stat", up->spool);
    }
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, up->fd, 0);
    if (bytes == MAP_FAILED) {
        return disk_err(err, "map", up->spool);
    }
    madvise(bytes, (size_t)st.st_size, MADV_SEQUENTIAL);
    ok = body_read(up, bytes, (size_t)st.st_size, ret, err);
    munmap(bytes, (size_t)st.st_size);
    return ok;
}

/* Provisional class indices become final ones, in place. */
static bool targets_remap(struct upload *up, const struct table_info *info, struct err *err)
{
    const size_t len = info->rows * sizeof(uint32_t);
    uint32_t *at;

    if (info->remap == NULL || up->targets.fd < 0) {
        return true;
    }
    at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, up->targets.fd, 0);
    if (at == MAP_FAILED) {
        return disk_err(err, "map", up->targets.path);
    }
    for (size_t i = 0; i < info->rows; i++) {
        at[i] = info->remap[at[i]];
    }
    munmap(at, len);
    return true;
}

static bool part_sync(struct part_file *file, struct err *err)
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
                     struct err *err)
{
    const struct msg_dataset meta = { up->name, up->generation, info, digest, server_now() };
    struct text text = { 0 };
    bool ok;

    msg_dataset_store(&text, &meta);
    ok = !text.failed || err_set(err, ERR_MEMORY, "body", "has no memory for its description");
    ok = ok && disk_text_put(up->folder, "dataset.json", text.data, text.len, err);
    text_done(&text);
    return ok;
}

/* Everything in the folder is there: digest, sync, rename, open under its final name. */
static bool folder_commit(struct upload *up, const struct table_info *info, struct dataset **ret,
                          struct err *err)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct dataset *dataset = NULL;
    char *all = NULL, *final = NULL;
    char digest[DIGEST_HEX], name[NAME_MAX_LEN + 32];
    bool ok;

    if (!meta_put(up, info, zeros, err) || !dataset_open(up->folder, &dataset, err)) {
        return false;
    }
    ok = dataset_digest(dataset, digest, err) && meta_put(up, info, digest, err);
    dataset_unref(dataset);
    snprintf(name, sizeof name, "datasets/%s@%" PRIu64, up->name, up->generation);
    ok = ok && disk_path(datasets_root(up->server->datasets), "datasets", &all, err) &&
         disk_path(datasets_root(up->server->datasets), name, &final, err) &&
         disk_sync_dir(up->folder, err) && disk_rename(up->folder, final, all, err) &&
         dataset_open(final, ret, err);
    if (!ok && final != NULL) {
        /* What the client was not told of must not be there after a restart. */
        disk_drop(datasets_root(up->server->datasets), final);
    }
    free(all);
    free(final);
    return ok;
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
    ok = spool_read(up, &info, err) && part_sync(&up->features, err) &&
         (up->targets.fd < 0 || part_flush(&up->targets, err)) && targets_remap(up, &info, err) &&
         part_sync(&up->targets, err) &&
         (up->part == CSV_BOTH || other_part_take(up, &info, err)) &&
         folder_commit(up, &info, ret, err);
    if (!ok) {
        disk_remove(up->folder);
    }
    table_info_done(&info);
    return ok;
}
