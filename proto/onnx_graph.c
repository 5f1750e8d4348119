#include "onnx_graph.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "onnx_node.h"
#include "quote.h"
#include "value.h"

#define IR_MIN 3 /* what opset 7 came with */
#define IR_MAX 13
#define OPSET_MIN 7
#define OPSET_MAX 25

/* What of a file is read before the nodes. */
struct head {
    uint64_t ir, opset;
    bool has_graph;
    struct protobuf graph;
};

/* ---- the model's own fields ---- */

static bool opset_take(struct head *head, struct protobuf message, struct err *err)
{
    struct protobuf domain = { NULL, NULL };
    struct protobuf_field field;
    uint64_t version = 0;
    bool more;

    for (;;) {
        if (!protobuf_next(&message, &field, &more, err)) {
            return false;
        }
        if (!more) {
            break;
        }
        if (protobuf_is(&field, 1, PROTOBUF_BYTES)) {
            domain = field.bytes;
        } else if (protobuf_is(&field, 2, PROTOBUF_VARINT)) {
            version = field.bits;
        }
    }
    if (protobuf_len(&domain) == 0 || onnx_name_is(&domain, "ai.onnx")) {
        head->opset = version;
    }
    return true;
}

static bool metadata_take(struct onnx_graph *graph, struct protobuf message, struct err *err)
{
    struct protobuf key = { NULL, NULL }, value = { NULL, NULL };
    struct protobuf_field field;
    bool more;

    for (;;) {
        if (!protobuf_next(&message, &field, &more, err)) {
            return false;
        }
        if (!more) {
            break;
        }
        if (protobuf_is(&field, 1, PROTOBUF_BYTES)) {
            key = field.bytes;
        } else if (protobuf_is(&field, 2, PROTOBUF_BYTES)) {
            value = field.bytes;
        }
    }
    if (onnx_name_is(&key, "spec")) {
        graph->spec = value;
    } else if (onnx_name_is(&key, "labels")) {
        graph->labels = value;
    } else if (onnx_name_is(&key, "digest")) {
        graph->digest = value;
    }
    return true;
}

static bool model_take(struct head *head, struct onnx_graph *graph,
                       const struct protobuf_field *field, struct err *err)
{
    if (protobuf_is(field, 1, PROTOBUF_VARINT)) {
        head->ir = field->bits;
    } else if (protobuf_is(field, 2, PROTOBUF_BYTES)) {
        graph->producer = field->bytes;
    } else if (protobuf_is(field, 7, PROTOBUF_BYTES)) {
        if (head->has_graph) {
            return err_set(err, ERR_FIELD, "graph", "is there twice");
        }
        head->graph = field->bytes;
        head->has_graph = true;
    } else if (protobuf_is(field, 8, PROTOBUF_BYTES)) {
        return opset_take(head, field->bytes, err);
    } else if (protobuf_is(field, 14, PROTOBUF_BYTES)) {
        return metadata_take(graph, field->bytes, err);
    }
    return true;
}

static bool head_check(const struct head *head, struct err *err)
{
    if (head->ir == 0 || !head->has_graph) {
        return err_set(err, ERR_SYNTAX, "body", "is no ONNX model: it has no %s",
                       head->ir == 0 ? "ir_version" : "graph");
    }
    if (head->ir < IR_MIN || head->ir > IR_MAX) {
        return err_set(err, ERR_FIELD, "ir_version", "must be %d to %d, is %" PRIu64, IR_MIN,
                       IR_MAX, head->ir);
    }
    if (head->opset < OPSET_MIN || head->opset > OPSET_MAX) {
        return err_set(err, ERR_FIELD, "opset_import", "must be %d to %d of ai.onnx, is %" PRIu64,
                       OPSET_MIN, OPSET_MAX, head->opset);
    }
    return true;
}

/* ---- inputs and outputs ---- */

static bool dim_read(struct protobuf message, uint64_t *ret, struct err *err)
{
    struct protobuf_field field;
    uint64_t dim = 0;
    bool more;

    for (;;) {
        if (!protobuf_next(&message, &field, &more, err)) {
            return false;
        }
        if (!more) {
            *ret = dim;
            return true;
        }
        if (protobuf_is(&field, 1, PROTOBUF_VARINT)) {
            dim = field.bits <= INT64_MAX ? field.bits : 0; /* -1 is written for any, too */
        }
    }
}

static bool shape_read(struct protobuf message, struct onnx_port *port, struct err *err)
{
    struct protobuf_field field;
    bool more;

    port->shaped = true;
    for (;;) {
        if (!protobuf_next(&message, &field, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (protobuf_is(&field, 1, PROTOBUF_BYTES)) {
            if (port->rank == ONNX_RANK_MAX) {
                return err_set(err, ERR_FIELD, "", "has more than %d dimensions", ONNX_RANK_MAX);
            }
            if (!dim_read(field.bytes, &port->dims[port->rank++], err)) {
                return false;
            }
        }
    }
}

/* What TypeProto { tensor_type 1 { elem_type 1, shape 2 } } says; of others nothing. */
static bool type_read(struct protobuf message, bool inner, struct onnx_port *port, struct err *err)
{
    struct protobuf_field field;
    bool more, ok = true;

    for (;;) {
        if (!ok || !protobuf_next(&message, &field, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (!inner && protobuf_is(&field, 1, PROTOBUF_BYTES)) {
            ok = type_read(field.bytes, true, port, err);
        } else if (inner && protobuf_is(&field, 1, PROTOBUF_VARINT)) {
            port->type = field.bits;
        } else if (inner && protobuf_is(&field, 2, PROTOBUF_BYTES)) {
            ok = shape_read(field.bytes, port, err);
        }
    }
}

static bool port_read(struct protobuf message, struct onnx_port *ret, struct err *err)
{
    struct onnx_port port = { .shaped = false };
    struct protobuf_field field;
    bool more;

    for (;;) {
        if (!protobuf_next(&message, &field, &more, err)) {
            return false;
        }
        if (!more) {
            *ret = port;
            return true;
        }
        if (protobuf_is(&field, 1, PROTOBUF_BYTES)) {
            port.name = field.bytes;
        } else if (protobuf_is(&field, 2, PROTOBUF_BYTES) &&
                   !type_read(field.bytes, false, &port, err)) {
            return value_in(err, "graph's value '%s'",
                            quote(port.name.at, protobuf_len(&port.name)).text);
        }
    }
}

/* ---- the graph ---- */

enum part { NODES, TENSORS, INPUTS, OUTPUTS, PARTS };

static const struct {
    uint32_t field;
    size_t max;
    const char *what;
} parts[PARTS] = { [NODES] = { 1, ONNX_NODES_MAX, "nodes" },
                   [TENSORS] = { 5, ONNX_TENSORS_MAX, "initializers" },
                   [INPUTS] = { 11, ONNX_PORTS_MAX, "inputs" },
                   [OUTPUTS] = { 12, ONNX_PORTS_MAX, "outputs" } };

/* PARTS: none. */
static enum part part_of(const struct protobuf_field *field)
{
    enum part part = NODES;

    while (part < PARTS && !protobuf_is(field, parts[part].field, PROTOBUF_BYTES)) {
        part++;
    }
    return part;
}

static bool graph_count(struct protobuf message, size_t n[PARTS], struct err *err)
{
    struct protobuf_field field;
    enum part part;
    bool more;

    for (;;) {
        if (!protobuf_next(&message, &field, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        part = part_of(&field);
        if (part < PARTS && n[part]++ == parts[part].max) {
            return err_set(err, ERR_FIELD, "graph", "has more than %zu %s", parts[part].max,
                           parts[part].what);
        }
    }
}

static bool graph_fill(struct protobuf message, struct onnx_graph *graph, struct err *err)
{
    struct protobuf_field field;
    bool more, ok = true;

    for (;;) {
        if (!ok || !protobuf_next(&message, &field, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        switch (part_of(&field)) {
        case NODES:
            ok = onnx_node_read(field.bytes, graph->n_nodes, &graph->nodes[graph->n_nodes], err);
            graph->n_nodes++;
            break;
        case TENSORS:
            ok = onnx_tensor_read(field.bytes, &graph->tensors[graph->n_tensors++], err);
            break;
        case INPUTS:
            ok = port_read(field.bytes, &graph->inputs[graph->n_inputs++], err);
            break;
        case OUTPUTS:
            ok = port_read(field.bytes, &graph->outputs[graph->n_outputs++], err);
            break;
        case PARTS:
            break;
        }
    }
}

bool onnx_graph_read(const char *bytes, size_t len, struct arena *arena, struct onnx_graph *ret,
                     struct err *err)
{
    struct protobuf message = { bytes, bytes + len };
    struct onnx_graph graph = { .len = len };
    struct head head = { .has_graph = false };
    struct protobuf_field field;
    size_t n[PARTS] = { 0 };
    bool more = true;

    while (more) {
        if (!protobuf_next(&message, &field, &more, err) ||
            (more && !model_take(&head, &graph, &field, err))) {
            return false;
        }
    }
    if (!head_check(&head, err) || !graph_count(head.graph, n, err)) {
        return false;
    }
    graph.opset = head.opset;
    graph.nodes = arena_alloc(arena, n[NODES] + 1, sizeof *graph.nodes);
    graph.tensors = arena_alloc(arena, n[TENSORS] + 1, sizeof *graph.tensors);
    graph.inputs = arena_alloc(arena, n[INPUTS] + 1, sizeof *graph.inputs);
    graph.outputs = arena_alloc(arena, n[OUTPUTS] + 1, sizeof *graph.outputs);
    if (graph.nodes == NULL || graph.tensors == NULL || graph.inputs == NULL ||
        graph.outputs == NULL) {
        return err_set(err, ERR_MEMORY, "graph", "does not fit into memory");
    }
    if (!graph_fill(head.graph, &graph, err)) {
        return false;
    }
    *ret = graph;
    return true;
}
