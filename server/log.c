#include "log.h"

#include <float.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "utf8.h"

#define MESSAGE_MAX 1024
#define TAIL 16 /* bytes kept for what ends a text, and the line */
#define ROOM (LOG_LINE_MAX - TAIL)

static struct {
    enum log_level most;
    bool json, journal;
} how = { LEVEL_INFO, false, false };

static const char *const names[] = { [LEVEL_ERROR] = "error",
                                     [LEVEL_WARNING] = "warning",
                                     [LEVEL_NOTICE] = "notice",
                                     [LEVEL_INFO] = "info",
                                     [LEVEL_DEBUG] = "debug" };

bool log_level_find(const char *name, enum log_level *ret)
{
    for (int level = LEVEL_ERROR; level <= LEVEL_DEBUG; level++) {
        if (strcmp(name, names[level]) == 0) {
            *ret = (enum log_level)level;
            return true;
        }
    }
    return false;
}

/* Whether stderr is what systemd has connected with the journal, and not a file or pipe that took
 * its place since. */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;
    char more;

    return stream != NULL && sscanf(stream, "%llu:%llu%c", &dev, &ino, &more) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void log_open(enum log_level most, bool json)
{
    how.most = most;
    how.json = json;
    how.journal = is_journal();
}

bool log_shows(enum log_level level)
{
    return level <= how.most;
}

/* ---- a line's pieces ---- */

/* All of it, or nothing and false. */
static bool put(struct log_entry *entry, const char *bytes, size_t len)
{
    if (entry->len + len > ROOM) {
        return false;
    }
    memcpy(entry->text + entry->len, bytes, len);
    entry->len += len;
    return true;
}

/* What has its place in TAIL. */
static void put_last(struct log_entry *entry, const char *str)
{
    const size_t len = strlen(str);

    memcpy(entry->text + entry->len, str, len);
    entry->len += len;
}

/* The character at `at` as it is shown: how many bytes. *used is what it has there. Escaped are
 * control characters, those of ISO 6429 above ASCII too, which terminals may obey. */
static size_t character(const char *at, const char *end, bool quoted, char ret[16], size_t *used)
{
    const size_t n = utf8_len(at, end);
    const unsigned first = (unsigned char)at[0], second = n == 2 ? (unsigned char)at[1] : 0;
    const bool upper = n == 2 && first == 0xc2 && second < 0xa0;

    *used = n == 0 ? 1 : n;
    if (how.json && n == 0) {
        return (size_t)sprintf(ret, "\\ufffd");
    }
    if (upper) {
        return (size_t)sprintf(ret, how.json ? "\\u%04x" : "\\xc2\\x%02x", second);
    }
    if (n == 0 || first < 0x20 || first == 0x7f) {
        return (size_t)sprintf(ret, how.json ? "\\u%04x" : "\\x%02x", first);
    }
    if (quoted && (first == '"' || first == '\\')) {
        return (size_t)sprintf(ret, "\\%c", at[0]);
    }
    memcpy(ret, at, n);
    return n;
}

/* The first max bytes at most, cut between characters and then ended by "...". */
static void put_escaped(struct log_entry *entry, const char *str, size_t max, bool quoted)
{
    const char *end = str + strlen(str), *at = str;

    while (at < end) {
        char shown[16];
        size_t used;
        const size_t len = character(at, end, quoted, shown, &used);

        if ((size_t)(at - str) + used > max || !put(entry, shown, len)) {
            put_last(entry, "...");
            return;
        }
        at += used;
    }
}

static bool put_key(struct log_entry *entry, const char *key)
{
    char text[64];
    const int len = snprintf(text, sizeof text, how.json ? ",\"%s\":" : " %s=", key);

    /* a value has some room, or the key is not worth having */
    return entry->len + (size_t)len + 32 <= ROOM && put(entry, text, (size_t)len);
}

/* ---- a line ---- */

/* `{"ts":"2026-11-26T18:20:31.042Z","level":"notice","message":` */
static int head_json(char *ret, size_t size, enum log_level level)
{
    struct timespec now;
    struct tm tm;
    char date[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    return snprintf(ret, size, "{\"ts\":\"%s.%03ldZ\",\"level\":\"%s\",\"message\":\"", date,
                    now.tv_nsec / 1000000, names[level]);
}

void log_begin(struct log_entry *entry, enum log_level level, const char *message)
{
    char head[128];
    int len = how.journal ? snprintf(head, sizeof head, "<%d>", (int)level) : 0;

    if (how.json) {
        len += head_json(head + len, sizeof head - (size_t)len, level);
    } else if (!how.journal) {
        len = snprintf(head, sizeof head, "sigmad: ");
    }
    entry->len = 0;
    put(entry, head, (size_t)len);
    put_escaped(entry, message, MESSAGE_MAX, how.json);
    if (how.json) {
        put_last(entry, "\"");
    }
}

void log_text(struct log_entry *entry, const char *key, const char *value)
{
    bool quoted;

    if (value == NULL || !put_key(entry, key)) {
        return;
    }
    quoted = how.json || value[0] == '\0' || strpbrk(value, " \"=\\") != NULL;
    if (quoted) {
        put_last(entry, "\"");
    }
    put_escaped(entry, value, LOG_VALUE_MAX, quoted);
    if (quoted) {
        put_last(entry, "\"");
    }
}

void log_count(struct log_entry *entry, const char *key, uint64_t value)
{
    char text[32];
    const int len = snprintf(text, sizeof text, "%" PRIu64, value);

    if (put_key(entry, key)) {
        put(entry, text, (size_t)len);
    }
}

void log_real(struct log_entry *entry, const char *key, double value)
{
    char text[DBL_MAX_10_EXP + 8]; /* sign, digits, point, three more */
    const int len = snprintf(text, sizeof text, "%.3f", value);

    if (put_key(entry, key)) {
        put(entry, text, (size_t)len);
    }
}

void log_end(struct log_entry *entry)
{
    put_last(entry, how.json ? "}\n" : "\n");
    if (write(STDERR_FILENO, entry->text, entry->len) < 0) {
        return;
    }
}

static void log_va(enum log_level level, const char *fmt, va_list args)
{
    char message[MESSAGE_MAX + 8]; /* so that what is too long is seen to be */
    struct log_entry entry;

    if (log_shows(level)) {
        vsnprintf(message, sizeof message, fmt, args);
        log_begin(&entry, level, message);
        log_end(&entry);
    }
}

void log_at(enum log_level level, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    log_va(level, fmt, args);
    va_end(args);
}

void log_line(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    log_va(LEVEL_NOTICE, fmt, args);
    va_end(args);
}
