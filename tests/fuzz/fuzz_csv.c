/* The first byte chooses the options, the second the delimiter; then comes the target column up to
 * a line feed, and the text. */
#include "fuzz_sink.h"

/* Means of what was missing stand for values that were there, and none of them is a NaN. */
static void check_missing(const struct table_info *info, const struct csv_options *options)
{
    size_t total = 0;

    fuzz_expect(info->imputed == NULL || options->missing == MISSING_MEAN);
    fuzz_expect((info->fill != NULL) == (info->imputed != NULL && options->fill == NULL));
    for (size_t j = 0; info->imputed != NULL && j < info->x_width; j++) {
        fuzz_expect(info->imputed[j] < info->rows + (options->fill != NULL));
        fuzz_expect(info->fill == NULL || isfinite(info->fill[j]));
        total += info->imputed[j];
    }
    fuzz_expect(info->imputed == NULL || total > 0);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const struct table_limits limits = { .max_features = 64, .max_rows = 256 };
    struct fuzz_sink sink = fuzz_sink();
    struct table_info info = { 0 };
    struct err err = { 0 };
    static const float means[3] = { 1.0F, -2.5F, 3.0F };
    struct csv_options options;
    const unsigned char *end;
    size_t target_len;
    char *target;
    bool ok;

    if (size < 2 || (end = memchr(data + 2, '\n', size - 2)) == NULL) {
        return 0;
    }
    target_len = (size_t)(end - data - 2);
    target = malloc(target_len + 1);
    fuzz_expect(target != NULL);
    memcpy(target, data + 2, target_len);
    target[target_len] = '\0';
    options = (struct csv_options){
        .header = data[0] % 3,
        .part = data[0] / 3 % 3,
        .kind = data[0] / 9 % 3,
        .target = target[0] == '\0' ? NULL : target,
        .delimiter = (char)data[1],
        .missing = data[0] / 27 % 2,
        .fill = data[0] / 54 % 2 ? means : NULL,
        .n_fill = data[0] / 54 % 2 ? 3 : 0,
    };
    end++;
    ok = csv_read((const char *)end, (size_t)(data + size - end), &options, &limits, &sink.sink,
                  &info, &err);
    check_missing(&info, &options);
    fuzz_check(ok, &sink, &info, &err);
    free(target);
    return 0;
}
