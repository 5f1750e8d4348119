/* The first byte chooses the options, the second the delimiter; then comes the target column up to
 * a line feed, and the text. */
#include "fuzz_sink.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct table_limits limits = { .max_features = 64, .max_rows = 256 };
    struct fuzz_sink sink = fuzz_sink();
    struct table_info info = { 0 };
    struct err err = { 0 };
    struct csv_options options;
    const unsigned char *end;
    char *target;
    bool ok;

    if (size < 2 || (end = memchr(data + 2, '\n', size - 2)) == NULL) {
        return 0;
    }
    target = strndup((const char *)data + 2, (size_t)(end - data - 2));
    fuzz_expect(target != NULL);
    options = (struct csv_options){
        .header = data[0] % 3,
        .part = data[0] / 3 % 3,
        .kind = data[0] / 9 % 3,
        .target = target[0] == '\0' ? NULL : target,
        .delimiter = (char)data[1],
    };
    end++;
    ok = csv_read((const char *)end, (size_t)(data + size - end), &options, &limits, &sink.sink,
                  &info, &err);
    fuzz_check(ok, &sink, &info, &err);
    free(target);
    return 0;
}
