/* Lines on stderr, one an event, each in one write, so that those of several threads do not mix.
 *
 *   text  sigmad: listening on http://127.0.0.1:8740
 *         sigmad: request method=GET path=/v1/models status=200
 *   json  {"ts":"2026-11-26T18:20:31.042Z","level":"notice","message":"listening on http://..."}
 *
 * When stderr is the journal a line begins with its priority, "<5>", and not with the name, which
 * the journal knows (sd-daemon(3)). What comes of clients cannot begin a line of its own: control
 * characters are escaped, and so is what is not UTF-8. A lost line is nobody's error.
 * How to log is the one thing of the process that is not passed down: set before threads start.
 * Thread: any. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_LINE_MAX 4096 /* bytes, its end included: what a pipe takes whole (PIPE_BUF) */
#define LOG_VALUE_MAX 512 /* bytes of a field's text; then "..." */

/* The priorities of syslog(3). */
enum log_level {
    LEVEL_ERROR = 3,   /* something that was asked for is not so */
    LEVEL_WARNING = 4, /* it works, but not as one may think */
    LEVEL_NOTICE = 5,  /* start, end, what became of jobs */
    LEVEL_INFO = 6,    /* requests, when they are logged */
    LEVEL_DEBUG = 7    /* what the service manager is told */
};

/* False: no level is called that. */
bool log_level_find(const char *name, enum log_level *ret);
/* Lines less important than most are not written. */
void log_open(enum log_level most, bool json);
bool log_shows(enum log_level level);

void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* LEVEL_NOTICE. */
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A line with fields; on the caller's stack. A field that there is no room for is left out. */
struct log_entry {
    size_t len;
    char text[LOG_LINE_MAX];
};

/* Whoever begins a line has asked log_shows. */
void log_begin(struct log_entry *entry, enum log_level level, const char *message);
void log_text(struct log_entry *entry, const char *key, const char *value); /* NULL: no field */
void log_count(struct log_entry *entry, const char *key, uint64_t value);
void log_real(struct log_entry *entry, const char *key, double value); /* three decimals */
void log_end(struct log_entry *entry);

#endif
