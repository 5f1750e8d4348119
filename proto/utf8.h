/* UTF-8 as RFC 3629 has it: no surrogates, nothing over U+10FFFF, no longer form than needed. */
#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length in bytes of the character that bytes begin with, 1 to 4; 0 when they begin with none. */
size_t utf8_char(const char *bytes, size_t len);
bool utf8_valid(const char *bytes, size_t len);

/* What an error message shows of a client's text: at most its first UTF8_QUOTE_MAX bytes, cut
 * between characters and then ended by "..."; what is not printable UTF-8 becomes '?'. */
#define UTF8_QUOTE_MAX 40
struct utf8_quote {
    char text[UTF8_QUOTE_MAX + sizeof "..."];
};
struct utf8_quote utf8_quote(const char *bytes, size_t len);

#endif
