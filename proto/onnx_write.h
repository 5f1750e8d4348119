/* A model as ONNX (github.com/onnx/onnx, onnx.proto), for onnxruntime and whatever else reads that:
 * IR version 7, opset 13 of the default domain, float32 throughout.
 *
 *   inputs [batch, inputs] -> outputs [batch, outputs]     batch is free
 *
 * Initializers are the arrays of export_tensor.h under their names, raw_data. Nodes, in order, each
 * taking what the one before made; a node is called by what it makes, the last makes outputs:
 *
 *   norm.centred   Sub  norm.shift          x' = (x - shift) * scale, when there is one
 *   norm.scaled    Mul  norm.scale
 *   layers.L.z     Gemm layers.L.weight, layers.L.bias, transB = 1
 *   layers.L.a     Sigmoid, Tanh, Relu, or Softmax with axis = -1; none when linear
 *   norm.unscaled  Div  norm.target_scale   y = a / scale + shift, when targets are normalised
 *   norm.target    Add  norm.target_shift
 *
 * The graph has the model's name, model_version is the version's number, producer_name "sigmad".
 * Metadata (all strings): "version", "digest", "spec" = the JSON that create takes, and "labels", a
 * JSON array, when there are some.
 *
 * EXPORT_LOGITS: without the last layer's activation, so that outputs are z^L. Then "part" =
 * "logits" stands in place of "digest" and "spec", which are of the whole. Linear outputs have none
 * to leave off: they come as the whole, targets' way back included. */
#ifndef ONNX_WRITE_H
#define ONNX_WRITE_H

#include "export.h"

#define ONNX_WRITE_MAX 0x7fffffffu /* bytes that a protobuf message may have */

/* Format onnx of an export (export.h). Errors: ERR_FIELD at "format" above ONNX_WRITE_MAX. */
bool onnx_write_next(struct exporter *e, struct text *text, bool *end, struct err *err);

#endif
