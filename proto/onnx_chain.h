/* An ONNX graph as a chain: the nodes from its input to its output, each of which computes from the
 * value of the one before, and from constants.
 *
 *   constant   an initializer, a Constant's tensor, and Identity, Cast to FLOAT or DOUBLE and
 *              Transpose of one, ONNX_CONSTANT_DEPTH deep at most
 *   input      the only one of the graph that is no initializer
 *   output     the only one, but for those of whole numbers or strings: classifiers have the class
 *              beside its probabilities
 *
 * Nodes stand in any order; what the output does not depend on is not looked at.
 *
 * Errors: ERR_SYNTAX as protobuf.h; else ERR_FIELD at "graph", "node 'NAME'" or "tensor 'NAME'";
 * ERR_MEMORY. Thread: any. What a chain points to is the graph's, or lies in the arena. */
#ifndef ONNX_CHAIN_H
#define ONNX_CHAIN_H

#include "onnx_graph.h"

#define ONNX_CHAIN_MAX 512 /* nodes */
#define ONNX_CONSTANT_DEPTH 4

struct onnx_constant {
    const struct onnx_tensor *tensor; /* NULL: none */
    bool transposed;                  /* of two dimensions, and meant the other way round */
};

struct onnx_link {
    const struct onnx_node *node;
    size_t at;                            /* which of its inputs the value from before is */
    struct onnx_constant in[ONNX_IN_MAX]; /* the others */
};

struct onnx_chain {
    uint64_t opset;
    const struct onnx_port *input;
    const struct onnx_link *links;
    size_t n; /* at least 1 */
};

/* Tensors whose values do not lie in raw_data cost reading; used over and over they are refused. */
bool onnx_chain_read(const struct onnx_graph *graph, struct arena *arena, struct onnx_chain *ret,
                     struct err *err);

/* Whether it has exactly these dimensions, leading ones of size 1 aside. */
bool onnx_constant_is(const struct onnx_constant *constant, const uint64_t *dims, size_t rank);

#endif
