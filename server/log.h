/* One line on stderr an event, "sigmad: ...". Thread: any. */
#ifndef LOG_H
#define LOG_H

void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
