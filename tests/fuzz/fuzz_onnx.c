/* A model's bytes as ONNX. */
#include <stdint.h>
#include <stdlib.h>

#include "onnx_read.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const struct model_limits limits = { 8, 64, 4096 };
    struct arena arena = { 0 };
    struct msg_model model;
    const char *digest;
    struct err err = { 0 };

    if (onnx_read((const char *)data, size, &limits, &arena, &model, &digest, &err)) {
        labels_free(model.labels);
    } else if (err.code == ERR_NONE) {
        abort();
    }
    arena_done(&arena);
    return 0;
}
