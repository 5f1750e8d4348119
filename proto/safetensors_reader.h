/* What the readers of safetensors files share, and nobody else sees: safetensors.c and
 * safetensors_head.c of our own files, safetensors_weights.c of others'. */
#ifndef SAFETENSORS_READER_H
#define SAFETENSORS_READER_H

#include "safetensors.h"
#include "scan.h"

/* Where a tensor's bytes are, behind the header. */
struct extent {
    uint64_t from, to;
};

/* Bytes of the header behind the eight that say so; 0: there is none that fits. */
size_t safetensors_header_len(const char *bytes, size_t len);
/* "shape", of one or two dimensions, rank 0 before; "data_offsets", within data_len bytes. */
bool safetensors_shape_read(struct scan *scan, size_t *rank, size_t *shape, struct err *err);
bool safetensors_extent_read(struct scan *scan, uint64_t data_len, struct extent *ret,
                             struct err *err);

#define KEY_MAX 64 /* longest tensor name or metadata key we know, and more */

/* What the header says of one tensor. */
struct tensor {
    bool there, f32;
    size_t rank, shape[2];
    struct extent extent;
};

/* A net's parameters, or a block of an optimiser that looks like them. */
struct tensors {
    struct tensor weight[SPEC_LAYERS_MAX], bias[SPEC_LAYERS_MAX];
};

/* Tensors that belong to no layer. */
enum { SHIFT, SCALE, TARGET_SHIFT, TARGET_SCALE, CHECKSUM, SINGLES };

struct reader {
    struct arena *arena;
    const struct model_limits *limits;
    const char *data; /* behind the header */
    size_t data_len;
    size_t n_tensors;
    struct tensors net, block[SAFETENSORS_BLOCKS];
    struct tensor single[SINGLES];
    const char *spec;  /* in the arena */
    const char *carry; /* likewise; NULL: nothing is carried */
    struct msg_version facts;
    bool has_facts;
    bool values;           /* look at the weights */
    struct tensor *tensor; /* being read */
};

/* safetensors_head.c: the header alone. */

/* What it says, into a reader of zeros that knows of its arena and data. Errors: ERR_FIELD at the
 * tensor or what of it, or under "__metadata__". */
bool safetensors_header_read(const char *header, size_t len, struct reader *reader,
                             struct err *err);
/* One tensor begins where another ends, from the first byte of the data to the last: no hole, and,
 * since all of them are met on the way, no overlap; a checksum comes last. Errors: ERR_SYNTAX at
 * "body", ERR_FIELD at "sigmad.checksum". */
bool safetensors_data_fit(const struct reader *reader, struct err *err);

#endif
