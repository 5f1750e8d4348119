/* A whole bundle: its tar, in pieces, and the manifest in it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "msg_bundle.h"
#include "tar_reader.h"

#define MANIFEST_MAX 4096

struct taken {
    struct tar_sink sink;
    char manifest[MANIFEST_MAX];
    size_t len;
    bool is_manifest;
    uint64_t left;
};

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

/* Whether a name leads out of the folder that it is in. "....", and "..a", do not. */
static bool leads_out(const char *name)
{
    bool out = name[0] == '/';

    for (const char *at = name; at != NULL; at = strchr(at, '/')) {
        at += *at == '/';
        out = out || strcmp(at, "..") == 0 || strncmp(at, "../", 3) == 0;
    }
    return out;
}

static bool taken_begin(struct tar_sink *sink, const struct tar_member *member, struct err *err)
{
    struct taken *taken = (struct taken *)sink;

    (void)err;
    if (leads_out(member->name)) {
        abort();
    }
    taken->is_manifest = strcmp(member->name, "manifest.json") == 0;
    taken->len = 0;
    taken->left = member->size;
    return true;
}

static bool taken_content(struct tar_sink *sink, const char *bytes, size_t len, struct err *err)
{
    struct taken *taken = (struct taken *)sink;

    (void)err;
    if (len == 0 || len > taken->left) {
        abort();
    }
    taken->left -= len;
    if (taken->is_manifest && len <= MANIFEST_MAX - taken->len) {
        memcpy(taken->manifest + taken->len, bytes, len);
        taken->len += len;
    }
    return true;
}

/* What can be read can be written, and reads as the same. */
static void manifest_try(const char *bytes, size_t len)
{
    static const struct msg_bundle_limits limits = { 8, 8, 8, 8 };
    struct arena arena = { 0 };
    struct msg_bundle bundle, again;
    struct text text = { 0 }, more = { 0 };
    struct err err = { 0 };

    if (msg_bundle_decode(bytes, len, &limits, &arena, &bundle, &err)) {
        msg_bundle_encode(&text, &bundle);
        if (!msg_bundle_decode(text.data, text.len, &limits, &arena, &again, &err)) {
            abort();
        }
        msg_bundle_encode(&more, &again);
        if (more.len != text.len || memcmp(more.data, text.data, text.len) != 0) {
            abort();
        }
    } else if (err.code == ERR_NONE) {
        abort();
    }
    text_done(&text);
    text_done(&more);
    arena_done(&arena);
}

static bool taken_end(struct tar_sink *sink, struct err *err)
{
    struct taken *taken = (struct taken *)sink;

    (void)err;
    if (taken->left != 0) {
        abort();
    }
    if (taken->is_manifest) {
        manifest_try(taken->manifest, taken->len);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct taken taken = { .sink = { taken_begin, taken_content, taken_end } };
    struct tar_reader reader = { .sink = &taken.sink };
    const size_t piece = size > 0 ? 1 + data[size - 1] * 4u : 1;
    struct err err = { 0 };
    bool ok = true;

    for (size_t at = 0; ok && at < size; at += piece) {
        ok = tar_reader_add(&reader, (const char *)data + at, size - at < piece ? size - at : piece,
                            &err);
    }
    ok = ok && tar_reader_end(&reader, &err);
    if (ok != (err.code == ERR_NONE)) {
        abort();
    }
    manifest_try((const char *)data, size); /* no checksum in the way */
    return 0;
}
