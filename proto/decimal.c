#include "decimal.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* g(k) = floor(10^-k 2^(63 - e)) + 1, where 2^e <= 10^-k < 2^(e + 1): 10^-k to 64 bits, from above.
 * Made by tests/proto/decimal_table.py. */
#define G_MIN (-45)
#define G_MAX 31
static const uint64_t g_of[G_MAX - G_MIN + 1] = {
    0xB35DBF821AE4F38C, 0x8F7E32CE7BEA5C70, 0xE596B7B0C643C71A, 0xB7ABC627050305AE,
    0x92EFD1B8D0CF37BF, 0xEB194F8E1AE525FE, 0xBC143FA4E250EB32, 0x96769950B50D88F5,
    0xF0BDC21ABB48DB21, 0xC097CE7BC90715B4, 0x9A130B963A6C115D, 0xF684DF56C3E01BC7,
    0xC5371912364CE306, 0x9DC5ADA82B70B59E, 0xFC6F7C4045812297, 0xC9F2C9CD04674EDF,
    0xA18F07D736B90BE6, 0x813F3978F8940985, 0xCECB8F27F4200F3B, 0xA56FA5B99019A5C9,
    0x84595161401484A1, 0xD3C21BCECCEDA101, 0xA968163F0A57B401, 0x878678326EAC9001,
    0xD8D726B7177A8001, 0xAD78EBC5AC620001, 0x8AC7230489E80001, 0xDE0B6B3A76400001,
    0xB1A2BC2EC5000001, 0x8E1BC9BF04000001, 0xE35FA931A0000001, 0xB5E620F480000001,
    0x9184E72A00000001, 0xE8D4A51000000001, 0xBA43B74000000001, 0x9502F90000000001,
    0xEE6B280000000001, 0xBEBC200000000001, 0x9896800000000001, 0xF424000000000001,
    0xC350000000000001, 0x9C40000000000001, 0xFA00000000000001, 0xC800000000000001,
    0xA000000000000001, 0x8000000000000001, 0xCCCCCCCCCCCCCCCD, 0xA3D70A3D70A3D70B,
    0x83126E978D4FDF3C, 0xD1B71758E219652C, 0xA7C5AC471B478424, 0x8637BD05AF6C69B6,
    0xD6BF94D5E57A42BD, 0xABCC77118461CEFD, 0x89705F4136B4A598, 0xDBE6FECEBDEDD5BF,
    0xAFEBFF0BCB24AAFF, 0x8CBCCC096F5088CC, 0xE12E13424BB40E14, 0xB424DC35095CD810,
    0x901D7CF73AB0ACDA, 0xE69594BEC44DE15C, 0xB877AA3236A4B44A, 0x9392EE8E921D5D08,
    0xEC1E4A7DB69561A6, 0xBCE5086492111AEB, 0x971DA05074DA7BEF, 0xF1C90080BAF72CB2,
    0xC16D9A0095928A28, 0x9ABE14CD44753B53, 0xF79687AED3EEC552, 0xC612062576589DDB,
    0x9E74D1B791E07E49, 0xFD87B5F28300CA0E, 0xCAD2F7F5359A3B3F, 0xA2425FF75E14FC32,
    0x81CEB32C4B43FCF5,
};

/* floor(g cp / 2^64), its lowest bit set if that is not exact: "round to odd", so that comparing it
 * with a whole even number compares the exact product. cp < 2^32. */
static uint32_t round_to_odd(uint64_t g, uint32_t cp)
{
    const uint64_t low = (g & 0xFFFFFFFF) * cp;
    const uint64_t high = (g >> 32) * cp + (low >> 32);

    /* g is just above the power; a part of 1 in 2^32 or less is that surplus, no remainder. */
    return (uint32_t)(high >> 32) | ((uint32_t)high > 1);
}

/* floor(value / 2^by) */
static int floor_shift(int value, int by)
{
    return value < 0 ? ~(~value >> by) : value >> by;
}

/* v = c 2^q, the float with these bits, lies in the middle between its neighbours (but at a power
 * of 2, where the lower one is nearer). Of the decimals s 10^k that read back to v, k is chosen as
 * large as ensures that there is one; then at most one lies there with a k one larger.
 * Returns the digits of the best; *ret_k its exponent. bits: sign off, not 0, finite. */
static uint32_t shortest(uint32_t bits, int *ret_k)
{
    const uint32_t field = bits >> 23, fraction = bits & 0x7FFFFF;
    const uint32_t c = field == 0 ? fraction : fraction | 0x800000;
    const int q = (field == 0 ? 1 : (int)field) - 150;
    const bool narrow = fraction == 0 && field > 1; /* the lower neighbour is nearer */
    const uint32_t out = c & 1; /* ties go to even c: an odd one does not own its ends */
    /* floor(log10(2^q)), or of 3/4 2^q; then floor(log2(10^-k)): exact for all q here. */
    const int k = floor_shift(q * 1262611 - (narrow ? 524031 : 0), 22);
    const int h = q + floor_shift(-k * 1741647, 19) + 1;
    const uint64_t g = g_of[k - G_MIN];
    /* v and the ends of the interval that reads back to it, in quarters of 10^k. */
    const uint32_t v = round_to_odd(g, (4 * c) << h);
    const uint32_t low = round_to_odd(g, (4 * c - (narrow ? 1 : 2)) << h) + out;
    const uint32_t high = round_to_odd(g, (4 * c + 2) << h) - out;
    const uint32_t s = v / 4;
    bool below, above;

    *ret_k = k;
    if (s >= 10) {
        const uint32_t tens = s / 10;

        below = low <= 40 * tens;
        above = 40 * tens + 40 <= high;
        if (below != above) {
            *ret_k = k + 1;
            return tens + above;
        }
    }
    below = low <= 4 * s;
    above = 4 * s + 4 <= high;
    if (below != above) {
        return s + above;
    }
    return s + (v > 4 * s + 2 || (v == 4 * s + 2 && (s & 1) != 0));
}

/* The whole number, |value| < 1000, without leading zeros. */
static size_t whole_put(int value, char *ret)
{
    const unsigned size = (unsigned)abs(value);
    char *p = ret;

    if (value < 0) {
        *p++ = '-';
    }
    if (size >= 100) {
        *p++ = (char)('0' + size / 100);
    }
    if (size >= 10) {
        *p++ = (char)('0' + size / 10 % 10);
    }
    *p++ = (char)('0' + size % 10);
    return (size_t)(p - ret);
}

/* The eight digits of s < 10^8, one a byte, the first lowest: split in two, four and eight, with
 * the divisions of all lanes done as one multiplication. */
static uint64_t split8(uint32_t s)
{
    const uint64_t fours = s / 10000 | (uint64_t)(s % 10000) << 32;
    const uint64_t hundreds = (fours * 10486 >> 20) & 0x0000007F0000007F;
    const uint64_t twos = hundreds | (fours - hundreds * 100) << 16;
    const uint64_t tens = (twos * 103 >> 10) & 0x000F000F000F000F;

    return tens | (twos - tens * 10) << 8;
}

static void store8(char *p, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(p, &word, sizeof word);
}

/* Nine digits, of which the first, not 0, stands at 10^(point - 1) and the n-th is the last that is
 * not 0. They stay in registers until they are stored where they belong, eight at a time. */
struct digits9 {
    char first;
    uint64_t rest; /* characters, the first lowest */
    int n, point;
};

/* s 10^k, 0 < s < 10^9 */
static struct digits9 digits9_of(uint32_t s, int k)
{
    const uint64_t zeros = 0x3030303030303030;
    uint64_t eight = split8(s % 100000000);
    struct digits9 ret;

    if (s >= 100000000) {
        ret.first = (char)('0' + s / 100000000);
        ret.rest = eight | zeros;
        ret.n = eight == 0 ? 1 : 9 - __builtin_clzll(eight) / 8;
        ret.point = 9 + k;
    } else {
        const int lead = __builtin_ctzll(eight) / 8; /* digits that are 0 */

        eight >>= 8 * lead;
        ret.first = (char)('0' + (eight & 15));
        ret.rest = eight >> 8 | zeros;
        ret.n = 8 - __builtin_clzll(eight) / 8;
        ret.point = 8 - lead + k;
    }
    return ret;
}

/* Bytes behind what counts are written over by what follows, or left over. */
static size_t digits9_put(const struct digits9 *digits, char *ret)
{
    const int n = digits->n, point = digits->point;
    char *p = ret;

    if (point > 9 || point < -4) {
        p[0] = digits->first;
        p[1] = '.';
        store8(p + 2, digits->rest);
        p += n == 1 ? 1 : n + 1;
        *p++ = 'e';
        p += whole_put(point - 1, p);
    } else if (point <= 0) {
        memcpy(p, "0.0000", 6);
        p += 2 - point;
        p[0] = digits->first;
        store8(p + 1, digits->rest);
        p += n;
    } else {
        p[0] = digits->first;
        store8(p + 1, digits->rest);
        p += point;
        if (point < n) {
            *p = '.';
            store8(p + 1, digits->rest >> 8 * (point - 1));
            p += n - point + 1;
        }
    }
    return (size_t)(p - ret);
}

size_t decimal_f32(float value, char *ret)
{
    struct digits9 digits;
    uint32_t bits, s;
    char *p = ret;
    int k;

    memcpy(&bits, &value, sizeof bits);
    if (bits >> 31 != 0) {
        *p++ = '-';
        bits &= 0x7FFFFFFF;
    }
    if (bits == 0) {
        memcpy(p, "0.0", 3);
        return p == ret ? 1 : 4; /* 0, but -0.0 */
    }
    s = shortest(bits, &k);
    digits = digits9_of(s, k);
    return (size_t)(p - ret) + digits9_put(&digits, p);
}

/* n digits of which the first stands at 10^(point - 1). */
static size_t digits_put(const char *digits, size_t n, int point, char *ret)
{
    char *p = ret;

    if (point > 17 || point < -4) {
        *p++ = digits[0];
        if (n > 1) {
            *p++ = '.';
            memcpy(p, digits + 1, n - 1);
            p += n - 1;
        }
        *p++ = 'e';
        p += whole_put(point - 1, p);
    } else if (point <= 0) {
        memcpy(p, "0.0000", (size_t)(2 - point));
        memcpy(p + 2 - point, digits, n);
        p += 2 - point + (int)n;
    } else if ((size_t)point >= n) {
        memcpy(p, digits, n);
        memset(p + n, '0', (size_t)point - n);
        p += point;
    } else {
        memcpy(p, digits, (size_t)point);
        p[point] = '.';
        memcpy(p + point + 1, digits + point, n - (size_t)point);
        p += n + 1;
    }
    return (size_t)(p - ret);
}

size_t decimal_f64(double value, char *ret)
{
    char text[DECIMAL_MAX], digits[DECIMAL_MAX];
    char *p = ret;
    size_t n = 0;

    if (signbit(value)) {
        *p++ = '-';
        value = -value;
    }
    if (value == 0.0) {
        memcpy(p, "0.0", 3);
        return p == ret ? 1 : 4;
    }
    for (int more = 14; more <= 16; more++) {
        snprintf(text, sizeof text, "%.*e", more, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    /* d.ddde+xx, where the point is the locale's and may be any bytes: only digits are taken. */
    for (const char *at = text; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9') {
            digits[n++] = *at;
        }
    }
    while (n > 1 && digits[n - 1] == '0') {
        n--;
    }
    return (size_t)(p - ret) + digits_put(digits, n, atoi(strchr(text, 'e') + 1) + 1, p);
}
