/* The graph of an ONNX file: its nodes and constants, not yet what they mean.
 *
 *   ModelProto  ir_version 1, producer_name 2, graph 7, opset_import 8 {domain 1, version 2},
 *               metadata_props 14 {key 1, value 2}
 *   GraphProto  node 1, initializer 5, input 11, output 12
 *
 * Source: onnx.proto, IR.md and Versioning.md of ONNX. Taken are IR 3 to 13, opsets 7 to 25, and
 * of each at most as many as below; other fields are skipped.
 *
 * Errors: ERR_SYNTAX at "body" for what is no such file; else ERR_FIELD at "node 'NAME'" (its
 * number, when it has none), "tensor 'NAME'", "graph" or "body". Thread: any. The bytes stay the
 * caller's, for as long as the graph is used; what is counted lies in the arena. */
#ifndef ONNX_GRAPH_H
#define ONNX_GRAPH_H

#include "arena.h"
#include "onnx_node.h"

#define ONNX_NODES_MAX 1024
#define ONNX_TENSORS_MAX 1024
#define ONNX_PORTS_MAX                                                                             \
    1088 /* inputs or outputs of the graph: old ones have the tensors among them */

/* An input or output of the graph. */
struct onnx_port {
    struct protobuf name;
    uint64_t type; /* enum onnx_type; 0: not said */
    bool shaped;
    size_t rank;
    uint64_t dims[ONNX_RANK_MAX]; /* 0: any */
};

struct onnx_graph {
    size_t len; /* bytes of the file */
    uint64_t opset;
    struct onnx_node *nodes;
    size_t n_nodes;
    struct onnx_tensor *tensors; /* initializers */
    size_t n_tensors;
    struct onnx_port *inputs, *outputs;
    size_t n_inputs, n_outputs;
    struct protobuf producer;
    struct protobuf spec, labels, digest; /* metadata_props of these names; empty: none */
};

bool onnx_graph_read(const char *bytes, size_t len, struct arena *arena, struct onnx_graph *ret,
                     struct err *err);

#endif
