#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void log_line(const char *fmt, ...)
{
    char line[1024] = "sigmad: ";
    const size_t at = sizeof "sigmad: " - 1;
    va_list args;
    size_t len;

    va_start(args, fmt);
    vsnprintf(line + at, sizeof line - at - 1, fmt, args);
    va_end(args);
    len = strlen(line);
    line[len++] = '\n';
    /* One write, so that lines of several threads do not mix; a lost log line is nobody's error. */
    if (write(STDERR_FILENO, line, len) < 0) {
        return;
    }
}
