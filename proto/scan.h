/* JSON read from a span of bytes, value after value: nothing is built, each message takes its
 * members straight into its struct.
 *
 *   enter, then while scan_next or scan_key says there is more: read one value, whole
 *
 * Errors: what is not JSON is ERR_SYNTAX at "body": "line 1 column 17: expected ',' or ']'", lines
 * and columns from 1, columns in characters. After an error the scan is of no more use.
 * Thread: a struct scan belongs to its holder, and may be copied to read something twice. */
#ifndef SCAN_H
#define SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define SCAN_DEPTH_MAX 64 /* arrays and objects in each other */

enum scan_kind { SCAN_NULL, SCAN_BOOLEAN, SCAN_NUMBER, SCAN_STRING, SCAN_ARRAY, SCAN_OBJECT };

struct scan {
    const char *start, *at, *end; /* borrowed */
    unsigned depth;
    uint64_t begun;   /* bit d: what was entered at depth d has had its first entry */
    uint64_t objects; /* bit d: it is an object */
    bool line;        /* end is that of a line, for messages */
};

void scan_init(struct scan *scan, const char *bytes, size_t len);
/* Nothing but white space follows. */
bool scan_end(struct scan *scan, struct err *err);

/* What kind of value begins here, by its first byte. */
bool scan_peek(struct scan *scan, enum scan_kind *ret, struct err *err);
/* "a string", "an array": for "must be a number, is a string". */
const char *scan_kind_name(enum scan_kind kind);
/* As scan_peek, and ERR_FIELD at "" when it is another: "must be WHAT, is a string". */
bool scan_expect(struct scan *scan, enum scan_kind kind, const char *what, struct err *err);

/* Into the array or object that begins here. */
bool scan_enter(struct scan *scan, struct err *err);
/* To the next entry of the array; after the last, behind the array. */
bool scan_next(struct scan *scan, bool *more, struct err *err);
/* To the value of the object's next member; after the last, behind the object. The member's name
 * goes to key as scan_string puts it. */
bool scan_key(struct scan *scan, char *key, size_t cap, size_t *len, bool *more, struct err *err);

/* The string that begins here, without its escapes, into buf, which has room for cap - 1 bytes and
 * a NUL. *len is the string's whole length: with len >= cap its end is missing in buf. U+0000 is
 * refused, so that a string has no NUL in it. */
bool scan_string(struct scan *scan, char *buf, size_t cap, size_t *len, struct err *err);
bool scan_boolean(struct scan *scan, bool *ret, struct err *err);
/* Behind a number: *ret is its value unless that is beyond float32, which *fits tells; the text is
 * at *raw, up to scan->at. */
bool scan_number(struct scan *scan, float *ret, bool *fits, const char **raw, struct err *err);
/* As many numbers of the entered array as can be had at once: 0 or more, up to room >= 1. Call it
 * where a value begins; after 0, scan_number or another is needed, else scan_next is. */
size_t scan_numbers(struct scan *scan, float *ret, size_t room);
/* Past one value of any kind, which is checked to be JSON. */
bool scan_skip(struct scan *scan, struct err *err);

#endif
