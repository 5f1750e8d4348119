/* A net's arrays under the names that safetensors and NPZ give them, in their order:
 *
 *   layers.L.weight   [units, fan-in]   for L = 0, 1, ...
 *   layers.L.bias     [units]
 *   norm.shift, norm.scale   [inputs]   x' = (x - shift) * scale, when there are some
 *   norm.target_shift, norm.target_scale   [outputs]   y = a / scale + shift, likewise
 *
 * All float32, little-endian, row-major. Thread: as an exporter. */
#ifndef EXPORT_TENSOR_H
#define EXPORT_TENSOR_H

#include "export.h"

#define EXPORT_TENSORS_MAX (2 * SPEC_LAYERS_MAX + 4)

struct export_tensor {
    char name[40];
    size_t rows, cols; /* cols 0: of one dimension */
    size_t bytes;
};

size_t export_tensors(const struct net *net);
/* i < export_tensors(net). */
void export_tensor_at(const struct net *net, size_t i, struct export_tensor *ret);
/* Adds the next bytes of the i-th one, from e->row on; *end: they were its last. Errors: ERR_MEMORY. */
bool export_tensor_next(struct exporter *e, size_t i, struct text *text, bool *end,
                        struct err *err);

#endif
