/* Sub, Add, Mul, Div by constants and Scaler, one after the other, as one normalisation:
 *
 *   of inputs    x' = (x - shift) * scale
 *   of outputs   y = a / scale + shift
 *
 * Composed in double and rounded once, so that what is written in just this form keeps its bits;
 * in another (Div of inputs) it is within float32's rounding of what the graph computes. A constant
 * is one value, or one for each of a row's. Nodes of other operators change nothing.
 *
 * Errors: ERR_FIELD at "node 'NAME'" for a constant of another shape, or when a result does not fit
 * float32; those of onnx_tensor_floats; ERR_MEMORY. Thread: any. */
#ifndef ONNX_SCALING_H
#define ONNX_SCALING_H

#include "onnx_chain.h"

struct onnx_scaling {
    float *shift, *scale; /* in the arena, n each; NULL: nothing scales */
};

/* Links first .. last - 1, of n inputs or, when targets, outputs. */
bool onnx_scaling_read(const struct onnx_chain *chain, size_t first, size_t last, size_t n,
                       bool targets, struct arena *arena, struct onnx_scaling *ret,
                       struct err *err);

#endif
