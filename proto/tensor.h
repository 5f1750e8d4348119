/* An input tensor of the Open Inference Protocol, read member by member, in whatever order they
 * come: shape, element type, and values as JSON, nested or flat, or as bytes. Values become
 * float32. Errors: as value.h, at places within the member. Thread: it belongs to its holder. */
#ifndef TENSOR_H
#define TENSOR_H

#include "msg_rows.h"
#include "scan.h"
#include "table.h"

struct datatype; /* FP32, UINT8, ...; tensor.c's */

struct tensor {
    const struct datatype *type; /* NULL: not read yet */
    size_t shape[TABLE_RANK_MAX], rank;
    size_t rows, count; /* of shape: its first size, and their product; 0: not read yet */
    bool has_data;
    struct scan data; /* where the data begins, when shape or type come behind them */
    bool has_size;
    uint64_t size;        /* binary_data_size */
    struct matrix values; /* data NULL: not read yet */
};

bool tensor_type_read(struct scan *scan, struct tensor *tensor, struct err *err);
/* [rows, ...], rows up to limits->max_rows; the others multiply to limits->inputs_cols. */
bool tensor_shape_read(struct scan *scan, struct tensor *tensor, const struct rows_limits *limits,
                       struct err *err);
/* The values, once shape and type are there. */
bool tensor_data_read(struct scan *scan, struct tensor *tensor, struct arena *arena,
                      struct err *err);
/* The same of the len bytes behind the JSON, which size has to be. Errors at "inputs[0]...". */
bool tensor_binary_read(struct tensor *tensor, char *bytes, size_t len, struct arena *arena,
                        struct err *err);

#endif
