#include "quote.h"

#include <string.h>

#include "utf8.h"

struct quote quote(const char *bytes, size_t len)
{
    struct quote shown;
    size_t to = 0, at = 0;

    while (at < len) {
        const size_t n = utf8_len(bytes + at, bytes + len);
        const unsigned char first = (unsigned char)bytes[at];

        if (to + (n == 0 ? 1 : n) > QUOTE_MAX) {
            break;
        }
        if (n == 0 || first < 0x20 || first == 0x7f) {
            shown.text[to++] = '?';
            at++;
        } else {
            memcpy(shown.text + to, bytes + at, n);
            to += n;
            at += n;
        }
    }
    memcpy(shown.text + to, at < len ? "..." : "", at < len ? sizeof "..." : 1);
    return shown;
}
