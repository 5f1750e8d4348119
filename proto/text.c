#include "text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "decimal.h"
#include "utf8.h"

/* Makes room for len bytes and a NUL; where they go, or NULL. */
static char *text_room(struct text *text, size_t len)
{
    size_t cap = text->cap < 256 ? 256 : text->cap;
    char *data;

    if (text->failed) {
        return NULL;
    }
    if (len < text->cap && text->len < text->cap - len) {
        return text->data + text->len;
    }
    if (len > SIZE_MAX / 4 || text->len > SIZE_MAX / 4) {
        text->failed = true;
        return NULL;
    }
    while (cap <= text->len + len) {
        cap *= 2;
    }
    data = realloc(text->data, cap);
    if (data == NULL) {
        text->failed = true;
        return NULL;
    }
    text->data = data;
    text->cap = cap;
    return data + text->len;
}

static void text_grown(struct text *text, size_t len)
{
    text->len += len;
    text->data[text->len] = '\0';
}

void text_add(struct text *text, const char *bytes, size_t len)
{
    char *p = text_room(text, len);

    if (p != NULL) {
        memcpy(p, bytes, len);
        text_grown(text, len);
    }
}

void text_str(struct text *text, const char *str)
{
    text_add(text, str, strlen(str));
}

void text_printf(struct text *text, const char *fmt, ...)
{
    va_list args;
    int len;
    char *p;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    p = len < 0 ? NULL : text_room(text, (size_t)len);
    if (p == NULL) {
        text->failed = true;
        return;
    }
    va_start(args, fmt);
    vsnprintf(p, (size_t)len + 1, fmt, args);
    va_end(args);
    text_grown(text, (size_t)len);
}

/* One character of at most len bytes, as it stands between quotes; its bytes in *ret. */
static size_t json_char(const char *at, size_t len, char ret[8])
{
    static const char hex[] = "0123456789abcdef";
    const char *from = "\b\f\n\r\t\"\\", *to = "bfnrt\"\\";
    const char *special = strchr(from, *at);
    size_t n;

    if (special != NULL) { /* *at is not 0 */
        ret[0] = '\\';
        ret[1] = to[special - from];
        return 2;
    }
    if ((unsigned char)*at < 0x20) {
        memcpy(ret, "\\u00", 4);
        ret[4] = hex[*at >> 4];
        ret[5] = hex[*at & 15];
        return 6;
    }
    n = utf8_len(at, at + len);
    if (n == 0) {
        return utf8_put(0xFFFD, ret);
    }
    memcpy(ret, at, n);
    return n;
}

void text_json(struct text *text, const char *str)
{
    const char *end = str + strlen(str);
    char buf[8];

    text_add(text, "\"", 1);
    while (str < end) {
        const char *plain = str;

        while (str < end && (unsigned char)*str >= 0x20 && (unsigned char)*str < 0x80 &&
               *str != '"' && *str != '\\') {
            str++;
        }
        text_add(text, plain, (size_t)(str - plain));
        if (str < end) {
            const size_t len = utf8_len(str, end);

            text_add(text, buf, json_char(str, (size_t)(end - str), buf));
            str += len == 0 ? 1 : len;
        }
    }
    text_add(text, "\"", 1);
}

static size_t float_put(float value, char *ret)
{
    if (!isfinite(value)) {
        memcpy(ret, "null", 4);
        return 4;
    }
    return decimal_f32(value, ret);
}

void text_float(struct text *text, float value)
{
    char *p = text_room(text, DECIMAL_MAX);

    if (p != NULL) {
        text_grown(text, float_put(value, p));
    }
}

void text_double(struct text *text, double value)
{
    char *p = text_room(text, DECIMAL_MAX);

    if (p == NULL) {
        return;
    }
    if (!isfinite(value)) {
        text_str(text, "null");
        return;
    }
    text_grown(text, decimal_f64(value, p));
}

void text_floats(struct text *text, const float *values, size_t n)
{
    const size_t together = 32; /* that room is made for at once */

    text_str(text, "[");
    for (size_t i = 0; i < n;) {
        const size_t end = n - i < together ? n : i + together;
        char *begin = text_room(text, (end - i) * (DECIMAL_MAX + 2)), *p = begin;

        if (p == NULL) {
            return;
        }
        for (; i < end; i++) {
            memcpy(p, ", ", 2);
            p += i > 0 ? 2 : 0;
            p += float_put(values[i], p);
        }
        text_grown(text, (size_t)(p - begin));
    }
    text_str(text, "]");
}

void text_rows(struct text *text, const float *values, size_t rows, size_t cols)
{
    text_str(text, "[");
    for (size_t i = 0; i < rows; i++) {
        if (i > 0) {
            text_add(text, ", ", 2);
        }
        text_floats(text, values + i * cols, cols);
    }
    text_str(text, "]");
}

void text_time(struct text *text, double seconds)
{
    const double whole = floor(seconds);
    struct tm tm;
    time_t at;

    /* The years that RFC 3339 can write, 0000 to 9999; NaN is none of them. */
    if (!(seconds >= -62167219200.0 && seconds < 253402300800.0) || seconds == 0.0) {
        text_str(text, "null");
        return;
    }
    at = (time_t)whole;
    gmtime_r(&at, &tm);
    /* Milliseconds, cut: rounding could need a next second. */
    text_printf(text, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", tm.tm_year + 1900, tm.tm_mon + 1,
                tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)((seconds - whole) * 1000.0));
}

char *text_detach(struct text *text, size_t *len)
{
    char *data;

    text_add(text, "", 0); /* nothing written is still a string */
    if (text->failed) {
        text_done(text);
        return NULL;
    }
    data = text->data;
    *len = text->len;
    *text = (struct text){ 0 };
    return data;
}

void text_done(struct text *text)
{
    free(text->data);
    *text = (struct text){ 0 };
}
