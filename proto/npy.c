#include "array.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "quote.h"

/* NPY, as numpy/lib/format.py defines it.
 *
 *   0          6       8             10 (1.0) or 12 (2.0, 3.0)
 *   +----------+---+---+-------------+---------------------------------+-------- ...
 *   | 93 NUMPY | 1 | 0 | length, LE  | header: Python text of a dict   | values
 *   +----------+---+---+-------------+---------------------------------+-------- ...
 *     6          1   1   2 or 4        length
 *
 *   header  = "{" [ pair { "," pair } [ "," ] ] "}"             white space between all of them
 *   pair    = "'descr'" ":" string | "'fortran_order'" ":" ( "True" | "False" )
 *           | "'shape'" ":" "(" [ size { "," size } [ "," ] ] ")"
 *   size    = digits [ "L" ]                                    as Python 2 wrote it
 *
 * Each pair once. A header is read, never evaluated: what is not of this grammar is refused. */

#define HEADER_MAX 65536 /* numpy itself stops at 10,000 */

struct cursor {
    const char *at, *end;
};

static void skip_space(struct cursor *cur)
{
    while (cur->at < cur->end && strchr(" \t\r\n\f", *cur->at) != NULL && *cur->at != '\0') {
        cur->at++;
    }
}

/* Takes the text if it is what comes next, after white space. */
static bool take(struct cursor *cur, const char *text)
{
    const size_t len = strlen(text);

    skip_space(cur);
    if ((size_t)(cur->end - cur->at) < len || memcmp(cur->at, text, len) != 0) {
        return false;
    }
    cur->at += len;
    return true;
}

/* A quoted string without escapes. */
static bool take_string(struct cursor *cur, const char **ret, size_t *ret_len)
{
    const char *close;

    skip_space(cur);
    if (cur->at == cur->end || (*cur->at != '\'' && *cur->at != '"')) {
        return false;
    }
    close = memchr(cur->at + 1, *cur->at, (size_t)(cur->end - cur->at - 1));
    if (close == NULL) {
        return false;
    }
    *ret = cur->at + 1;
    *ret_len = (size_t)(close - *ret);
    cur->at = close + 1;
    return memchr(*ret, '\\', *ret_len) == NULL;
}

static bool header_error(const struct cursor *cur, const char *what, struct err *err)
{
    return err_set(err, ERR_SYNTAX, "body", "has an NPY header with no %s at '%s'", what,
                   quote(cur->at, (size_t)(cur->end - cur->at)).text);
}

static bool read_size(struct cursor *cur, size_t *ret, struct err *err)
{
    size_t size = 0;
    const char *first;

    skip_space(cur);
    for (first = cur->at; cur->at < cur->end && *cur->at >= '0' && *cur->at <= '9';) {
        if (__builtin_mul_overflow(size, 10u, &size) ||
            __builtin_add_overflow(size, (size_t)(*cur->at - '0'), &size)) {
            return err_set(err, ERR_SYNTAX, "body", "has a shape that cannot be counted");
        }
        cur->at++;
    }
    if (cur->at == first) {
        return header_error(cur, "size", err);
    }
    if (cur->at < cur->end && *cur->at == 'L') {
        cur->at++;
    }
    *ret = size;
    return true;
}

static bool read_shape(struct cursor *cur, struct array *array, struct err *err)
{
    bool comma = true; /* the last thing read, or nothing has been */

    if (!take(cur, "(")) {
        return header_error(cur, "'(' of a shape", err);
    }
    array->rank = 0;
    while (!take(cur, ")")) {
        if (!comma) {
            return header_error(cur, "',' or ')'", err);
        }
        if (array->rank == TABLE_RANK_MAX) {
            return err_set(err, ERR_SYNTAX, "body", "must have at most %d dimensions",
                           TABLE_RANK_MAX);
        }
        if (!read_size(cur, &array->shape[array->rank++], err)) {
            return false;
        }
        comma = take(cur, ",");
    }
    if (array->rank == 1 && !comma) { /* (3) is a number in Python */
        return header_error(cur, "',' in a shape of one", err);
    }
    return true;
}

static bool read_descr(struct cursor *cur, struct array *array, struct err *err)
{
    static const struct {
        const char *code; /* behind the byte order */
        enum array_type type;
    } types[] = {
        { "b1", ARRAY_U8 },  { "u1", ARRAY_U8 },  { "i1", ARRAY_I8 },  { "u2", ARRAY_U16 },
        { "i2", ARRAY_I16 }, { "u4", ARRAY_U32 }, { "i4", ARRAY_I32 }, { "u8", ARRAY_U64 },
        { "i8", ARRAY_I64 }, { "f2", ARRAY_F16 }, { "f4", ARRAY_F32 }, { "f8", ARRAY_F64 },
    };
    const char *descr;
    size_t len;

    if (!take_string(cur, &descr, &len)) {
        return err_set(err, ERR_SYNTAX, "body",
                       "must be a plain array of numbers, its NPY header has no type name at '%s'",
                       quote(cur->at, (size_t)(cur->end - cur->at)).text);
    }
    for (size_t i = 0; len == 3 && i < sizeof types / sizeof types[0]; i++) {
        const bool bytes = types[i].code[1] == '1'; /* have no order */

        if (memcmp(descr + 1, types[i].code, 2) == 0 &&
            (descr[0] == '<' || descr[0] == '>' || (bytes && descr[0] == '|'))) {
            array->type = types[i].type;
            array->big_endian = descr[0] == '>';
            return true;
        }
    }
    if (len >= 2 && descr[1] == 'O') {
        return err_set(err, ERR_SYNTAX, "body", "holds Python objects, which are never read");
    }
    return err_set(err, ERR_SYNTAX, "body",
                   "must hold b1, u1, i1, u2, i2, u4, i4, u8, i8, f2, f4 or f8, has type '%s'",
                   quote(descr, len).text);
}

static bool read_order(struct cursor *cur, bool *ret, struct err *err)
{
    if (take(cur, "True")) {
        *ret = true;
        return true;
    }
    if (take(cur, "False")) {
        *ret = false;
        return true;
    }
    return header_error(cur, "True or False", err);
}

/* The dict; cur covers the header alone. */
static bool read_header(struct cursor *cur, struct array *array, struct err *err)
{
    bool has_descr = false, has_order = false, has_shape = false, fortran = false, comma = true;

    if (!take(cur, "{")) {
        return header_error(cur, "'{'", err);
    }
    while (!take(cur, "}")) {
        const struct cursor before = *cur;
        const char *key;
        size_t len;
        bool *has;

        if (!comma || !take_string(cur, &key, &len) || !take(cur, ":")) {
            return header_error(&before, "key", err);
        }
        has = len == 5 && memcmp(key, "descr", 5) == 0             ? &has_descr
              : len == 13 && memcmp(key, "fortran_order", 13) == 0 ? &has_order
              : len == 5 && memcmp(key, "shape", 5) == 0           ? &has_shape
                                                                   : NULL;
        if (has == NULL || *has) {
            return err_set(err, ERR_SYNTAX, "body", "has an NPY header with %s key '%s'",
                           has == NULL ? "an unknown" : "a repeated", quote(key, len).text);
        }
        *has = true;
        if (!(has == &has_descr   ? read_descr(cur, array, err)
              : has == &has_order ? read_order(cur, &fortran, err)
                                  : read_shape(cur, array, err))) {
            return false;
        }
        comma = take(cur, ",");
    }
    skip_space(cur);
    if (cur->at != cur->end) {
        return header_error(cur, "end", err);
    }
    if (!has_descr || !has_order || !has_shape) {
        return err_set(err, ERR_SYNTAX, "body", "has an NPY header without '%s'",
                       !has_descr   ? "descr"
                       : !has_order ? "fortran_order"
                                    : "shape");
    }
    if (fortran && array->rank > 1) {
        return err_set(err, ERR_SYNTAX, "body",
                       "must be in C order: save numpy.ascontiguousarray(array)");
    }
    return true;
}

bool npy_head(const char *bytes, size_t len, struct array *ret, struct err *err)
{
    struct array array = { .rank = 0 };
    const unsigned char *head = (const unsigned char *)bytes;
    struct cursor cur;
    size_t size, begin;

    if (len < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0) {
        return err_set(err, ERR_SYNTAX, "body", "is not NPY: must begin with 93 'NUMPY'");
    }
    if (head[6] < 1 || head[6] > 3 || head[7] != 0) {
        return err_set(err, ERR_SYNTAX, "body", "must be NPY 1.0, 2.0 or 3.0, is %d.%d", head[6],
                       head[7]);
    }
    begin = head[6] == 1 ? 10 : 12;
    if (len < begin) {
        return err_set(err, ERR_SYNTAX, "body", "ends within its NPY header");
    }
    size = (size_t)head[8] | (size_t)head[9] << 8;
    if (begin == 12) {
        size |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
    }
    if (size > HEADER_MAX) {
        return err_set(err, ERR_SYNTAX, "body",
                       "must have an NPY header of at most %d bytes, has %zu", HEADER_MAX, size);
    }
    if (len - begin < size) {
        return err_set(err, ERR_SYNTAX, "body", "ends within its NPY header of %zu bytes", size);
    }
    cur = (struct cursor){ bytes + begin, bytes + begin + size };
    if (!read_header(&cur, &array, err)) {
        return false;
    }
    array.bytes = cur.end;
    array.len = len - begin - size;
    *ret = array;
    return true;
}

bool npy_read(const char *bytes, size_t len, enum csv_part part, enum target_kind kind,
              const struct table_limits *limits, struct table_sink *sink, struct table_info *ret,
              struct err *err)
{
    struct array array;

    return npy_head(bytes, len, &array, err) &&
           array_read(&array, part, kind, limits, sink, ret, err);
}

/* A newline ends it, at a multiple of 64: numpy would have the values there. */
void npy_head_shape(struct text *text, const char *descr, const size_t *shape, size_t rank)
{
    char head[NPY_HEAD_LEN + 1];
    int n = snprintf(head, sizeof head,
                     "\x93NUMPY\x01%c%c%c{'descr': '%s', 'fortran_order': False, 'shape': (", 0,
                     NPY_HEAD_LEN - 10, 0, descr);

    for (size_t i = 0; i < rank; i++) {
        n += snprintf(head + n, sizeof head - (size_t)n,
                      i == 0   ? "%zu,"
                      : i == 1 ? " %zu"
                               : ", %zu",
                      shape[i]);
        assert(n < NPY_HEAD_LEN - 4);
    }
    n += snprintf(head + n, sizeof head - (size_t)n, "), }");
    memset(head + n, ' ', (size_t)(NPY_HEAD_LEN - 1 - n));
    head[NPY_HEAD_LEN - 1] = '\n';
    text_add(text, head, NPY_HEAD_LEN);
}

void npy_head_encode(struct text *text, const char *descr, size_t rows, size_t cols)
{
    npy_head_shape(text, descr, (size_t[]){ rows, cols }, cols > 0 ? 2 : 1);
}
