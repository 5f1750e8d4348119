/* The numbers that most fields of a CSV hold, read without looking for anything else: csv.c's, in a
 * header so that they are one with its loop. */
#ifndef CSV_QUICK_H
#define CSV_QUICK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "number.h"

#define CSV_QUICK_ROOM 64 /* number_list wants as many bytes */

/* The one to three digits that four bytes begin with, the first lowest, without a branch on how
 * many; 0 when there are none or more. */
static inline unsigned csv_few_digits(uint32_t word, unsigned *ret)
{
    uint32_t other;
    unsigned bits;

    word ^= 0x30303030; /* bytes 0 to 9 are digits now */
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

/* A bit in each byte of word that is below n, n at most 128, up to the lowest such byte exactly. */
static inline uint64_t csv_bytes_below(uint64_t word, unsigned n)
{
    const uint64_t each = 0x0101010101010101;

    return (word - each * n) & ~word & each * 0x80;
}

/* How many of eight bytes, the first lowest, stand before the delimiter or a control character,
 * which a line end is; 8: all. */
static inline unsigned csv_field_len(uint64_t word, char delimiter)
{
    const uint64_t delimiters = 0x0101010101010101 * (unsigned char)delimiter;
    const uint64_t ends = csv_bytes_below(word ^ delimiters, 1) | csv_bytes_below(word, 0x20);

    return ends != 0 ? (unsigned)__builtin_ctzll(ends) / 8 : 8;
}

/* The number that the first len of eight bytes are: perhaps a sign, one to three digits, perhaps a
 * point and one to three more. Random signs, and lengths, cost no branch. */
static inline bool csv_short_number(uint64_t word, unsigned len, float *ret)
{
    static const float power[4] = { 1.0F, 10.0F, 100.0F, 1000.0F };
    const unsigned minus = (word & 0xff) == '-';
    const float sign = (float)(1 - 2 * (int)minus);
    unsigned whole = 0, fraction = 0, before, behind = 0;

    word >>= 8 * minus;
    before = csv_few_digits((uint32_t)word, &whole);
    word >>= 8 * before;
    if (before > 0 && (word & 0xff) == '.') {
        behind = csv_few_digits((uint32_t)(word >> 8), &fraction);
    }
    if (before == 0 || minus + before + (behind > 0 ? 1 + behind : 0) != len) {
        return false;
    }
    if (behind == 0) {
        *ret = sign * (float)(int)whole;
    } else { /* both sides are exact in float32, so that one rounding makes it the nearest */
        *ret = sign * ((float)(int)whole * power[behind] + (float)(int)fraction) / power[behind];
    }
    return true;
}

/* The one to three digits that the first len of eight bytes are. One branch for all that they are
 * not, since lengths are random and what a column holds is not. */
static inline bool csv_whole_number(uint64_t word, unsigned len, float *ret)
{
    /* Zeros move in before the digits. */
    uint32_t digits = ((uint32_t)word ^ 0x30303030) << ((32 - 8 * len) & 31);
    const uint32_t other = ((digits + 0x76767676) | digits) & 0x80808080;

    if ((other | (len > 3)) != 0) {
        return false;
    }
    digits = digits * 10 + (digits >> 8);
    *ret = (float)(int)((digits & 0xff) * 100 + (digits >> 16 & 0xff));
    return true;
}

/* Reads the number at p if it is an easy one and a delimiter or a line end follows it directly.
 * Returns where the next field begins, or NULL. At least CSV_QUICK_ROOM bytes are there. Where a
 * short field ends is worked out apart from what it says, so that the processor is at the next one
 * while it still reads this one. */
static inline const char *csv_quick_number(const char *p, const char *end, char delimiter,
                                           float *ret, bool *last)
{
    const char *q;
    uint64_t word;
    unsigned len;

    memcpy(&word, p, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    len = csv_field_len(word, delimiter);
    q = p + len;
    if (len == 0 || len == 8 ||
        (!csv_whole_number(word, len, ret) && !csv_short_number(word, len, ret))) {
        q = p;
        if (number_list(&q, end, ret, 1) == 0) {
            return NULL;
        }
    }
    *last = *q != delimiter;
    if (!*last || *q == '\n') {
        return q + 1;
    }
    return q[0] == '\r' && q[1] == '\n' ? q + 2 : NULL;
}

#endif
