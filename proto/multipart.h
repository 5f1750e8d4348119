/* The parts of a multipart/form-data body that lies in memory (RFC 7578; RFC 2046, 5.1).
 *
 *   --BOUNDARY CRLF
 *   Content-Disposition: form-data; name="spec" CRLF
 *   Content-Type: application/json CRLF           may be there; other headers are not looked at
 *   CRLF
 *   its bytes CRLF
 *   --BOUNDARY CRLF ... --BOUNDARY--
 *
 * What stands before the first boundary and behind the last is not looked at, as RFC 2046 wants it.
 * libmicrohttpd's post processor is not used: it takes what is malformed or cut without a word, and a
 * connection, which is nobody's below server/http.c.
 *
 * Thread: any; only the arguments are read and written. */
#ifndef MULTIPART_H
#define MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"

#define MULTIPART_PARTS_MAX 8
#define MULTIPART_HEADERS_MAX 4096 /* bytes of a part's headers */
#define MULTIPART_NAME_MAX 64      /* bytes of a part's name */
#define MULTIPART_TYPE_MAX 128     /* and of its type */

struct multipart_part {
    char name[MULTIPART_NAME_MAX + 1];
    char type[MULTIPART_TYPE_MAX + 1]; /* "": it says none */
    const char *bytes;                 /* in the body */
    size_t len;
};

struct multipart {
    struct multipart_part part[MULTIPART_PARTS_MAX];
    size_t n;
};

/* Whether a Content-Type, or NULL, is multipart/form-data. */
bool multipart_is(const char *type);
/* type: the body's Content-Type, which multipart_is. Errors: ERR_TYPE at "Content-Type" for a boundary
 * that is missing, there twice or not of 1 to 70 characters; ERR_SYNTAX at "body" for what is cut or
 * no part; ERR_FIELD at a part's name when it is there twice, and at "body" over the limits above. */
bool multipart_read(const char *type, const char *bytes, size_t len, struct multipart *ret,
                    struct err *err);

#endif
