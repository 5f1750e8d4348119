#include "numeral.h"

#define EXPONENT_MAX 1000000000000000 /* with a text's length added, far from overflow */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What follows the e. */
static bool exponent_read(const char *text, size_t len, long long *ret)
{
    const bool negative = len > 0 && text[0] == '-';
    long long value = 0;
    size_t at = len > 0 && (text[0] == '+' || text[0] == '-') ? 1 : 0;

    if (at == len) {
        return false;
    }
    for (; at < len; at++) {
        if (!is_digit(text[at])) {
            return false;
        }
        value = value * 10 + (text[at] - '0');
        value = value < EXPONENT_MAX ? value : EXPONENT_MAX;
    }
    *ret = negative ? -value : value;
    return true;
}

/* Without the zeros around the digits, so that equal values have equal digits. */
static void trim(struct numeral *num)
{
    for (; num->len > 0 && (num->digits[0] == '0' || num->digits[0] == '.'); num->len--) {
        num->exponent -= num->digits[0] == '0' ? 1 : 0;
        num->digits++;
    }
    while (num->len > 0 && (num->digits[num->len - 1] == '0' || num->digits[num->len - 1] == '.')) {
        num->len--;
    }
    if (num->len == 0) {
        num->negative = false;
        num->exponent = 0;
    }
}

bool numeral_read(const char *text, size_t len, struct numeral *ret)
{
    struct numeral num = { .negative = len > 0 && text[0] == '-' };
    size_t at = len > 0 && (text[0] == '+' || text[0] == '-') ? 1 : 0;
    size_t before = 0, behind = 0; /* digits, of the point */

    num.digits = text + at;
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
    num.len = (size_t)(text + at - num.digits);
    if (at < len) {
        if ((text[at] != 'e' && text[at] != 'E') ||
            !exponent_read(text + at + 1, len - at - 1, &num.exponent)) {
            return false;
        }
    }
    num.exponent += (long long)before;
    trim(&num);
    *ret = num;
    return true;
}

static int magnitude_compare(const struct numeral *a, const struct numeral *b)
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

int numeral_compare(const struct numeral *a, const struct numeral *b)
{
    if (a->len == 0 || b->len == 0) { /* zero has no exponent to compare */
        return a->len == 0 ? (b->len == 0 ? 0 : b->negative ? 1 : -1) : a->negative ? -1 : 1;
    }
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    return a->negative ? magnitude_compare(b, a) : magnitude_compare(a, b);
}
