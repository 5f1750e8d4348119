/* A node of an ONNX graph: its names and attributes.
 *
 *   NodeProto       input 1, output 2, name 3, op_type 4, attribute 5, domain 7
 *   AttributeProto  name 1, f 2, i 3, t 5, floats 7, ints 8, strings 9
 *
 * Errors: ERR_SYNTAX as protobuf.h; else ERR_FIELD at "node 'NAME'", or "node N", its place in the
 * file, when it has none. Thread: any; the bytes stay the caller's; only names are allocated. */
#ifndef ONNX_NODE_H
#define ONNX_NODE_H

#include "arena.h"
#include "onnx_tensor.h"

#define ONNX_NAME_MAX 256 /* bytes of what values are called */
#define ONNX_IN_MAX 3     /* inputs of a node that are kept */
#define ONNX_OUT_MAX 2

/* Names are as in the file: any bytes. */
struct onnx_node {
    struct protobuf name, op, domain, message;
    size_t number;                   /* in the file's order */
    size_t n_in;                     /* how many it has */
    struct protobuf in[ONNX_IN_MAX]; /* the first of them; empty: left out */
    size_t n_out;
    struct protobuf out[ONNX_OUT_MAX];
};

bool onnx_node_read(struct protobuf message, size_t number, struct onnx_node *ret, struct err *err);

bool onnx_name_is(const struct protobuf *name, const char *text);
bool onnx_name_equal(const struct protobuf *a, const struct protobuf *b);

/* Whether the node is op of this domain; "": ai.onnx. */
bool onnx_node_is(const struct onnx_node *node, const char *domain, const char *op);
/* Puts the node before what was set at "". Always false. */
bool onnx_node_in(const struct onnx_node *node, struct err *err);
/* "node 'conv1'" "is a Conv: WHAT". Always false. */
bool onnx_node_refuse(const struct onnx_node *node, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The AttributeProto of that name; *found false: none. */
bool onnx_node_attribute(const struct onnx_node *node, const char *name, bool *found,
                         struct protobuf *ret, struct err *err);
/* Its i, f or t; ret is untouched when there is no such attribute. */
bool onnx_node_int(const struct onnx_node *node, const char *name, int64_t *ret, struct err *err);
bool onnx_node_float(const struct onnx_node *node, const char *name, float *ret, struct err *err);
bool onnx_node_tensor(const struct onnx_node *node, const char *name, bool *found,
                      struct onnx_tensor *ret, struct err *err);
/* The names of ZipMap's classes: its classlabels_strings, or its classlabels_int64s in decimal. At
 * most max go to names, which lie in the arena; *n says how many there are. */
bool onnx_node_names(const struct onnx_node *node, size_t max, struct arena *arena,
                     const char **names, size_t *n, struct err *err);

#endif
