/* A job's place in the queue, as train has it among its fields, and what changes it later:
 *
 *   {"priority": 5}      -100 to 100, by default 0; higher ones come first */
#ifndef MSG_PRIORITY_H
#define MSG_PRIORITY_H

#include "scan.h"

#define PRIORITY_MAX 100 /* and -100 at least */

/* A field of struct value_field. Errors: those of value_integer. */
bool msg_priority_read(struct scan *scan, int *ret, struct err *err);
bool msg_priority_decode(const char *body, size_t len, int *ret, struct err *err);

#endif
