/* A constant of an ONNX graph: initializers, the values of Constant nodes, lists of attributes.
 *
 * TensorProto: dims 1, data_type 2, float_data 4, int32_data 5, int64_data 7, name 8, raw_data 9
 * (little-endian), double_data 10, external_data 13, data_location 14. Source: onnx.proto.
 *
 * Errors: ERR_SYNTAX as protobuf.h; else ERR_FIELD, and ERR_RANGE for values, at "tensor 'NAME'".
 * Thread: any; the bytes stay the caller's, nothing is allocated. */
#ifndef ONNX_TENSOR_H
#define ONNX_TENSOR_H

#include "array.h"
#include "protobuf.h"

#define ONNX_RANK_MAX 8

/* Numbers of TensorProto.DataType. */
enum onnx_type {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_BOOL = 9,
    ONNX_FLOAT16 = 10,
    ONNX_DOUBLE = 11,
    ONNX_UINT32 = 12,
    ONNX_UINT64 = 13,
    ONNX_BFLOAT16 = 16
};
bool onnx_type_is_float(uint64_t type);
bool onnx_type_is_whole(uint64_t type); /* integers, signed or not */

struct onnx_tensor {
    struct protobuf name;
    struct protobuf message; /* that the data are in */
    uint32_t data;           /* their field, when there are no raw ones */
    uint64_t type;
    size_t rank;
    uint64_t dims[ONNX_RANK_MAX];
    uint64_t count; /* their product; no more than there are bytes of data */
    bool has_raw;
    struct protobuf raw;
};

/* Reads all but the data, and counts those: they are as many as dims say. Tensors of a type that is
 * not read below count as long as nobody asks for their values. */
bool onnx_tensor_read(struct protobuf message, struct onnx_tensor *ret, struct err *err);
/* The floats of field number data of a message, as a tensor of one dimension. */
bool onnx_tensor_list(struct protobuf message, uint32_t data, struct protobuf name,
                      struct onnx_tensor *ret, struct err *err);

/* All count values as float32, FLOAT, DOUBLE (to nearest), FLOAT16 or BFLOAT16; what is not finite
 * is refused, and what overflows float32. cols > 0: of that many columns, and ret gets them
 * transposed. */
bool onnx_tensor_floats(const struct onnx_tensor *tensor, size_t cols, float *ret, struct err *err);
/* Value i < count of INT32, INT64 or BOOL. */
bool onnx_tensor_whole(const struct onnx_tensor *tensor, uint64_t i, int64_t *ret, struct err *err);

/* ERR_FIELD at the tensor. Always false. */
bool onnx_tensor_refuse(const struct onnx_tensor *tensor, const char *what, struct err *err);

#endif
