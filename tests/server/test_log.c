/* Lines of the log: what is shown of what, and that nothing which comes of a client makes a line
 * longer than it may be, begins one of its own, or breaks the JSON. */
#include <fcntl.h>
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
#include <jansson.h>

#include "log.h"

/* What stderr gets meanwhile; a pipe holds any line whole. */
struct heard {
    int ends[2], kept;
    char text[2 * LOG_LINE_MAX];
};

static void hear(struct heard *heard)
{
    assert_int_equal(pipe(heard->ends), 0);
    assert_int_equal(fcntl(heard->ends[0], F_SETFL, O_NONBLOCK), 0);
    heard->kept = dup(STDERR_FILENO);
    assert_true(dup2(heard->ends[1], STDERR_FILENO) >= 0);
}

static const char *heard_text(struct heard *heard)
{
    ssize_t n = read(heard->ends[0], heard->text, sizeof heard->text - 1);

    heard->text[n > 0 ? n : 0] = '\0';
    assert_true(dup2(heard->kept, STDERR_FILENO) >= 0);
    close(heard->kept);
    close(heard->ends[0]);
    close(heard->ends[1]);
    return heard->text;
}

static const char *line_of(struct heard *heard, enum log_level level, const char *message)
{
    hear(heard);
    log_at(level, "%s", message);
    return heard_text(heard);
}

/* The line is one JSON object; borrowed from it: its member. */
static const char *member(const char *line, const char *key, json_t **ret)
{
    json_error_t error;
    json_t *object = json_loads(line, 0, &error);
    const char *end = strchr(line, '\n');

    if (object == NULL) {
        fail_msg("%s in %s", error.text, line);
    }
    assert_non_null(end);
    assert_string_equal(end, "\n");
    *ret = object;
    return json_string_value(json_object_get(object, key));
}

static void text_lines_begin_with_the_name(void **state)
{
    struct heard heard;

    (void)state;
    log_open(LEVEL_INFO, false);
    assert_string_equal(line_of(&heard, LEVEL_NOTICE, "listening on http://127.0.0.1:1"),
                        "sigmad: listening on http://127.0.0.1:1\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
    static const char *const names[] = { "error", "warning", "notice", "info", "debug" };
    struct heard heard;
    enum log_level most, level;

    (void)state;
    for (size_t m = 0; m < 5; m++) {
        assert_true(log_level_find(names[m], &most));
        log_open(most, false);
        for (size_t l = 0; l < 5; l++) {
            assert_true(log_level_find(names[l], &level));
            assert_int_equal(log_shows(level), l <= m);
            assert_string_equal(line_of(&heard, level, "x"), l <= m ? "sigmad: x\n" : "");
        }
    }
    assert_false(log_level_find("loud", &most));
    assert_false(log_level_find("", &most));
}

/* A client's bytes neither end a line nor speak to a terminal. */
static void control_characters_are_escaped(void **state)
{
    struct heard heard;
    json_t *object;

    (void)state;
    log_open(LEVEL_INFO, false);
    assert_string_equal(
        line_of(&heard, LEVEL_INFO, "a\nsigmad: b\r\t\x1b[2J\x7f\xc2\x9b\xff\xc3\xa9 \"c\\\""),
        "sigmad: a\\x0asigmad: b\\x0d\\x09\\x1b[2J\\x7f\\xc2\\x9b\\xff\xc3\xa9 \"c\\\"\n");
    log_open(LEVEL_INFO, true);
    line_of(&heard, LEVEL_INFO, "a\n\x1b\x7f\xc2\x9b\xff\xc3\xa9 \"c\\\"");
    assert_non_null(strstr(heard.text, "\\u000a\\u001b\\u007f\\u009b\\ufffd"));
    assert_string_equal(member(heard.text, "message", &object),
                        "a\n\x1b\x7f\xc2\x9b\xef\xbf\xbd\xc3\xa9 \"c\\\"");
    json_decref(object);
}

static void json_lines_say_when_and_how_important(void **state)
{
    struct heard heard;
    json_t *object;
    const char *ts;
    int year, n = 0;

    (void)state;
    log_open(LEVEL_DEBUG, true);
    ts = member(line_of(&heard, LEVEL_WARNING, "w"), "ts", &object);
    assert_int_equal(sscanf(ts, "%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%*3dZ%n", &year, &n), 1);
    assert_int_equal(n, 24);
    assert_int_equal(strlen(ts), 24);
    assert_true(year >= 2026);
    assert_string_equal(json_string_value(json_object_get(object, "level")), "warning");
    json_decref(object);
}

static void entry_write(struct heard *heard, const char *value)
{
    struct log_entry entry;

    hear(heard);
    log_begin(&entry, LEVEL_INFO, "request");
    log_text(&entry, "path", value);
    log_text(&entry, "none", NULL);
    log_count(&entry, "status", 200);
    log_real(&entry, "ms", 0.25);
    log_end(&entry);
    heard_text(heard);
}

static void fields_are_quoted_where_they_must_be(void **state)
{
    struct heard heard;
    json_t *object;

    (void)state;
    log_open(LEVEL_INFO, false);
    entry_write(&heard, "/v1/models");
    assert_string_equal(heard.text, "sigmad: request path=/v1/models status=200 ms=0.250\n");
    entry_write(&heard, "a b");
    assert_string_equal(heard.text, "sigmad: request path=\"a b\" status=200 ms=0.250\n");
    entry_write(&heard, "\" status=500 \\");
    assert_string_equal(heard.text,
                        "sigmad: request path=\"\\\" status=500 \\\\\" status=200 ms=0.250\n");
    entry_write(&heard, "");
    assert_string_equal(heard.text, "sigmad: request path=\"\" status=200 ms=0.250\n");
    log_open(LEVEL_INFO, true);
    entry_write(&heard, "\", \"status\": 500");
    assert_string_equal(member(heard.text, "path", &object), "\", \"status\": 500");
    assert_int_equal(json_integer_value(json_object_get(object, "status")), 200);
    assert_true(json_real_value(json_object_get(object, "ms")) == 0.25);
    assert_int_equal(json_object_size(object), 6);
    json_decref(object);
}

/* Whatever a line is made of, and wherever it is cut: it is one, not too long, and JSON. */
static void no_line_is_too_long(void **state)
{
    static const char *const bytes[] = {
        "x", "\x01", "\"", "\xff", "\xc3\xa9", "\xf0\x9f\x90\x9c"
    };
    static char value[3 * LOG_LINE_MAX];
    struct heard heard;

    (void)state;
    for (size_t b = 0; b < sizeof bytes / sizeof bytes[0]; b++) {
        for (size_t n = 1; n < LOG_LINE_MAX; n += n < 64 ? 1 : 61) {
            struct log_entry entry;
            json_t *object;

            value[0] = '\0';
            for (size_t i = 0; i < n && i * strlen(bytes[b]) < sizeof value - 8; i++) {
                strcpy(value + i * strlen(bytes[b]), bytes[b]);
            }
            for (int json = 0; json < 2; json++) {
                log_open(LEVEL_INFO, json == 1);
                hear(&heard);
                log_begin(&entry, LEVEL_INFO, value);
                for (int k = 0; k < 20; k++) {
                    log_text(&entry, "key", value);
                    log_count(&entry, "count", INT64_MAX);
                }
                log_end(&entry);
                heard_text(&heard);
                assert_true(strlen(heard.text) <= LOG_LINE_MAX);
                assert_true(strlen(heard.text) > 8);
                assert_ptr_equal(strchr(heard.text, '\n'), heard.text + strlen(heard.text) - 1);
            }
            member(heard.text, "message", &object);
            json_decref(object);
        }
    }
}

static void what_is_cut_says_so(void **state)
{
    static char value[LOG_VALUE_MAX + 2];
    struct heard heard;

    (void)state;
    log_open(LEVEL_INFO, false);
    memset(value, 'p', LOG_VALUE_MAX);
    entry_write(&heard, value);
    assert_null(strstr(heard.text, "..."));
    value[LOG_VALUE_MAX] = 'q';
    entry_write(&heard, value);
    assert_non_null(strstr(heard.text, "ppp... status=200"));
}

/* JOURNAL_STREAM names the device and inode of what systemd has made stderr. */
static void the_journal_gets_priorities(void **state)
{
    struct heard heard;
    struct stat st;
    char stream[64];

    (void)state;
    hear(&heard);
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_open(LEVEL_INFO, false);
    log_at(LEVEL_WARNING, "w");
    log_open(LEVEL_INFO, true);
    log_at(LEVEL_ERROR, "e");
    setenv("JOURNAL_STREAM", "1:2", 1); /* stderr is something else by now */
    log_open(LEVEL_INFO, false);
    log_line("n");
    unsetenv("JOURNAL_STREAM");
    heard_text(&heard);
    assert_ptr_equal(strstr(heard.text, "<4>w\n<3>{\"ts\":\""), heard.text);
    assert_non_null(strstr(heard.text, "\"message\":\"e\"}\nsigmad: n\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_lines_begin_with_the_name),
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test(control_characters_are_escaped),
        cmocka_unit_test(json_lines_say_when_and_how_important),
        cmocka_unit_test(fields_are_quoted_where_they_must_be),
        cmocka_unit_test(no_line_is_too_long),
        cmocka_unit_test(what_is_cut_says_so),
        cmocka_unit_test(the_journal_gets_priorities),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
