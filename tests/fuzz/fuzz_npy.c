/* The first byte chooses part and kind; the rest is the file. */
#include "fuzz_sink.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct table_limits limits = { .max_features = 4096, .max_rows = 4096 };
    struct fuzz_sink sink = fuzz_sink();
    struct table_info info = { 0 };
    struct err err = { 0 };
    bool ok;

    if (size == 0) {
        return 0;
    }
    ok = npy_read((const char *)data + 1, size - 1, data[0] % 3,
                  data[0] / 3 % 2 == 0 ? TARGET_LABELS : TARGET_NUMBERS, &limits, &sink.sink, &info,
                  &err);
    fuzz_check(ok, &sink, &info, &err);
    return 0;
}
