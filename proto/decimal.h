/* Decimal numbers as text, compared by their exact value: no rounding, no overflow. */
#ifndef DECIMAL_H
#define DECIMAL_H

#include <stdbool.h>
#include <stddef.h>

/* [+-] digits [. digits] [e [+-] digits], or with the digits before the point missing.
 *
 *   value = +-0.d1 d2 ... dn * 10^exponent, d1 > 0; n = 0 for zero
 */
struct decimal {
    bool negative;
    const char *digits; /* borrowed; from d1 to dn, a '.' may lie between */
    size_t len;         /* bytes of digits */
    long long exponent;
};

/* Reads all of text; false when it is no such number, or its exponent has over 15 digits. */
bool decimal_read(const char *text, size_t len, struct decimal *ret);
/* -1, 0 or 1 as a is below, equal to or above b. */
int decimal_compare(const struct decimal *a, const struct decimal *b);

#endif
