#include "scan.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "number.h"
#include "utf8.h"

/* ERR_SYNTAX at the byte `at`. Lines and characters are counted now, not while reading. */
static bool bad(const struct scan *scan, const char *at, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static bool bad(const struct scan *scan, const char *at, struct err *err, const char *fmt, ...)
{
    size_t line = 1, column = 1;
    char why[200];
    va_list args;

    for (const char *p = scan->start; p < at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else {
            column += ((unsigned char)*p & 0xC0) != 0x80; /* not within a character */
        }
    }
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    return err_set(err, ERR_SYNTAX, "body", "line %zu column %zu: %s%s", line, column, why,
                   at < scan->end ? ""
                   : scan->line   ? ", but the line ends"
                                  : ", but the body ends");
}

static void blank_skip(struct scan *scan)
{
    const char *p = scan->at;

    while (p < scan->end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
        p++;
    }
    scan->at = p;
}

/* Whether the next byte but white space is c. */
static bool next_is(struct scan *scan, char c)
{
    blank_skip(scan);
    return scan->at < scan->end && *scan->at == c;
}

void scan_init(struct scan *scan, const char *bytes, size_t len)
{
    *scan = (struct scan){ .start = bytes, .at = bytes, .end = bytes + len };
}

bool scan_end(struct scan *scan, struct err *err)
{
    blank_skip(scan);
    if (scan->at < scan->end) {
        return bad(scan, scan->at, err, "expected the end");
    }
    return true;
}

const char *scan_kind_name(enum scan_kind kind)
{
    static const char *const names[] = {
        [SCAN_NULL] = "null",       [SCAN_BOOLEAN] = "a boolean", [SCAN_NUMBER] = "a number",
        [SCAN_STRING] = "a string", [SCAN_ARRAY] = "an array",    [SCAN_OBJECT] = "an object",
    };

    return names[kind];
}

/* Whether word stands here, whole. */
static bool word_is(const struct scan *scan, const char *word)
{
    const size_t len = strlen(word);

    return (size_t)(scan->end - scan->at) >= len && memcmp(scan->at, word, len) == 0;
}

bool scan_peek(struct scan *scan, enum scan_kind *ret, struct err *err)
{
    blank_skip(scan);
    if (scan->at == scan->end) {
        return bad(scan, scan->at, err, "expected a value");
    }
    switch (*scan->at) {
    case '{':
        *ret = SCAN_OBJECT;
        return true;
    case '[':
        *ret = SCAN_ARRAY;
        return true;
    case '"':
        *ret = SCAN_STRING;
        return true;
    case 't':
    case 'f':
        *ret = SCAN_BOOLEAN;
        return word_is(scan, "true") || word_is(scan, "false") ||
               bad(scan, scan->at, err, "expected a value");
    case 'n':
        *ret = SCAN_NULL;
        return word_is(scan, "null") || bad(scan, scan->at, err, "expected a value");
    case '-':
        if (word_is(scan, "-Infinity")) {
            return bad(scan, scan->at, err, "NaN and Infinity are not JSON");
        }
        *ret = SCAN_NUMBER;
        return true;
    case 'N':
    case 'I':
        if (word_is(scan, "NaN") || word_is(scan, "Infinity")) {
            return bad(scan, scan->at, err, "NaN and Infinity are not JSON");
        }
        break;
    case '+':
        return bad(scan, scan->at, err, "a number cannot begin with '+'");
    case '.':
        return bad(scan, scan->at, err, "a number cannot begin with '.'");
    case '\xEF':
        if (scan->at == scan->start && word_is(scan, "\xEF\xBB\xBF")) {
            return bad(scan, scan->at, err, "JSON cannot begin with a byte order mark");
        }
        break;
    default:
        if (*scan->at >= '0' && *scan->at <= '9') {
            *ret = SCAN_NUMBER;
            return true;
        }
    }
    return bad(scan, scan->at, err, "expected a value");
}

bool scan_expect(struct scan *scan, enum scan_kind kind, const char *what, struct err *err)
{
    enum scan_kind is;

    if (!scan_peek(scan, &is, err)) {
        return false;
    }
    if (is != kind) {
        return err_set(err, ERR_FIELD, "", "must be %s, is %s", what, scan_kind_name(is));
    }
    return true;
}

bool scan_enter(struct scan *scan, struct err *err)
{
    const uint64_t bit = scan->depth < SCAN_DEPTH_MAX ? (uint64_t)1 << scan->depth : 0;

    assert(*scan->at == '[' || *scan->at == '{');
    if (bit == 0) {
        return bad(scan, scan->at, err, "is nested over %d deep", SCAN_DEPTH_MAX);
    }
    scan->begun &= ~bit;
    scan->objects = *scan->at == '{' ? scan->objects | bit : scan->objects & ~bit;
    scan->depth++;
    scan->at++;
    return true;
}

/* To where the next entry begins, or behind what was entered. */
static bool entry_next(struct scan *scan, bool *more, struct err *err)
{
    const uint64_t bit = (uint64_t)1 << (scan->depth - 1);
    const char close = (scan->objects & bit) != 0 ? '}' : ']';

    if (next_is(scan, close)) {
        scan->at++;
        scan->depth--;
        *more = false;
        return true;
    }
    if ((scan->begun & bit) != 0) {
        if (scan->at == scan->end || *scan->at != ',') {
            return bad(scan, scan->at, err, "expected ',' or '%c'", close);
        }
        scan->at++;
        blank_skip(scan);
    }
    scan->begun |= bit;
    *more = true;
    return true;
}

bool scan_next(struct scan *scan, bool *more, struct err *err)
{
    return entry_next(scan, more, err);
}

bool scan_key(struct scan *scan, char *key, size_t cap, size_t *len, bool *more, struct err *err)
{
    if (!entry_next(scan, more, err)) {
        return false;
    }
    if (!*more) {
        return true;
    }
    if (scan->at == scan->end || *scan->at != '"') {
        return bad(scan, scan->at, err, "expected a field's name in quotes");
    }
    if (!scan_string(scan, key, cap, len, err)) {
        return false;
    }
    if (!next_is(scan, ':')) {
        return bad(scan, scan->at, err, "expected ':'");
    }
    scan->at++;
    return true;
}

/* --- Strings --- */

static bool hex4(const char *p, const char *end, uint32_t *ret)
{
    uint32_t code = 0;

    if (end - p < 4) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        const unsigned digit = (unsigned)(unsigned char)p[i] - '0';
        const unsigned letter = ((unsigned)(unsigned char)p[i] | 0x20) - 'a';

        if (digit > 9 && letter > 5) {
            return false;
        }
        code = code << 4 | (digit <= 9 ? digit : letter + 10);
    }
    *ret = code;
    return true;
}

/* \uXXXX at *at, or two of them that are one character together. */
static bool escape_code(const struct scan *scan, const char **at, uint32_t *ret, struct err *err)
{
    const char *p = *at;
    uint32_t code, low;

    if (!hex4(p + 2, scan->end, &code)) {
        return bad(scan, p, err, "\\u needs four hexadecimal digits");
    }
    if (code == 0) {
        return bad(scan, p, err, "\\u0000 is not taken");
    }
    p += 6;
    if (code >= 0xD800 && code < 0xE000) {
        if (code >= 0xDC00 || scan->end - p < 6 || p[0] != '\\' || p[1] != 'u' ||
            !hex4(p + 2, scan->end, &low) || low < 0xDC00 || low >= 0xE000) {
            return bad(scan, *at, err, "half of a surrogate pair");
        }
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        p += 6;
    }
    *at = p;
    *ret = code;
    return true;
}

/* What stands at *at, an escape or one character, into ret; *at moves behind it. */
static bool string_char(const struct scan *scan, const char **at, char ret[4], size_t *n,
                        struct err *err)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *p = *at, *known;
    uint32_t code = 0;

    if ((unsigned char)*p < 0x20) {
        return bad(scan, p, err, "a control character in a string must be escaped");
    }
    if (*p != '\\') {
        *n = utf8_len(p, scan->end);
        if (*n == 0) {
            return bad(scan, p, err, "not UTF-8");
        }
        memcpy(ret, p, *n);
        *at = p + *n;
        return true;
    }
    if (scan->end - p < 2) {
        return bad(scan, scan->end, err, "expected the end of the string");
    }
    if (p[1] == 'u') {
        if (!escape_code(scan, at, &code, err)) {
            return false;
        }
        *n = utf8_put(code, ret);
        return true;
    }
    known = p[1] == '\0' ? NULL : strchr(from, p[1]);
    if (known == NULL) {
        return bad(scan, p, err, "not an escape that JSON has");
    }
    ret[0] = to[known - from];
    *n = 1;
    *at = p + 2;
    return true;
}

bool scan_string(struct scan *scan, char *buf, size_t cap, size_t *len, struct err *err)
{
    const char *p = scan->at + 1;
    size_t all = 0, kept = 0;
    char bytes[4];
    size_t n = 0;

    assert(*scan->at == '"' && cap > 0);
    while (p < scan->end && *p != '"') {
        if (!string_char(scan, &p, bytes, &n, err)) {
            return false;
        }
        /* What is kept ends with a whole character. */
        if (kept == all && n < cap - kept) {
            memcpy(buf + kept, bytes, n);
            kept += n;
        }
        all += n;
    }
    if (p == scan->end) {
        return bad(scan, p, err, "expected the end of the string");
    }
    buf[kept] = '\0';
    *len = all;
    scan->at = p + 1;
    return true;
}

/* --- The other values --- */

bool scan_boolean(struct scan *scan, bool *ret, struct err *err)
{
    (void)err; /* scan_peek has seen the whole word */
    *ret = *scan->at == 't';
    scan->at += *ret ? 4 : 5;
    return true;
}

bool scan_number(struct scan *scan, float *ret, bool *fits, const char **raw, struct err *err)
{
    const char *begin = scan->at;
    const enum number_status status = number_read(&scan->at, scan->end, ret);

    if (status == NUMBER_DIGIT) {
        return bad(scan, scan->at, err, "expected a digit");
    }
    if (status == NUMBER_ZERO) {
        return bad(scan, scan->at, err, "a number cannot begin with a 0 before other digits");
    }
    *fits = status == NUMBER_OK;
    *raw = begin;
    return true;
}

size_t scan_numbers(struct scan *scan, float *ret, size_t room)
{
    return number_list(&scan->at, scan->end, ret, room);
}

/* Past what was just entered. The recursion is at most SCAN_DEPTH_MAX deep. */
static bool entries_skip(struct scan *scan, struct err *err)
{
    const bool object = (scan->objects >> (scan->depth - 1) & 1) != 0;
    float numbers[256];
    char key[1];
    size_t len;
    bool more;

    for (;;) {
        if (!(object ? scan_key(scan, key, sizeof key, &len, &more, err)
                     : scan_next(scan, &more, err))) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (!object && scan_numbers(scan, numbers, 256) > 0) {
            continue;
        }
        if (!scan_skip(scan, err)) {
            return false;
        }
    }
}

bool scan_skip(struct scan *scan, struct err *err)
{
    enum scan_kind kind;
    const char *raw;
    char text[1];
    float value;
    size_t len;
    bool flag;

    if (!scan_peek(scan, &kind, err)) {
        return false;
    }
    switch (kind) {
    case SCAN_NULL:
        scan->at += 4;
        return true;
    case SCAN_BOOLEAN:
        return scan_boolean(scan, &flag, err);
    case SCAN_NUMBER:
        return scan_number(scan, &value, &flag, &raw, err);
    case SCAN_STRING:
        return scan_string(scan, text, sizeof text, &len, err);
    case SCAN_ARRAY:
    case SCAN_OBJECT:
        return scan_enter(scan, err) && entries_skip(scan, err);
    }
    return false;
}
