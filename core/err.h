/* What went wrong, and where in what the client sent.
 *
 * A function that can fail returns bool and takes a struct err last; on failure its results are
 * untouched. The first error set wins, so a caller may go on to `out:` without losing the reason.
 * Thread: a struct err belongs to whoever holds it; nothing here is shared. */
#ifndef ERR_H
#define ERR_H

#include <stdbool.h>
#include <stddef.h>

/* Each code has one HTTP status and one problem type, in server/route.c. Their numbers are kept in
 * jobs' records: new ones come last. */
enum err_code {
    ERR_NONE,
    ERR_SYNTAX,       /* the bytes are not what they claim to be: JSON, CSV, IDX */
    ERR_FIELD,        /* a field is missing, unknown, of a wrong type or out of its limit */
    ERR_RANGE,        /* a number in the data is out of range for what it is used for */
    ERR_NUMBER,       /* arithmetic stopped being finite */
    ERR_NOT_FOUND,    /* nothing has that name */
    ERR_EXISTS,       /* something has that name already */
    ERR_BUSY,         /* it is in use: training, or read by a job */
    ERR_METHOD,       /* the path exists, the method does not */
    ERR_TOO_LARGE,    /* the body, or the headers, are over the limit */
    ERR_TYPE,         /* a body of that content type is not taken here */
    ERR_ACCEPT,       /* an answer of that type is not made here */
    ERR_PRECONDITION, /* If-Match or If-None-Match does not hold */
    ERR_LIMIT,        /* a configured limit on how many there may be is reached */
    ERR_MEMORY,       /* no memory */
    ERR_IO,           /* the disk failed */
    ERR_FULL,         /* the disk is full */
    ERR_DRAINING,     /* the daemon is going down */
    ERR_UNAVAILABLE,  /* it has been taken out of service */
    ERR_INTERNAL,     /* a defect of ours */
    ERR_AUTH,         /* who asks is not known */
    ERR_DENIED,       /* who asks may not do that */
    ERR_RATE,         /* who asks has asked too often */
    ERR_QUEUE,        /* more work waits than may */
    ERR_HOST,         /* the request was meant for another server */
    ERR_COUNT
};

struct err {
    enum err_code code;
    char where[160]; /* path of the field: layers[2].units; "" when no field is to blame */
    char text[320];  /* what is wrong with it: must be 1 to 65536, is 0 */
};

/* Sets the error unless one is set. Always returns false, so that it can be returned.
 * text: lower case, no full stop, the limit and the value found; printf form. */
bool err_set(struct err *err, enum err_code code, const char *where, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts the place where the inner decoder's object sits before the field it named: "layers[2]" and
 * "units" become "layers[2].units"; an inner name that begins with '[' is joined without a dot.
 * Always returns false. */
bool err_in(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "where text", or the text alone when there is no where, cut to len bytes with its NUL. */
void err_detail(const struct err *err, char *ret, size_t len);

#endif
