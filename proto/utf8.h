/* UTF-8 as RFC 3629 and table 3-7 of the Unicode standard have it: shortest forms only, no
 * surrogates, nothing above U+10FFFF. */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at `at`, 1 to 4; 0 when what is there is not one. at < end. */
size_t utf8_len(const char *at, const char *end);

/* Writes the character and returns its bytes; code is no surrogate and at most 0x10FFFF. */
size_t utf8_put(uint32_t code, char ret[4]);

#endif
