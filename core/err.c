#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool err_set(struct err *err, enum err_code code, const char *where, const char *fmt, ...)
{
    va_list args;

    if (err->code != ERR_NONE) {
        return false;
    }
    err->code = code;
    snprintf(err->where, sizeof err->where, "%s", where);
    va_start(args, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, args);
    va_end(args);
    return false;
}

bool err_in(struct err *err, const char *fmt, ...)
{
    char inner[sizeof err->where];
    size_t room = sizeof err->where;
    va_list args;
    int n;

    memcpy(inner, err->where, sizeof inner);
    va_start(args, fmt);
    n = vsnprintf(err->where, room, fmt, args);
    va_end(args);
    if (n > 0 && (size_t)n < room && inner[0] != '\0') {
        snprintf(err->where + n, room - (size_t)n, "%s%s", inner[0] == '[' ? "" : ".", inner);
    }
    return false;
}

void err_detail(const struct err *err, char *ret, size_t len)
{
    snprintf(ret, len, "%s%s%s", err->where, err->where[0] == '\0' ? "" : " ", err->text);
}
