/* An array of features whose values are kept as they come. They are checked, hashed and summed up on
 * their way to the disk, a piece at a time while it is in the cache, and are not read again. */
#include "uploads.h"

#include <stdlib.h>
#include <string.h>

#include "server.h"

struct upload_stream {
    struct array array;
    struct rows rows; /* of the piece at hand */
    size_t row_len;   /* bytes */
    struct digest digest;
    struct column_stats *stats; /* owned */
    char *carry;                /* owned; a row that a piece ends within */
    size_t carried;
    bool finite;
};

/* What the body's head says; false: nothing that this is for. The reader of the whole will say what
 * is wrong. */
static bool array_find(const struct upload *up, const char *bytes, size_t len, struct array *ret)
{
    struct err none = { 0 };

    switch (up->format) {
    case FORMAT_NPY:
        return npy_head(bytes, len, ret, &none);
    case FORMAT_IDX:
        return idx_head(bytes, len, ret, &none);
    case FORMAT_RAW:
        *ret = (struct array){ .type = ARRAY_F32, .rank = up->rank, .shape_apart = true };
        memcpy(ret->shape, up->shape, up->rank * sizeof *up->shape);
        ret->bytes = bytes;
        return true;
    case FORMAT_NONE:
    case FORMAT_CSV:
    case FORMAT_JSON:
    case FORMAT_JSON_LINES:
    case FORMAT_NPZ:
        break;
    }
    return false;
}

/* 0: none that could be. */
static size_t width_find(const struct upload *up, const struct array *array)
{
    const struct table_limits limits = server_table_limits(up->server);
    size_t width = 1;

    for (size_t i = 1; i < array->rank; i++) {
        if (__builtin_mul_overflow(width, array->shape[i], &width)) {
            return 0;
        }
    }
    return array->rank > 0 && width <= limits.max_features ? width : 0;
}

size_t upload_stream_begin(struct upload *up, const char *bytes, size_t len)
{
    struct upload_stream *stream;
    struct err none = { 0 };
    struct array array;
    size_t width;

    if (up->part != CSV_FEATURES || !array_find(up, bytes, len, &array) || !array_is_kept(&array) ||
        (width = width_find(up, &array)) == 0 || (stream = calloc(1, sizeof *stream)) == NULL) {
        return 0;
    }
    stream->array = array;
    stream->rows.dtype = array.type == ARRAY_U8 ? DTYPE_U8 : DTYPE_F32;
    stream->rows.width = width;
    stream->row_len = width * (array.type == ARRAY_U8 ? 1 : sizeof(float));
    stream->finite = true;
    stream->carry = malloc(stream->row_len);
    if (stream->carry == NULL || !column_stats_begin(width, &stream->stats, &none) ||
        !dataset_digest_begin(array.shape[0], width, &stream->digest, &none)) {
        upload_stream_free(stream);
        return 0;
    }
    up->stream = stream;
    return (size_t)(array.bytes - bytes);
}

void upload_stream_free(struct upload_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    if (stream->digest.handle != NULL) {
        digest_end(&stream->digest, NULL);
    }
    column_stats_free(stream->stats);
    free(stream->carry);
    free(stream);
}

static void rows_add(struct upload_stream *stream, const char *bytes, size_t n)
{
    struct rows *rows = &stream->rows;

    rows->data = bytes;
    rows->n = n;
    stream->finite =
        stream->finite && (rows->dtype == DTYPE_U8 || array_finite(bytes, n * rows->width));
    dataset_digest_features(&stream->digest, rows);
    column_stats_add(stream->stats, rows);
}

void upload_stream_add(struct upload_stream *stream, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t n = len / stream->row_len;

        if (stream->carried == 0 && n > 0) {
            rows_add(stream, bytes, n);
            n *= stream->row_len;
        } else {
            n = stream->row_len - stream->carried;
            n = n < len ? n : len;
            memcpy(stream->carry + stream->carried, bytes, n);
            stream->carried += n;
            if (stream->carried == stream->row_len) {
                rows_add(stream, stream->carry, 1);
                stream->carried = 0;
            }
        }
        bytes += n;
        len -= n;
    }
}

bool upload_stream_take(struct upload *up, struct table_info *ret, struct err *err)
{
    const struct table_limits limits = server_table_limits(up->server);
    struct array *array = &up->stream->array;

    array->len = (size_t)up->written;
    return array_describe(array, &limits, ret, err);
}

bool upload_stream_whole(const struct upload *up)
{
    return up->stream != NULL && up->stream->finite;
}

void upload_stream_end(struct upload *up, const struct dataset *dataset, char digest[DIGEST_HEX],
                       struct table_stats *stats)
{
    struct upload_stream *stream = up->stream;

    dataset_digest_end(&stream->digest, dataset, digest);
    column_stats_end(stream->stats, stats);
    stream->stats = NULL;
}
