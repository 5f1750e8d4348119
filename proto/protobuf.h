/* Protocol buffers' wire format, read field by field where it lies.
 *
 *   message = { key value }        key = varint of number * 8 + type
 *   type 0  varint, up to 10 bytes of 7 bits, lowest first      1  8 bytes, little-endian
 *        2  varint length, then so many bytes                   5  4 bytes, little-endian
 *
 * Source: Protocol Buffers, "Encoding". Types 3 and 4, the groups that proto3 has no more, are
 * refused. What a reader does not know by number and type it skips.
 *
 * Errors, of every function: ERR_SYNTAX at "body" for a key, varint or length that does not fit
 * into what is left. Nothing is allocated. Thread: any; the bytes stay the caller's. */
#ifndef PROTOBUF_H
#define PROTOBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* What is left of a message, a string or packed numbers. Borrowed. */
struct protobuf {
    const char *at, *end;
};

static inline size_t protobuf_len(const struct protobuf *bytes)
{
    return (size_t)(bytes->end - bytes->at);
}

enum protobuf_type { PROTOBUF_VARINT = 0, PROTOBUF_8 = 1, PROTOBUF_BYTES = 2, PROTOBUF_4 = 5 };

struct protobuf_field {
    uint32_t number;
    enum protobuf_type type;
    uint64_t bits;         /* of a varint or of 4 or 8 bytes */
    struct protobuf bytes; /* of PROTOBUF_BYTES */
};

/* The next field; *more false: there was none. */
bool protobuf_next(struct protobuf *message, struct protobuf_field *ret, bool *more,
                   struct err *err);

static inline bool protobuf_is(const struct protobuf_field *field, uint32_t number,
                               enum protobuf_type type)
{
    return field->number == number && field->type == type;
}

/* The numbers of a repeated field in their order, packed, unpacked or both. */
struct protobuf_numbers {
    struct protobuf message, packed;
    uint32_t number;
    enum protobuf_type type; /* not PROTOBUF_BYTES */
};

struct protobuf_numbers protobuf_numbers(struct protobuf message, uint32_t number,
                                         enum protobuf_type type);
bool protobuf_numbers_next(struct protobuf_numbers *numbers, uint64_t *ret, bool *more,
                           struct err *err);

#endif
