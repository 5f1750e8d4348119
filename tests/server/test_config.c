/* Lines of a file of settings, and files that are none. */
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

#include "config.h"
#include "settings_file.h"

/* Puts what it reads as "line:key=value;..." into ret; at an error what was wrong, as "line!text".
 */
static void read_back(const char *text, char *ret, size_t len)
{
    struct config config;
    struct err err = { 0 };
    const char *key, *value;
    size_t at = 0;

    file_put(text, strlen(text));
    assert_true(config_open(path, "--config", &config, &err));
    ret[0] = '\0';
    while (config_next(&config, &key, &value, &err) && key != NULL) {
        at += (size_t)snprintf(ret + at, len - at, "%zu:%s=%s;", config.line, key, value);
        assert_true(at < len);
    }
    if (err.code != ERR_NONE) {
        assert_int_equal(err.code, ERR_FIELD);
        assert_string_equal(err.where, "");
        snprintf(ret + at, len - at, "%zu!%s", config.line, err.text);
    }
    config_done(&config);
}

#define assert_reads(text, expected)                                                               \
    do {                                                                                           \
        char got[512];                                                                             \
        read_back(text, got, sizeof got);                                                          \
        assert_string_equal(got, expected);                                                        \
    } while (0)

static void lines_are_keys_and_values(void **state)
{
    (void)state;
    assert_reads("", "");
    assert_reads("\n\n", "");
    assert_reads("a=1", "1:a=1;"); /* no line end */
    assert_reads("a=1\nb = 2\n", "1:a=1;2:b=2;");
    assert_reads("\n \t a-b \t =\t 1 2  \t\n", "2:a-b=1 2;");
    assert_reads("a=1\r\nb=2\r\n", "1:a=1;2:b=2;");
    assert_reads("a=b=c\n", "1:a=b=c;");
    assert_reads("a=\n", "1:a=;");
    assert_reads("a=\xc3\xa4\n", "1:a=\xc3\xa4;");
}

static void a_comment_begins_a_line_or_follows_a_blank(void **state)
{
    (void)state;
    assert_reads("# a=1\n\t# b=2\n#\n", "");
    assert_reads("a=1 # one\nb=2\t#\n", "1:a=1;2:b=2;");
    assert_reads("a=x#y#z # w\n", "1:a=x#y#z;");
    assert_reads("a= #\n", "1:a=;");
    assert_reads("# \x01\na=1\n", "2:a=1;"); /* nobody looks at it */
}

static void what_is_no_setting_is_refused(void **state)
{
    (void)state;
    assert_reads("a=1\nb\nc=2\n", "1:a=1;2!must be `key = value`, is 'b'");
    assert_reads("=1\n", "1!must be `key = value`, is '=1'");
    assert_reads("  =1\n", "1!must be `key = value`, is '=1'");
    assert_reads("a # = 1\n", "1!must be `key = value`, is 'a'");
    assert_reads("a=\"1\"\n", "1!has a value in quotes, which would belong to it");
    assert_reads("a='1'\n", "1!has a value in quotes, which would belong to it");
    assert_reads("a=\x01\n", "1!holds byte 0x01, which is not text");
    assert_reads("a=1\rb=2\n", "1!holds byte 0x0d, which is not text");
    assert_reads("a=\x7f\n", "1!holds byte 0x7f, which is not text");
}

/* config_open refuses name; the reason begins with text. */
static void assert_unopened(const char *name, const char *text)
{
    struct config untouched = { .line = 7 };
    struct err err = { 0 };

    assert_false(config_open(name, "SIGMAD_CONFIG", &untouched, &err));
    assert_int_equal(err.code, ERR_FIELD);
    assert_string_equal(err.where, "SIGMAD_CONFIG");
    assert_memory_equal(err.text, text, strlen(text));
    assert_int_equal(untouched.line, 7);
    assert_null(untouched.text);
}

static void files_that_are_none(void **state)
{
    char fifo[sizeof path + 8];

    (void)state;
    assert_unopened("/tmp", "must be a regular file; /tmp is none");
    assert_unopened("/dev/zero", "must be a regular file; /dev/zero is none");
    assert_unopened("/nowhere/at/all", "cannot open /nowhere/at/all: No such file or directory");
    snprintf(fifo, sizeof fifo, "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_unopened(fifo, "must be a regular file"); /* and nothing waits for a writer */
    assert_int_equal(unlink(fifo), 0);
    file_put("a=1\0\n", 5);
    assert_unopened(path, "must be text; byte 4 of ");
}

static void a_file_has_64_kib_at_most(void **state)
{
    char *bytes = malloc(CONFIG_BYTES_MAX + 1);
    struct config config;
    struct err err = { 0 };

    (void)state;
    assert_non_null(bytes);
    memset(bytes, '\n', CONFIG_BYTES_MAX + 1);
    file_put(bytes, CONFIG_BYTES_MAX);
    assert_true(config_open(path, "--config", &config, &err));
    assert_int_equal(strlen(config.text), CONFIG_BYTES_MAX);
    config_done(&config);
    file_put(bytes, CONFIG_BYTES_MAX + 1);
    assert_unopened(path, "must have 65536 bytes at most; ");
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_keys_and_values),
        cmocka_unit_test(a_comment_begins_a_line_or_follows_a_blank),
        cmocka_unit_test(what_is_no_setting_is_refused),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(a_file_has_64_kib_at_most),
    };

    return cmocka_run_group_tests(tests, file_make, file_remove);
}
