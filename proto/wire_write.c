#include "wire_write.h"

#include <string.h>

#define VARINT_MAX 10 /* bytes that 64 bits take, 7 in each */

enum { TYPE_VARINT = 0, TYPE_LENGTH = 2 };

static void varint(struct text *text, uint64_t value)
{
    char bytes[VARINT_MAX];
    size_t n = 0;

    for (; value > 0x7f; value >>= 7) {
        bytes[n++] = (char)((value & 0x7f) | 0x80);
    }
    bytes[n++] = (char)value;
    text_add(text, bytes, n);
}

static void tag(struct text *text, unsigned field, unsigned type)
{
    varint(text, field << 3 | type);
}

void wire_write_number(struct text *text, unsigned field, int64_t value)
{
    tag(text, field, TYPE_VARINT);
    varint(text, (uint64_t)value);
}

void wire_write_length(struct text *text, unsigned field, uint64_t len)
{
    tag(text, field, TYPE_LENGTH);
    varint(text, len);
}

void wire_write_str(struct text *text, unsigned field, const char *str)
{
    wire_write_length(text, field, strlen(str));
    text_str(text, str);
}

void wire_write_message(struct text *text, unsigned field, struct text *inner)
{
    wire_write_length(text, field, inner->len);
    wire_write_text(text, inner);
}

void wire_write_text(struct text *text, struct text *inner)
{
    text->failed = text->failed || inner->failed;
    text_add(text, inner->data != NULL ? inner->data : "", inner->len);
    text_done(inner);
}
