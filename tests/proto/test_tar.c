#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tar.h"

/* Python's tarfile 3.11, USTAR_FORMAT, of the same file with mode 0600, has these bytes. */
static void header_is_that_of_python(void **state)
{
    const struct tar_member member = { .name = "manifest.json", .size = 2, .modified = 1700000000 };
    unsigned char head[TAR_BLOCK] = { 0 }, written[TAR_BLOCK];
    struct err err = { 0 };

    (void)state;
    memcpy(head, "manifest.json", 13);
    memcpy(head + 100, "0000600", 7);
    memcpy(head + 108, "0000000", 7);
    memcpy(head + 116, "0000000", 7);
    memcpy(head + 124, "00000000002", 11);
    memcpy(head + 136, "14524770400", 11);
    memcpy(head + 148, "010470", 6);
    head[155] = ' ';
    head[156] = '0';
    memcpy(head + 257, "ustar\00000", 8);
    assert_true(tar_head_encode(&member, written, &err));
    assert_memory_equal(written, head, sizeof head);
}

static void name_refused(const char *name, const char *text)
{
    struct tar_member member = { .size = 0 };
    unsigned char head[TAR_BLOCK];
    struct err err = { 0 };
    char detail[400];

    snprintf(member.name, sizeof member.name, "%s", name);
    assert_false(tar_head_encode(&member, head, &err));
    err_detail(&err, detail, sizeof detail);
    assert_string_equal(detail, text);
}

static void names_that_lead_elsewhere_are_refused(void **state)
{
    (void)state;
    name_refused("", "name must be a relative path without . and .., is ''");
    name_refused("/etc/passwd", "name must be a relative path without . and .., is '/etc/passwd'");
    name_refused("a/../b", "name must be a relative path without . and .., is 'a/../b'");
    name_refused("a/", "name must be a relative path without . and .., is 'a/'");
    name_refused("a\nb", "name must be of letters, digits and . _ - @ /");
}

static void a_long_name_is_split(void **state)
{
    struct tar_member member = { .size = TAR_SIZE_MAX };
    unsigned char head[TAR_BLOCK];
    struct err err = { 0 };

    (void)state;
    memset(member.name, 'x', TAR_NAME_MAX);
    assert_false(tar_head_encode(&member, head, &err));
    assert_int_equal(err.code, ERR_FIELD);
    member.name[155] = '/';
    err = (struct err){ 0 };
    assert_true(tar_head_encode(&member, head, &err));
    assert_memory_equal(head, member.name + 156, 100);
    assert_memory_equal(head + 345, member.name, 155);
    assert_memory_equal(head + 124, "77777777777", 12);
}

static void what_the_header_cannot_hold_is_refused(void **state)
{
    struct tar_member member = { .name = "a", .size = TAR_SIZE_MAX + 1 };
    unsigned char head[TAR_BLOCK];
    struct err err = { 0 };
    char detail[400];

    (void)state;
    assert_false(tar_head_encode(&member, head, &err));
    assert_int_equal(err.code, ERR_TOO_LARGE);
    err_detail(&err, detail, sizeof detail);
    assert_string_equal(detail, "a size and time must be at most 8589934591, are 8589934592 and 0");
}

static void content_is_padded_to_a_whole_block(void **state)
{
    (void)state;
    assert_int_equal(tar_padding(0), 0);
    assert_int_equal(tar_padding(1), 511);
    assert_int_equal(tar_padding(511), 1);
    assert_int_equal(tar_padding(512), 0);
    assert_int_equal(tar_padding(TAR_SIZE_MAX), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_is_that_of_python),
        cmocka_unit_test(names_that_lead_elsewhere_are_refused),
        cmocka_unit_test(a_long_name_is_split),
        cmocka_unit_test(what_the_header_cannot_hold_is_refused),
        cmocka_unit_test(content_is_padded_to_a_whole_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
