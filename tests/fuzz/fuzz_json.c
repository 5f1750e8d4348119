/* Any bytes, as each JSON message: an error or not, nothing worse. */
#include <stdlib.h>

#include "decoders.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < DECODERS; i++) {
        struct arena arena = { 0 };
        struct err err = { 0 };
        const bool ok = decoders[i].decode((const char *)data, size, &arena, &err);

        if (ok != (err.code == ERR_NONE)) {
            abort();
        }
        arena_done(&arena);
    }
    return 0;
}
