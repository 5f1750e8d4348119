#include "onnx_chain.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "quote.h"

#define STRING 8      /* in TensorProto.DataType */
#define REREADS_MAX 8 /* times the file's length */

/* ---- who makes a value ---- */

/* One of tensor, node and input is there. */
struct maker {
    struct protobuf name;
    const struct onnx_tensor *tensor; /* an initializer, or a Constant's */
    const struct onnx_node *node;
    const struct onnx_port *input;
};

/* Sorted by name: a graph may have thousands. */
struct makers {
    struct maker *list;
    size_t n;
};

static int name_order(const struct protobuf *a, const struct protobuf *b)
{
    const size_t len_a = protobuf_len(a), len_b = protobuf_len(b);
    const size_t len = len_a < len_b ? len_a : len_b;
    const int order = len > 0 ? memcmp(a->at, b->at, len) : 0;

    return order != 0 ? order : (len_a > len_b) - (len_a < len_b);
}

static int maker_order(const void *a, const void *b)
{
    const struct maker *one = a, *other = b;

    return name_order(&one->name, &other->name);
}

/* Or NULL. */
static const struct maker *maker_find(const struct makers *makers, const struct protobuf *name)
{
    const struct maker key = { .name = *name };

    return bsearch(&key, makers->list, makers->n, sizeof key, maker_order);
}

/* The value of a Constant node, to *room. */
static bool constant_read(const struct onnx_node *node, struct onnx_tensor *room, struct err *err)
{
    bool found;

    if (!onnx_node_tensor(node, "value", &found, room, err)) {
        return false;
    }
    if (!found) {
        return onnx_node_refuse(node, err, "must have a tensor as its value");
    }
    room->name = node->out[0];
    return true;
}

static bool nodes_add(const struct onnx_graph *graph, struct makers *makers,
                      struct onnx_tensor *constants, struct err *err)
{
    for (size_t i = 0; i < graph->n_nodes; i++) {
        const struct onnx_node *node = &graph->nodes[i];

        if (onnx_node_is(node, "", "Constant") && node->n_out == 1) {
            if (!constant_read(node, &constants[i], err)) {
                return false;
            }
            makers->list[makers->n++] =
                (struct maker){ .name = node->out[0], .tensor = &constants[i] };
            continue;
        }
        for (size_t k = 0; k < node->n_out && k < ONNX_OUT_MAX; k++) {
            if (protobuf_len(&node->out[k]) > 0) {
                makers->list[makers->n++] = (struct maker){ .name = node->out[k], .node = node };
            }
        }
    }
    return true;
}

/* Those that are no initializers: a sorted list of initializers says which. */
static void inputs_add(const struct onnx_graph *graph, struct makers *makers)
{
    const struct makers tensors = *makers;

    for (size_t i = 0; i < graph->n_inputs; i++) {
        const struct onnx_port *input = &graph->inputs[i];

        if (maker_find(&tensors, &input->name) == NULL) {
            makers->list[makers->n++] = (struct maker){ .name = input->name, .input = input };
        }
    }
}

static bool makers_init(const struct onnx_graph *graph, struct arena *arena, struct makers *ret,
                        struct err *err)
{
    const size_t most = graph->n_tensors + graph->n_inputs + ONNX_OUT_MAX * graph->n_nodes;
    struct makers makers = { arena_alloc(arena, most + 1, sizeof *makers.list), 0 };
    struct onnx_tensor *constants = arena_alloc(arena, graph->n_nodes + 1, sizeof *constants);

    if (makers.list == NULL || constants == NULL) {
        return err_set(err, ERR_MEMORY, "graph", "does not fit into memory");
    }
    for (size_t i = 0; i < graph->n_tensors; i++) {
        makers.list[makers.n++] =
            (struct maker){ .name = graph->tensors[i].name, .tensor = &graph->tensors[i] };
    }
    qsort(makers.list, makers.n, sizeof *makers.list, maker_order);
    inputs_add(graph, &makers);
    if (!nodes_add(graph, &makers, constants, err)) {
        return false;
    }
    qsort(makers.list, makers.n, sizeof *makers.list, maker_order);
    for (size_t i = 1; i < makers.n; i++) {
        const struct protobuf *name = &makers.list[i].name;

        if (onnx_name_equal(name, &makers.list[i - 1].name)) {
            return err_set(err, ERR_FIELD, "graph", "has two values called '%s'",
                           quote(name->at, protobuf_len(name)).text);
        }
    }
    *ret = makers;
    return true;
}

/* ---- constants ---- */

static bool cast_is_kept(const struct onnx_node *node, bool *ret, struct err *err)
{
    int64_t to = 0;

    if (!onnx_node_int(node, "to", &to, err)) {
        return false;
    }
    *ret = to == ONNX_FLOAT || to == ONNX_DOUBLE;
    return true;
}

/* Two dimensions are swapped unless perm says [0, 1]; of fewer there is nothing to swap. */
static bool transpose(const struct onnx_node *node, struct onnx_constant *constant, struct err *err)
{
    struct protobuf_numbers perm;
    struct protobuf attribute;
    uint64_t first = 1;
    bool found, more;

    if (constant->tensor->rank > 2) {
        return onnx_node_refuse(node, err, "can be of two dimensions, is of %zu",
                                constant->tensor->rank);
    }
    if (!onnx_node_attribute(node, "perm", &found, &attribute, err)) {
        return false;
    }
    if (found) {
        perm = protobuf_numbers(attribute, 8, PROTOBUF_VARINT);
        if (!protobuf_numbers_next(&perm, &first, &more, err)) {
            return false;
        }
    }
    constant->transposed ^= first == 1 && constant->tensor->rank == 2;
    return true;
}

/* The constant of that name; ret->tensor stays NULL when it is none. */
static bool constant_find(const struct makers *makers, const struct protobuf *name, unsigned depth,
                          struct onnx_constant *ret, struct err *err)
{
    const struct maker *maker = maker_find(makers, name);
    bool kept = true;

    *ret = (struct onnx_constant){ .tensor = maker != NULL ? maker->tensor : NULL };
    if (maker == NULL || maker->node == NULL || depth == ONNX_CONSTANT_DEPTH ||
        maker->node->n_in != 1) {
        return true;
    }
    if (onnx_node_is(maker->node, "", "Cast")) {
        if (!cast_is_kept(maker->node, &kept, err)) {
            return false;
        }
    } else {
        kept =
            onnx_node_is(maker->node, "", "Identity") || onnx_node_is(maker->node, "", "Transpose");
    }
    if (!kept) {
        return true;
    }
    if (!constant_find(makers, &maker->node->in[0], depth + 1, ret, err)) {
        return false;
    }
    return ret->tensor == NULL || !onnx_node_is(maker->node, "", "Transpose") ||
           transpose(maker->node, ret, err);
}

/* Dims without leading ones of size 1. */
static size_t dims_trim(const uint64_t **dims, size_t rank)
{
    while (rank > 0 && **dims == 1) {
        ++*dims;
        rank--;
    }
    return rank;
}

bool onnx_constant_is(const struct onnx_constant *constant, const uint64_t *dims, size_t rank)
{
    const struct onnx_tensor *tensor = constant->tensor;
    const uint64_t turned[2] = { tensor->dims[1], tensor->dims[0] };
    const uint64_t *own = constant->transposed ? turned : tensor->dims;
    const size_t own_rank = dims_trim(&own, tensor->rank);

    rank = dims_trim(&dims, rank);
    return rank == own_rank && (rank == 0 || memcmp(own, dims, rank * sizeof *dims) == 0);
}

/* ---- the walk back from the output ---- */

struct walk {
    const struct makers *makers;
    uint64_t budget; /* bytes of constants that may still be read */
};

static bool link_read(struct walk *walk, const struct onnx_node *node, struct onnx_link *ret,
                      struct err *err)
{
    struct onnx_link link = { .node = node };
    size_t computed = 0;

    for (size_t i = 0; i < node->n_in && i < ONNX_IN_MAX; i++) {
        const struct onnx_tensor *tensor;

        if (protobuf_len(&node->in[i]) == 0) {
            continue; /* left out */
        }
        if (!constant_find(walk->makers, &node->in[i], 0, &link.in[i], err)) {
            return false;
        }
        tensor = link.in[i].tensor;
        if (tensor == NULL) {
            link.at = i;
            computed++;
        } else if (!tensor->has_raw) {
            const size_t len = protobuf_len(&tensor->message);

            if (len > walk->budget) {
                return onnx_tensor_refuse(tensor, "is used too often for its size", err);
            }
            walk->budget -= len;
        }
    }
    if (computed != 1) {
        return onnx_node_refuse(node, err,
                                "computes from %zu values: only a chain of layers is read, each "
                                "from the one before",
                                computed);
    }
    *ret = link;
    return true;
}

/* Who makes the value that the node, or the graph as its output, takes. */
static bool maker_of(const struct makers *makers, const struct protobuf *name,
                     const struct onnx_node *taker, const struct maker **ret, struct err *err)
{
    const struct maker *maker = maker_find(makers, name);

    if (maker == NULL) {
        err_set(err, ERR_FIELD, "", "takes '%s', which nothing makes",
                quote(name->at, protobuf_len(name)).text);
        return taker != NULL ? onnx_node_in(taker, err) : err_in(err, "graph's output");
    }
    if (maker->node != NULL && !onnx_name_equal(name, &maker->node->out[0])) {
        return onnx_node_refuse(maker->node, err, "only its first output is read");
    }
    *ret = maker;
    return true;
}

/* Fills links from their end. */
static bool walk_back(struct walk *walk, const struct protobuf *output, struct onnx_link *links,
                      struct onnx_chain *chain, struct err *err)
{
    const struct onnx_node *taker = NULL;
    const struct protobuf *name = output;
    const struct maker *maker = NULL;
    size_t at = ONNX_CHAIN_MAX;

    for (;;) {
        if (!maker_of(walk->makers, name, taker, &maker, err)) {
            return false;
        }
        if (maker->node == NULL) {
            break;
        }
        if (at == 0) {
            return err_set(err, ERR_FIELD, "graph", "has more than %d nodes in a row",
                           ONNX_CHAIN_MAX);
        }
        taker = maker->node;
        if (!link_read(walk, taker, &links[--at], err)) {
            return false;
        }
        name = &taker->in[links[at].at];
    }
    if (taker == NULL) {
        return err_set(err, ERR_FIELD, "graph", "has no node that computes its output");
    }
    chain->input = maker->input;
    chain->links = links + at;
    chain->n = ONNX_CHAIN_MAX - at;
    return true;
}

static bool input_check(const struct makers *makers, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < makers->n; i++) {
        n += makers->list[i].input != NULL ? 1 : 0;
    }
    return n == 1 || err_set(err, ERR_FIELD, "graph", "must have 1 input, has %zu", n);
}

static bool output_find(const struct onnx_graph *graph, const struct protobuf **ret,
                        struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < graph->n_outputs; i++) {
        const struct onnx_port *output = &graph->outputs[i];

        if (!onnx_type_is_whole(output->type) && output->type != STRING) {
            *ret = &output->name;
            n++;
        }
    }
    return n == 1 || err_set(err, ERR_FIELD, "graph", "must have 1 output of numbers, has %zu", n);
}

bool onnx_chain_read(const struct onnx_graph *graph, struct arena *arena, struct onnx_chain *ret,
                     struct err *err)
{
    struct onnx_chain chain = { .opset = graph->opset };
    struct onnx_link *links = arena_alloc(arena, ONNX_CHAIN_MAX, sizeof *links);
    const struct protobuf *output = NULL;
    struct makers makers;
    struct walk walk = { .makers = &makers, .budget = REREADS_MAX * (uint64_t)graph->len };

    if (links == NULL) {
        return err_set(err, ERR_MEMORY, "graph", "does not fit into memory");
    }
    if (!output_find(graph, &output, err) || !makers_init(graph, arena, &makers, err) ||
        !input_check(&makers, err) || !walk_back(&walk, output, links, &chain, err)) {
        return false;
    }
    *ret = chain;
    return true;
}
