/* The header traceparent, by which a request says what trace it belongs to: W3C Trace Context,
 * level 1 (https://www.w3.org/TR/trace-context-1/#traceparent-header). */
#ifndef TRACE_CONTEXT_H
#define TRACE_CONTEXT_H

#include <stdbool.h>

#define TRACE_ID_LEN 32
#define SPAN_ID_LEN 16

struct trace_context {
    char trace_id[TRACE_ID_LEN + 1];
    char parent_id[SPAN_ID_LEN + 1]; /* of the span that sent the request */
    bool sampled;
};

/* "00-" 32 hex "-" 16 hex "-" 2 hex, all in lower case; neither id is zero. Of a later version, but
 * not ff, what is known is read, and more may follow after another "-". False: it is none, and
 * then, as the standard has it, to be passed over; *ret is untouched. */
bool trace_context_decode(const char *header, struct trace_context *ret);

#endif
