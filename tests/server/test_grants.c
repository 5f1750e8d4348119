/* The file of --tokens: what a line may say, what it is refused for, and whom it lets in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "grants.h"

/* SHA-256 of "abc", from FIPS 180-2. */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static char path[] = "/tmp/sigmad-test-XXXXXX";

static void file_write(const char *text, size_t len)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static struct grants *load(const char *text, const struct grants *before)
{
    struct grants *grants = NULL;
    struct err err = { 0 };

    file_write(text, strlen(text));
    if (!grants_load(path, before, &grants, &err)) {
        fail_msg("%s: %s", err.where, err.text);
    }
    return grants;
}

static void refused(const char *text, size_t len, const char *why)
{
    struct grants *grants = NULL;
    struct err err = { 0 };

    file_write(text, len);
    assert_false(grants_load(path, NULL, &grants, &err));
    assert_null(grants);
    assert_int_equal(err.code, ERR_FIELD);
    assert_string_equal(err.where, "--tokens");
    if (strstr(err.text, why) == NULL) {
        fail_msg("'%s' is not in '%s'", why, err.text);
    }
}

static void lines_say_who_may_do_what(void **state)
{
    struct grants *grants = load("# who may do what\n"
                                 "\n"
                                 "phone predict sha256:" ABC " models=a*,b rate=5 # Ann's\n"
                                 "  \t ops\tadmin  uid:1000\r\n"
                                 "root train user:root\n"
                                 "wheel read group:root\n"
                                 "line-7 read cert:press-7.example",
                                 NULL);

    (void)state;
    assert_int_equal(grants->n, 5);
    assert_string_equal(grants->list[0].name, "phone");
    assert_int_equal(grants->list[0].scope, SCOPE_PREDICT);
    assert_int_equal(grants->list[0].rate.n, 5);
    assert_string_equal(grants->list[1].name, "ops");
    assert_int_equal(grants->list[1].scope, SCOPE_ADMIN);
    assert_int_equal(grants->list[2].scope, SCOPE_TRAIN);
    assert_ptr_equal(grants_find_token(grants, "abc", 3), &grants->list[0]);
    assert_ptr_equal(grants_find_peer(grants, 1000, NULL, 0), &grants->list[1]);
    assert_ptr_equal(grants_find_peer(grants, 0, NULL, 0), &grants->list[2]);
    assert_ptr_equal(grants_find_peer(grants, 7, (uint32_t[]){ 9, 0 }, 2), &grants->list[3]);
    assert_ptr_equal(grants_find_cert(grants, "press-7.example"), &grants->list[4]);
    grants_unref(grants);
}

static void nobody_else_is_let_in(void **state)
{
    struct grants *grants = load("phone admin sha256:" ABC "\n"
                                 "u read uid:0\n"
                                 "g read gid:5\n"
                                 "c read cert:a\n",
                                 NULL);

    (void)state;
    assert_null(grants_find_token(grants, "abd", 3));
    assert_null(grants_find_token(grants, "abc", 2));
    assert_null(grants_find_token(grants, "", 0));
    assert_null(grants_find_token(grants, ABC, 64)); /* the hash is no token */
    assert_null(grants_find_peer(grants, 5, (uint32_t[]){ 0, 4 }, 2));
    assert_null(grants_find_cert(grants, ""));
    assert_null(grants_find_cert(grants, "ab"));
    assert_null(grants_find_cert(grants, "A"));
    grants_unref(grants);
    grants = load("", NULL);
    assert_null(grants_find_token(grants, "abc", 3));
    grants_unref(grants);
}

static void a_wrong_line_is_named(void **state)
{
    static const char *const lines[][2] = {
        { "a read", ":2: must be NAME SCOPE WHO, has 2 words" },
        { "-a read uid:1", "name must be" },
        { "a/b read uid:1", "name must be" },
        { "a reads uid:1", "scope must be read, predict, train or admin, is 'reads'" },
        { "a public uid:1", "scope must be" },
        { "a read abc", "who must be sha256:, uid:" },
        { "a read md5:abc", "who must be" },
        { "a read cert:", "who must be" },
        { "a read uid:", "uid must be a whole number 0 to 4294967294, is ''" },
        { "a read uid:-1", "uid must be" },
        { "a read uid:4294967295", "uid must be" },
        { "a read gid:99999999999999999999999", "gid must be" },
        { "a read uid:1x", "uid must be" },
        { "a read user:nobody-is-called-this", "user 'nobody-is-called-this' is not known" },
        { "a read group:nobody-is-called-this", "group 'nobody-is-called-this' is not known" },
        { "a read sha256:" ABC "0", "sha256 must have 64 digits" },
        { "a read sha256:ba78", "sha256 must have 64 digits" },
        { "a read sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
          "sha256 must have 64 digits 0 to 9, a to f" },
        { "a read uid:1 models=", "models must be names" },
        { "a read uid:1 models=a,,b", "models must be names" },
        { "a read uid:1 models=a,", "models must be names" },
        { "a read uid:1 models=a/b", "models must be names" },
        { "a read uid:1 models=a models=b", "'models=b' must be models= or rate=, each once" },
        { "a read uid:1 rate=0", "rate must be a whole number 1 to 1000000, is '0'" },
        { "a read uid:1 rate=1 rate=1", "each once" },
        { "a read uid:1 rate=1 models=a uid:2", "'uid:2' must be models= or rate=" },
        { "x admin uid:2", "name 'x' is there twice" },
    };
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(text, sizeof text, "x read uid:1\n%s\n", lines[i][0]);
        refused(text, strlen(text), ":2: ");
        refused(text, strlen(text), lines[i][1]);
    }
    refused("x read uid:1\0 rate=1\n", 21, ":1: has a byte 0");
}

static void lines_and_their_number_have_limits(void **state)
{
    const size_t cap = (GRANTS_MAX + 1) * 24 + GRANTS_LINE_MAX;
    char *text = malloc(cap);
    struct grants *grants;
    size_t len = 0;

    (void)state;
    assert_non_null(text);
    memset(text, '#', GRANTS_LINE_MAX);
    memcpy(text + GRANTS_LINE_MAX, "\n", 2);
    refused(text, GRANTS_LINE_MAX + 1, "must have 4096 bytes at most, has 4097");
    text[GRANTS_LINE_MAX - 1] = '\n';
    text[GRANTS_LINE_MAX] = '\0';
    grants_unref(load(text, NULL));
    for (size_t i = 0; i < GRANTS_MAX; i++) {
        len += (size_t)sprintf(text + len, "n%zu read uid:1\n", i);
    }
    grants = load(text, NULL);
    assert_int_equal(grants->n, GRANTS_MAX);
    grants_unref(grants);
    len += (size_t)sprintf(text + len, "more read uid:1\n");
    refused(text, len, "there are more than 10000 grants");
    free(text);
}

static void a_file_that_cannot_be_trusted_is_refused(void **state)
{
    struct grants *grants = NULL;
    struct err err = { 0 }, folder = { 0 }, missing = { 0 };

    (void)state;
    file_write("", 0);
    assert_int_equal(chmod(path, 0602), 0);
    assert_false(grants_load(path, NULL, &grants, &err));
    assert_non_null(strstr(err.text, "can be written to by anybody"));
    assert_int_equal(chmod(path, 0664), 0);
    grants_unref(load("", NULL));
    assert_int_equal(chmod(path, 0600), 0);
    assert_false(grants_load("/tmp", NULL, &grants, &folder));
    assert_non_null(strstr(folder.text, "/tmp is no file"));
    assert_false(grants_load("/nonexistent/tokens", NULL, &grants, &missing));
    assert_non_null(strstr(missing.text, "/nonexistent/tokens cannot be read: No such file"));
    assert_null(grants);
}

static void patterns_say_which_models(void **state)
{
    static const struct {
        const char *models, *name;
        bool sees;
    } cases[] = {
        { "a", "a", true },
        { "a", "A", false },
        { "a", "ab", false },
        { "ab", "a", false },
        { "*", "anything", true },
        { "team-*", "team-", true },
        { "team-*", "team-x", true },
        { "team-*", "team", false },
        { "team-*", "xteam-1", false },
        { "*-x", "a-x-x", true },
        { "*-x", "a-xx", false },
        { "a*b*c", "abc", true },
        { "a*b*c", "axxbxxbxc", true },
        { "a*b*c", "acb", false },
        { "**", "", true },
        { "a,b*", "a", true },
        { "a,b*", "bc", true },
        { "a,b*", "a,b", false },
        { "a,b*", "", false },
        { "*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
    };
    char line[128];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct grant grant;
        struct err err = { 0 };

        snprintf(line, sizeof line, "x read uid:1 models=%s", cases[i].models);
        assert_true(grant_parse(line, &grant, &err));
        if (grant_sees(&grant, cases[i].name) != cases[i].sees) {
            fail_msg("%s %s", cases[i].models, cases[i].name);
        }
        grant_done(&grant);
    }
}

static void without_patterns_all_are_seen(void **state)
{
    char line[] = "x read uid:1";
    struct grant grant;
    struct err err = { 0 };

    (void)state;
    assert_true(grant_parse(line, &grant, &err));
    assert_true(grant_sees(&grant, "anything"));
    grant_done(&grant);
}

/* Or whoever may have the file read again would have a full bucket by it. */
static void buckets_go_on_when_it_is_read_again(void **state)
{
    struct grants *old = load("a read uid:1 rate=1\nb read uid:2 rate=1\n", NULL), *new;
    uint64_t wait;

    (void)state;
    assert_true(rate_take(&old->list[0].rate, 1, &wait));
    assert_true(rate_take(&old->list[1].rate, 1, &wait));
    new = load("b read uid:2 rate=2\na admin uid:9 rate=1\n", old);
    grants_unref(old);
    assert_true(rate_take(&new->list[0].rate, 1, &wait)); /* another rate, another bucket */
    assert_false(rate_take(&new->list[1].rate, 1, &wait));
    grants_unref(new);
}

static int path_make(void **state)
{
    const int fd = mkstemp(path);

    (void)state;
    return fd >= 0 ? close(fd) : -1;
}

static int path_remove(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_say_who_may_do_what),
        cmocka_unit_test(nobody_else_is_let_in),
        cmocka_unit_test(a_wrong_line_is_named),
        cmocka_unit_test(lines_and_their_number_have_limits),
        cmocka_unit_test(a_file_that_cannot_be_trusted_is_refused),
        cmocka_unit_test(patterns_say_which_models),
        cmocka_unit_test(without_patterns_all_are_seen),
        cmocka_unit_test(buckets_go_on_when_it_is_read_again),
    };

    return cmocka_run_group_tests(tests, path_make, path_remove);
}
