#include "trace_context.h"

#include <string.h>

#define HEX "0123456789abcdef"
#define TRACE_AT 3
#define PARENT_AT (TRACE_AT + TRACE_ID_LEN + 1)
#define FLAGS_AT (PARENT_AT + SPAN_ID_LEN + 1)

/* n digits are there, and behind them what ends them. */
static bool digits(const char *at, size_t n, char end)
{
    return strspn(at, HEX) == n && at[n] == end;
}

static bool is_zero(const char *at)
{
    return at[strspn(at, "0")] == '-';
}

bool trace_context_decode(const char *header, struct trace_context *ret)
{
    struct trace_context context = { 0 };
    const char *flags;

    /* each is looked at only when all before it is as long as it has to be */
    if (!digits(header, 2, '-') || memcmp(header, "ff", 2) == 0 ||
        !digits(header + TRACE_AT, TRACE_ID_LEN, '-') || is_zero(header + TRACE_AT) ||
        !digits(header + PARENT_AT, SPAN_ID_LEN, '-') || is_zero(header + PARENT_AT)) {
        return false;
    }
    flags = header + FLAGS_AT;
    if (!digits(flags, 2, '\0') && (!digits(flags, 2, '-') || memcmp(header, "00", 2) == 0)) {
        return false;
    }
    memcpy(context.trace_id, header + TRACE_AT, TRACE_ID_LEN);
    memcpy(context.parent_id, header + PARENT_AT, SPAN_ID_LEN);
    context.sampled = (strchr(HEX, flags[1]) - HEX) % 2 == 1; /* the last bit */
    *ret = context;
    return true;
}
