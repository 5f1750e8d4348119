/* A form's bytes: each part lies within them. */
#include <stdint.h>
#include <stdlib.h>

#include "multipart.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const char *bytes = (const char *)data;
    struct multipart parts;
    struct err err = { 0 };

    if (!multipart_read("multipart/form-data; boundary=b", bytes, size, &parts, &err)) {
        if (err.code == ERR_NONE) {
            abort();
        }
        return 0;
    }
    for (size_t i = 0; i < parts.n; i++) {
        if (parts.part[i].bytes < bytes || parts.part[i].bytes + parts.part[i].len > bytes + size) {
            abort();
        }
    }
    return 0;
}
