/* ONNX files made by hand, node by node. */
#ifndef ONNX_FILE_H
#define ONNX_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "wire_write.h"

/* A field of type 5 or 1. */
static inline void fixed(struct text *text, unsigned field, const void *bytes, size_t len)
{
    const char key = (char)(field << 3 | (len == 4 ? 5 : 1));

    text_add(text, &key, 1);
    text_add(text, bytes, len);
}

struct file {
    struct text nodes, tensors, attributes, props;
    const char *producer;
    int64_t ir, opset, inputs; /* inputs 0: the shape is not said */
};

static inline struct file file_make(int64_t inputs)
{
    return (struct file){ .producer = "test", .ir = 8, .opset = 13, .inputs = inputs };
}

/* Of the next node. */
static inline void attribute_int(struct file *file, const char *name, int64_t value)
{
    struct text attribute = { 0 };

    wire_write_str(&attribute, 1, name);
    wire_write_number(&attribute, 3, value);
    wire_write_message(&file->attributes, 5, &attribute);
}

static inline void attribute_floats(struct file *file, const char *name, const float *values,
                                    size_t n)
{
    struct text attribute = { 0 };

    wire_write_str(&attribute, 1, name);
    for (size_t i = 0; i < n; i++) {
        fixed(&attribute, 7, &values[i], 4);
    }
    wire_write_message(&file->attributes, 5, &attribute);
}

static inline void names(struct text *text, unsigned field, const char *list)
{
    char copy[64], *rest = copy, *name;

    snprintf(copy, sizeof copy, "%s", list);
    while ((name = strsep(&rest, " ")) != NULL) {
        wire_write_str(text, field, name);
    }
}

/* in and out: names with spaces between; it is called by what it makes. */
static inline void node(struct file *file, const char *op, const char *in, const char *out)
{
    struct text message = { 0 };

    names(&message, 1, in);
    names(&message, 2, out);
    wire_write_str(&message, 3, out);
    wire_write_str(&message, 4, op);
    wire_write_text(&message, &file->attributes);
    if (strcmp(op, "Scaler") == 0 || strcmp(op, "ZipMap") == 0) {
        wire_write_str(&message, 7, "ai.onnx.ml");
    }
    wire_write_message(&file->nodes, 1, &message);
}

/* cols 0: of one dimension; both 0: of none. */
static inline void tensor_head(struct text *message, const char *name, int64_t rows, int64_t cols,
                               int64_t type)
{
    if (rows > 0) {
        wire_write_number(message, 1, rows);
    }
    if (cols > 0) {
        wire_write_number(message, 1, cols);
    }
    wire_write_number(message, 2, type);
    wire_write_str(message, 8, name);
}

static inline void floats(struct file *file, const char *name, int64_t rows, int64_t cols,
                          const float *values)
{
    const size_t n = (size_t)((rows > 0 ? rows : 1) * (cols > 0 ? cols : 1));
    struct text message = { 0 };

    tensor_head(&message, name, rows, cols, 1);
    wire_write_length(&message, 9, n * sizeof *values);
    text_add(&message, (const char *)values, n * sizeof *values);
    wire_write_message(&file->tensors, 5, &message);
}

static inline void doubles(struct file *file, const char *name, int64_t rows, int64_t cols,
                           const double *values)
{
    const size_t n = (size_t)((rows > 0 ? rows : 1) * (cols > 0 ? cols : 1));
    struct text message = { 0 };

    tensor_head(&message, name, rows, cols, 11);
    for (size_t i = 0; i < n; i++) {
        fixed(&message, 10, &values[i], 8);
    }
    wire_write_message(&file->tensors, 5, &message);
}

static inline void wholes(struct file *file, const char *name, int64_t a, int64_t b)
{
    struct text message = { 0 };

    tensor_head(&message, name, 2, 0, 7);
    wire_write_number(&message, 7, a);
    wire_write_number(&message, 7, b);
    wire_write_message(&file->tensors, 5, &message);
}

static inline void prop(struct file *file, const char *key, const char *value)
{
    struct text message = { 0 };

    wire_write_str(&message, 1, key);
    wire_write_str(&message, 2, value);
    wire_write_message(&file->props, 14, &message);
}

/* An input or output of float32: [batch, width]. */
static inline void port(struct text *graph, unsigned field, const char *name, int64_t width)
{
    struct text rows = { 0 }, cols = { 0 }, shape = { 0 }, tensor = { 0 }, type = { 0 };
    struct text message = { 0 };

    wire_write_str(&message, 1, name);
    wire_write_number(&tensor, 1, 1);
    if (width > 0) {
        wire_write_str(&rows, 2, "batch");
        wire_write_number(&cols, 1, width);
        wire_write_message(&shape, 1, &rows);
        wire_write_message(&shape, 1, &cols);
        wire_write_message(&tensor, 2, &shape);
    }
    wire_write_message(&type, 1, &tensor);
    wire_write_message(&message, 2, &type);
    wire_write_message(graph, field, &message);
}

/* x goes in, y comes out. Takes the file's parts. */
static inline struct text file_end(struct file *file)
{
    struct text graph = { 0 }, opset = { 0 }, model = { 0 };

    wire_write_text(&graph, &file->nodes);
    wire_write_text(&graph, &file->tensors);
    port(&graph, 11, "x", file->inputs);
    port(&graph, 12, "y", 0);
    wire_write_number(&model, 1, file->ir);
    wire_write_str(&model, 2, file->producer);
    wire_write_message(&model, 7, &graph);
    wire_write_number(&opset, 2, file->opset);
    wire_write_message(&model, 8, &opset);
    wire_write_text(&model, &file->props);
    assert_false(model.failed);
    return model;
}

#endif
