/* The numbers that most fields of a CSV hold, read without looking for anything else: csv.c's, in a
 * header so that they are one with its loop. */
#ifndef CSV_QUICK_H
#define CSV_QUICK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "number.h"

#define CSV_QUICK_ROOM 64 /* number_list wants as many bytes */

/* The one to three digits that four bytes at p begin with, without a branch on how many; 0 when
 * there are none or more. */
static inline unsigned csv_few_digits(const char *p, unsigned *ret)
{
    uint32_t word, other;
    unsigned bits;

    memcpy(&word, p, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    word ^= 0x30303030; /* bytes 0 to 9 are digits now, the first lowest */
    other = (((word & 0x7f7f7f7f) + 0x76767676) | word) & 0x80808080;
    if (other == 0 || (other & 0x80) != 0) {
        return 0;
    }
    bits = (unsigned)__builtin_ctz(other) & ~7U;
    word <<= 32 - bits; /* zeros move in before the digits */
    word = word * 10 + (word >> 8);
    *ret = (word & 0xff) * 100 + (word >> 16 & 0xff);
    return bits / 8;
}

/* Reads the number at p if it is an easy one and a delimiter or a line end follows it directly.
 * Returns where the next field begins, or NULL. At least CSV_QUICK_ROOM bytes are there. */
static inline const char *csv_quick_number(const char *p, const char *end, char delimiter,
                                           float *ret, bool *last)
{
    static const float power[4] = { 1.0F, 10.0F, 100.0F, 1000.0F };
    unsigned whole = 0, fraction = 0, behind = 0;
    const unsigned before = csv_few_digits(p, &whole);
    const char *q;

    if (before > 0 && p[before] == '.') {
        behind = csv_few_digits(p + before + 1, &fraction);
    }
    q = p + before + (behind > 0 ? 1 + behind : 0);
    if (before == 0 || (*q != delimiter && *q != '\n' && *q != '\r')) {
        q = p;
        if (number_list(&q, end, ret, 1) == 0) {
            return NULL;
        }
    } else if (behind == 0) {
        *ret = (float)(int)whole;
    } else { /* both sides are exact in float32, so that one rounding makes it the nearest */
        *ret = ((float)(int)whole * power[behind] + (float)(int)fraction) / power[behind];
    }
    *last = *q != delimiter;
    if (!*last || *q == '\n') {
        return q + 1;
    }
    return q[0] == '\r' && q[1] == '\n' ? q + 2 : NULL;
}

#endif
