#include "onnx_write.h"

#include <inttypes.h>
#include <stdio.h>

#include "export_tensor.h"
#include "msg_model.h"
#include "wire_write.h"

#define IR_VERSION 7
#define OPSET 13
#define NAME_LEN 40 /* room for a value's name */

/* Field numbers of onnx.proto, message by message. */
enum {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER_NAME = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_VERSION = 5,
    MODEL_GRAPH = 7,
    MODEL_OPSET_IMPORT = 8,
    MODEL_METADATA_PROPS = 14,

    OPSET_VERSION = 2,

    PROP_KEY = 1,
    PROP_VALUE = 2,

    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,

    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_OP_TYPE = 4,
    NODE_ATTRIBUTE = 5,

    ATTRIBUTE_NAME = 1,
    ATTRIBUTE_I = 3,
    ATTRIBUTE_TYPE = 20,
    ATTRIBUTE_TYPE_INT = 2,

    TENSOR_DIMS = 1,
    TENSOR_DATA_TYPE = 2,
    TENSOR_NAME = 8,
    TENSOR_RAW_DATA = 9,
    DATA_TYPE_FLOAT = 1,

    VALUE_INFO_NAME = 1,
    VALUE_INFO_TYPE = 2,
    TYPE_TENSOR = 1,
    TYPE_TENSOR_ELEM = 1,
    TYPE_TENSOR_SHAPE = 2,
    SHAPE_DIM = 1,
    DIM_VALUE = 1,
    DIM_PARAM = 2
};

/* ---- nodes ---- */

/* The graph is one chain. */
struct chain {
    struct text *text;
    const struct exporter *e;
    char value[NAME_LEN]; /* what the last node made */
    size_t left;          /* nodes to come */
};

struct node {
    const char *op;
    char name[NAME_LEN];
    char constant[2][NAME_LEN]; /* inputs behind the chain's value; "": none */
    const char *attribute;      /* NULL: none */
    int64_t attribute_value;
};

static void attribute_encode(struct text *text, const struct node *node)
{
    struct text attribute = { 0 };

    wire_write_str(&attribute, ATTRIBUTE_NAME, node->attribute);
    wire_write_number(&attribute, ATTRIBUTE_I, node->attribute_value);
    wire_write_number(&attribute, ATTRIBUTE_TYPE, ATTRIBUTE_TYPE_INT);
    wire_write_message(text, NODE_ATTRIBUTE, &attribute);
}

static void node_add(struct chain *chain, const struct node *node)
{
    struct text message = { 0 };

    wire_write_str(&message, NODE_INPUT, chain->value);
    for (size_t i = 0; i < 2 && node->constant[i][0] != '\0'; i++) {
        wire_write_str(&message, NODE_INPUT, node->constant[i]);
    }
    chain->left--;
    snprintf(chain->value, sizeof chain->value, "%s", chain->left == 0 ? "outputs" : node->name);
    wire_write_str(&message, NODE_OUTPUT, chain->value);
    wire_write_str(&message, NODE_NAME, node->name);
    wire_write_str(&message, NODE_OP_TYPE, node->op);
    if (node->attribute != NULL) {
        attribute_encode(&message, node);
    }
    wire_write_message(chain->text, GRAPH_NODE, &message);
}

static enum act last_act(const struct net *net)
{
    return net->layer[net->spec.n_layers - 1].act;
}

/* Whether something is left off. */
static bool is_part(const struct exporter *e)
{
    return e->options.part == EXPORT_LOGITS && last_act(e->net) != ACT_LINEAR;
}

static size_t nodes(const struct exporter *e)
{
    const struct net *net = e->net;
    size_t n = 2 * (size_t)(net->shift != NULL) + 2 * (size_t)(net->target_shift != NULL);

    for (size_t l = 0; l < net->spec.n_layers; l++) {
        n += net->layer[l].act != ACT_LINEAR ? 2 : 1;
    }
    return is_part(e) ? n - 1 : n;
}

static void layer_add(struct chain *chain, size_t l)
{
    static const char *const ops[ACT_COUNT] = { [ACT_SIGMOID] = "Sigmoid",
                                                [ACT_TANH] = "Tanh",
                                                [ACT_RELU] = "Relu",
                                                [ACT_LINEAR] = NULL,
                                                [ACT_SOFTMAX] = "Softmax" };
    const enum act act = chain->e->net->layer[l].act;
    struct node z = { .op = "Gemm", .attribute = "transB", .attribute_value = 1 };
    struct node a = { .op = ops[act] };

    snprintf(z.name, sizeof z.name, "layers.%zu.z", l);
    snprintf(z.constant[0], sizeof z.constant[0], "layers.%zu.weight", l);
    snprintf(z.constant[1], sizeof z.constant[1], "layers.%zu.bias", l);
    node_add(chain, &z);
    if (a.op == NULL || chain->left == 0) {
        return;
    }
    if (act == ACT_SOFTMAX) {
        a.attribute = "axis";
        a.attribute_value = -1;
    }
    snprintf(a.name, sizeof a.name, "layers.%zu.a", l);
    node_add(chain, &a);
}

static void nodes_encode(const struct exporter *e, struct text *text)
{
    static const struct node norm[] = { { "Sub", "norm.centred", { "norm.shift", "" }, NULL, 0 },
                                        { "Mul", "norm.scaled", { "norm.scale", "" }, NULL, 0 } };
    static const struct node target[] = {
        { "Div", "norm.unscaled", { "norm.target_scale", "" }, NULL, 0 },
        { "Add", "norm.target", { "norm.target_shift", "" }, NULL, 0 }
    };
    struct chain chain = { .text = text, .e = e, .value = "inputs", .left = nodes(e) };

    for (size_t i = 0; e->net->shift != NULL && i < 2; i++) {
        node_add(&chain, &norm[i]);
    }
    for (size_t l = 0; l < e->net->spec.n_layers; l++) {
        layer_add(&chain, l);
    }
    for (size_t i = 0; e->net->target_shift != NULL && i < 2; i++) {
        node_add(&chain, &target[i]);
    }
}

/* ---- what goes in and comes out ---- */

/* float32 [batch, width] under that name. */
static void value_info_encode(struct text *text, unsigned field, const char *name, size_t width)
{
    struct text batch = { 0 }, columns = { 0 }, shape = { 0 }, tensor = { 0 }, type = { 0 };
    struct text info = { 0 };

    wire_write_str(&batch, DIM_PARAM, "batch");
    wire_write_number(&columns, DIM_VALUE, (int64_t)width);
    wire_write_message(&shape, SHAPE_DIM, &batch);
    wire_write_message(&shape, SHAPE_DIM, &columns);
    wire_write_number(&tensor, TYPE_TENSOR_ELEM, DATA_TYPE_FLOAT);
    wire_write_message(&tensor, TYPE_TENSOR_SHAPE, &shape);
    wire_write_message(&type, TYPE_TENSOR, &tensor);
    wire_write_str(&info, VALUE_INFO_NAME, name);
    wire_write_message(&info, VALUE_INFO_TYPE, &type);
    wire_write_message(text, field, &info);
}

/* An initializer up to its values. */
static void initializer_begin(struct text *text, const struct export_tensor *tensor)
{
    struct text message = { 0 };

    wire_write_number(&message, TENSOR_DIMS, (int64_t)tensor->rows);
    if (tensor->cols > 0) {
        wire_write_number(&message, TENSOR_DIMS, (int64_t)tensor->cols);
    }
    wire_write_number(&message, TENSOR_DATA_TYPE, DATA_TYPE_FLOAT);
    wire_write_str(&message, TENSOR_NAME, tensor->name);
    wire_write_length(&message, TENSOR_RAW_DATA, tensor->bytes);
    wire_write_length(text, GRAPH_INITIALIZER, message.len + tensor->bytes);
    wire_write_text(text, &message);
}

/* ---- metadata ---- */

/* Takes over value. */
static void prop_add(struct text *text, const char *key, struct text *value)
{
    struct text prop = { 0 };

    wire_write_str(&prop, PROP_KEY, key);
    wire_write_message(&prop, PROP_VALUE, value);
    wire_write_message(text, MODEL_METADATA_PROPS, &prop);
}

static void labels_add(struct text *text, const struct labels *labels)
{
    struct text value = { 0 };

    text_str(&value, "[");
    for (size_t i = 0; i < labels->n; i++) {
        text_str(&value, i == 0 ? "" : ", ");
        text_json(&value, labels->name[i]);
    }
    text_str(&value, "]");
    prop_add(text, "labels", &value);
}

static void props_encode(const struct exporter *e, struct text *text)
{
    struct text value = { 0 };

    text_printf(&value, "%" PRIu64, e->facts->version);
    prop_add(text, "version", &value);
    if (e->labels != NULL) {
        labels_add(text, e->labels);
    }
    if (is_part(e)) {
        text_str(&value, "logits");
        prop_add(text, "part", &value);
        return;
    }
    text_str(&value, e->facts->digest);
    prop_add(text, "digest", &value);
    text_str(&value, "{");
    msg_spec_encode(&value, &e->net->spec, e->labels);
    text_str(&value, "}");
    prop_add(text, "spec", &value);
}

/* ---- the parts of the file, in the order of their fields' numbers ---- */

/* What stands before the graph's fields, graph_len bytes in all. */
static void model_begin(const struct exporter *e, uint64_t graph_len, struct text *text)
{
    wire_write_number(text, MODEL_IR_VERSION, IR_VERSION);
    wire_write_str(text, MODEL_PRODUCER_NAME, "sigmad");
    wire_write_str(text, MODEL_PRODUCER_VERSION, e->release);
    wire_write_number(text, MODEL_VERSION, (int64_t)e->facts->version);
    wire_write_length(text, MODEL_GRAPH, graph_len);
}

/* What stands before the initializers. */
static void graph_begin(const struct exporter *e, struct text *text)
{
    nodes_encode(e, text);
    wire_write_str(text, GRAPH_NAME, e->model);
}

/* And behind them. */
static void graph_end(const struct exporter *e, struct text *text)
{
    value_info_encode(text, GRAPH_INPUT, "inputs", e->net->spec.inputs);
    value_info_encode(text, GRAPH_OUTPUT, "outputs", spec_outputs(&e->net->spec));
}

static void model_end(const struct exporter *e, struct text *text)
{
    struct text opset = { 0 };

    wire_write_number(&opset, OPSET_VERSION, OPSET);
    wire_write_message(text, MODEL_OPSET_IMPORT, &opset);
    props_encode(e, text);
}

/* Bytes of all initializers, values included. */
static uint64_t initializers_len(const struct net *net, struct text *scratch)
{
    const size_t n = export_tensors(net);
    struct export_tensor tensor;
    uint64_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        export_tensor_at(net, i, &tensor);
        initializer_begin(scratch, &tensor);
        bytes += tensor.bytes;
    }
    return bytes + scratch->len;
}

/* Lengths stand before what they are of: all but the weights is written once to be measured. */
static bool file_begin(struct exporter *e, struct text *text, struct err *err)
{
    struct text begin = { 0 }, first = { 0 }, heads = { 0 }, last = { 0 }, end = { 0 };
    uint64_t graph_len;
    bool ok = true;

    graph_begin(e, &first);
    graph_end(e, &last);
    model_end(e, &end);
    graph_len = first.len + initializers_len(e->net, &heads) + last.len;
    model_begin(e, graph_len, &begin);
    e->total = begin.len + graph_len + end.len;
    text->failed = text->failed || heads.failed || last.failed || end.failed;
    if (!text->failed && e->total > ONNX_WRITE_MAX) {
        ok = err_set(err, ERR_FIELD, "format",
                     "onnx must be below 2 GiB, would be %" PRIu64 " bytes: take safetensors",
                     e->total);
    } else {
        wire_write_text(text, &begin);
        wire_write_text(text, &first);
    }
    text_done(&begin);
    text_done(&first);
    text_done(&heads);
    text_done(&last);
    text_done(&end);
    return ok;
}

enum { BEGIN, INITIALIZERS };

bool onnx_write_next(struct exporter *e, struct text *text, bool *end, struct err *err)
{
    struct export_tensor tensor;
    bool over;

    if (e->stage == BEGIN) {
        e->stage = INITIALIZERS;
        return file_begin(e, text, err);
    }
    if (e->layer == export_tensors(e->net)) {
        graph_end(e, text);
        model_end(e, text);
        *end = true;
        return true;
    }
    if (e->row == 0) {
        export_tensor_at(e->net, e->layer, &tensor);
        initializer_begin(text, &tensor);
    }
    if (!export_tensor_next(e, e->layer, text, &over, err)) {
        return false;
    }
    e->layer += over;
    return true;
}
