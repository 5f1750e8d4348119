/* A model's bytes, judged by the first of them as an import without a type is. */
#include <stdint.h>
#include <stdlib.h>

#include "import.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const struct model_limits limits = { 8, 64, 4096 };
    const char *bytes = (const char *)data;
    struct arena arena = { 0 };
    struct import import;
    struct err err = { 0 };

    if (import_read(import_format_guess(bytes, size), bytes, size, &limits, &arena, &import,
                    &err)) {
        labels_free(import.model.labels);
    } else if (err.code == ERR_NONE) {
        abort();
    }
    arena_done(&arena);
    return 0;
}
