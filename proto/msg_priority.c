#include "msg_priority.h"

#include "value.h"

bool msg_priority_read(struct scan *scan, int *ret, struct err *err)
{
    int64_t value;

    if (!value_integer(scan, -PRIORITY_MAX, PRIORITY_MAX, &value, err)) {
        return false;
    }
    *ret = (int)value;
    return true;
}

static bool read_priority(struct scan *scan, void *into, struct err *err)
{
    return msg_priority_read(scan, into, err);
}

bool msg_priority_decode(const char *body, size_t len, int *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "priority", read_priority, true },
    };
    int priority = 0;

    if (!value_body(body, len, "a job", fields, 1, &priority, err)) {
        return false;
    }
    *ret = priority;
    return true;
}
