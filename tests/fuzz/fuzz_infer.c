/* Any bytes, as a request of the Open Inference Protocol with binary tensors: the first two say how
 * many of the rest are JSON. What is taken has to be encodable, whole. */
#include <stdlib.h>
#include <string.h>

#include "msg_infer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct rows_limits limits = { .inputs_cols = 4, .max_rows = 16 };
    struct arena arena = { 0 };
    struct err err = { 0 };
    struct msg_infer msg;
    size_t json_len;
    char *body;

    if (size < 2) {
        return 0;
    }
    json_len = data[0] + ((size_t)data[1] << 8);
    size -= 2;
    json_len = json_len <= size ? json_len : size;
    body =
        malloc(size > 0 ? size : 1); /* aligned, as the daemon's are, and without a byte to spare */
    if (body == NULL) {
        return 0;
    }
    memcpy(body, data + 2, size);
    if (msg_infer_decode(body, size, json_len, &limits, 4, &arena, &msg, &err)) {
        struct text text = { 0 };

        if (err.code != ERR_NONE || msg.inputs.rows < 1 || msg.inputs.rows > 16 ||
            msg.inputs.cols != 4) {
            abort();
        }
        msg_infer_encode(&text, "m", 1, &msg, &msg.inputs, NULL, &json_len);
        if (text.failed || json_len > text.len || (json_len < text.len) != msg.binary) {
            abort();
        }
        text_done(&text);
    } else if (err.code == ERR_NONE) {
        abort();
    }
    free(body);
    arena_done(&arena);
    return 0;
}
