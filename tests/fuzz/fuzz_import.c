/* A model's bytes, judged by the first of them as an import without a type is; then as weights that
 * a spec came beside. */
#include <stdint.h>
#include <stdlib.h>

#include "import.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void read_as(const char *bytes, size_t size, const char *spec)
{
    static const struct model_limits limits = { 8, 64, 4096 };
    struct arena arena = { 0 };
    struct import import;
    struct err err = { 0 };

    if (import_read(&(struct import_file){ NULL, bytes, size, spec }, &limits, &arena, &import,
                    &err)) {
        labels_free(import.model.labels);
    } else if (err.code == ERR_NONE) {
        abort();
    }
    arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const char spec[] =
        "{\"inputs\": 2, \"layers\": [{\"units\": 3, \"activation\": \"tanh\"}, "
        "{\"units\": 1, \"activation\": \"linear\"}], \"cost\": \"mse\"}";
    const char *bytes = (const char *)data;

    read_as(bytes, size, NULL);
    read_as(bytes, size, spec);
    return 0;
}
