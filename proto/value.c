#include "value.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "quote.h"

bool value_in(struct err *err, const char *fmt, ...)
{
    char where[sizeof err->where];
    va_list args;

    if (err->code != ERR_FIELD && err->code != ERR_RANGE && err->code != ERR_TOO_LARGE &&
        err->code != ERR_LIMIT) {
        return false;
    }
    va_start(args, fmt);
    vsnprintf(where, sizeof where, fmt, args);
    va_end(args);
    return err_in(err, "%s", where);
}

static bool number_expect(struct scan *scan, const char *what, float *ret, bool *fits,
                          const char **raw, struct err *err)
{
    return scan_expect(scan, SCAN_NUMBER, what, err) && scan_number(scan, ret, fits, raw, err);
}

/* The number that was just read, as the client wrote it. */
static struct quote number_quote(const struct scan *scan, const char *raw)
{
    return quote(raw, (size_t)(scan->at - raw));
}

/* A number without fraction and exponent: its size, and whether that fits. */
static bool digits_read(struct scan *scan, uint64_t *ret, bool *fits, const char **raw,
                        struct err *err)
{
    bool ignored_fits;
    float ignored;

    *ret = 0;
    *fits = true;
    if (!number_expect(scan, "a whole number", &ignored, &ignored_fits, raw, err)) {
        return false;
    }
    for (const char *p = *raw + (**raw == '-'); p < scan->at; p++) {
        if (*p < '0' || *p > '9') {
            return err_set(err, ERR_FIELD, "", "must be a whole number, is %s",
                           number_quote(scan, *raw).text);
        }
        *fits = *fits && !__builtin_mul_overflow(*ret, (uint64_t)10, ret) &&
                !__builtin_add_overflow(*ret, (uint64_t)(*p - '0'), ret);
    }
    return true;
}

bool value_whole(struct scan *scan, uint64_t min, uint64_t max, uint64_t *ret, struct err *err)
{
    uint64_t value;
    const char *raw;
    bool fits;

    if (!digits_read(scan, &value, &fits, &raw, err)) {
        return false;
    }
    if (!fits || value < min || value > max || (*raw == '-' && value != 0)) {
        return err_set(err, ERR_FIELD, "", "must be %" PRIu64 " to %" PRIu64 ", is %s", min, max,
                       number_quote(scan, raw).text);
    }
    *ret = value;
    return true;
}

bool value_integer(struct scan *scan, int64_t min, int64_t max, int64_t *ret, struct err *err)
{
    uint64_t size;
    int64_t value;
    const char *raw;
    bool fits;

    if (!digits_read(scan, &size, &fits, &raw, err)) {
        return false;
    }
    fits = fits && size <= INT64_MAX;
    value = !fits ? 0 : *raw == '-' ? -(int64_t)size : (int64_t)size;
    if (!fits || value < min || value > max) {
        return err_set(err, ERR_FIELD, "", "must be %" PRId64 " to %" PRId64 ", is %s", min, max,
                       number_quote(scan, raw).text);
    }
    *ret = value;
    return true;
}

bool value_float(struct scan *scan, float *ret, struct err *err)
{
    const char *raw;
    float value;
    bool fits;

    if (!number_expect(scan, "a number", &value, &fits, &raw, err)) {
        return false;
    }
    if (!fits) {
        return err_set(err, ERR_RANGE, "", "%s is too large for float32",
                       number_quote(scan, raw).text);
    }
    *ret = value;
    return true;
}

bool value_double(struct scan *scan, double *ret, struct err *err)
{
    json_error_t why;
    const char *raw;
    json_t *number;
    float ignored;
    bool fits;

    if (!number_expect(scan, "a number", &ignored, &fits, &raw, err)) {
        return false;
    }
    /* jansson reads whole numbers as such, up to 2^63: those take the way over float64 too. */
    number = json_loadb(raw, (size_t)(scan->at - raw),
                        JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_REJECT_DUPLICATES, &why);
    if (number == NULL) {
        return json_error_code(&why) == json_error_out_of_memory
                   ? err_set(err, ERR_MEMORY, "", "no memory")
                   : err_set(err, ERR_RANGE, "", "%s is too large for float64",
                             number_quote(scan, raw).text);
    }
    *ret = json_number_value(number);
    json_decref(number);
    return true;
}

const struct value_limits value_above_0 = { 0.0, HUGE_VAL, true, true, "above 0" };
const struct value_limits value_from_0 = { 0.0, HUGE_VAL, false, true, "0 or more" };
const struct value_limits value_0_to_1 = { 0.0, 1.0, false, false, "0 to 1" };
const struct value_limits value_below_1 = { 0.0, 1.0, false, true, "0 or more and below 1" };

/* begin: where the number does, in front of which there may be spaces. */
static bool limits_check(const struct scan *scan, const char *begin,
                         const struct value_limits *limits, double value, struct err *err)
{
    const bool low = limits->open_least ? value <= limits->least : value < limits->least;
    const bool high = limits->open_most ? value >= limits->most : value > limits->most;

    return (!low && !high) || err_set(err, ERR_FIELD, "", "must be %s, is %s", limits->what,
                                      quote(begin, (size_t)(scan->at - begin)).text);
}

bool value_float_in(struct scan *scan, const struct value_limits *limits, float *ret,
                    struct err *err)
{
    enum scan_kind kind;
    const char *begin;
    float value;

    if (!scan_peek(scan, &kind, err)) {
        return false;
    }
    begin = scan->at;
    if (!value_float(scan, &value, err) || !limits_check(scan, begin, limits, (double)value, err)) {
        return false;
    }
    *ret = value;
    return true;
}

bool value_double_in(struct scan *scan, const struct value_limits *limits, double *ret,
                     struct err *err)
{
    enum scan_kind kind;
    const char *begin;
    double value;

    if (!scan_peek(scan, &kind, err)) {
        return false;
    }
    begin = scan->at;
    if (!value_double(scan, &value, err) || !limits_check(scan, begin, limits, value, err)) {
        return false;
    }
    *ret = value;
    return true;
}

bool value_boolean(struct scan *scan, bool *ret, struct err *err)
{
    return scan_expect(scan, SCAN_BOOLEAN, "true or false", err) && scan_boolean(scan, ret, err);
}

bool value_null(struct scan *scan, bool *ret, struct err *err)
{
    enum scan_kind kind;

    if (!scan_peek(scan, &kind, err)) {
        return false;
    }
    *ret = kind == SCAN_NULL;
    return !*ret || scan_skip(scan, err);
}

bool value_string(struct scan *scan, char *ret, size_t cap, size_t *len, struct err *err)
{
    if (!scan_expect(scan, SCAN_STRING, "a string", err) ||
        !scan_string(scan, ret, cap, len, err)) {
        return false;
    }
    if (*len >= cap) {
        return err_set(err, ERR_FIELD, "", "must be at most %zu bytes long, is %zu", cap - 1, *len);
    }
    return true;
}

/* "a, b, c" */
struct names {
    char text[sizeof((struct err *)0)->text];
};

static struct names names_join(const char *const *names, size_t n)
{
    struct names ret = { "" };
    size_t at = 0;

    for (size_t i = 0; i < n && at < sizeof ret.text; i++) {
        at += (size_t)snprintf(ret.text + at, sizeof ret.text - at, "%s%s", i == 0 ? "" : ", ",
                               names[i]);
    }
    return ret;
}

bool value_choice(struct scan *scan, const char *const *names, size_t n, size_t *ret,
                  struct err *err)
{
    char name[64]; /* what does not fit is none of the names */
    struct names all;
    size_t len;

    if (!scan_expect(scan, SCAN_STRING, "a string", err) ||
        !scan_string(scan, name, sizeof name, &len, err)) {
        return false;
    }
    for (size_t i = 0; i < n && len < sizeof name; i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret = i;
            return true;
        }
    }
    all = names_join(names, n);
    return err_set(err, ERR_FIELD, "", "must be one of %s, is '%s'", all.text,
                   quote(name, strlen(name)).text);
}

bool value_row(struct scan *scan, float *ret, size_t room, size_t *n, struct err *err)
{
    float spare[256];
    size_t count = 0;
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array of numbers", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (;;) {
        /* cppcheck-suppress legacyUninitvar ; it is written to, and never read */
        float *to = count < room ? ret + count : spare;
        size_t got;

        if (!scan_next(scan, &more, err)) {
            return false;
        }
        if (!more) {
            *n = count;
            return true;
        }
        got = scan_numbers(scan, to, count < room ? room - count : 256);
        if (got == 0) {
            if (!value_float(scan, to, err)) {
                return value_in(err, "[%zu]", count);
            }
            got = 1;
        }
        count += got;
    }
}

bool value_row_of(struct scan *scan, float *ret, size_t n, struct err *err)
{
    size_t is;

    if (!value_row(scan, ret, n, &is, err)) {
        return false;
    }
    if (is != n) {
        return err_set(err, ERR_FIELD, "", "has %zu values, expected %zu", is, n);
    }
    return true;
}

/* --- Objects --- */

static bool field_unknown(const char *key, const char *what, const struct value_field *fields,
                          size_t n, struct err *err)
{
    const char *names[VALUE_FIELDS_MAX] = { NULL };
    struct names all;

    for (size_t i = 0; i < n; i++) {
        names[i] = fields[i].name;
    }
    all = names_join(names, n);
    return err_set(err, ERR_FIELD, key[0] == '\0' ? "\"\"" : key,
                   "is not a field of %s; its field%s %s", what, n == 1 ? " is" : "s are",
                   all.text);
}

static bool members_read(struct scan *scan, const char *what, const struct value_field *fields,
                         size_t n, void *into, bool *seen, struct err *err)
{
    char key[100]; /* longer than any field's name, short enough for an error */
    size_t len, i;
    bool more;

    for (;;) {
        if (!scan_key(scan, key, sizeof key, &len, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        for (i = 0; i < n && strcmp(key, fields[i].name) != 0; i++) {
        }
        if (i == n) {
            return field_unknown(key, what, fields, n, err);
        }
        if (seen[i]) {
            return err_set(err, ERR_FIELD, key, "is there twice");
        }
        seen[i] = true;
        if (!fields[i].read(scan, into, err)) {
            return value_in(err, "%s", fields[i].name);
        }
    }
}

bool value_object(struct scan *scan, const char *what, const struct value_field *fields, size_t n,
                  void *into, struct err *err)
{
    bool seen[VALUE_FIELDS_MAX] = { false };

    assert(n <= VALUE_FIELDS_MAX);
    if (!scan_expect(scan, SCAN_OBJECT, "an object", err) || !scan_enter(scan, err) ||
        !members_read(scan, what, fields, n, into, seen, err)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (fields[i].required && !seen[i]) {
            return err_set(err, ERR_FIELD, fields[i].name, "is missing");
        }
    }
    return true;
}

/* Whether the whole body is JSON: what is not is told before anything that is wrong in it. */
static bool body_is_json(const char *body, size_t len, struct err *err)
{
    struct scan scan;

    scan_init(&scan, body, len);
    return scan_skip(&scan, err) && scan_end(&scan, err);
}

bool value_body(const char *body, size_t len, const char *what, const struct value_field *fields,
                size_t n, void *into, struct err *err)
{
    struct err why = { 0 };
    struct scan scan;
    bool ok;

    scan_init(&scan, body, len);
    if (!scan_expect(&scan, SCAN_OBJECT, "an object", &why)) {
        ok = value_in(&why, "body");
    } else {
        ok = value_object(&scan, what, fields, n, into, &why) && scan_end(&scan, &why);
    }
    if (!ok && (why.code == ERR_MEMORY || body_is_json(body, len, err))) {
        *err = why;
    }
    return ok;
}
