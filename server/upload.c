#include "uploads.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "disk.h"
#include "removal.h"
#include "server.h"
#include "zip.h"

#define PUSH_BYTES ((uint64_t)8 << 20) /* written out while more comes, so that fsync is short */

/* ---- open: what the client says of its body ---- */

static bool format_find(const char *type, enum format *ret, struct err *err)
{
    static const struct {
        const char *type;
        enum format format;
    } known[] = { { "text/csv", FORMAT_CSV },
                  { "application/json", FORMAT_JSON },
                  { "application/jsonl", FORMAT_JSON_LINES },
                  { "application/x-ndjson", FORMAT_JSON_LINES },
                  { "application/x-idx", FORMAT_IDX },
                  { "application/x-npy", FORMAT_NPY },
                  { "application/x-npz", FORMAT_NPZ },
                  { "application/zip", FORMAT_NPZ },
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
                   "must be text/csv, application/json, application/jsonl, application/x-ndjson, "
                   "application/x-idx, application/x-npy, application/x-npz, application/zip or "
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

static bool missing_parse(const char *text, enum csv_missing_act *ret, struct err *err)
{
    *ret = MISSING_REFUSE;
    if (text == NULL || strcmp(text, "refuse") == 0) {
        return true;
    }
    *ret = MISSING_MEAN;
    return strcmp(text, "mean") == 0 ||
           err_set(err, ERR_FIELD, "missing", "must be refuse or mean, is '%.100s'", text);
}

static bool query_parse(struct request *req, struct upload *up, struct err *err)
{
    const char *kind = request_query(req, "kind");
    const char *delimiter = request_query(req, "delimiter");
    const char *shape = request_query(req, "shape");

    if (!header_parse(request_query(req, "header"), &up->csv.header, err) ||
        !missing_parse(request_query(req, "missing"), &up->csv.missing, err)) {
        return false;
    }
    up->csv.part = up->part;
    up->csv.target = request_query(req, "target");
    up->array = request_query(req, "features");
    up->kind_given = kind != NULL;
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

/* What a body without a content type is, by its first bytes; formats with a magic number cannot be
 * taken for text. */
static enum format format_guess(const char *bytes, size_t len)
{
    size_t at = 0;

    if (len >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0) {
        return FORMAT_NPY;
    }
    if (zip_magic(bytes, len)) {
        return FORMAT_NPZ;
    }
    if (len >= 4 && bytes[0] == 0 && bytes[1] == 0) {
        return FORMAT_IDX;
    }
    while (at < len && strchr(" \t\r\n", bytes[at]) != NULL && bytes[at] != '\0') {
        at++;
    }
    return at < len && (bytes[at] == '{' || bytes[at] == '[') ? FORMAT_JSON : FORMAT_CSV;
}

/* Whether what the client said goes with the format. */
static bool format_check(const struct upload *up, struct err *err)
{
    const enum format format = up->format;

    if (up->part == CSV_BOTH &&
        (format == FORMAT_IDX || format == FORMAT_NPY || format == FORMAT_RAW)) {
        return err_set(err, ERR_TYPE, "Content-Type",
                       "holds one array: PUT it to .../features or .../targets");
    }
    if (up->rank > 0 && format != FORMAT_RAW) {
        return err_set(err, ERR_FIELD, "shape", "belongs to application/octet-stream only");
    }
    if (up->rank == 0 && format == FORMAT_RAW) {
        return err_set(err, ERR_FIELD, "shape", "is missing: ?shape=ROWS,COLUMNS");
    }
    if (up->array != NULL && format != FORMAT_NPZ) {
        return err_set(err, ERR_FIELD, "features", "belongs to application/x-npz only");
    }
    return up->csv.missing == MISSING_REFUSE || format == FORMAT_CSV ||
           err_set(err, ERR_FIELD, "missing", "can be mean for text/csv only");
}

/* An array's values get a file of their own, which may become the data set's as it is. */
static bool spool_begin(struct upload *up, const char **bytes, size_t *len, struct err *err)
{
    up->fd = open(up->spool, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (up->fd < 0) {
        return disk_err(err, "create", up->spool);
    }
    if (up->format == FORMAT_NONE) {
        up->format = format_guess(*bytes, *len);
        up->guessed = true;
    }
    if (!format_check(up, err)) {
        return false;
    }
    up->head_len = upload_stream_begin(up, *bytes, *len);
    if (up->head_len > 0) {
        up->head = malloc(up->head_len);
        if (up->head == NULL) {
            return err_set(err, ERR_MEMORY, "body", "has no memory to be received");
        }
        memcpy(up->head, *bytes, up->head_len);
    }
    *bytes += up->head_len;
    *len -= up->head_len;
    return true;
}

static bool spool_write(struct sink *sink, const char *bytes, size_t len, struct err *err)
{
    struct upload *up = (struct upload *)sink;

    if ((up->fd < 0 && !spool_begin(up, &bytes, &len, err)) ||
        !disk_write(up->fd, bytes, len, up->spool, err)) {
        return false;
    }
    if (up->stream != NULL) {
        upload_stream_add(up->stream, bytes, len);
    }
    up->written += len;
    if (up->written - up->pushed >= PUSH_BYTES) {
        disk_push(up->fd, up->pushed, up->written - up->pushed);
        up->pushed = up->written;
    }
    return true;
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

    if (up->fd >= 0) { /* not built */
        close(up->fd);
        removal_path(up->server, up->spool);
    }
    upload_stream_free(up->stream);
    part_file_done(&up->features);
    part_file_done(&up->targets);
    if (up->base != NULL) {
        dataset_unref(up->base);
    }
    free(up->spool);
    free(up->head);
    free(up->folder);
    free(up->means);
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

bool upload_close(struct request *req, bool append, struct err *err)
{
    struct upload *up = (struct upload *)req->sink;
    struct datasets *datasets = up->server->datasets;
    struct err none = { 0 };
    struct dataset *old;
    char name[64];

    if (up->fd < 0) {
        return err_set(err, ERR_SYNTAX, "body", "is empty");
    }
    old = datasets_find(datasets, up->name, "name", append ? err : &none);
    if (old == NULL && append) {
        return false;
    }
    up->generation = datasets_generation(datasets);
    up->old_bytes = old != NULL ? dataset_bytes(old) : 0;
    if (old != NULL && (up->part != CSV_BOTH || append)) {
        up->base = dataset_ref(old);
    }
    up->append = append;
    if (append && !up->kind_given && up->base->info.kind != TARGET_NONE) {
        up->csv.kind = up->base->info.kind;
    }
    snprintf(name, sizeof name, "tmp/dataset-%" PRIu64, up->generation);
    return disk_path(datasets_root(datasets), name, &up->folder, err);
}
