#include "onnx_layers.h"

#include <inttypes.h>

#include "quote.h"
#include "value.h"

/* What has been read of the network. */
enum stage {
    FRONT,   /* nothing */
    PRODUCT, /* a layer without its biases */
    SUM,     /* with them */
    ACTIVE,  /* and its activation */
    BEHIND   /* a scaling of the outputs */
};

struct reading {
    const struct onnx_chain *chain;
    const struct model_limits *limits;
    struct onnx_layers *to;
    size_t at; /* of the link */
    enum stage stage;
    uint64_t width;                 /* values a row; 0: not said */
    size_t rank;                    /* dimensions, the rows' among them */
    const struct onnx_node *active; /* the last activation */
};

/* ---- the input ---- */

static bool input_read(struct reading *reading, struct err *err)
{
    const struct onnx_port *input = reading->chain->input;
    const size_t first = input->rank > 1 ? 1 : 0; /* dimensions of rows */
    const uint64_t most = reading->limits->max_units;

    reading->rank = 2;
    if (!input->shaped) {
        return true;
    }
    reading->rank = input->rank;
    reading->width = 1;
    for (size_t i = first; i < input->rank; i++) {
        if (__builtin_mul_overflow(reading->width, input->dims[i], &reading->width) ||
            reading->width > most) {
            err_set(err, ERR_FIELD, "", "has more than %" PRIu64 " values a row", most);
            return value_in(err, "input '%s'",
                            quote(input->name.at, protobuf_len(&input->name)).text);
        }
    }
    return true;
}

/* ---- layers ---- */

static struct layer_spec *last_layer(const struct reading *reading)
{
    return &reading->to->spec.layers[reading->to->spec.n_layers - 1];
}

/* A layer begins: with weights of rows x cols as they lie, of units x inputs unless transposed. */
static bool layer_begin(struct reading *reading, const struct onnx_link *link, bool transposed,
                        struct err *err)
{
    const struct onnx_tensor *weight = link->in[1].tensor;
    const size_t most = reading->limits->max_units, layers = reading->limits->max_layers;
    struct net_spec *spec = &reading->to->spec;
    uint64_t inputs, units;

    if (link->at != 0 || weight == NULL || weight->rank != 2 || !onnx_type_is_float(weight->type)) {
        return onnx_node_refuse(link->node, err,
                                "must take the layer before, and weights of two dimensions");
    }
    if (reading->rank > 2) {
        return onnx_node_refuse(link->node, err,
                                "takes rows of %zu dimensions: they need a Flatten first",
                                reading->rank - 1);
    }
    inputs = weight->dims[transposed ? 0 : 1];
    units = weight->dims[transposed ? 1 : 0];
    if (inputs < 1 || inputs > most || units < 1 || units > most) {
        return onnx_node_refuse(link->node, err,
                                "must have 1 to %zu inputs and units, has %" PRIu64 " and %" PRIu64,
                                most, inputs, units);
    }
    if (reading->width != 0 && reading->width != inputs) {
        return onnx_node_refuse(link->node, err,
                                "has weights for %" PRIu64 " inputs, but gets %" PRIu64, inputs,
                                reading->width);
    }
    if (reading->stage == BEHIND) {
        return onnx_node_refuse(link->node, err,
                                "stands behind a scaling: only the network's "
                                "inputs and outputs can be scaled");
    }
    if (reading->stage == ACTIVE && last_layer(reading)->act == ACT_SOFTMAX) {
        return onnx_node_refuse(reading->active, err, "can only be the last layer's");
    }
    if (spec->n_layers == (layers < SPEC_LAYERS_MAX ? layers : SPEC_LAYERS_MAX)) {
        return onnx_node_refuse(link->node, err, "is one layer too many: there can be %zu",
                                spec->n_layers);
    }
    if (reading->stage == FRONT) {
        reading->to->front = reading->at;
        spec->inputs = (size_t)inputs;
    }
    reading->to->layer[spec->n_layers] =
        (struct onnx_layer){ .node = link->node, .weight = weight, .transposed = transposed };
    spec->layers[spec->n_layers++] = (struct layer_spec){ (size_t)units, ACT_LINEAR };
    reading->width = units;
    reading->stage = PRODUCT;
    return true;
}

static bool biases_take(struct reading *reading, const struct onnx_link *link, size_t i,
                        struct err *err)
{
    const struct onnx_constant *biases = &link->in[i];
    struct onnx_layers *to = reading->to;

    if (biases->tensor == NULL || !onnx_type_is_float(biases->tensor->type) ||
        (!onnx_constant_is(biases, &reading->width, 1) && biases->tensor->count != 1)) {
        return onnx_node_refuse(link->node, err, "must have %" PRIu64 " biases, one for each unit",
                                reading->width);
    }
    to->layer[to->spec.n_layers - 1].biases = biases->tensor;
    reading->stage = SUM;
    return true;
}

static bool take_gemm(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    float alpha = 1.0F, beta = 1.0F;
    int64_t trans_a = 0, trans_b = 0;

    if (!onnx_node_float(link->node, "alpha", &alpha, err) ||
        !onnx_node_float(link->node, "beta", &beta, err) ||
        !onnx_node_int(link->node, "transA", &trans_a, err) ||
        !onnx_node_int(link->node, "transB", &trans_b, err)) {
        return false;
    }
    if (alpha != 1.0F || beta != 1.0F || trans_a != 0) {
        return onnx_node_refuse(link->node, err,
                                "must have alpha 1, beta 1 and transA 0, has %g, %g and %" PRId64,
                                (double)alpha, (double)beta, trans_a);
    }
    return layer_begin(reading, link, (trans_b != 0) == link->in[1].transposed, err) &&
           (link->in[2].tensor == NULL || biases_take(reading, link, 2, err));
}

static bool take_matmul(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    return layer_begin(reading, link, !link->in[1].transposed, err);
}

static bool activation(struct reading *reading, const struct onnx_link *link, enum act act,
                       struct err *err)
{
    if (reading->stage != PRODUCT && reading->stage != SUM) {
        return onnx_node_refuse(link->node, err,
                                "must stand behind a layer's Gemm, or MatMul and "
                                "Add");
    }
    last_layer(reading)->act = act;
    reading->active = link->node;
    reading->stage = ACTIVE;
    return true;
}

static bool take_sigmoid(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    return activation(reading, link, ACT_SIGMOID, err);
}

static bool take_tanh(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    return activation(reading, link, ACT_TANH, err);
}

static bool take_relu(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    return activation(reading, link, ACT_RELU, err);
}

/* Up to opset 12 the axis is 1 unless said; all dimensions from there on, which here are one. */
static bool take_softmax(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    const int64_t last = (int64_t)reading->rank - 1;
    int64_t axis = reading->chain->opset < 13 ? 1 : -1;

    if (!onnx_node_int(link->node, "axis", &axis, err)) {
        return false;
    }
    if (axis != -1 && axis != last) {
        return onnx_node_refuse(link->node, err, "must have axis -1 or %" PRId64 ", has %" PRId64,
                                last, axis);
    }
    return activation(reading, link, ACT_SOFTMAX, err);
}

static bool take_logsoftmax(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    (void)reading;
    return onnx_node_refuse(link->node, err,
                            "its outputs are logarithms: export the network with Softmax");
}

/* ---- scalings, and what changes nothing ---- */

static bool take_scaling(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    if (reading->stage == FRONT) {
        return true; /* its numbers are read once the inputs are known */
    }
    if (reading->stage == ACTIVE) {
        return onnx_node_refuse(link->node, err,
                                "stands behind an activation: only the inputs, and linear "
                                "outputs, can be scaled");
    }
    if (reading->stage != BEHIND) {
        reading->to->behind = reading->at;
        reading->stage = BEHIND;
    }
    return true;
}

static bool take_add(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    return reading->stage == PRODUCT ? biases_take(reading, link, 1 - link->at, err)
                                     : take_scaling(reading, link, err);
}

static bool take_nothing(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    (void)reading;
    return link->at == 0 || onnx_node_refuse(link->node, err, "must be of the layer before");
}

static bool take_cast(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    int64_t to = 0;

    (void)reading;
    if (!onnx_node_int(link->node, "to", &to, err)) {
        return false;
    }
    return to == ONNX_FLOAT || to == ONNX_DOUBLE ||
           onnx_node_refuse(link->node, err, "can be to FLOAT (1) or DOUBLE (11), is to %" PRId64,
                            to);
}

static bool take_dropout(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    int64_t training = 0;

    if (link->in[2].tensor != NULL &&
        (link->in[2].tensor->count != 1 ||
         !onnx_tensor_whole(link->in[2].tensor, 0, &training, err) || training != 0)) {
        return onnx_node_refuse(link->node, err,
                                "is in training mode: export the network for inference");
    }
    return take_nothing(reading, link, err);
}

static bool take_flatten(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    int64_t axis = 1;

    if (!onnx_node_int(link->node, "axis", &axis, err)) {
        return false;
    }
    if (reading->rank < 2 || (axis != 1 && axis + (int64_t)reading->rank != 1)) {
        return onnx_node_refuse(link->node, err, "must have axis 1, behind the rows, has %" PRId64,
                                axis);
    }
    reading->rank = 2;
    return true;
}

/* To [rows, values]: 0 and -1 are what was there, and what is left. */
static bool take_reshape(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    const struct onnx_tensor *shape = link->in[1].tensor;
    int64_t rows, values;

    if (link->at != 0 || shape == NULL || shape->rank != 1 || shape->count != 2) {
        return onnx_node_refuse(link->node, err,
                                "must have a constant shape of two: the rows, and their values");
    }
    if (!onnx_tensor_whole(shape, 0, &rows, err) || !onnx_tensor_whole(shape, 1, &values, err)) {
        return false;
    }
    if (reading->rank < 2 || rows < -1 || (values == -1 && rows == -1) || values < -1 ||
        values == 0 || (reading->width != 0 && values > 0 && (uint64_t)values != reading->width)) {
        return onnx_node_refuse(link->node, err,
                                "must keep rows as they are, has the shape [%" PRId64 ", %" PRId64
                                "] for rows of %" PRIu64,
                                rows, values, reading->width);
    }
    reading->width = values > 0 ? (uint64_t)values : reading->width;
    reading->rank = 2;
    return true;
}

/* Makes a map from names to probabilities, which is not a tensor any more. */
static bool take_map(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    if (reading->at + 1 != reading->chain->n || reading->stage == FRONT) {
        return onnx_node_refuse(link->node, err, "can only be last");
    }
    reading->to->map = link->node;
    return true;
}

/* ---- the chain ---- */

#define ML "ai.onnx.ml"

static const struct {
    const char *domain, *op;
    bool (*take)(struct reading *reading, const struct onnx_link *link, struct err *err);
} ops[] = {
    { "", "Gemm", take_gemm },        { "", "MatMul", take_matmul },
    { "", "Add", take_add },          { "", "Sub", take_scaling },
    { "", "Mul", take_scaling },      { "", "Div", take_scaling },
    { ML, "Scaler", take_scaling },   { "", "Sigmoid", take_sigmoid },
    { "", "Tanh", take_tanh },        { "", "Relu", take_relu },
    { "", "Softmax", take_softmax },  { "", "LogSoftmax", take_logsoftmax },
    { "", "Identity", take_nothing }, { "", "Cast", take_cast },
    { "", "Dropout", take_dropout },  { "", "Flatten", take_flatten },
    { "", "Reshape", take_reshape },  { ML, "ZipMap", take_map },
};

static bool link_take(struct reading *reading, const struct onnx_link *link, struct err *err)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        if (onnx_node_is(link->node, ops[i].domain, ops[i].op)) {
            return ops[i].take(reading, link, err);
        }
    }
    return onnx_node_refuse(link->node, err, "feed-forward networks have no such operator");
}

static bool outputs_check(const struct reading *reading, struct err *err)
{
    static const enum cost costs[ACT_COUNT] = { [ACT_SIGMOID] = COST_CROSS_ENTROPY,
                                                [ACT_TANH] = COST_MSE,
                                                [ACT_RELU] = COST_MSE,
                                                [ACT_LINEAR] = COST_MSE,
                                                [ACT_SOFTMAX] = COST_LOG_LIKELIHOOD };
    struct net_spec *spec = &reading->to->spec;

    if (spec->n_layers == 0) {
        return err_set(err, ERR_FIELD, "graph", "has no Gemm or MatMul, so no layer");
    }
    if (last_layer(reading)->act == ACT_RELU) {
        return onnx_node_refuse(reading->active, err,
                                "cannot be the last layer's: no cost goes with it");
    }
    spec->cost = costs[last_layer(reading)->act];
    return spec_check(spec, reading->limits->max_layers, reading->limits->max_params, err);
}

bool onnx_layers_read(const struct onnx_chain *chain, const struct model_limits *limits,
                      struct onnx_layers *ret, struct err *err)
{
    struct reading reading = { .chain = chain, .limits = limits, .to = ret };

    *ret = (struct onnx_layers){ .behind = chain->n };
    if (!input_read(&reading, err)) {
        return false;
    }
    for (; reading.at < chain->n; reading.at++) {
        if (!link_take(&reading, &chain->links[reading.at], err)) {
            return false;
        }
    }
    return outputs_check(&reading, err);
}
