/* The first byte chooses part and kind; the rest is the lines. */
#include "fuzz_sink.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct table_limits limits = { .max_features = 64, .max_rows = 256 };
    struct fuzz_sink sink = fuzz_sink();
    struct table_info info = { 0 };
    struct err err = { 0 };
    enum csv_part part;
    bool ok;

    if (size == 0) {
        return 0;
    }
    part = data[0] % 3;
    json_lines_guess((const char *)data + 1, size - 1, part);
    ok = json_lines_read((const char *)data + 1, size - 1, part,
                         data[0] / 3 % 2 == 0 ? TARGET_LABELS : TARGET_NUMBERS, &limits, &sink.sink,
                         &info, &err);
    fuzz_check(ok, &sink, &info, &err);
    return 0;
}
