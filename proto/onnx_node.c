#include "onnx_node.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "quote.h"
#include "value.h"

bool onnx_name_is(const struct protobuf *name, const char *text)
{
    const size_t len = strlen(text);

    return protobuf_len(name) == len && (len == 0 || memcmp(name->at, text, len) == 0);
}

bool onnx_name_equal(const struct protobuf *a, const struct protobuf *b)
{
    const size_t len = protobuf_len(a);

    return len == protobuf_len(b) && (len == 0 || memcmp(a->at, b->at, len) == 0);
}

bool onnx_node_is(const struct onnx_node *node, const char *domain, const char *op)
{
    return onnx_name_is(&node->op, op) &&
           (onnx_name_is(&node->domain, domain) ||
            (domain[0] == '\0' && onnx_name_is(&node->domain, "ai.onnx")));
}

bool onnx_node_in(const struct onnx_node *node, struct err *err)
{
    const size_t len = protobuf_len(&node->name);

    return len > 0 ? value_in(err, "node '%s'", quote(node->name.at, len).text)
                   : value_in(err, "node %zu", node->number);
}

bool onnx_node_refuse(const struct onnx_node *node, struct err *err, const char *fmt, ...)
{
    const bool vowel = protobuf_len(&node->op) > 0 && memchr("AEIO", *node->op.at, 4) != NULL;
    char what[sizeof err->text];
    va_list args;

    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    err_set(err, ERR_FIELD, "", "is a%s %s: %s", vowel ? "n" : "",
            quote(node->op.at, protobuf_len(&node->op)).text, what);
    return onnx_node_in(node, err);
}

/* ---- reading ---- */

static bool value_name(const struct protobuf *name, struct err *err)
{
    return protobuf_len(name) <= ONNX_NAME_MAX ||
           err_set(err, ERR_FIELD, "", "has an input or output whose name has %zu bytes, over %d",
                   protobuf_len(name), ONNX_NAME_MAX);
}

static bool field_take(struct onnx_node *node, const struct protobuf_field *field, struct err *err)
{
    if (field->type != PROTOBUF_BYTES) {
        return true;
    }
    switch (field->number) {
    case 1:
        if (node->n_in < ONNX_IN_MAX) {
            node->in[node->n_in] = field->bytes;
        }
        node->n_in++;
        return value_name(&field->bytes, err);
    case 2:
        if (node->n_out < ONNX_OUT_MAX) {
            node->out[node->n_out] = field->bytes;
        }
        node->n_out++;
        return value_name(&field->bytes, err);
    case 3:
        node->name = field->bytes;
        return true;
    case 4:
        node->op = field->bytes;
        return true;
    case 7:
        node->domain = field->bytes;
        return true;
    default:
        return true;
    }
}

bool onnx_node_read(struct protobuf message, size_t number, struct onnx_node *ret, struct err *err)
{
    struct onnx_node node = { .message = message, .number = number };
    struct protobuf_field field;
    bool more, ok = true;

    for (;;) {
        if (!protobuf_next(&message, &field, &more, err)) {
            return false;
        }
        if (!more) {
            break;
        }
        ok = field_take(&node, &field, err) && ok; /* the name may come behind what is wrong */
    }
    if (!ok) {
        return onnx_node_in(&node, err);
    }
    *ret = node;
    return true;
}

/* ---- attributes ---- */

/* The last field of that number and type. */
static bool field_find(struct protobuf message, uint32_t number, enum protobuf_type type,
                       bool *found, struct protobuf_field *ret, struct err *err)
{
    struct protobuf_field field;
    bool more;

    *found = false;
    for (;;) {
        if (!protobuf_next(&message, &field, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (protobuf_is(&field, number, type)) {
            *ret = field;
            *found = true;
        }
    }
}

bool onnx_node_attribute(const struct onnx_node *node, const char *name, bool *found,
                         struct protobuf *ret, struct err *err)
{
    struct protobuf message = node->message;
    struct protobuf_field field, called;
    bool more, named;

    *found = false;
    for (;;) {
        if (!protobuf_next(&message, &field, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (protobuf_is(&field, 5, PROTOBUF_BYTES)) {
            if (!field_find(field.bytes, 1, PROTOBUF_BYTES, &named, &called, err)) {
                return false;
            }
            if (named && onnx_name_is(&called.bytes, name)) {
                *ret = field.bytes;
                *found = true;
                return true;
            }
        }
    }
}

/* The attribute's value in that field: zeros when it is there without, as proto3 writes 0. */
static bool attribute_value(const struct onnx_node *node, const char *name, uint32_t number,
                            enum protobuf_type type, bool *found, struct protobuf_field *ret,
                            struct err *err)
{
    struct protobuf attribute;
    bool valued;

    if (!onnx_node_attribute(node, name, found, &attribute, err)) {
        return false;
    }
    *ret = (struct protobuf_field){ .number = number };
    return !*found || field_find(attribute, number, type, &valued, ret, err);
}

bool onnx_node_int(const struct onnx_node *node, const char *name, int64_t *ret, struct err *err)
{
    struct protobuf_field field;
    bool found;

    if (!attribute_value(node, name, 3, PROTOBUF_VARINT, &found, &field, err)) {
        return false;
    }
    *ret = found ? (int64_t)field.bits : *ret;
    return true;
}

bool onnx_node_float(const struct onnx_node *node, const char *name, float *ret, struct err *err)
{
    struct protobuf_field field;
    uint32_t bits;
    bool found;

    if (!attribute_value(node, name, 2, PROTOBUF_4, &found, &field, err)) {
        return false;
    }
    if (found) {
        bits = (uint32_t)field.bits;
        memcpy(ret, &bits, sizeof *ret);
    }
    return true;
}

bool onnx_node_tensor(const struct onnx_node *node, const char *name, bool *found,
                      struct onnx_tensor *ret, struct err *err)
{
    struct protobuf_field field;

    if (!attribute_value(node, name, 5, PROTOBUF_BYTES, found, &field, err)) {
        return false;
    }
    return !*found || onnx_tensor_read(field.bytes, ret, err);
}

/* ---- names ---- */

static bool name_keep(const char *bytes, size_t len, size_t max, struct arena *arena,
                      const char **names, size_t *n, struct err *err)
{
    if (*n < max) {
        names[*n] = arena_copy(arena, bytes, len);
        if (names[*n] == NULL) {
            return err_set(err, ERR_MEMORY, "graph", "does not fit into memory");
        }
    }
    ++*n;
    return true;
}

static bool strings_read(struct protobuf attribute, size_t max, struct arena *arena,
                         const char **names, size_t *n, struct err *err)
{
    struct protobuf_field field;
    bool more;

    for (;;) {
        if (!protobuf_next(&attribute, &field, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (protobuf_is(&field, 9, PROTOBUF_BYTES) &&
            !name_keep(field.bytes.at, protobuf_len(&field.bytes), max, arena, names, n, err)) {
            return false;
        }
    }
}

static bool ints_read(struct protobuf attribute, size_t max, struct arena *arena,
                      const char **names, size_t *n, struct err *err)
{
    struct protobuf_numbers ints = protobuf_numbers(attribute, 8, PROTOBUF_VARINT);
    char text[24];
    uint64_t value;
    bool more;

    for (;;) {
        if (!protobuf_numbers_next(&ints, &value, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        snprintf(text, sizeof text, "%" PRId64, (int64_t)value);
        if (!name_keep(text, strlen(text), max, arena, names, n, err)) {
            return false;
        }
    }
}

bool onnx_node_names(const struct onnx_node *node, size_t max, struct arena *arena,
                     const char **names, size_t *n, struct err *err)
{
    struct protobuf attribute;
    bool found;

    *n = 0;
    if (!onnx_node_attribute(node, "classlabels_strings", &found, &attribute, err)) {
        return false;
    }
    if (found && !strings_read(attribute, max, arena, names, n, err)) {
        return false;
    }
    if (*n > 0) {
        return true;
    }
    if (!onnx_node_attribute(node, "classlabels_int64s", &found, &attribute, err)) {
        return false;
    }
    return !found || ints_read(attribute, max, arena, names, n, err);
}
