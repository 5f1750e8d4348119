/* JSON numbers in text, read into float32: correctly rounded (to nearest, ties to even: what strtof
 * gives in the C locale), whatever the locale is and however many digits there are.
 *
 *   number = [ "-" ] ( "0" | digit1-9 *digit ) [ "." 1*digit ]
 *            [ ("e" | "E") [ "+" | "-" ] 1*digit ]
 *
 * How: with w the digits and q the exponent, w * 10^q is computed in float64, three roundings away
 * from the truth. Only when that leaves the float32 in doubt, about once in 2^26 numbers that are
 * not ties, are long integers compared. Thread: any. */
#ifndef NUMBER_H
#define NUMBER_H

#include <stdbool.h>
#include <stddef.h>

enum number_status {
    NUMBER_OK,
    NUMBER_LARGE, /* beyond float32; *at is behind it */
    NUMBER_DIGIT, /* a digit must stand at *at */
    NUMBER_ZERO   /* a digit follows a leading 0; *at is at the 0 */
};

/* Reads the number at *at, which moves behind it. What follows is the caller's to judge. */
enum number_status number_read(const char **at, const char *end, float *ret);

/* Reads numbers that have commas between them, white space around those, and nothing else, while
 * it is easy: the caller goes on where *at stands, which is behind the last number read (the start
 * when none was), and returns to number_read when 0 were read. At most room >= 1 numbers. Most
 * numbers of most bodies are read by this loop, which is why it is one. */
size_t number_list(const char **at, const char *end, float *ret, size_t room);

#endif
