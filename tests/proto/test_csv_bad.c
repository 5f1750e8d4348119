#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <cmocka.h>

#include "csv_reader.h"
#include "fail_malloc.h"

#define BAD "tests/proto/bad/csv"

/* The file's bytes, NUL-terminated behind; NULL when there is none. */
static char *load(const char *folder, const char *name, size_t *len)
{
    char path[512];
    char *bytes;
    FILE *file;

    snprintf(path, sizeof path, BAD "/%s/%s", folder, name);
    file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    bytes = calloc(1, 65536);
    assert_non_null(bytes);
    *len = fread(bytes, 1, 65535, file);
    fclose(file);
    return bytes;
}

/* One line of a case's options, such as target=a,b. */
static void set_option(char *line, struct csv_options *options, struct table_limits *limits)
{
    char *value = strchr(line, '=');

    assert_non_null(value);
    *value++ = '\0';
    if (strcmp(line, "header") == 0) {
        options->header = strcmp(value, "present") == 0 ? CSV_HEADER_PRESENT : CSV_HEADER_ABSENT;
    } else if (strcmp(line, "kind") == 0) {
        options->kind = strcmp(value, "numbers") == 0  ? TARGET_NUMBERS
                        : strcmp(value, "labels") == 0 ? TARGET_LABELS
                                                       : TARGET_NONE;
    } else if (strcmp(line, "part") == 0) {
        options->part = strcmp(value, "features") == 0 ? CSV_FEATURES : CSV_TARGETS;
    } else if (strcmp(line, "target") == 0) {
        options->target = value;
    } else if (strcmp(line, "delimiter") == 0) {
        options->delimiter = value[0];
    } else if (strcmp(line, "missing") == 0) {
        options->missing = strcmp(value, "mean") == 0 ? MISSING_MEAN : MISSING_REFUSE;
    } else if (strcmp(line, "max_features") == 0) {
        limits->max_features = strtoul(value, NULL, 10);
    } else if (strcmp(line, "max_rows") == 0) {
        limits->max_rows = strtoul(value, NULL, 10);
    } else {
        fail_msg("no option is called %s", line);
    }
}

static const char *code_name(enum err_code code)
{
    static const char *const names[ERR_COUNT] = {
        [ERR_NONE] = "ERR_NONE",   [ERR_SYNTAX] = "ERR_SYNTAX",       [ERR_FIELD] = "ERR_FIELD",
        [ERR_RANGE] = "ERR_RANGE", [ERR_TOO_LARGE] = "ERR_TOO_LARGE", [ERR_LIMIT] = "ERR_LIMIT",
    };

    return names[code] != NULL ? names[code] : "another";
}

static void check_bad(const char *name)
{
    struct csv_options options = usual;
    struct table_limits limits = roomy;
    struct memory_sink sink = memory_sink();
    struct table_info info = { .rows = 99 };
    struct err err = { 0 };
    size_t len = 0, unused;
    char *body = load(name, "body.csv", &len), *expect = load(name, "expect", &unused);
    char *settings = load(name, "options", &unused);
    char found[600], *exact;

    assert_non_null(body);
    assert_non_null(expect);
    for (char *at = settings, *end; at != NULL && (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = '\0';
        set_option(at, &options, &limits);
    }
    exact = malloc(len + 1); /* a block of just the size, so that a sanitizer sees its end */
    assert_non_null(exact);
    memcpy(exact, body, len);
    exact = realloc(exact, len > 0 ? len : 1);
    assert_false(csv_read(exact, len, &options, &limits, &sink.sink, &info, &err));
    snprintf(found, sizeof found, "%s\n%s\n%s\n", code_name(err.code), err.where, err.text);
    if (strcmp(found, expect) != 0) {
        print_message("in %s:\n", name);
    }
    assert_string_equal(found, expect);
    assert_int_equal(info.rows, 99);
    memory_sink_done(&sink);
    free(exact);
    free(body);
    free(expect);
    free(settings);
}

static void bad_input_is_refused_with_line_and_column(void **state)
{
    DIR *folder = opendir(BAD);
    const struct dirent *entry;
    int cases = 0;

    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            check_bad(entry->d_name);
            cases++;
        }
    }
    closedir(folder);
    assert_true(cases >= 60);
}

static void too_many_classes_are_refused_at_their_line(void **state)
{
    enum { CLASSES = 65537 };
    char *text = malloc(CLASSES * 16);
    size_t len = 0;
    struct read read;

    (void)state;
    assert_non_null(text);
    for (int i = 0; i < CLASSES; i++) {
        len += (size_t)sprintf(text + len, "1,%d\n", i);
    }
    read = read_len(text, len, &usual);
    assert_false(read.ok);
    assert_int_equal(read.err.code, ERR_LIMIT);
    assert_string_equal(read.err.where, "line 65537 column 2");
    read_done(&read);
    free(text);
}

static const char sample[] = "\xef\xbb\xbfname, x \r\n\"a \"\"b\"\"\",+1.5e1\r\n"
                             "\"c,\nd\", -.25 \n\xc3\xa9,12345.678\na,0\na,77\na,-1e-3\nb,1\n"
                             "b,2.5\nc,3\nd,4\n\n \n";

/* Whatever is done to a text, reading it ends, with rows or with a reason, within its bytes. */
static void check_hostile(const char *text, size_t len)
{
    static const struct csv_options all[] = {
        { .kind = TARGET_LABELS, .target = "name", .delimiter = ',' },
        { .header = CSV_HEADER_PRESENT, .kind = TARGET_NUMBERS, .delimiter = ',' },
        { .kind = TARGET_LABELS, .target = "0", .delimiter = ',' },
        { .header = CSV_HEADER_ABSENT, .part = CSV_FEATURES, .delimiter = ',' },
        { .part = CSV_TARGETS, .kind = TARGET_LABELS, .delimiter = '\t' },
        { .kind = TARGET_LABELS, .delimiter = ',', .missing = MISSING_MEAN },
        { .part = CSV_FEATURES, .delimiter = ',', .missing = MISSING_MEAN },
    };
    char *exact = malloc(len > 0 ? len : 1); /* a sanitizer sees its end */

    assert_non_null(exact);
    memcpy(exact, text, len);
    for (size_t i = 0; i < N(all); i++) {
        struct read read = read_len(exact, len, &all[i]);

        assert_int_equal(read.ok, read.err.code == ERR_NONE);
        assert_int_equal(read.ok, read.info.rows > 0);
        read_done(&read);
    }
    free(exact);
}

static void cut_and_flipped_text_never_reads_astray(void **state)
{
    char text[sizeof sample];

    (void)state;
    for (size_t len = 0; len < sizeof sample; len++) {
        check_hostile(sample, len);
    }
    for (size_t i = 0; i < sizeof sample - 1; i++) {
        static const unsigned char flips[] = {
            0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff
        };

        for (size_t k = 0; k < N(flips); k++) {
            memcpy(text, sample, sizeof sample);
            text[i] = (char)(text[i] ^ flips[k]);
            check_hostile(text, sizeof sample - 1);
        }
    }
}

static void no_memory_is_reported_and_nothing_leaks(void **state)
{
    struct csv_options options = usual;

    (void)state;
    options.target = "name";
    for (int kind = TARGET_LABELS; kind <= TARGET_NUMBERS; kind++) {
        const char *text = kind == TARGET_LABELS ? sample : "x,name\n1,2\nNA,3\n";
        bool ok = false;

        options.missing = kind == TARGET_LABELS ? MISSING_REFUSE : MISSING_MEAN;
        options.kind = (enum target_kind)kind;
        for (size_t k = 1; !ok; k++) {
            struct read read;

            fail_malloc_start(k);
            read = read_text(text, &options);
            ok = read.ok;
            assert_int_equal(read.err.code, ok ? ERR_NONE : ERR_MEMORY);
            read_done(&read);
            assert_int_equal(fail_malloc_live, 0);
            assert_true(ok || k < 100);
        }
        assert_true(fail_malloc_calls > 5);
    }
    fail_malloc_start(0);
}

static void a_sink_that_refuses_stops_the_reader(void **state)
{
    (void)state;
    for (size_t k = 1; k <= 3; k++) {
        struct memory_sink sink = memory_sink();
        struct table_info info = { .rows = 99 };
        struct err err = { 0 };
        bool ok;

        sink.fail_at = k;
        ok = csv_read("1,x\n2,y\n", 8, &usual, &roomy, &sink.sink, &info, &err);
        assert_int_equal(ok, k == 3);
        assert_int_equal(err.code, ok ? ERR_NONE : ERR_FULL);
        assert_int_equal(info.rows, ok ? 2 : 99);
        memory_sink_done(&sink);
        if (ok) {
            table_info_done(&info);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_input_is_refused_with_line_and_column),
        cmocka_unit_test(too_many_classes_are_refused_at_their_line),
        cmocka_unit_test(cut_and_flipped_text_never_reads_astray),
        cmocka_unit_test(no_memory_is_reported_and_nothing_leaks),
        cmocka_unit_test(a_sink_that_refuses_stops_the_reader),
    };

    return cmocka_run_group_tests_name("csv_bad", tests, NULL, NULL);
}
