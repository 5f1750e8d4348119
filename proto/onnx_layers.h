/* A chain of ONNX nodes as layers: what of it is a network's shape, and where its weights are.
 *
 *   in front      Identity, Cast, Dropout, Flatten, Reshape to two dimensions; Sub, Add, Mul, Div
 *                 by constants, Scaler
 *   a layer       Gemm (alpha, beta 1, transA 0), or MatMul, then Add of the biases; then Sigmoid,
 *                 Tanh, Relu, Softmax over the last dimension, or none: linear
 *   behind        scalings again, of linear outputs; ZipMap
 *
 * What changes nothing (Identity to Reshape) may stand anywhere. Weights and biases are floats.
 *
 * Errors: ERR_FIELD at "node 'NAME'", "tensor 'NAME'", "input 'NAME'" or, for what spec_check
 * refuses, where it says. ret is of no use after one. Thread: any; nothing is
 * allocated. */
#ifndef ONNX_LAYERS_H
#define ONNX_LAYERS_H

#include "msg_model.h"
#include "onnx_chain.h"

struct onnx_layer {
    const struct onnx_node *node;
    const struct onnx_tensor *weight;
    bool transposed;                  /* it has inputs x units, not units x inputs */
    const struct onnx_tensor *biases; /* NULL: zeros; one value: for all units */
};

struct onnx_layers {
    struct net_spec spec; /* inputs, layers, and the cost that goes with the outputs */
    struct onnx_layer layer[SPEC_LAYERS_MAX];
    size_t front, behind; /* links before front and from behind on scale, or change nothing */
    const struct onnx_node *map; /* the ZipMap, which has the classes' names; NULL: none */
};

bool onnx_layers_read(const struct onnx_chain *chain, const struct model_limits *limits,
                      struct onnx_layers *ret, struct err *err);

#endif
