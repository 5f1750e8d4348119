#include "number.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

/* The table below and the loops above it need float arithmetic in its own precision. */
_Static_assert(FLT_EVAL_METHOD == 0, "float64 products are rounded to float64");

/* 10^q, each within half a unit in its last place. With up to 19 digits before it, this covers what
 * can become a float32: 10^-46 < 2^-150, half the smallest, and 10^39 > 2^128. */
#define POW_MIN (-64)
#define POW_MAX 38
static const double pow10_f64[POW_MAX - POW_MIN + 1] = {
    1e-64, 1e-63, 1e-62, 1e-61, 1e-60, 1e-59, 1e-58, 1e-57, 1e-56, 1e-55, 1e-54, 1e-53, 1e-52,
    1e-51, 1e-50, 1e-49, 1e-48, 1e-47, 1e-46, 1e-45, 1e-44, 1e-43, 1e-42, 1e-41, 1e-40, 1e-39,
    1e-38, 1e-37, 1e-36, 1e-35, 1e-34, 1e-33, 1e-32, 1e-31, 1e-30, 1e-29, 1e-28, 1e-27, 1e-26,
    1e-25, 1e-24, 1e-23, 1e-22, 1e-21, 1e-20, 1e-19, 1e-18, 1e-17, 1e-16, 1e-15, 1e-14, 1e-13,
    1e-12, 1e-11, 1e-10, 1e-9,  1e-8,  1e-7,  1e-6,  1e-5,  1e-4,  1e-3,  1e-2,  1e-1,  1e0,
    1e1,   1e2,   1e3,   1e4,   1e5,   1e6,   1e7,   1e8,   1e9,   1e10,  1e11,  1e12,  1e13,
    1e14,  1e15,  1e16,  1e17,  1e18,  1e19,  1e20,  1e21,  1e22,  1e23,  1e24,  1e25,  1e26,
    1e27,  1e28,  1e29,  1e30,  1e31,  1e32,  1e33,  1e34,  1e35,  1e36,  1e37,  1e38,
};

static const uint64_t pow10_u64[9] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000
};

static unsigned digit(char c)
{
    return (unsigned)(unsigned char)c - '0'; /* above 9: not one */
}

/* Eight bytes, the first lowest. */
static uint64_t load8(const char *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* What eight digits say, one a byte, the first lowest: neighbours are joined, 1 and 1, then 2 and 2
 * and 4 and 4 in one go. */
static uint64_t join8(uint64_t digits)
{
    const uint64_t pairs = digits * 10 + (digits >> 8);
    const uint64_t mask = 0x000000FF000000FF;

    return ((pairs & mask) * (100 + (1000000ULL << 32)) +
            (pairs >> 16 & mask) * (1 + (10000ULL << 32))) >>
           32;
}

/* --- The exact way, for numbers too close to the middle between two floats --- */

/* The float32s' middles have at most 113 significant digits, all of them above 10^-151; so after
 * this many only whether anything but zeros follows can matter. */
#define DIGITS_MAX 128

/* A number's digits, seen from far enough: 0.d1 d2 d3 ... * 10^point, d1 not 0 (or no digits). */
struct decimal {
    unsigned char digit[DIGITS_MAX];
    size_t n;
    int64_t point;
    bool more; /* digits other than 0 follow */
};

/* Long enough for 128 digits times 2^150 and for 2^25 times 10^173. */
#define BIG_LIMBS 32
struct big {
    size_t n;
    uint32_t limb[BIG_LIMBS]; /* lowest first; limb[n - 1] is not 0 */
};

/* big = big * by + add; by > 0 */
static void big_mul_add(struct big *big, uint32_t by, uint32_t add)
{
    uint64_t carry = add;

    for (size_t i = 0; i < big->n; i++) {
        carry += (uint64_t)big->limb[i] * by;
        big->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry != 0) {
        big->limb[big->n++] = (uint32_t)carry;
    }
}

static void big_mul_pow(struct big *big, uint32_t base, int64_t exp)
{
    for (int64_t i = 0; i < exp; i++) {
        big_mul_add(big, base, 0);
    }
}

static int big_compare(const struct big *a, const struct big *b)
{
    if (a->n != b->n) {
        return a->n < b->n ? -1 : 1;
    }
    for (size_t i = a->n; i-- > 0;) {
        if (a->limb[i] != b->limb[i]) {
            return a->limb[i] < b->limb[i] ? -1 : 1;
        }
    }
    return 0;
}

/* Below 0, 0, above 0: how the decimal compares with middle, a float64 of at most 25 bits. */
static int decimal_compare(const struct decimal *dec, double middle)
{
    struct big left = { 0 }, right = { 0 };
    const int64_t q = dec->point - (int64_t)dec->n;
    int exp, order;

    big_mul_add(&right, 1, (uint32_t)ldexp(frexp(middle, &exp), 25)); /* middle = right * 2^exp */
    exp -= 25;
    for (size_t i = 0; i < dec->n; i++) {
        big_mul_add(&left, 10, dec->digit[i]);
    }
    big_mul_pow(q < 0 ? &right : &left, 10, q < 0 ? -q : q);
    big_mul_pow(exp < 0 ? &left : &right, 2, exp < 0 ? -exp : exp);
    order = big_compare(&left, &right);
    return order == 0 && dec->more ? 1 : order;
}

static enum number_status decimal_round(const struct decimal *dec, float *ret)
{
    const double near = 0x1p-48; /* more than the float64 below can be wrong by */
    const size_t n = dec->n < 18 ? dec->n : 18;
    int64_t w = 0;
    double about, middle;
    float low, high;
    int order;

    if (dec->n == 0 || dec->point < -45) {
        *ret = 0.0F; /* below 10^-46, which is below half the smallest float */
        return NUMBER_OK;
    }
    if (dec->point > 39) {
        return NUMBER_LARGE;
    }
    for (size_t i = 0; i < n; i++) {
        w = w * 10 + dec->digit[i];
    }
    about = (double)w * pow10_f64[dec->point - (int64_t)n - POW_MIN];
    low = (float)(about * (1.0 - near));
    high = (float)(about * (1.0 + near));
    if (low != high) {
        /* Neighbours, with one middle between them; behind the last float there is 2^128. */
        middle = ((double)low + (isinf(high) ? 0x1p128 : (double)high)) / 2.0;
        order = decimal_compare(dec, middle);
        if (order == 0) {
            uint32_t bits;

            memcpy(&bits, &low, sizeof bits);
            order = (bits & 1) != 0 ? 1 : -1;
        }
        low = order > 0 ? high : low;
    }
    if (isinf(low)) {
        return NUMBER_LARGE;
    }
    *ret = low;
    return NUMBER_OK;
}

/* Takes the digits up to what is not one; point moves with those before the decimal point. */
static const char *decimal_take(struct decimal *dec, const char *p, const char *end, bool whole)
{
    for (; p < end && digit(*p) <= 9; p++) {
        const unsigned d = digit(*p);

        if (dec->n == 0 && d == 0) {
            dec->point -= !whole;
            continue;
        }
        dec->point += whole;
        if (dec->n < DIGITS_MAX) {
            dec->digit[dec->n++] = (unsigned char)d;
        } else {
            dec->more = dec->more || d != 0;
        }
    }
    return p;
}

enum number_status number_read(const char **at, const char *end, float *ret)
{
    const bool negative = *at < end && **at == '-';
    const char *p = *at + negative, *begin = p;
    struct decimal dec = { .n = 0 };
    enum number_status status;
    float value;

    p = decimal_take(&dec, p, end, true);
    if (p == begin) {
        goto no_digit;
    }
    if (*begin == '0' && p - begin > 1) {
        *at = begin;
        return NUMBER_ZERO;
    }
    if (p < end && *p == '.') {
        begin = ++p;
        p = decimal_take(&dec, p, end, false);
        if (p == begin) {
            goto no_digit;
        }
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        const bool minus = ++p < end && *p == '-';
        int64_t exp = 0;

        begin = p += p < end && (*p == '-' || *p == '+');
        for (; p < end && digit(*p) <= 9; p++) {
            /* Stops growing where no body is long enough to make up for it. */
            exp = exp > INT64_MAX / 32 ? exp : exp * 10 + digit(*p);
        }
        if (p == begin) {
            goto no_digit;
        }
        dec.point += minus ? -exp : exp;
    }
    *at = p;
    status = decimal_round(&dec, &value);
    if (status == NUMBER_OK) {
        *ret = negative ? -value : value;
    }
    return status;

no_digit:
    *at = p;
    return NUMBER_DIGIT;
}

/* --- The quick way --- */

#define QUICK_DIGITS 19
/* No quick number with what is looked at behind it is longer: a sign, 19 digits with a point, seven
 * bytes that load8 reads too far, e, its sign, three digits, and a separator with a blank. */
#define QUICK_LEN 64

/* The digits behind a point, eight at a time; those from the 20th on may be left over. */
static inline const char *quick_fraction(const char *p, const char *limit, uint64_t *w)
{
    const uint64_t ones = 0x0101010101010101;

    for (;;) {
        const uint64_t word = load8(p) ^ ones * '0'; /* bytes 0 to 9 are digits now */
        const uint64_t other = (((word & ones * 0x7F) + ones * 0x76) | word) & ones * 0x80;
        const unsigned bits = other == 0 ? 64 : (unsigned)__builtin_ctzll(other) & ~7U;

        if (bits == 0) {
            return p;
        }
        *w = *w * pow10_u64[bits / 8] + join8(word << (64 - bits)); /* zeros move in, in front */
        p += bits / 8;
        if (bits < 64 || p > limit) {
            return p;
        }
    }
}

/* Behind the number at p, or NULL when it is not an easy one. At least QUICK_LEN bytes are there.
 */
static inline const char *quick_read(const char *p, float *ret)
{
    const bool negative = *p == '-';
    const char *begin = p + negative;
    uint64_t w, bits;
    int q = 0;
    double d;
    float value;

    p = begin;
    w = digit(*p++);
    if (w > 9) {
        return NULL;
    }
    if (w != 0) {
        for (; digit(*p) <= 9 && p - begin < QUICK_DIGITS; p++) {
            w = w * 10 + digit(*p);
        }
    }
    if (*p == '.') {
        const char *point = p;

        p = quick_fraction(p + 1, begin + QUICK_DIGITS, &w);
        q = (int)(point + 1 - p);
        if (q == 0 || p - begin > QUICK_DIGITS + 1) {
            return NULL;
        }
    }
    if (digit(*p) <= 9) {
        return NULL; /* 01, or too many for w */
    }
    if (*p == 'e' || *p == 'E') {
        const bool minus = p[1] == '-';
        int exp = 0;

        begin = p += 1 + (minus || p[1] == '+');
        for (; digit(*p) <= 9 && p - begin < 3; p++) {
            exp = exp * 10 + (int)digit(*p);
        }
        if (p == begin || digit(*p) <= 9) {
            return NULL;
        }
        q += minus ? -exp : exp;
    }
    if (q < POW_MIN || q > POW_MAX || w >> 63 != 0) {
        return NULL;
    }
    /* w, 10^q and their product are each rounded once, by 2^-53 of their size at most: d is less
     * than 4 units in its last place from the truth. The middles between float32s are where the 29
     * bits that are cut off are 1000...0: further from there than 4, the truth rounds as d does. */
    d = (double)(int64_t)w * pow10_f64[q - POW_MIN];
    memcpy(&bits, &d, sizeof bits);
    value = (float)d;
    if (((bits - (0x10000000 - 4)) & 0x1FFFFFFF) <= 8 || !(d <= FLT_MAX) ||
        (d < FLT_MIN && w != 0)) {
        return NULL;
    }
    *ret = negative ? -value : value;
    return p;
}

static bool blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

size_t number_list(const char **at, const char *end, float *ret, size_t room)
{
    const char *p = *at;
    size_t n = 0;

    while (end - p >= QUICK_LEN) {
        p = quick_read(p, &ret[n]);
        if (p == NULL) {
            break;
        }
        *at = p;
        if (++n == room) {
            break;
        }
        while (blank(*p) && p < end - 1) {
            p++;
        }
        if (*p != ',') {
            break;
        }
        p++;
        while (p < end && blank(*p)) {
            p++;
        }
    }
    return n;
}
