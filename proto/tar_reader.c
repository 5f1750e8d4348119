#include "tar_reader.h"

#include <inttypes.h>
#include <string.h>

static bool zeros_are(const void *bytes, size_t len)
{
    const char *at = bytes;

    return len == 0 || (at[0] == '\0' && memcmp(at, at + 1, len - 1) == 0);
}

static size_t least(uint64_t a, size_t b)
{
    return a < b ? (size_t)a : b;
}

static bool member_end(struct tar_reader *reader, struct err *err)
{
    return reader->left > 0 || reader->sink->end(reader->sink, err);
}

/* A header is there in full: that of a member, or the first zeros of the end. */
static bool head_take(struct tar_reader *reader, struct err *err)
{
    reader->have = 0;
    if (zeros_are(reader->head, TAR_BLOCK)) {
        reader->zeros = TAR_BLOCK;
        return true;
    }
    if (!tar_head_decode(reader->head, &reader->member, err)) {
        return err->where[0] != '\0' ? false : err_in(err, "body");
    }
    reader->left = reader->member.size;
    reader->padding = tar_padding(reader->left);
    return reader->sink->begin(reader->sink, &reader->member, err) && member_end(reader, err);
}

static bool head_add(struct tar_reader *reader, const char *bytes, size_t len, struct err *err)
{
    memcpy(reader->head + reader->have, bytes, len);
    reader->have += len;
    return reader->have < TAR_BLOCK || head_take(reader, err);
}

static bool content_add(struct tar_reader *reader, const char *bytes, size_t len, struct err *err)
{
    reader->left -= len;
    return reader->sink->content(reader->sink, bytes, len, err) && member_end(reader, err);
}

bool tar_reader_add(struct tar_reader *reader, const char *bytes, size_t len, struct err *err)
{
    bool ok = true;

    while (ok && len > 0) {
        size_t n = len;

        if (reader->zeros > 0) {
            ok = zeros_are(bytes, n) ||
                 err_set(err, ERR_SYNTAX, "body", "goes on behind the end of the tar");
            reader->zeros += n;
        } else if (reader->left > 0) {
            n = least(reader->left, len);
            ok = content_add(reader, bytes, n, err);
        } else if (reader->padding > 0) {
            n = least(reader->padding, len);
            reader->padding -= n;
            ok = zeros_are(bytes, n) || err_set(err, ERR_SYNTAX, reader->member.name,
                                                "is not followed by zeros: the tar is damaged");
        } else {
            n = least(TAR_BLOCK - reader->have, len);
            ok = head_add(reader, bytes, n, err);
        }
        bytes += n;
        len -= n;
    }
    return ok;
}

bool tar_reader_end(const struct tar_reader *reader, struct err *err)
{
    if (reader->zeros >= TAR_END) {
        return true;
    }
    if (reader->left > 0) {
        return err_set(err, ERR_SYNTAX, reader->member.name,
                       "is cut: %" PRIu64 " of %" PRIu64 " bytes are missing", reader->left,
                       reader->member.size);
    }
    return err_set(err, ERR_SYNTAX, "body", "is cut%s%s: the end of the tar is missing",
                   reader->member.name[0] != '\0' ? " behind " : "", reader->member.name);
}
