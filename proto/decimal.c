#include "decimal.h"

#define EXPONENT_DIGITS_MAX 15 /* with a text's length added it stays far from overflow */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What follows the e. */
static bool exponent_read(const char *text, size_t len, long long *ret)
{
    const bool negative = len > 0 && text[0] == '-';
    long long value = 0;
    size_t at = len > 0 && (text[0] == '+' || text[0] == '-') ? 1 : 0, first;

    if (at == len) {
        return false;
    }
    while (at < len - 1 && text[at] == '0') {
        at++;
    }
    for (first = at; at < len; at++) {
        if (!is_digit(text[at]) || at - first == EXPONENT_DIGITS_MAX) {
            return false;
        }
        value = value * 10 + (text[at] - '0');
    }
    *ret = negative ? -value : value;
    return true;
}

/* Without the zeros around the digits, so that equal values have equal digits. */
static void trim(struct decimal *dec)
{
    for (; dec->len > 0 && (dec->digits[0] == '0' || dec->digits[0] == '.'); dec->len--) {
        dec->exponent -= dec->digits[0] == '0' ? 1 : 0;
        dec->digits++;
    }
    while (dec->len > 0 && (dec->digits[dec->len - 1] == '0' || dec->digits[dec->len - 1] == '.')) {
        dec->len--;
    }
    if (dec->len == 0) {
        dec->negative = false;
        dec->exponent = 0;
    }
}

bool decimal_read(const char *text, size_t len, struct decimal *ret)
{
    struct decimal dec = { .negative = len > 0 && text[0] == '-' };
    size_t at = len > 0 && (text[0] == '+' || text[0] == '-') ? 1 : 0;
    size_t before = 0, behind = 0; /* digits, of the point */

    dec.digits = text + at;
    for (; at < len && is_digit(text[at]); at++) {
        before++;
    }
    if (at < len && text[at] == '.') {
        for (at++; at < len && is_digit(text[at]); at++) {
            behind++;
        }
    }
    if (before + behind == 0) {
        return false;
    }
    dec.len = (size_t)(text + at - dec.digits);
    if (at < len) {
        if ((text[at] != 'e' && text[at] != 'E') ||
            !exponent_read(text + at + 1, len - at - 1, &dec.exponent)) {
            return false;
        }
    }
    dec.exponent += (long long)before;
    trim(&dec);
    *ret = dec;
    return true;
}

static int magnitude_compare(const struct decimal *a, const struct decimal *b)
{
    size_t i = 0, j = 0;

    if (a->exponent != b->exponent) {
        return a->exponent < b->exponent ? -1 : 1;
    }
    for (;; i++, j++) {
        i += i < a->len && a->digits[i] == '.' ? 1 : 0;
        j += j < b->len && b->digits[j] == '.' ? 1 : 0;
        if (i >= a->len || j >= b->len) {
            return (i < a->len) - (j < b->len);
        }
        if (a->digits[i] != b->digits[j]) {
            return a->digits[i] < b->digits[j] ? -1 : 1;
        }
    }
}

int decimal_compare(const struct decimal *a, const struct decimal *b)
{
    if (a->len == 0 || b->len == 0) { /* zero has no exponent to compare */
        return a->len == 0 ? (b->len == 0 ? 0 : b->negative ? 1 : -1) : a->negative ? -1 : 1;
    }
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    return a->negative ? magnitude_compare(b, a) : magnitude_compare(a, b);
}
