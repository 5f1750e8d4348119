#include "utf8.h"

#include <string.h>

size_t utf8_char(const char *bytes, size_t len)
{
    const unsigned char *b = (const unsigned char *)bytes;
    unsigned char low = 0x80, high = 0xbf; /* what the second byte may be */
    size_t n;

    if (len == 0) {
        return 0;
    }
    if (b[0] < 0x80) {
        return 1;
    }
    n = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
    if (b[0] < 0xc2 || b[0] > 0xf4 || len < n) {
        return 0;
    }
    low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : low;
    high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : high;
    if (b[1] < low || b[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < n; i++) {
        if (b[i] < 0x80 || b[i] > 0xbf) {
            return 0;
        }
    }
    return n;
}

bool utf8_valid(const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        const size_t n = utf8_char(bytes + at, len - at);

        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}

struct utf8_quote utf8_quote(const char *bytes, size_t len)
{
    struct utf8_quote quote;
    size_t to = 0, at = 0;

    while (at < len) {
        const size_t n = utf8_char(bytes + at, len - at);
        const unsigned char first = (unsigned char)bytes[at];

        if (to + (n == 0 ? 1 : n) > UTF8_QUOTE_MAX) {
            break;
        }
        if (n == 0 || first < 0x20 || first == 0x7f) {
            quote.text[to++] = '?';
            at++;
        } else {
            memcpy(quote.text + to, bytes + at, n);
            to += n;
            at += n;
        }
    }
    memcpy(quote.text + to, at < len ? "..." : "", at < len ? sizeof "..." : 1);
    return quote;
}
