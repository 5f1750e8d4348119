/* Open Inference Protocol v2: infer, with the binary tensor data and classification extensions.
 *
 *   request   {"id": "a", "parameters": {"binary_data_output": true},
 *              "inputs": [{"name": "input", "shape": [2, 784], "datatype": "FP32",
 *                          "parameters": {"binary_data_size": 6272}, "data": [...]}],
 *              "outputs": [{"name": "output",
 *                           "parameters": {"binary_data": false, "classification": 3}}]}
 *   reply     {"model_name": "m", "model_version": "12", "id": "a",
 *              "outputs": [{"name": "output", "shape": [2, 10], "datatype": "FP32",
 *                           "parameters": {"binary_data_size": 80}, "data": [...]}]}
 *
 * A network has one input tensor, "input" [-1, inputs], and one output tensor, "output" [-1,
 * outputs], both FP32. What comes may be of any numeric type, or BOOL; of any shape whose first
 * dimension is the rows and whose others multiply to the inputs; its data nested or flat, or, with
 * binary_data_size and no data, behind the JSON. classification: k makes the output BYTES [rows,
 * k] of "value:index:label". Members of parameters that are not named here are taken and passed
 * over, as the protocol has it.
 *
 * Source: kserve/open-inference-protocol, inference_rest.md; triton-inference-server/server,
 * docs/protocol/extension_binary_data.md and extension_classification.md. Thread: any. */
#ifndef MSG_INFER_H
#define MSG_INFER_H

#include "msg_rows.h"
#include "text.h"

#define INFER_INPUT "input"
#define INFER_OUTPUT "output"
#define INFER_ID_MAX 1024

struct msg_infer {
    const char *id; /* in the arena; NULL: none came */
    struct matrix inputs;
    bool binary;           /* the output goes behind the JSON */
    size_t classification; /* 0: FP32 */
};

/* bytes: the JSON, json_len bytes, and behind it the tensors. json_len 0: a raw request, all of it
 * is the input's data as FP32, and its output is to be binary. json_len above len: nothing came.
 * outputs: the network's. Errors: as msg_rows.h, at "inputs[0].data" and the like. */
bool msg_infer_decode(char *bytes, size_t len, size_t json_len, const struct rows_limits *limits,
                      size_t outputs, struct arena *arena, struct msg_infer *ret, struct err *err);

/* *json_len: of the JSON, behind which the binary data stands, if any. outputs are finite. */
void msg_infer_encode(struct text *text, const char *model, uint64_t version,
                      const struct msg_infer *msg, const struct matrix *outputs,
                      const struct labels *labels, size_t *json_len);

/* {"ready": true}, or nothing at all; and {"parameters": {...}} of load and unload, of which only
 * unload_dependents is known. Errors: ERR_FIELD. */
bool msg_index_decode(const char *body, size_t len, bool *ready, struct err *err);
bool msg_load_decode(const char *body, size_t len, struct err *err);

#endif
