/* server/openapi.json, kept by hand, as part of the executable. The build compares it with
 * route.c's table (tests/server/openapi.c), tests/e2e/test_openapi.py with what is answered. */
#ifndef OPENAPI_H
#define OPENAPI_H

#include <stdint.h>

extern const char openapi_json[]; /* a NUL behind it */
extern const uint64_t openapi_json_len;

#endif
