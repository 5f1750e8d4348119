#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tar_reader.h"

/* What came of a tar: "NAME(CONTENT)" for each member that was there in full. */
struct heard {
    struct tar_sink sink;
    char text[4096];
};

static void say(struct heard *heard, const char *text, size_t len)
{
    const size_t at = strlen(heard->text);

    assert_true(at + len < sizeof heard->text);
    memcpy(heard->text + at, text, len);
    heard->text[at + len] = '\0';
}

static bool heard_begin(struct tar_sink *sink, const struct tar_member *member, struct err *err)
{
    struct heard *heard = (struct heard *)sink;

    if (strcmp(member->name, "refused") == 0) {
        return err_set(err, ERR_FIELD, member->name, "is not wanted");
    }
    say(heard, member->name, strlen(member->name));
    say(heard, "(", 1);
    return true;
}

static bool heard_content(struct tar_sink *sink, const char *bytes, size_t len, struct err *err)
{
    (void)err;
    say((struct heard *)sink, bytes, len);
    return true;
}

static bool heard_end(struct tar_sink *sink, struct err *err)
{
    (void)err;
    say((struct heard *)sink, ")", 1);
    return true;
}

static char tar[8192];
static size_t tar_len;

static void head_put(const struct tar_member *member)
{
    struct err err = { 0 };

    assert_true(tar_head_encode(member, (unsigned char *)tar + tar_len, &err));
    tar_len += TAR_BLOCK;
}

static void member_put(const char *name, const char *content)
{
    struct tar_member member = { .size = strlen(content), .modified = 1700000000 };

    snprintf(member.name, sizeof member.name, "%s", name);
    head_put(&member);
    memcpy(tar + tar_len, content, member.size);
    tar_len += member.size + tar_padding(member.size);
}

/* Three members, one of them empty, and the end. */
static void tar_make(void)
{
    memset(tar, 0, sizeof tar);
    tar_len = 0;
    member_put("a", "one");
    member_put("b/c", "");
    member_put("b/d", "two");
    tar_len += TAR_END;
}

/* In pieces of so many bytes. */
static bool read_in(size_t piece, size_t len, struct heard *heard, struct err *err)
{
    struct tar_reader reader = { .sink = &heard->sink };
    bool ok = true;

    *heard = (struct heard){ .sink = { heard_begin, heard_content, heard_end } };
    *err = (struct err){ 0 };
    for (size_t at = 0; ok && at < len; at += piece) {
        ok = tar_reader_add(&reader, tar + at, len - at < piece ? len - at : piece, err);
    }
    ok = ok && tar_reader_end(&reader, err);
    assert_int_equal(ok, err->code == ERR_NONE);
    return ok;
}

static void members_come_whole_in_pieces_of_any_size(void **state)
{
    static const size_t pieces[] = { 1, 3, 511, 512, 513, 4096 };
    struct heard heard;
    struct err err;

    (void)state;
    tar_make();
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        assert_true(read_in(pieces[i], tar_len, &heard, &err));
        assert_string_equal(heard.text, "a(one)b/c()b/d(two)");
    }
    assert_true(read_in(100, tar_len + 7 * TAR_BLOCK + 3, &heard, &err)); /* zeros as you like */
}

static void every_cut_is_an_error(void **state)
{
    struct heard heard;
    struct err err;

    (void)state;
    tar_make();
    for (size_t len = 0; len < tar_len; len++) {
        assert_false(read_in(100, len, &heard, &err));
        assert_int_equal(err.code, ERR_SYNTAX);
    }
}

/* But of what a member says of itself, which is for others to check. */
static void every_flipped_byte_is_an_error(void **state)
{
    struct heard heard;
    struct err err;

    (void)state;
    tar_make();
    for (size_t at = 0; at < tar_len; at++) {
        const bool content = (at >= 512 && at < 515) || (at >= 2048 && at < 2051);

        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            tar[at] = (char)(tar[at] ^ (char)bit);
            assert_int_equal(read_in(4096, tar_len, &heard, &err), content);
            tar[at] = (char)(tar[at] ^ (char)bit);
        }
    }
}

static void assert_refused(const char *text)
{
    struct heard heard;
    struct err err;
    char detail[512];

    assert_false(read_in(512, tar_len, &heard, &err));
    err_detail(&err, detail, sizeof detail);
    assert_string_equal(detail, text);
}

/* Makes the sum of the first header right. */
static void sum_mend(void)
{
    unsigned long sum = 8 * ' ';

    for (size_t i = 0; i < TAR_BLOCK; i++) {
        sum += i >= 148 && i < 156 ? 0 : (unsigned char)tar[i];
    }
    snprintf(tar + 148, 7, "%06lo", sum);
    tar[155] = ' ';
}

static void refuse_head(size_t at, const char *bytes, size_t len, const char *text)
{
    tar_make();
    memcpy(tar + at, bytes, len);
    sum_mend();
    assert_refused(text);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    tar_make();
    tar[0] = 'z';
    assert_refused("body has a header that does not match its checksum: it is no tar, or damaged");
    refuse_head(156, "5", 1, "body 'a' is a folder, type '5': only plain files are taken");
    refuse_head(156, "x", 1, "body 'a' is a pax record, type 'x': only plain files are taken");
    refuse_head(156, "L", 1,
                "body 'a' is a long name of GNU tar's, type 'L': only plain files are taken");
    refuse_head(156, "2", 1, "body 'a' is a symbolic link, type '2': only plain files are taken");
    refuse_head(156, "", 1,
                "body 'a' is of a type that is not known, type '?': only plain files are taken");
    refuse_head(257, "ustar  ", 8, "body 'a' is not in the ustar format: tar has --format=ustar");
    refuse_head(0, "../x", 4, "name must be a relative path without . and .., is '../x'");
    refuse_head(0, "/x", 2, "name must be a relative path without . and .., is '/x'");
    refuse_head(0, "a b", 3, "name must be of letters, digits and . _ - @ /");
    refuse_head(124, "9", 1, "a has a size or a time that is not octal, or above 8589934591");
    refuse_head(124, "\200", 1, "a has a size or a time that is not octal, or above 8589934591");
    refuse_head(124, "777777777777", 12,
                "a has a size or a time that is not octal, or above 8589934591");
    refuse_head(136, "            ", 12,
                "a has a size or a time that is not octal, or above 8589934591");
    refuse_head(0, "refused", 7, "refused is not wanted");
    tar_make();
    tar[515] = 1;
    assert_refused("a is not followed by zeros: the tar is damaged");
    tar_make();
    tar[tar_len - 1] = 1;
    assert_refused("body goes on behind the end of the tar");
    tar_make();
    tar_len = 514;
    assert_refused("a is cut: 1 of 3 bytes are missing");
    tar_len = 1024;
    assert_refused("body is cut behind a: the end of the tar is missing");
    tar_len = 0;
    assert_refused("body is cut: the end of the tar is missing");
}

static void a_header_says_what_was_written(void **state)
{
    struct tar_member member = { .size = TAR_SIZE_MAX, .modified = 1700000000 }, read;
    unsigned char head[TAR_BLOCK];
    struct err err = { 0 };

    (void)state;
    memset(member.name, 'x', TAR_NAME_MAX);
    member.name[155] = '/';
    assert_true(tar_head_encode(&member, head, &err));
    assert_true(tar_head_decode(head, &read, &err));
    assert_string_equal(read.name, member.name);
    assert_true(read.size == TAR_SIZE_MAX && read.modified == 1700000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_come_whole_in_pieces_of_any_size),
        cmocka_unit_test(every_cut_is_an_error),
        cmocka_unit_test(every_flipped_byte_is_an_error),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(a_header_says_what_was_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
