#include "coding.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#define ZLIB_CONST
#include <zlib.h>

#include "accept.h"

/* zlib's windowBits: 15 for the zlib format, with 16 for gzip, negative for bare data. */
#define BITS_ZLIB MAX_WBITS
#define BITS_GZIP (MAX_WBITS + 16)
#define BITS_BARE (-MAX_WBITS)

#define LEVEL 1                /* a reply is compressed once, and its client waits */
#define GZIP_MORE 12           /* bytes that a gzip header and trailer take beyond a zlib one's */
#define STEP ((size_t)1 << 30) /* zlib counts in 32 bits */

struct inflater {
    z_stream stream;
    enum coding coding;
    bool begun; /* there was input */
    bool ended; /* at the end of a member */
};

static const char *const names[] = { "identity", "gzip", "deflate" };

const char *coding_name(enum coding coding)
{
    return names[coding];
}

bool coding_read(const char *header, enum coding *ret, struct err *err)
{
    if (header == NULL || strcasecmp(header, "identity") == 0) {
        *ret = CODING_IDENTITY;
    } else if (strcasecmp(header, "gzip") == 0 || strcasecmp(header, "x-gzip") == 0) {
        *ret = CODING_GZIP;
    } else if (strcasecmp(header, "deflate") == 0) {
        *ret = CODING_DEFLATE;
    } else {
        return err_set(err, ERR_TYPE, "Content-Encoding",
                       "must be gzip, deflate or identity, is '%.100s'", header);
    }
    return true;
}

enum coding coding_wanted(const char *header)
{
    static const enum coding best_first[] = { CODING_GZIP, CODING_DEFLATE, CODING_IDENTITY };
    static const char *const offered[] = { "gzip", "deflate", "identity" };
    size_t i;

    if (header == NULL || header[strspn(header, " \t,")] == '\0' ||
        !accept_choose(header, offered, 3, &i)) {
        return CODING_IDENTITY;
    }
    return best_first[i];
}

bool inflater_create(enum coding coding, struct inflater **ret, struct err *err)
{
    struct inflater *inflater = calloc(1, sizeof *inflater);

    if (inflater == NULL ||
        inflateInit2(&inflater->stream, coding == CODING_GZIP ? BITS_GZIP : BITS_ZLIB) != Z_OK) {
        free(inflater);
        return err_set(err, ERR_MEMORY, "body", "has no memory to be inflated");
    }
    inflater->coding = coding;
    *ret = inflater;
    return true;
}

void inflater_free(struct inflater *inflater)
{
    if (inflater != NULL) {
        inflateEnd(&inflater->stream);
        free(inflater);
    }
}

/* A zlib header begins with method 8 and a window of 32 KB at most. Bare data that begins so would
 * be a stored block with a padding bit set, which no compressor makes. */
static bool is_bare(unsigned char first)
{
    return (first & 0x0f) != 8 || first >> 4 > 7;
}

/* Before the first byte of a member. */
static bool member_begin(struct inflater *inflater, unsigned char first, struct err *err)
{
    if (!inflater->begun && inflater->coding == CODING_DEFLATE && is_bare(first)) {
        inflateReset2(&inflater->stream, BITS_BARE);
    }
    if (inflater->ended) {
        if (inflater->coding != CODING_GZIP || first != 0x1f) {
            return err_set(err, ERR_SYNTAX, "Content-Encoding",
                           "is %s, but more follows the end of the data",
                           coding_name(inflater->coding));
        }
        inflateReset(&inflater->stream);
    }
    inflater->begun = true;
    inflater->ended = false;
    return true;
}

bool inflater_run(struct inflater *inflater, const char **in, size_t *len, char *out, size_t cap,
                  size_t *n, struct err *err)
{
    z_stream *stream = &inflater->stream;

    *n = 0;
    while (*n < cap && (*len > 0 || (inflater->begun && !inflater->ended))) {
        const uInt room = (uInt)(cap - *n < STEP ? cap - *n : STEP);
        const uInt here = (uInt)(*len < STEP ? *len : STEP);
        int rc;

        if ((!inflater->begun || inflater->ended) &&
            !member_begin(inflater, (unsigned char)**in, err)) {
            return false;
        }
        stream->next_in = (const Bytef *)*in;
        stream->avail_in = here;
        stream->next_out = (Bytef *)out + *n;
        stream->avail_out = room;
        rc = inflate(stream, Z_NO_FLUSH);
        *in += here - stream->avail_in;
        *len -= here - stream->avail_in;
        *n += room - stream->avail_out;
        inflater->ended = rc == Z_STREAM_END;
        if (rc == Z_MEM_ERROR) {
            return err_set(err, ERR_MEMORY, "body", "has no memory to be inflated");
        }
        if (rc == Z_BUF_ERROR) {
            return true; /* all that there was has been written: it waits for more input */
        }
        if (rc != Z_OK && rc != Z_STREAM_END) {
            return err_set(err, ERR_SYNTAX, "Content-Encoding", "is %s, but the body is not: %s",
                           coding_name(inflater->coding),
                           stream->msg != NULL ? stream->msg : "it needs a dictionary");
        }
    }
    return true;
}

bool inflater_end(const struct inflater *inflater, struct err *err)
{
    return inflater->ended ||
           err_set(err, ERR_SYNTAX, "Content-Encoding",
                   "is %s, but the body ends before its data does", coding_name(inflater->coding));
}

size_t coding_bound(size_t len)
{
    return compressBound(len) + GZIP_MORE;
}

bool coding_deflate(enum coding coding, const char *in, size_t len, char *out, size_t *ret)
{
    const size_t bound = coding_bound(len);
    z_stream stream = { 0 };
    size_t given = 0;
    int rc = Z_OK;

    if (deflateInit2(&stream, LEVEL, Z_DEFLATED, coding == CODING_GZIP ? BITS_GZIP : BITS_ZLIB,
                     MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        return false;
    }
    stream.next_out = (Bytef *)out;
    while (rc == Z_OK) {
        const size_t here = len - given < STEP ? len - given : STEP;
        const size_t room = bound - stream.total_out < STEP ? bound - stream.total_out : STEP;

        stream.next_in = (const Bytef *)in + given;
        stream.avail_in = (uInt)here;
        stream.avail_out = (uInt)room;
        rc = deflate(&stream, given + here == len ? Z_FINISH : Z_NO_FLUSH);
        given += here - stream.avail_in;
    }
    *ret = stream.total_out;
    deflateEnd(&stream);
    return rc == Z_STREAM_END;
}
