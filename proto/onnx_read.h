/* A model from ONNX (onnx.proto): a feed-forward network of PyTorch, Keras, scikit-learn, or ours.
 *
 * The graph has to be a chain (onnx_chain.h) of layers (onnx_layers.h), scaled in front and behind
 * (onnx_scaling.h). Values that are no float32 become the nearest.
 *
 *   normalize           none without scalings; unit for x / 255; else standard
 *   normalize_targets   standard, or none
 *   cost                log_likelihood of softmax, cross_entropy of sigmoid, mse of linear and tanh
 *   labels              of metadata_props "labels", a JSON array of strings; else of the ZipMap
 *
 * A file whose producer_name is sigmad says all that itself: "spec" in its metadata_props, which
 * must be the graph's, and "digest".
 *
 * Errors: ERR_SYNTAX at "body", or at "metadata_props.spec" and "metadata_props.labels"; ERR_FIELD,
 * ERR_RANGE at "node 'NAME'", "tensor 'NAME'", "input 'NAME'", "graph", "ir_version",
 * "opset_import" and what spec_check names; ERR_MEMORY. Thread: any. */
#ifndef ONNX_READ_H
#define ONNX_READ_H

#include "msg_model.h"

/* Whether bytes begin as a ModelProto: ir_version and the key of another of its fields. */
bool onnx_magic(const char *bytes, size_t len);
/* As msg_model_decode. *digest is in the arena; NULL: the file says none. On success the caller
 * frees ret->labels. */
bool onnx_read(const char *bytes, size_t len, const struct model_limits *limits,
               struct arena *arena, struct msg_model *ret, const char **digest, struct err *err);

#endif
