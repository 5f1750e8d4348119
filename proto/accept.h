/* Which of those on offer a client would have, by a header that says so (RFC 9110, 12.5): media types
 * by Accept, content codings by Accept-Encoding. */
#ifndef ACCEPT_H
#define ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

/* types: n of them, "application/json" and the like, the first being the one sent when nothing is
 * asked for. *ret is the index of the one with the highest q, the first of equals; the most
 * specific range that matches a type gives its q. accept may be NULL. False, *ret untouched: none
 * will do. What is no media range is passed over. Thread: any. */
bool accept_choose(const char *accept, const char *const *types, size_t n, size_t *ret);

/* Whether a media type, parameters and letter case aside, is that one. */
bool accept_is(const char *type, const char *wanted);

#endif
