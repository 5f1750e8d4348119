/* The first byte chooses the part; the rest is the data set. */
#include "fuzz_sink.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct table_limits limits = { .max_features = 64, .max_rows = 256 };
    struct fuzz_sink sink = fuzz_sink();
    struct table_info info = { 0 };
    struct err err = { 0 };
    bool ok;

    if (size == 0) {
        return 0;
    }
    ok = json_table_read((const char *)data + 1, size - 1, data[0] % 3, &limits, &sink.sink, &info,
                         &err);
    fuzz_check(ok, &sink, &info, &err);
    return 0;
}
