#include "protobuf.h"

#define VARINT_MAX 10 /* bytes, of 64 bits */

static bool varint_read(struct protobuf *from, uint64_t *ret, struct err *err)
{
    uint64_t value = 0;

    for (unsigned n = 0; n < VARINT_MAX && from->at < from->end; n++) {
        const unsigned char byte = (unsigned char)*from->at++;

        if (n == VARINT_MAX - 1 && byte > 1) {
            return err_set(err, ERR_SYNTAX, "body", "has a varint of more than 64 bits");
        }
        value |= (uint64_t)(byte & 0x7f) << (7 * n);
        if (byte < 0x80) {
            *ret = value;
            return true;
        }
    }
    return err_set(err, ERR_SYNTAX, "body", "ends within a varint");
}

/* So many bytes, the lowest first. */
static bool fixed_read(struct protobuf *from, unsigned bytes, uint64_t *ret, struct err *err)
{
    uint64_t value = 0;

    if (protobuf_len(from) < bytes) {
        return err_set(err, ERR_SYNTAX, "body", "has %zu bytes where a number of %u has to be",
                       protobuf_len(from), bytes);
    }
    for (unsigned i = 0; i < bytes; i++) {
        value |= (uint64_t)(unsigned char)*from->at++ << (8 * i);
    }
    *ret = value;
    return true;
}

static bool number_read(struct protobuf *from, enum protobuf_type type, uint64_t *ret,
                        struct err *err)
{
    return type == PROTOBUF_VARINT ? varint_read(from, ret, err)
                                   : fixed_read(from, type == PROTOBUF_8 ? 8 : 4, ret, err);
}

static bool bytes_read(struct protobuf *from, struct protobuf *ret, struct err *err)
{
    uint64_t len;

    if (!varint_read(from, &len, err)) {
        return false;
    }
    if (len > protobuf_len(from)) {
        return err_set(err, ERR_SYNTAX, "body", "has a field of %llu bytes where %zu are left",
                       (unsigned long long)len, protobuf_len(from));
    }
    *ret = (struct protobuf){ from->at, from->at + len };
    from->at += len;
    return true;
}

bool protobuf_next(struct protobuf *message, struct protobuf_field *ret, bool *more,
                   struct err *err)
{
    struct protobuf_field field = { .bits = 0 };
    uint64_t key;
    bool ok;

    if (message->at == message->end) {
        *more = false;
        return true;
    }
    if (!varint_read(message, &key, err)) {
        return false;
    }
    if (key >> 3 == 0 || key >> 3 > UINT32_MAX >> 3) {
        return err_set(err, ERR_SYNTAX, "body", "has a field of number %llu",
                       (unsigned long long)(key >> 3));
    }
    field.number = (uint32_t)(key >> 3);
    switch (key & 7) {
    case PROTOBUF_VARINT:
    case PROTOBUF_8:
    case PROTOBUF_4:
        field.type = (enum protobuf_type)(key & 7);
        ok = number_read(message, field.type, &field.bits, err);
        break;
    case PROTOBUF_BYTES:
        field.type = PROTOBUF_BYTES;
        ok = bytes_read(message, &field.bytes, err);
        break;
    default:
        return err_set(err, ERR_SYNTAX, "body", "has a field of wire type %u", (unsigned)(key & 7));
    }
    if (ok) {
        *ret = field;
        *more = true;
    }
    return ok;
}

struct protobuf_numbers protobuf_numbers(struct protobuf message, uint32_t number,
                                         enum protobuf_type type)
{
    return (struct protobuf_numbers){ .message = message, .number = number, .type = type };
}

bool protobuf_numbers_next(struct protobuf_numbers *numbers, uint64_t *ret, bool *more,
                           struct err *err)
{
    struct protobuf_field field;

    for (;;) {
        if (numbers->packed.at < numbers->packed.end) {
            *more = true;
            return number_read(&numbers->packed, numbers->type, ret, err);
        }
        if (!protobuf_next(&numbers->message, &field, more, err)) {
            return false;
        }
        if (!*more) {
            return true;
        }
        if (protobuf_is(&field, numbers->number, numbers->type)) {
            *ret = field.bits;
            return true;
        }
        if (protobuf_is(&field, numbers->number, PROTOBUF_BYTES)) {
            numbers->packed = field.bytes;
        }
    }
}
