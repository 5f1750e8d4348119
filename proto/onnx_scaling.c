#include "onnx_scaling.h"

#include <math.h>

struct scaling {
    const struct onnx_link *link; /* that is being read */
    size_t n;
    bool targets;
    bool any, shifted;
    double *shift, *scale;
    float *values;        /* of a constant */
    const uint64_t *dims; /* of a row */
    size_t rank;
    uint64_t flat; /* n, as the size of rows that a Flatten has made */
};

/* ---- one value ---- */

static void add(struct scaling *s, size_t i, double value)
{
    s->shifted = true;
    s->shift[i] += s->targets ? value : -value / s->scale[i];
}

static void multiply(struct scaling *s, size_t i, double value)
{
    if (s->targets) {
        s->shift[i] *= value;
        s->scale[i] /= value;
    } else {
        s->scale[i] *= value;
    }
}

static void divide(struct scaling *s, size_t i, double value)
{
    if (s->targets) {
        s->shift[i] /= value;
        s->scale[i] *= value;
    } else {
        s->scale[i] /= value;
    }
}

/* value - x */
static void subtract_from(struct scaling *s, size_t i, double value)
{
    multiply(s, i, -1.0);
    add(s, i, value);
}

static void subtract(struct scaling *s, size_t i, double value)
{
    add(s, i, -value);
}

typedef void scale_one(struct scaling *s, size_t i, double value);

/* ---- one node ---- */

/* The tensor's values, one or n of them, each to its place. */
static bool apply(struct scaling *s, const struct onnx_tensor *tensor, size_t cols, scale_one *one,
                  struct err *err)
{
    if (!onnx_tensor_floats(tensor, cols, s->values, err)) {
        return false;
    }
    s->any = true;
    for (size_t i = 0; i < s->n; i++) {
        one(s, i, (double)s->values[tensor->count == 1 ? 0 : i]);
    }
    return true;
}

static bool take_constant(struct scaling *s, scale_one *one, struct err *err)
{
    const struct onnx_constant *constant = &s->link->in[1 - s->link->at];

    if (s->link->at > 1 || constant->tensor == NULL) {
        return onnx_node_refuse(s->link->node, err, "must be by a constant");
    }
    if (constant->tensor->count != 1 && !onnx_constant_is(constant, s->dims, s->rank)) {
        return onnx_node_refuse(s->link->node, err,
                                "must be by one value, or by %zu in the shape of a row", s->n);
    }
    return apply(s, constant->tensor, constant->transposed ? (size_t)constant->tensor->dims[1] : 0,
                 one, err);
}

/* The floats of Scaler's attribute; without it nothing is done. */
static bool take_list(struct scaling *s, const char *name, scale_one *one, struct err *err)
{
    struct onnx_tensor list;
    struct protobuf attribute;
    bool found;

    if (!onnx_node_attribute(s->link->node, name, &found, &attribute, err)) {
        return false;
    }
    if (!found) {
        return true;
    }
    if (!onnx_tensor_list(attribute, 7, s->link->node->name, &list, err)) {
        return false;
    }
    if (list.count != 1 && list.count != s->n) {
        return onnx_node_refuse(s->link->node, err, "must have 1 or %zu values as its %s", s->n,
                                name);
    }
    return apply(s, &list, 0, one, err);
}

static bool take_node(struct scaling *s, struct err *err)
{
    const struct onnx_node *node = s->link->node;

    if (onnx_node_is(node, "", "Add")) {
        return take_constant(s, add, err);
    }
    if (onnx_node_is(node, "", "Sub")) {
        return take_constant(s, s->link->at == 0 ? subtract : subtract_from, err);
    }
    if (onnx_node_is(node, "", "Mul")) {
        return take_constant(s, multiply, err);
    }
    if (onnx_node_is(node, "", "Div")) {
        return s->link->at == 0 ? take_constant(s, divide, err)
                                : onnx_node_refuse(node, err, "cannot divide by the value");
    }
    if (onnx_node_is(node, "ai.onnx.ml", "Scaler")) {
        return take_list(s, "offset", subtract, err) && take_list(s, "scale", multiply, err);
    }
    if (onnx_node_is(node, "", "Flatten") || onnx_node_is(node, "", "Reshape")) {
        s->dims = &s->flat;
        s->rank = 1;
    }
    return true;
}

/* ---- all of them ---- */

/* Rows have the input's shape when all of that is known. */
static void dims_init(struct scaling *s, const struct onnx_port *input)
{
    const size_t first = input->rank > 1 ? 1 : 0;
    uint64_t count = 1;

    s->dims = &s->flat;
    s->rank = 1;
    for (size_t i = first; i < input->rank; i++) {
        count *= input->dims[i]; /* onnx_layers_read has looked at it: it is no more than units */
    }
    if (!s->targets && input->shaped && count == s->n) {
        s->dims = input->dims + first;
        s->rank = input->rank - first;
    }
}

static bool finish(const struct scaling *s, struct arena *arena, struct onnx_scaling *ret,
                   struct err *err)
{
    float *shift = arena_alloc(arena, s->n, sizeof *shift);
    float *scale = arena_alloc(arena, s->n, sizeof *scale);

    if (shift == NULL || scale == NULL) {
        return err_set(err, ERR_MEMORY, "graph", "does not fit into memory");
    }
    for (size_t i = 0; i < s->n; i++) {
        shift[i] = s->shifted ? (float)s->shift[i] : 0.0F;
        scale[i] = (float)s->scale[i];
        if (!isfinite(shift[i]) || !isfinite(scale[i]) || (s->targets && scale[i] == 0.0F)) {
            return onnx_node_refuse(s->link->node, err,
                                    "ends scalings that come to shift %g and scale %g at %zu",
                                    s->shift[i], s->scale[i], i);
        }
    }
    *ret = (struct onnx_scaling){ shift, scale };
    return true;
}

bool onnx_scaling_read(const struct onnx_chain *chain, size_t first, size_t last, size_t n,
                       bool targets, struct arena *arena, struct onnx_scaling *ret, struct err *err)
{
    struct scaling s = { .n = n, .targets = targets, .flat = n };

    s.shift = arena_alloc(arena, n, sizeof *s.shift);
    s.scale = arena_alloc(arena, n, sizeof *s.scale);
    s.values = arena_alloc(arena, n, sizeof *s.values);
    if (s.shift == NULL || s.scale == NULL || s.values == NULL) {
        return err_set(err, ERR_MEMORY, "graph", "does not fit into memory");
    }
    for (size_t i = 0; i < n; i++) {
        s.shift[i] = -0.0; /* which leaves the sign of a zero that is added */
        s.scale[i] = 1.0;
    }
    dims_init(&s, chain->input);
    for (size_t i = first; i < last; i++) {
        s.link = &chain->links[i];
        if (!take_node(&s, err)) {
            return false;
        }
    }
    if (s.any) {
        return finish(&s, arena, ret, err);
    }
    *ret = (struct onnx_scaling){ NULL, NULL };
    return true;
}
