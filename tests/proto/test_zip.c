#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fail_malloc.h"
#include "zip.h"

/* import io, zipfile; f = io.BytesIO(); z = zipfile.ZipFile(f, "w")
 * z.writestr(zipfile.ZipInfo("a"), "stored"); i = zipfile.ZipInfo("b/c")
 * i.compress_type = 8; z.writestr(i, "deflate " * 40); z.close(); print(f.getvalue()) */
static const unsigned char archive[] = {
    0x50, 0x4b, 0x03, 0x04, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0x00, 0x0b, 0xf9,
    0x43, 0x56, 0x06, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x61, 0x73,
    0x74, 0x6f, 0x72, 0x65, 0x64, 0x50, 0x4b, 0x03, 0x04, 0x14, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00,
    0x00, 0x21, 0x00, 0x62, 0xdf, 0xbb, 0x98, 0x0e, 0x00, 0x00, 0x00, 0x40, 0x01, 0x00, 0x00, 0x03,
    0x00, 0x00, 0x00, 0x62, 0x2f, 0x63, 0x4b, 0x49, 0x4d, 0xcb, 0x49, 0x2c, 0x49, 0x55, 0x48, 0x19,
    0xa5, 0xc9, 0xa2, 0x01, 0x50, 0x4b, 0x01, 0x02, 0x14, 0x03, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x21, 0x00, 0x0b, 0xf9, 0x43, 0x56, 0x06, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00,
    0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00,
    0x00, 0x00, 0x61, 0x50, 0x4b, 0x01, 0x02, 0x14, 0x03, 0x14, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00,
    0x00, 0x21, 0x00, 0x62, 0xdf, 0xbb, 0x98, 0x0e, 0x00, 0x00, 0x00, 0x40, 0x01, 0x00, 0x00, 0x03,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x25, 0x00, 0x00,
    0x00, 0x62, 0x2f, 0x63, 0x50, 0x4b, 0x05, 0x06, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x02, 0x00,
    0x60, 0x00, 0x00, 0x00, 0x54, 0x00, 0x00, 0x00, 0x00, 0x00,
};

static bool all_read(const char *bytes, size_t len, struct err *err)
{
    static const char *const names[] = { "a", "b/c" };
    struct arena arena = { 0 };
    struct zip zip;
    const char *got = NULL;
    bool ok = zip_open(bytes, len, &arena, &zip, err);

    for (size_t i = 0; ok && i < zip.n; i++) {
        ok = zip_read(&zip, &zip.entry[i], &arena, &got, err);
        if (ok) { /* whatever was done to it: it is what was put in */
            assert_int_equal(zip.n, 2);
            assert_string_equal(zip.entry[i].name, names[i]);
            assert_int_equal(zip.entry[i].len, i == 0 ? 6 : 320);
            assert_memory_equal(got, i == 0 ? "stored" : "deflate deflate ", i == 0 ? 6 : 16);
        }
    }
    arena_done(&arena);
    return ok;
}

static void entries_are_found_and_inflated(void **state)
{
    struct arena arena = { 0 };
    struct err err = { 0 };
    struct zip zip;
    const char *got;

    (void)state;
    assert_true(zip_magic((const char *)archive, sizeof archive));
    assert_true(zip_open((const char *)archive, sizeof archive, &arena, &zip, &err));
    assert_int_equal(zip.n, 2);
    assert_null(zip_find(&zip, "c"));
    assert_true(zip_read(&zip, zip_find(&zip, "a"), &arena, &got, &err));
    assert_memory_equal(got, "stored", 6);
    assert_true(zip_read(&zip, zip_find(&zip, "b/c"), &arena, &got, &err));
    for (size_t i = 0; i < 40; i++) {
        assert_memory_equal(got + 8 * i, "deflate ", 8);
    }
    arena_done(&arena);
}

/* A copy of exactly that size, so that a sanitizer sees every byte read beyond it. */
static char *copy_of(size_t len)
{
    char *copy = malloc(len + (len == 0));

    assert_non_null(copy);
    return memcpy(copy, archive, len);
}

static void no_archive_that_is_cut_is_read(void **state)
{
    (void)state;
    for (size_t len = 0; len < sizeof archive; len++) {
        char *copy = copy_of(len);
        struct err err = { 0 };

        assert_false(all_read(copy, len, &err));
        assert_int_equal(err.code, ERR_SYNTAX);
        free(copy);
    }
}

static void a_changed_byte_is_refused_or_without_effect(void **state)
{
    (void)state;
    for (size_t at = 0; at < sizeof archive; at++) {
        for (int bit = 0; bit < 8; bit++) {
            char *copy = copy_of(sizeof archive);
            struct err err = { 0 };

            copy[at] = (char)(copy[at] ^ (1 << bit));
            if (!all_read(copy, sizeof archive, &err)) {
                assert_true(err.code == ERR_SYNTAX || err.code == ERR_FIELD);
            }
            free(copy);
        }
    }
}

static void without_memory_there_is_an_error(void **state)
{
    bool ok = false;

    (void)state;
    for (size_t k = 1; !ok; k++) {
        struct err err = { 0 };

        fail_malloc_start(k);
        ok = all_read((const char *)archive, sizeof archive, &err);
        fail_malloc_at = 0;
        assert_int_equal(ok, k > fail_malloc_calls);
        assert_int_equal(err.code, ok ? ERR_NONE : ERR_MEMORY);
        assert_int_equal(fail_malloc_live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found_and_inflated),
        cmocka_unit_test(no_archive_that_is_cut_is_read),
        cmocka_unit_test(a_changed_byte_is_refused_or_without_effect),
        cmocka_unit_test(without_memory_there_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
