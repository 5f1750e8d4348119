/* What an error message shows of a client's text. */
#ifndef QUOTE_H
#define QUOTE_H

#include <stddef.h>

#define QUOTE_MAX 40

struct quote {
    char text[QUOTE_MAX + sizeof "..."];
};

/* The first QUOTE_MAX bytes at most, cut between characters and then ended by "..."; what is not
 * printable UTF-8 becomes '?'. By value, to be used within one call: quote(p, n).text. */
struct quote quote(const char *bytes, size_t len);

#endif
