/* RFC 9457 problem+json, with the string member "error" that Open Inference Protocol clients read.
 */
#ifndef PROBLEM_H
#define PROBLEM_H

#include "err.h"
#include "text.h"

/* {"type": "urn:sigmad:problem:field", "title": ..., "status": 422, "detail": "layers[2].units must
 * be 1 to 65536, is 0", "error": the same, "field": "layers[2].units"}; no "field" when there is
 * none. type and title go out as they are given. */
void problem_encode(struct text *text, const struct err *err, int status, const char *type,
                    const char *title);

#endif
