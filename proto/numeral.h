/* Decimal numbers as C's strtof takes them, as text: told from other text, and compared by their
 * exact value, without rounding or overflow. */
#ifndef NUMERAL_H
#define NUMERAL_H

#include <stdbool.h>
#include <stddef.h>

/* [+-] digits [. digits] [e [+-] digits], or with the digits before the point missing.
 *
 *   value = +-0.d1 d2 ... dn * 10^exponent, d1 > 0; n = 0 for zero
 */
struct numeral {
    bool negative;
    const char *digits; /* borrowed; from d1 to dn, a '.' may lie between */
    size_t len;         /* bytes of digits */
    long long exponent;
};

/* Reads all of text; false when it is no such number. An exponent beyond +-10^15 counts as that. */
bool numeral_read(const char *text, size_t len, struct numeral *ret);
/* -1, 0 or 1 as a is below, equal to or above b. */
int numeral_compare(const struct numeral *a, const struct numeral *b);

#endif
