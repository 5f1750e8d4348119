/* The first byte chooses part and kind; the rest is the archive. */
#include "fuzz_sink.h"

struct fuzz_room {
    struct table_room room; /* first, so that a pointer to it is one to this */
    size_t n;
    char bytes[2][65536];
};

static char *take(struct table_room *room, size_t len, struct err *err)
{
    struct fuzz_room *to = (struct fuzz_room *)room;

    fuzz_expect(len > 0);
    if (to->n == 2 || len > sizeof to->bytes[0]) {
        err_set(err, ERR_TOO_LARGE, "body", "is larger than 64 KiB, inflated");
        return NULL;
    }
    return to->bytes[to->n++];
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static struct fuzz_room room;
    static const struct npz_names unnamed = { NULL, NULL }, named = { "x", "y" };
    const struct table_limits limits = { .max_features = 4096, .max_rows = 4096 };
    struct fuzz_sink sink = fuzz_sink();
    struct table_info info = { 0 };
    struct err err = { 0 };
    bool ok;

    if (size == 0) {
        return 0;
    }
    room.room.take = take;
    room.n = 0;
    ok = npz_table_read((const char *)data + 1, size - 1, data[0] % 3,
                        data[0] / 3 % 2 == 0 ? TARGET_LABELS : TARGET_NUMBERS,
                        data[0] / 6 % 2 == 0 ? &unnamed : &named, &limits, &room.room, &sink.sink,
                        &info, &err);
    fuzz_check(ok, &sink, &info, &err);
    return 0;
}
