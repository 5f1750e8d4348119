/* A model as one safetensors file: weights under the names a PyTorch user would expect, and all
 * else in the metadata.
 *
 *   u64 N, little-endian            bytes of header, a multiple of 8
 *   N bytes of JSON, space-padded   {"__metadata__": {...}, "layers.0.weight": {"dtype": "F32",
 *                                    "shape": [30, 784], "data_offsets": [0, 94080]}, ...}
 *   data                            layers.L.weight  F32 [units, fan-in], row-major
 *                                   layers.L.bias    F32 [units]
 *                                   norm.shift, norm.scale  F32 [inputs], when there are some
 *                                   norm.target_shift, norm.target_scale  F32 [outputs], likewise
 *                                   optimizer.B.layers.L.weight, .bias  like those of the layers, B
 *                                                    from 0: what the optimiser of learn carries
 *                                                    (core/carry.h), in a stored version only
 *                                   sigmad.checksum  U8 [32], in a stored version only: SHA-256 of
 *                                                    every byte before it
 *
 * Metadata (all strings): "header_crc32", in a stored version only and then first: 8 hexadecimal
 * digits, the CRC-32 of length and header with zeros in their place; "format" = "sigmad",
 * "format_version" = "1", "spec" = the JSON that create takes, "version", "created" (Unix seconds),
 * "source", "job", "epoch", "loss", "accuracy" ("" when not known), "digest", "model_created",
 * "plan" = the settings it was trained with, as JSON, "carry" = the carried powers, "0.81 0.998001",
 * when there are tensors of an optimiser.
 *
 * Source: safetensors, README of huggingface/safetensors: offsets count from the end of the header,
 * leave no hole and do not overlap, and the last ends the file. */
#ifndef SAFETENSORS_H
#define SAFETENSORS_H

#include "carry.h"
#include "msg_model.h"
#include "msg_version.h"

#define SAFETENSORS_FORMAT                                                                         \
    3 /* with what an optimiser carries; 2 was not trained by sgd at float32; else 1 */
#define SAFETENSORS_BLOCKS 2    /* that one carries, at most */
#define SAFETENSORS_CHECKSUM 32 /* bytes of the last tensor of a stored version */
#define SAFETENSORS_HEADER_MAX 100000000u
/* Where a stored version's file has the digits of header_crc32. */
#define SAFETENSORS_CRC_AT (8 + sizeof "{\"__metadata__\": {\"header_crc32\": \"" - 1)

/* The head of the file: length and header. facts may be NULL: no version's; carry too: nothing is
 * carried. */
void safetensors_head(struct text *text, const struct net *net, const struct labels *labels,
                      const struct msg_version *facts, const struct carry *carry, bool checksum);
/* The data, without the checksum, piece by piece. Errors: ERR_MEMORY, and what add says. */
bool safetensors_data(const struct net *net, const struct carry *carry,
                      bool (*add)(void *arg, const void *bytes, size_t len, struct err *err),
                      void *arg, struct err *err);

/* Format safetensors of an export (export.h): a file without checksum and carry. */
bool safetensors_next(struct exporter *e, struct text *text, bool *end, struct err *err);

struct safetensors {
    struct msg_model model; /* weights point into the file; labels owned until taken */
    bool has_facts;
    struct msg_version facts; /* source and digest in the arena */
    bool has_checksum;        /* the last SAFETENSORS_CHECKSUM bytes of the file */
    size_t blocks; /* that an optimiser carries, in the file like the weights; 0: nothing */
    double power[2];
    const float **block_weights[SAFETENSORS_BLOCKS], **block_biases[SAFETENSORS_BLOCKS];
};

/* Reads a whole file's header and finds its tensors; bytes must stay as long as ret is used.
 * Nothing is allocated by what the file claims before it is checked against its length. Errors:
 * ERR_SYNTAX at "body"; ERR_FIELD at a metadata key or tensor's name. On success the caller frees
 * ret->model.labels. */
bool safetensors_read(const char *bytes, size_t len, const struct model_limits *limits, bool values,
                      struct arena *arena, struct safetensors *ret, struct err *err);

/* Whether it has a whole header, and no spec in it. */
bool safetensors_is_plain(const char *bytes, size_t len);
/* Reads a file of weights alone for the spec in model, its tensors (F64, F32, F16, BF16) matched by
 * weights_match.h; metadata is not looked at. Errors: as above and as weights_match; ERR_FIELD at
 * "spec" when it has a spec, too. */
bool safetensors_weights_read(const char *bytes, size_t len, struct arena *arena,
                              struct msg_model *model, struct err *err);

#endif
