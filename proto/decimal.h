/* Numbers written as short as they read back to the same: Schubfach, after Raffaello Giulietti,
 * "The Schubfach way to render doubles" (2020), for float32.
 *
 * Written as JSON has it, from 0.00001 up to 10^9 as plain decimals (17 rather than 17.0), with an
 * exponent outside that: 1.5, 16777216, 1e-7, 3.4028235e38. Minus zero is -0.0, which reads back as
 * minus zero also where whole numbers have no sign of zero. Thread: any; the locale has no part. */
#ifndef DECIMAL_H
#define DECIMAL_H

#include <stddef.h>

#define DECIMAL_MAX 48 /* room that is needed, more than is used */

/* Writes the shortest decimal that reads back to value, and of those the closest to it; returns its
 * length. No NUL, but other bytes may be written behind it. value is finite, ret[DECIMAL_MAX]. */
size_t decimal_f32(float value, char *ret);

/* The same for float64 (plain up to 10^17), by trying 15, 16 and 17 digits. */
size_t decimal_f64(double value, char *ret);

#endif
