#include "zip.h"

#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

#define LOCAL_SIGNATURE 0x04034b50u
#define LOCAL_LEN 30u
#define CENTRAL_SIGNATURE 0x02014b50u
#define CENTRAL_LEN 46u
#define END_SIGNATURE 0x06054b50u
#define END_LEN 22u
#define COMMENT_MAX 65535u
#define ENCRYPTED 0x2041u /* flag bits 0, 6 and 13 */
#define DEFLATE_MOST 1032u

static uint32_t number(const char *at, size_t len)
{
    uint32_t n = 0;

    for (size_t i = 0; i < len; i++) {
        n |= (uint32_t)(unsigned char)at[i] << (8 * i);
    }
    return n;
}

bool zip_magic(const char *bytes, size_t len)
{
    return len >= 4 && number(bytes, 4) == LOCAL_SIGNATURE;
}

/* The end record: the last place whose comment ends with the archive. NULL: there is none. */
static const char *end_find(const char *bytes, size_t len)
{
    for (size_t comment = 0; comment <= COMMENT_MAX && comment + END_LEN <= len; comment++) {
        const char *at = bytes + len - comment - END_LEN;

        if (number(at, 4) == END_SIGNATURE && number(at + 20, 2) == comment) {
            return at;
        }
    }
    return NULL;
}

/* Where the bytes begin that the directory says of: behind a header of their own. */
static bool local_find(const char *bytes, size_t directory, size_t local, struct zip_entry *entry,
                       struct err *err)
{
    size_t at;

    if (local > directory || directory - local < LOCAL_LEN ||
        number(bytes + local, 4) != LOCAL_SIGNATURE) {
        return err_set(err, ERR_SYNTAX, entry->name, "has no header at byte %zu", local);
    }
    at = local + LOCAL_LEN + number(bytes + local + 26, 2) + number(bytes + local + 28, 2);
    if (at > directory || directory - at < entry->packed) {
        return err_set(err, ERR_SYNTAX, entry->name, "has %zu bytes, of which not all are there",
                       entry->packed);
    }
    if (number(bytes + local + 26, 2) != strlen(entry->name) ||
        memcmp(bytes + local + LOCAL_LEN, entry->name, strlen(entry->name)) != 0) {
        return err_set(err, ERR_SYNTAX, entry->name, "has another name in the header before it");
    }
    entry->at = at;
    return true;
}

static bool entry_check(const char *central, const struct zip_entry *entry, struct err *err)
{
    const uint32_t method = number(central + 10, 2);

    if ((number(central + 8, 2) & ENCRYPTED) != 0) {
        return err_set(err, ERR_FIELD, entry->name, "must not be encrypted");
    }
    if (method != 0 && method != Z_DEFLATED) {
        return err_set(err, ERR_FIELD, entry->name, "must be stored or deflated, is method %u",
                       method);
    }
    if (entry->packed == UINT32_MAX || entry->len == UINT32_MAX ||
        number(central + 42, 4) == UINT32_MAX) {
        return err_set(err, ERR_FIELD, entry->name, "must be below 4 GiB: zip64 is not read");
    }
    if (number(central + 34, 2) != 0) {
        return err_set(err, ERR_FIELD, entry->name, "must be on the first disk");
    }
    if (entry->deflated ? entry->len / DEFLATE_MOST > entry->packed : entry->len != entry->packed) {
        return err_set(err, ERR_SYNTAX, entry->name, "cannot have %zu bytes in %zu", entry->len,
                       entry->packed);
    }
    return true;
}

/* The entry of which the directory says at central, *size bytes of it. */
static bool entry_read(const char *bytes, size_t directory, const char *central, size_t left,
                       struct arena *arena, struct zip_entry *entry, size_t *size, struct err *err)
{
    size_t name_len;

    if (left < CENTRAL_LEN || number(central, 4) != CENTRAL_SIGNATURE) {
        return err_set(err, ERR_SYNTAX, "body", "is a zip archive whose directory is cut");
    }
    name_len = number(central + 28, 2);
    *size = CENTRAL_LEN + name_len + number(central + 30, 2) + number(central + 32, 2);
    if (*size > left) {
        return err_set(err, ERR_SYNTAX, "body", "is a zip archive whose directory is cut");
    }
    if (name_len < 1 || name_len > ZIP_NAME_MAX ||
        memchr(central + CENTRAL_LEN, '\0', name_len) != NULL) {
        return err_set(err, ERR_SYNTAX, "body",
                       "is a zip archive with a name that is not 1 to %d bytes without NUL",
                       ZIP_NAME_MAX);
    }
    entry->name = arena_copy(arena, central + CENTRAL_LEN, name_len);
    if (entry->name == NULL) {
        return err_set(err, ERR_MEMORY, "body", "does not fit into memory");
    }
    entry->deflated = number(central + 10, 2) == Z_DEFLATED;
    entry->crc = number(central + 16, 4);
    entry->packed = number(central + 20, 4);
    entry->len = number(central + 24, 4);
    return entry_check(central, entry, err) &&
           local_find(bytes, directory, number(central + 42, 4), entry, err);
}

static bool end_check(const char *bytes, const char *end, struct err *err)
{
    const size_t len = (size_t)(end - bytes), n = number(end + 10, 2);

    if (number(end + 4, 4) != 0 || number(end + 8, 2) != n) {
        return err_set(err, ERR_SYNTAX, "body", "must be a zip archive of one disk");
    }
    if (n > ZIP_ENTRIES_MAX) {
        return err_set(err, ERR_SYNTAX, "body", "must have at most %d entries, has %zu",
                       ZIP_ENTRIES_MAX, n);
    }
    if (number(end + 12, 4) > len || number(end + 16, 4) != len - number(end + 12, 4)) {
        return err_set(err, ERR_SYNTAX, "body",
                       "is a zip archive whose directory is not right before its end");
    }
    return true;
}

bool zip_open(const char *bytes, size_t len, struct arena *arena, struct zip *ret, struct err *err)
{
    const char *end = end_find(bytes, len);
    struct zip zip = { .bytes = bytes };
    size_t n, at, directory, size = 0;

    if (end == NULL) {
        return err_set(err, ERR_SYNTAX, "body", "is no zip archive: it has no end record");
    }
    if (!end_check(bytes, end, err)) {
        return false;
    }
    n = number(end + 10, 2);
    directory = number(end + 16, 4);
    zip.entry = arena_alloc(arena, n + 1, sizeof *zip.entry);
    if (zip.entry == NULL) {
        return err_set(err, ERR_MEMORY, "body", "does not fit into memory");
    }
    for (at = directory; zip.n < n; at += size) {
        struct zip_entry *entry = &zip.entry[zip.n];

        if (!entry_read(bytes, directory, bytes + at, (size_t)(end - bytes) - at, arena, entry,
                        &size, err)) {
            return false;
        }
        if (zip_find(&zip, entry->name) != NULL) {
            return err_set(err, ERR_FIELD, entry->name, "is there twice");
        }
        zip.n++;
    }
    if (bytes + at != end) {
        return err_set(err, ERR_SYNTAX, "body", "is a zip archive with more than its %zu entries",
                       n);
    }
    *ret = zip;
    return true;
}

const struct zip_entry *zip_find(const struct zip *zip, const char *name)
{
    for (size_t i = 0; i < zip->n; i++) {
        if (strcmp(zip->entry[i].name, name) == 0) {
            return &zip->entry[i];
        }
    }
    return NULL;
}

/* Exactly entry->len bytes, from exactly entry->packed. */
static bool entry_inflate(const struct zip *zip, const struct zip_entry *entry, char *into,
                          struct err *err)
{
    z_stream stream = { .next_in = (const Bytef *)(zip->bytes + entry->at),
                        .avail_in = (uInt)entry->packed,
                        .next_out = (Bytef *)into,
                        .avail_out = (uInt)entry->len };
    int rc = inflateInit2(&stream, -MAX_WBITS);

    if (rc != Z_OK) {
        return err_set(err, ERR_MEMORY, entry->name, "cannot be inflated: no memory");
    }
    rc = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    return (rc == Z_STREAM_END && stream.avail_in == 0 && stream.avail_out == 0) ||
           err_set(err, rc == Z_MEM_ERROR ? ERR_MEMORY : ERR_SYNTAX, entry->name,
                   "does not inflate to its %zu bytes", entry->len);
}

bool zip_read_into(const struct zip *zip, const struct zip_entry *entry, char *room,
                   const char **ret, struct err *err)
{
    const char *bytes = entry->deflated ? room : zip->bytes + entry->at;

    if (entry->deflated && !entry_inflate(zip, entry, room, err)) {
        return false;
    }
    if (crc32_z(crc32_z(0, NULL, 0), (const Bytef *)bytes, entry->len) != entry->crc) {
        return err_set(err, ERR_SYNTAX, entry->name, "fails its CRC-32");
    }
    *ret = bytes;
    return true;
}

bool zip_read(const struct zip *zip, const struct zip_entry *entry, struct arena *arena,
              const char **ret, struct err *err)
{
    char *room = entry->deflated ? arena_alloc(arena, entry->len + 1, 1) : NULL;

    if (entry->deflated && room == NULL) {
        return err_set(err, ERR_MEMORY, entry->name, "does not fit into memory");
    }
    return zip_read_into(zip, entry, room, ret, err);
}
