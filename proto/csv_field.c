#include "csv_field.h"

#include <stdio.h>
#include <string.h>

#include "number.h"
#include "numeral.h"
#include "quote.h"

static bool is_space(const struct csv_cursor *cursor, char c)
{
    return (c == ' ' || c == '\t') && c != cursor->delimiter;
}

static const char *skip_space(const struct csv_cursor *cursor, const char *p)
{
    while (p < cursor->end && is_space(cursor, *p)) {
        p++;
    }
    return p;
}

bool csv_field_error(const struct csv_field *field, enum err_code code, const char *text,
                     struct err *err)
{
    char where[sizeof err->where];

    snprintf(where, sizeof where, "line %zu column %zu", field->line, field->column);
    if (field->len == 0) {
        return err_set(err, code, where, "%s", text);
    }
    return err_set(err, code, where, "%s '%s'", text, quote(field->text, field->len).text);
}

/* From behind the opening quote to behind the closing one. */
static bool take_quoted(struct csv_cursor *cursor, const char *p, struct csv_field *field,
                        const char **ret, struct err *err)
{
    const char *close;

    field->text = p;
    for (;; p = close + 2) {
        close = memchr(p, '"', (size_t)(cursor->end - p));
        if (close == NULL) {
            field->len = (size_t)(cursor->end - field->text);
            return csv_field_error(field, ERR_SYNTAX, "has a quote that is never closed before",
                                   err);
        }
        if (close + 1 == cursor->end || close[1] != '"') {
            break;
        }
        field->doubled = true;
    }
    field->len = (size_t)(close - field->text);
    p = field->text;
    while ((p = memchr(p, '\n', (size_t)(close - p))) != NULL) {
        cursor->line++;
        p++;
    }
    *ret = close + 1;
    return true;
}

/* From the first byte that is no space to behind the last. */
static bool take_plain(struct csv_cursor *cursor, const char *p, struct csv_field *field,
                       const char **ret, struct err *err)
{
    const char *end = cursor->end;

    field->text = p;
    while (p < end && *p != cursor->delimiter && *p != '\n' && *p != '\r' && *p != '"') {
        p++;
    }
    field->len = (size_t)(p - field->text);
    if (p < end && *p == '"') {
        field->len += 1;
        return csv_field_error(field, ERR_SYNTAX, "has a quote but does not begin with it, is",
                               err);
    }
    while (field->len > 0 && is_space(cursor, field->text[field->len - 1])) {
        field->len--;
    }
    *ret = p;
    return true;
}

bool csv_field_next(struct csv_cursor *cursor, size_t column, struct csv_field *ret,
                    struct err *err)
{
    struct csv_field field = { .line = cursor->line, .column = column };
    const char *p = skip_space(cursor, cursor->at), *end = cursor->end;

    if (p < end && *p == '"') {
        if (!take_quoted(cursor, p + 1, &field, &p, err)) {
            return false;
        }
        p = skip_space(cursor, p);
    } else if (!take_plain(cursor, p, &field, &p, err)) {
        return false;
    }
    if (p < end && *p == '\r') {
        if (p + 1 < end && p[1] != '\n') {
            return csv_field_error(&field, ERR_SYNTAX,
                                   "has a carriage return without a line feed behind", err);
        }
        p++;
    }
    field.last = p == end || *p == '\n';
    if (p < end && *p != '\n' && *p != cursor->delimiter) {
        return csv_field_error(&field, ERR_SYNTAX, "has text behind the quote that closes", err);
    }
    cursor->line += p < end && field.last;
    cursor->at = p < end ? p + 1 : p;
    *ret = field;
    return true;
}

bool csv_field_done(struct csv_cursor *cursor)
{
    struct csv_cursor ahead = *cursor;

    for (; ahead.at < ahead.end; ahead.at++) {
        if (*ahead.at == '\n') {
            ahead.line++;
        } else if (*ahead.at != '\r' && !is_space(cursor, *ahead.at)) {
            return false;
        }
    }
    *cursor = ahead;
    return true;
}

bool csv_field_blank(const struct csv_cursor *cursor)
{
    const char *p = skip_space(cursor, cursor->at);

    return p == cursor->end || *p == '\n' || *p == '\r';
}

size_t csv_field_text(const struct csv_field *field, char *ret, size_t room)
{
    size_t n = 0;

    if (!field->doubled) {
        memcpy(ret, field->text, field->len < room ? field->len : room);
        return field->len;
    }
    for (size_t i = 0; i < field->len; i++, n++) {
        if (n < room) {
            ret[n] = field->text[i];
        }
        i += field->text[i] == '"'; /* and the one that doubles it */
    }
    return n;
}

/* A number without what JSON does not have but strtof does: a plus, zeros in front, and a point
 * without digits on either side. text is a numeral. false: longer than room. */
static bool plain_number(const char *text, size_t len, char *ret, size_t room, size_t *ret_len)
{
    const char *end = text + len;
    size_t n = 0;

    if (*text == '+' || *text == '-') {
        if (*text == '-') {
            ret[n++] = '-';
        }
        text++;
    }
    while (end - text > 1 && text[0] == '0' && text[1] >= '0' && text[1] <= '9') {
        text++;
    }
    if (*text == '.') {
        ret[n++] = '0';
    }
    for (; text < end; text++) {
        if (*text == '.' && (text + 1 == end || text[1] < '0' || text[1] > '9')) {
            continue;
        }
        if (n == room) {
            return false;
        }
        ret[n++] = *text;
    }
    *ret_len = n;
    return true;
}

struct csv_field csv_field_trim(const struct csv_field *field)
{
    struct csv_field text = *field;

    while (text.len > 0 && (*text.text == ' ' || *text.text == '\t')) {
        text.text++;
        text.len--;
    }
    while (text.len > 0 && (text.text[text.len - 1] == ' ' || text.text[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

bool csv_field_is_number(const struct csv_field *field)
{
    const struct csv_field text = csv_field_trim(field);
    struct numeral numeral;

    return numeral_read(text.text, text.len, &numeral);
}

bool csv_field_is_missing(const struct csv_field *field)
{
    static const char *const names[] = { "", "NA", "N/A", "NaN", "nan", "null", "?" };
    const struct csv_field text = csv_field_trim(field);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (text.len == strlen(names[i]) && memcmp(text.text, names[i], text.len) == 0) {
            return true;
        }
    }
    return false;
}

bool csv_field_number(const struct csv_field *field, float *ret, struct err *err)
{
    const struct csv_field text = csv_field_trim(field);
    const char *at = text.text;
    enum number_status status;
    char buf[256];
    size_t len;

    if (text.len == 0) {
        return csv_field_error(&text, ERR_SYNTAX, "is empty, must be a number", err);
    }
    if (!csv_field_is_number(&text)) {
        return csv_field_error(&text, ERR_SYNTAX, "must be a number, is", err);
    }
    status = number_read(&at, text.text + text.len, ret);
    if (at != text.text + text.len || (status != NUMBER_OK && status != NUMBER_LARGE)) {
        if (!plain_number(text.text, text.len, buf, sizeof buf, &len)) {
            return csv_field_error(&text, ERR_SYNTAX, "is too long a number:", err);
        }
        at = buf;
        status = number_read(&at, buf + len, ret);
    }
    if (status != NUMBER_OK) {
        return csv_field_error(&text, ERR_RANGE, "is too large for float32:", err);
    }
    return true;
}
