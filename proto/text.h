/* Text being written: grows as needed; running out of memory is remembered and asked once, at the
 * end. An encoder is then a list of additions without checks in between. */
#ifndef TEXT_H
#define TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data; /* owned, malloc'd, NUL-terminated when not NULL */
    size_t len, cap;
    bool failed; /* memory ran out; nothing is added any more */
};

void text_add(struct text *text, const char *bytes, size_t len);
void text_str(struct text *text, const char *str);
void text_printf(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes; str must be UTF-8 (bytes that are not become U+FFFD). */
void text_json(struct text *text, const char *str);
/* The shortest decimal that reads back to the same float (or double); null when not finite. */
void text_float(struct text *text, float value);
void text_double(struct text *text, double value);
/* [v, v, ...] and [[...], ...] */
void text_floats(struct text *text, const float *values, size_t n);
void text_rows(struct text *text, const float *values, size_t rows, size_t cols);
/* Seconds since the epoch as an RFC 3339 string in UTC with its quotes, or null for 0. */
void text_time(struct text *text, double seconds);
/* Hands the bytes over (malloc'd; the caller frees); the text is empty then. NULL if it failed. */
char *text_detach(struct text *text, size_t *len);
void text_done(struct text *text);

#endif
