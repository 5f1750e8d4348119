#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "multipart.h"

#define TYPE "Multipart/Form-Data; charset=utf-8; boundary=\"x y\""

static const char form[] =
    "before\r\n--x y\r\n"
    "Content-Disposition: form-data; name=\"spec\"; filename=\"a;name=b\\\"\"\r\n"
    "content-type:  application/json; a=b\r\n\r\n{}\r\n--x y  \r\n"
    "X-Other: 1\r\nContent-Disposition: form-data; name=weights\r\n\r\n"
    "\r\n--x\r\n\0--x y\r\n--x y\r\n"
    "Content-Disposition: form-data; name=empty\r\n\r\n\r\n--x y--\r\nbehind";

/* In memory of exactly that size. */
static bool form_read(const char *type, const char *bytes, size_t len, struct multipart *ret,
                      struct err *err)
{
    char *copy = malloc(len + (len == 0));
    bool ok;

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    ok = multipart_read(type, copy, len, ret, err);
    for (size_t i = 0; ok && i < ret->n; i++) {
        assert_true(ret->part[i].bytes >= copy);
        assert_true(ret->part[i].bytes + ret->part[i].len <= copy + len);
    }
    assert_int_equal(ok, err->code == ERR_NONE);
    free(copy);
    return ok;
}

static void parts_are_found(void **state)
{
    static const char weights[] = "\r\n--x\r\n\0--x y";
    struct multipart parts;
    struct err err = { 0 };

    (void)state;
    assert_true(multipart_is(TYPE));
    assert_false(multipart_is("multipart/form-datax"));
    assert_false(multipart_is(NULL));
    assert_true(multipart_read(TYPE, form, sizeof form - 1, &parts, &err));
    assert_int_equal(parts.n, 3);
    assert_string_equal(parts.part[0].name, "spec");
    assert_string_equal(parts.part[0].type, "application/json; a=b");
    assert_int_equal(parts.part[0].len, 2);
    assert_memory_equal(parts.part[0].bytes, "{}", 2);
    assert_string_equal(parts.part[1].name, "weights");
    assert_string_equal(parts.part[1].type, "");
    assert_int_equal(parts.part[1].len, sizeof weights - 1);
    assert_memory_equal(parts.part[1].bytes, weights, sizeof weights - 1);
    assert_string_equal(parts.part[2].name, "empty");
    assert_int_equal(parts.part[2].len, 0);
}

/* The last boundary says that all of it is there. */
static void cut_forms_are_refused_and_changed_ones_do_no_harm(void **state)
{
    const size_t whole = sizeof form - 1 - strlen("\r\nbehind");
    char changed[sizeof form];
    struct multipart parts;

    (void)state;
    for (size_t len = 0; len < sizeof form - 1; len++) {
        struct err err = { 0 };
        /* a lone CR behind it is neither a new line nor nothing */
        const bool good = len == whole || len > whole + 1;

        assert_int_equal(form_read(TYPE, form, len, &parts, &err), good);
    }
    memcpy(changed, form, sizeof form);
    for (size_t bit = 0; bit < 8 * (sizeof form - 1); bit++) {
        struct err err = { 0 };

        changed[bit / 8] = (char)(changed[bit / 8] ^ 1 << bit % 8);
        form_read(TYPE, changed, sizeof form - 1, &parts, &err);
        changed[bit / 8] = (char)(changed[bit / 8] ^ 1 << bit % 8);
    }
}

#define B "multipart/form-data; boundary=b"
#define NAMED(name) "Content-Disposition: form-data; name=" name "\r\n\r\n"
#define LONG_64 "0123456789012345678901234567890123456789012345678901234567890123"

static void what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *type, *body;
        enum err_code code;
        const char *where, *text;
    } bad[] = {
        { "multipart/form-data", "", ERR_TYPE, "Content-Type", "one boundary" },
        { B "; boundary=b", "", ERR_TYPE, "Content-Type", "one boundary" },
        { "multipart/form-data; boundary=", "", ERR_TYPE, "Content-Type", "one boundary" },
        { "multipart/form-data; boundary=\"b", "", ERR_TYPE, "Content-Type", "one boundary" },
        { "multipart/form-data; boundary=" LONG_64 "0123456", "", ERR_TYPE, "Content-Type", "70" },
        { B, "x", ERR_SYNTAX, "body", "no boundary 'b'" },
        { B, "--bb\r\n", ERR_SYNTAX, "body", "something behind a boundary" },
        { B, "--b\r\n\r\nx\r\n--b--", ERR_SYNTAX, "body", "no Content-Disposition in part 1" },
        { B, "--b\r\nx\r\n\r\nx\r\n--b--", ERR_SYNTAX, "body",
          "a header that is none in part 1: x" },
        { B, "--b\r\n" NAMED("\"\""), ERR_SYNTAX, "body", "one name of 1 to 64 bytes in part 1" },
        { B, "--b\r\n" NAMED(LONG_64 "0"), ERR_SYNTAX, "body", "one name of 1 to 64 bytes" },
        { B, "--b\r\n" NAMED("a; name=b"), ERR_SYNTAX, "body", "one name" },
        { B, "--b\r\nContent-Disposition: attachment; name=a\r\n\r\n", ERR_SYNTAX, "body",
          "one name" },
        { B, "--b\r\n" NAMED("a") "x", ERR_SYNTAX, "body", "no boundary ends part 'a'" },
        { B, "--b\r\n" NAMED("a") "x\r\n--b\r\n" NAMED("a") "x\r\n--b--", ERR_FIELD, "a",
          "there twice" },
        { B, "--b\r\nContent-Disposition: form-data; name=a", ERR_SYNTAX, "body",
          "no end of the headers" },
    };
    struct multipart parts;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = { 0 };

        assert_false(form_read(bad[i].type, bad[i].body, strlen(bad[i].body), &parts, &err));
        assert_int_equal(err.code, bad[i].code);
        assert_string_equal(err.where, bad[i].where);
        assert_non_null(strstr(err.text, bad[i].text));
    }
}

static void limits_are_told(void **state)
{
    char body[8192] = "--b\r\nX: ";
    struct multipart parts;
    struct err err = { 0 };
    size_t at = strlen(body);

    (void)state;
    memset(body + at, 'x', MULTIPART_HEADERS_MAX);
    strcpy(body + at + MULTIPART_HEADERS_MAX, "\r\n\r\n\r\n--b--");
    assert_false(form_read(B, body, strlen(body), &parts, &err));
    assert_non_null(strstr(err.text, "within 4096 bytes"));
    strcpy(body, "--b");
    for (char name = 'a'; name <= 'i'; name++) {
        char part[80] = "\r\n" NAMED("?") "x\r\n--b";

        *strchr(part, '?') = name;
        strcat(body, part);
    }
    strcat(body, "--");
    err = (struct err){ 0 };
    assert_false(form_read(B, body, strlen(body), &parts, &err));
    assert_string_equal(err.text, "must have at most 8 parts, has more");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_found),
        cmocka_unit_test(cut_forms_are_refused_and_changed_ones_do_no_harm),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(limits_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
