/* Protocol Buffers' wire format, written (protobuf.dev/programming-guides/encoding).
 *
 * A message is its fields, one after another: a varint of (number << 3 | wire type), and the value:
 * type 0 a varint, type 2 a varint of a length and as many bytes. A message within a message is
 * such bytes. Fields go in the order of the calls; the canonical one is that of their numbers.
 * Memory that runs out is told by text->failed alone. */
#ifndef WIRE_WRITE_H
#define WIRE_WRITE_H

#include "text.h"

/* A field of type 0. Of a negative number, all 64 bits. */
void wire_write_number(struct text *text, unsigned field, int64_t value);
/* A field of type 2. */
void wire_write_str(struct text *text, unsigned field, const char *str);
/* The same up to its bytes, len of which the caller adds. */
void wire_write_length(struct text *text, unsigned field, uint64_t len);
/* inner's bytes as one; and without a field's head. inner is empty then, and its failure text's. */
void wire_write_message(struct text *text, unsigned field, struct text *inner);
void wire_write_text(struct text *text, struct text *inner);

#endif
