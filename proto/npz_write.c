#include "npz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "array.h"
#include "export_tensor.h"
#include "msg_model.h"

#define LOCAL_SIGNATURE 0x04034b50u
#define BEHIND_SIGNATURE 0x08074b50u
#define CENTRAL_SIGNATURE 0x02014b50u
#define END_SIGNATURE 0x06054b50u
#define VERSION_NEEDED 20u   /* 2.0 */
#define MADE_BY 0x0314u      /* Unix, 2.0 */
#define LENGTHS_BEHIND 0x08u /* flag bit 3 */
#define DATE_1980 0x0021u    /* the first of January: the archive is the same whenever it is made */
#define MODE_FILE 0x81a40000u /* -rw-r--r-- */
#define ENTRIES_MAX (1 + EXPORT_TENSORS_MAX)
#define BYTES_MAX ((uint64_t)0xffffffffu - (1u << 20)) /* with room for names and directory */

struct entry {
    char name[48];
    uint32_t crc;
    uint32_t len, at;
};

struct archive {
    struct entry entry[ENTRIES_MAX];
    size_t n;  /* entries begun */
    size_t at; /* bytes of the archive so far */
};

/* Little-endian numbers, len bytes each. */
static void put(struct text *text, uint32_t value, size_t len)
{
    char bytes[4];

    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)(value >> (8 * i) & 0xff);
    }
    text_add(text, bytes, len);
}

/* What a local header and a directory's have in common, from "version needed" to "extra length". */
static void put_facts(struct text *text, const struct entry *entry, bool lengths)
{
    put(text, VERSION_NEEDED, 2);
    put(text, LENGTHS_BEHIND, 2);
    put(text, 0, 2); /* stored */
    put(text, 0, 2); /* time */
    put(text, DATE_1980, 2);
    put(text, lengths ? entry->crc : 0, 4);
    put(text, lengths ? entry->len : 0, 4);
    put(text, lengths ? entry->len : 0, 4);
    put(text, (uint32_t)strlen(entry->name), 2);
    put(text, 0, 2);
}

static struct entry *entry_begin(struct archive *zip, struct text *text, const char *name)
{
    struct entry *entry = &zip->entry[zip->n++];

    snprintf(entry->name, sizeof entry->name, "%s.npy", name);
    entry->crc = (uint32_t)crc32_z(0, NULL, 0);
    entry->len = 0;
    entry->at = (uint32_t)(zip->at + text->len);
    put(text, LOCAL_SIGNATURE, 4);
    put_facts(text, entry, false);
    text_str(text, entry->name);
    return entry;
}

/* What text has got since it had `from` bytes is the entry's. */
static void entry_count(struct entry *entry, const struct text *text, size_t from)
{
    if (!text->failed) {
        entry->crc =
            (uint32_t)crc32_z(entry->crc, (const Bytef *)text->data + from, text->len - from);
        entry->len += (uint32_t)(text->len - from);
    }
}

static void entry_end(const struct entry *entry, struct text *text)
{
    put(text, BEHIND_SIGNATURE, 4);
    put(text, entry->crc, 4);
    put(text, entry->len, 4);
    put(text, entry->len, 4);
}

static void directory_encode(const struct archive *zip, struct text *text)
{
    const size_t from = text->len;

    for (size_t i = 0; i < zip->n; i++) {
        const struct entry *entry = &zip->entry[i];

        put(text, CENTRAL_SIGNATURE, 4);
        put(text, MADE_BY, 2);
        put_facts(text, entry, true);
        put(text, 0, 2); /* no comment */
        put(text, 0, 2); /* of the first disk */
        put(text, 0, 2); /* bytes, not text */
        put(text, MODE_FILE, 4);
        put(text, entry->at, 4);
        text_str(text, entry->name);
    }
    put(text, END_SIGNATURE, 4);
    put(text, 0, 4); /* this disk and the directory's: the first */
    put(text, (uint32_t)zip->n, 2);
    put(text, (uint32_t)zip->n, 2);
    put(text, (uint32_t)(text->len - 12 - from), 4);
    put(text, (uint32_t)(zip->at + from), 4);
    put(text, 0, 2); /* no comment */
}

/* ---- the arrays ---- */

static void spec_add(const struct exporter *e, struct archive *zip, struct text *text)
{
    struct text spec = { 0 };
    struct entry *entry = entry_begin(zip, text, "spec");
    const size_t from = text->len;

    text_str(&spec, "{");
    msg_spec_encode(&spec, &e->net->spec, e->labels);
    text_str(&spec, "}");
    text->failed = text->failed || spec.failed;
    npy_head_encode(text, "|u1", spec.len, 0);
    text_add(text, spec.data != NULL ? spec.data : "", spec.len);
    entry_count(entry, text, from);
    entry_end(entry, text);
    text_done(&spec);
}

/* The next bytes of the e->layer-th tensor. */
static bool tensor_add(struct exporter *e, struct archive *zip, struct text *text, struct err *err)
{
    struct export_tensor tensor;
    struct entry *entry;
    size_t from;
    bool over;

    if (e->row == 0) {
        export_tensor_at(e->net, e->layer, &tensor);
        entry = entry_begin(zip, text, tensor.name);
        from = text->len;
        npy_head_encode(text, "<f4", tensor.rows, tensor.cols);
    } else {
        entry = &zip->entry[zip->n - 1];
        from = text->len;
    }
    if (!export_tensor_next(e, e->layer, text, &over, err)) {
        return false;
    }
    entry_count(entry, text, from);
    if (over) {
        entry_end(entry, text);
        e->layer++;
    }
    return true;
}

static bool archive_begin(struct exporter *e, struct err *err)
{
    const size_t n = export_tensors(e->net);
    struct export_tensor tensor;
    uint64_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        export_tensor_at(e->net, i, &tensor);
        bytes += tensor.bytes;
    }
    if (bytes > BYTES_MAX) {
        return err_set(err, ERR_FIELD, "format",
                       "npz must be below 4 GiB, would be %llu bytes: take safetensors",
                       (unsigned long long)bytes);
    }
    e->own = arena_alloc(e->arena, 1, sizeof(struct archive));
    if (e->own == NULL) {
        return err_set(err, ERR_MEMORY, "export", "does not fit into memory");
    }
    memset(e->own, 0, sizeof(struct archive));
    return true;
}

bool npz_next(struct exporter *e, struct text *text, bool *end, struct err *err)
{
    struct archive *zip;

    if (e->own == NULL && !archive_begin(e, err)) {
        return false;
    }
    zip = e->own;
    zip->at -= text->len; /* until this piece is done, at + text->len is where the archive is */
    if (zip->n == 0) {
        spec_add(e, zip, text);
    } else if (e->layer == export_tensors(e->net)) {
        directory_encode(zip, text);
        *end = true;
    } else if (!tensor_add(e, zip, text, err)) {
        return false;
    }
    zip->at += text->len;
    return true;
}
