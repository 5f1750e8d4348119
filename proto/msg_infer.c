#include "msg_infer.h"

#include <string.h>

#include "matrix.h"
#include "quote.h"
#include "tensor.h"
#include "value.h"

struct reader {
    const struct rows_limits *limits;
    struct arena *arena;
    size_t n_outputs; /* the network's */
    char *id;
    struct tensor tensor;
    bool has_output, binary_said, binary, binary_all;
    uint64_t classification;
};

/* ---- the request's members ---- */

static bool read_id(struct scan *scan, void *into, struct err *err)
{
    struct reader *reader = into;
    char id[INFER_ID_MAX + 1];
    size_t len;

    if (!value_string(scan, id, sizeof id, &len, err)) {
        return false;
    }
    reader->id = arena_copy(reader->arena, id, len);
    return reader->id != NULL || err_set(err, ERR_MEMORY, "", "no memory for it");
}

/* {"name": value, ...}: those that member knows, by a bit of its own each, are read by it, others
 * are passed over. */
static bool parameters_read(struct scan *scan, struct reader *reader,
                            bool (*member)(struct scan *scan, const char *name,
                                           struct reader *reader, unsigned *known, struct err *err),
                            struct err *err)
{
    char key[64];
    size_t len;
    bool more;
    unsigned seen = 0;

    if (!scan_expect(scan, SCAN_OBJECT, "an object", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (;;) {
        unsigned known = 0;

        if (!scan_key(scan, key, sizeof key, &len, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (!member(scan, key, reader, &known, err)) {
            return value_in(err, "%s", quote(key, strlen(key)).text);
        }
        if ((seen & known) != 0) {
            return err_set(err, ERR_FIELD, key, "is there twice");
        }
        seen |= known;
        if (known == 0 && !scan_skip(scan, err)) {
            return false;
        }
    }
}

static bool request_member(struct scan *scan, const char *name, struct reader *reader,
                           unsigned *known, struct err *err)
{
    *known = strcmp(name, "binary_data_output") == 0;
    return *known == 0 || value_boolean(scan, &reader->binary_all, err);
}

static bool input_member(struct scan *scan, const char *name, struct reader *reader,
                         unsigned *known, struct err *err)
{
    *known = strcmp(name, "binary_data_size") == 0;
    reader->tensor.has_size = reader->tensor.has_size || *known != 0;
    return *known == 0 || value_whole(scan, 0, INT64_MAX, &reader->tensor.size, err);
}

static bool output_member(struct scan *scan, const char *name, struct reader *reader,
                          unsigned *known, struct err *err)
{
    *known = 1;
    if (strcmp(name, "binary_data") == 0) {
        reader->binary_said = true;
        return value_boolean(scan, &reader->binary, err);
    }
    *known = 2;
    if (strcmp(name, "classification") == 0) {
        return value_whole(scan, 1, reader->n_outputs, &reader->classification, err);
    }
    *known = 0;
    return true;
}

static bool read_parameters(struct scan *scan, void *into, struct err *err)
{
    return parameters_read(scan, into, request_member, err);
}

static bool read_input_parameters(struct scan *scan, void *into, struct err *err)
{
    return parameters_read(scan, into, input_member, err);
}

static bool read_output_parameters(struct scan *scan, void *into, struct err *err)
{
    return parameters_read(scan, into, output_member, err);
}

static bool name_read(struct scan *scan, const char *want, struct err *err)
{
    char name[64];
    size_t len;

    if (!value_string(scan, name, sizeof name, &len, err)) {
        return false;
    }
    return strcmp(name, want) == 0 || err_set(err, ERR_FIELD, "", "must be '%s', is '%s'", want,
                                              quote(name, strlen(name)).text);
}

static bool read_input_name(struct scan *scan, void *into, struct err *err)
{
    (void)into;
    return name_read(scan, INFER_INPUT, err);
}

static bool read_output_name(struct scan *scan, void *into, struct err *err)
{
    (void)into;
    return name_read(scan, INFER_OUTPUT, err);
}

static bool read_datatype(struct scan *scan, void *into, struct err *err)
{
    struct reader *reader = into;

    return tensor_type_read(scan, &reader->tensor, err);
}

static bool read_shape(struct scan *scan, void *into, struct err *err)
{
    struct reader *reader = into;

    return tensor_shape_read(scan, &reader->tensor, reader->limits, err);
}

static bool read_data(struct scan *scan, void *into, struct err *err)
{
    struct reader *reader = into;

    reader->tensor.has_data = true;
    if (reader->tensor.type != NULL && reader->tensor.rows > 0) {
        return tensor_data_read(scan, &reader->tensor, reader->arena, err);
    }
    reader->tensor.data = *scan;
    return scan_skip(scan, err);
}

static bool read_inputs(struct scan *scan, void *into, struct err *err)
{
    static const struct value_field fields[] = {
        { "name", read_input_name, true },   { "shape", read_shape, true },
        { "datatype", read_datatype, true }, { "parameters", read_input_parameters, false },
        { "data", read_data, false },
    };
    struct reader *reader = into;
    size_t n = 0;
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array of tensors", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (; scan_next(scan, &more, err) && more; n++) {
        if (n > 0) {
            return err_set(err, ERR_FIELD, "", "must have 1 tensor, '" INFER_INPUT "', has more");
        }
        if (!value_object(scan, "a tensor", fields, sizeof fields / sizeof *fields, reader, err)) {
            return value_in(err, "[%zu]", n);
        }
    }
    return err->code == ERR_NONE &&
           (n == 1 || err_set(err, ERR_FIELD, "", "must have 1 tensor, '" INFER_INPUT "'"));
}

static bool read_outputs(struct scan *scan, void *into, struct err *err)
{
    static const struct value_field fields[] = {
        { "name", read_output_name, true },
        { "parameters", read_output_parameters, false },
    };
    struct reader *reader = into;
    size_t n = 0;
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array of outputs", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (; scan_next(scan, &more, err) && more; n++) {
        if (n > 0) {
            return err_set(err, ERR_FIELD, "", "can name '" INFER_OUTPUT "' once, and no other");
        }
        if (!value_object(scan, "an output", fields, sizeof fields / sizeof *fields, reader, err)) {
            return value_in(err, "[%zu]", n);
        }
    }
    return err->code == ERR_NONE;
}

/* ---- whole requests ---- */

/* The input's values, from wherever they stand. */
static bool values_read(struct reader *reader, char *binary, size_t len, struct err *err)
{
    struct tensor *tensor = &reader->tensor;

    if (tensor->has_data == tensor->has_size) {
        return err_set(err, ERR_FIELD, "inputs[0].data",
                       tensor->has_data ? "is there beside parameters.binary_data_size"
                                        : "is missing");
    }
    if (tensor->has_size) {
        return tensor_binary_read(tensor, binary, len, reader->arena, err);
    }
    if (len > 0) {
        return err_set(err, ERR_FIELD, "body", "has %zu bytes behind its JSON that no tensor owns",
                       len);
    }
    return tensor->values.data != NULL ||
           tensor_data_read(&tensor->data, tensor, reader->arena, err) ||
           value_in(err, "inputs[0].data");
}

static bool infer_raw(char *bytes, size_t len, const struct rows_limits *limits,
                      struct msg_infer *ret, struct err *err)
{
    struct msg_infer msg = { .binary = true };

    if (!matrix_raw(bytes, len, limits->inputs_cols, limits->max_rows, "body", &msg.inputs, err)) {
        return false;
    }
    *ret = msg;
    return true;
}

bool msg_infer_decode(char *bytes, size_t len, size_t json_len, const struct rows_limits *limits,
                      size_t outputs, struct arena *arena, struct msg_infer *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "id", read_id, false },
        { "parameters", read_parameters, false },
        { "inputs", read_inputs, true },
        { "outputs", read_outputs, false },
    };
    struct reader reader = { .limits = limits, .arena = arena, .n_outputs = outputs };

    if (json_len == 0) {
        return infer_raw(bytes, len, limits, ret, err);
    }
    if (json_len > len) {
        return err_set(err, ERR_SYNTAX, "body", "is empty");
    }
    if (!value_body(bytes, json_len, "infer", fields, sizeof fields / sizeof *fields, &reader,
                    err)) {
        return false;
    }
    if (!values_read(&reader, bytes + json_len, len - json_len, err)) {
        return false;
    }
    *ret = (struct msg_infer){ .id = reader.id,
                               .inputs = reader.tensor.values,
                               .binary = reader.binary_said ? reader.binary : reader.binary_all,
                               .classification = (size_t)reader.classification };
    return true;
}

/* ---- the repository's ---- */

static bool read_ready(struct scan *scan, void *into, struct err *err)
{
    return value_boolean(scan, into, err);
}

/* Bodies that may be left out altogether. */
static bool is_blank(const char *body, size_t len)
{
    size_t i = 0;

    while (i < len && strchr(" \t\r\n", body[i]) != NULL && body[i] != '\0') {
        i++;
    }
    return i == len;
}

bool msg_index_decode(const char *body, size_t len, bool *ready, struct err *err)
{
    static const struct value_field fields[] = { { "ready", read_ready, false } };

    *ready = false;
    return is_blank(body, len) || value_body(body, len, "index", fields, 1, ready, err);
}

static bool load_member(struct scan *scan, const char *name, struct reader *reader, unsigned *known,
                        struct err *err)
{
    bool ignored;

    (void)reader;
    *known = 1;
    if (strcmp(name, "unload_dependents") == 0) {
        return value_boolean(scan, &ignored, err);
    }
    return err_set(err, ERR_FIELD, "", "is not taken: models come by PUT /v1/models/NAME");
}

static bool read_load_parameters(struct scan *scan, void *into, struct err *err)
{
    return parameters_read(scan, into, load_member, err);
}

bool msg_load_decode(const char *body, size_t len, struct err *err)
{
    static const struct value_field fields[] = { { "parameters", read_load_parameters, false } };
    struct reader reader = { 0 };

    return is_blank(body, len) || value_body(body, len, "load", fields, 1, &reader, err);
}
