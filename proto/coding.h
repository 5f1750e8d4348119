/* Content codings: bodies that zlib compressed (RFC 9110, 8.4.1; RFC 1950, 1951, 1952).
 *
 * gzip may have several members, one behind the other. deflate is the zlib format, and bare deflate
 * data too, since many send that. Thread: any, one at a time for an inflater. */
#ifndef CODING_H
#define CODING_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_DEFLATE };

/* As headers have it: "gzip". */
const char *coding_name(enum coding coding);
/* What a Content-Encoding header says; NULL: identity. Errors: ERR_TYPE at Content-Encoding. */
bool coding_read(const char *header, enum coding *ret, struct err *err);
/* Which coding of a reply a client would rather have, by its Accept-Encoding header or NULL. */
enum coding coding_wanted(const char *header);

struct inflater;

/* coding: not CODING_IDENTITY. Errors: ERR_MEMORY. */
bool inflater_create(enum coding coding, struct inflater **ret, struct err *err);
void inflater_free(struct inflater *inflater);
/* Inflates what is at *in, len bytes, into out: *n bytes, cap at most. Moves *in and *len on: there
 * may be more to come from the same input while *n == cap, and only then. Errors: ERR_SYNTAX at
 * Content-Encoding, ERR_MEMORY. */
bool inflater_run(struct inflater *inflater, const char **in, size_t *len, char *out, size_t cap,
                  size_t *n, struct err *err);
/* No more input comes. Errors: ERR_SYNTAX at Content-Encoding when there should be more. */
bool inflater_end(const struct inflater *inflater, struct err *err);

/* The most bytes that coding_deflate makes of len. */
size_t coding_bound(size_t len);
/* Compresses in[len] into out[coding_bound(len)], quickly rather than well. False: no memory. */
bool coding_deflate(enum coding coding, const char *in, size_t len, char *out, size_t *ret);

#endif
