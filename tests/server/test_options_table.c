/* The rows of the table of settings, and what their values may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "parse_flags.h"

/* The number that --name=value leads to. */
static size_t number(const char *name, const char *value)
{
    const struct option *o = option_find(name, strlen(name));
    struct options opts;
    char flag[64];
    size_t ret;

    assert_non_null(o);
    snprintf(flag, sizeof flag, "--%s=%s", name, value);
    accepted(FLAGS(flag), &opts);
    memcpy(&ret, (const char *)&opts + o->at, sizeof ret);
    options_done(&opts);
    return ret;
}

/* ---- the table ---- */

static void every_row_makes_sense(void **state)
{
    const struct option *o;

    (void)state;
    for (size_t i = 0; (o = option_nth(i)) != NULL; i++) {
        const size_t len = strlen(o->name);

        assert_true(len >= 1 && len <= OPTION_NAME_MAX);
        assert_int_equal(strspn(o->name, "abcdefghijklmnopqrstuvwxyz-"), len);
        assert_ptr_equal(option_find(o->name, len), o); /* no second one of that name */
        assert_int_equal(option_index(o), i);
        assert_int_equal(o->arg == NULL, o->type == OPTION_BOOL);
        assert_true(o->help[0] != '\0' && o->help[strlen(o->help) - 1] != '.');
        assert_null(strchr(o->help, '[')); /* where --help shows the default */
        if (o->type >= OPTION_COUNT) {
            assert_true(o->least < o->most);
        }
        if (o->type == OPTION_LIST) {
            assert_true(o->most >= 1 && o->most <= OPTION_LIST_MAX);
        }
    }
    assert_null(option_find("worker", 6));
    assert_null(option_find("", 0));
}

static void a_name_gives_the_flag_and_the_variable(void **state)
{
    const struct option *o = option_find("max-body=64m", 8);

    (void)state;
    assert_non_null(o);
    assert_string_equal(option_flag(o).text, "--max-body");
    assert_string_equal(option_variable(o).text, "SIGMAD_MAX_BODY");
}

static void a_number_may_be_its_limits_and_nothing_beyond(void **state)
{
    const struct option *o;

    (void)state;
    for (size_t i = 0; (o = option_nth(i)) != NULL; i++) {
        const size_t tried[] = { o->least, o->most, o->most + 1, o->least - 1 };

        for (size_t k = 0; o->type >= OPTION_COUNT && k < (o->least > 0 ? 4 : 3); k++) {
            struct options opts = { 0 };
            struct err err = { 0 };
            char flag[64];

            snprintf(flag, sizeof flag, "%s=%zu", option_flag(o).text, tried[k]);
            assert_int_equal(parse(FLAGS(flag), &opts, &err), k < 2);
            options_done(&opts);
        }
    }
}

/* ---- values ---- */

static void bytes_and_seconds_have_units(void **state)
{
    (void)state;
    assert_int_equal(number("max-body", "2048"), 2048);
    assert_int_equal(number("max-body", "2k"), 2048);
    assert_int_equal(number("max-body", "3m"), 3 << 20);
    assert_int_equal(number("max-body", "1g"), 1 << 30);
    assert_int_equal(number("timeout", "90"), 90);
    assert_int_equal(number("timeout", "90s"), 90);
    assert_int_equal(number("timeout", "2m"), 120);
    assert_int_equal(number("timeout", "3h"), 10800);
    assert_int_equal(number("timeout", "1d"), 86400);
}

static void what_is_no_number_is_refused_with_the_limits(void **state)
{
    static char *const bad[] = { "",    "x",  "-1", "+1",  " 1",  "1 ",
                                 "0x1", "1k", "1s", "1.5", "1e1", "18446744073709551617" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[128];

        snprintf(text, sizeof text, "--workers must be a whole number 1 to 256, is '%s'", bad[i]);
        refused(FLAGS("--workers", bad[i]), text);
    }
    refused(FLAGS("--max-body=1q"),
            "--max-body must be a whole number 1k to 16g, which k, m or g may follow, "
            "is '1q'");
    refused(FLAGS("--max-body=17179869184g"), /* 2^64 bytes, which a size_t cannot hold */
            "--max-body must be a whole number 1k to 16g, which k, m or g may follow, "
            "is '17179869184g'");
    refused(FLAGS("--timeout=1g"),
            "--timeout must be a whole number 1 to 86400, which s, m, h or d may follow, "
            "is '1g'");
}

static void a_choice_is_one_of_its_words(void **state)
{
    struct options opts;

    (void)state;
    accepted(FLAGS("--durability", "power"), &opts);
    options_done(&opts);
    accepted(FLAGS("--durability", "process"), &opts);
    options_done(&opts);
    refused(FLAGS("--durability=pow"), "--durability must be one of power|process, is 'pow'");
    refused(FLAGS("--durability="), "--durability must be one of power|process, is ''");
    refused(FLAGS("--durability=power|process"),
            "--durability must be one of power|process, is 'power|process'");
    refused(FLAGS("--durability=processes"),
            "--durability must be one of power|process, is 'processes'");
}

static void a_bool_is_0_or_1_and_its_flag_alone_1(void **state)
{
    struct options opts;

    (void)state;
    accepted(FLAGS("--insecure"), &opts);
    assert_true(opts.insecure);
    options_done(&opts);
    accepted(FLAGS("--insecure=0"), &opts);
    assert_false(opts.insecure);
    options_done(&opts);
    refused(FLAGS("--insecure=yes"), "--insecure must be 0 or 1, is 'yes'");
    refused(FLAGS("--insecure", "1"), "1 is not an option; --help lists them");
}

static void a_list_has_as_many_as_its_row_says(void **state)
{
    struct options opts;

    (void)state;
    accepted(FLAGS("--listen=a", "--listen", "b"), &opts);
    assert_int_equal(opts.listen.n, 2); /* the default is not among them */
    options_done(&opts);
    refused(FLAGS("--listen=1", "--listen=2", "--listen=3", "--listen=4", "--listen=5",
                  "--listen=6", "--listen=7", "--listen=8", "--listen=9"),
            "--listen can be given 8 times at most");
    refused(FLAGS("--listen="), "--listen must have 1 to 4095 bytes, has 0");
}

static void a_value_is_shown_as_it_is_given(void **state)
{
    static const struct {
        const char *name;
        size_t k;
        const char *shown; /* NULL: there is none */
    } all[] = {
        { "listen", 0, "a" },       { "listen", 1, "b" },    { "listen", 2, NULL },
        { "state", 0, "/s" },       { "state", 1, NULL },    { "durability", 0, "process" },
        { "insecure", 0, "1" },     { "insecure", 1, NULL }, { "workers", 0, "3" },
        { "max-body", 0, "1536k" }, { "min-rate", 0, "1" },  { "prediction-memory", 0, "0" },
        { "timeout", 0, "120" },    { "timeout", 1, NULL },  { "isa", 0, NULL },
    };
    struct options opts;
    char got[64];

    (void)state;
    accepted(FLAGS("--listen=a", "--listen=b", "--state=/s", "--durability=process", "--insecure",
                   "--workers=3", "--max-body=1572864", "--min-rate=1", "--prediction-memory=0",
                   "--timeout=2m"),
             &opts);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const struct option *o = option_find(all[i].name, strlen(all[i].name));

        assert_int_equal(option_show(o, &opts, all[i].k, got, sizeof got), all[i].shown != NULL);
        if (all[i].shown != NULL) {
            assert_string_equal(got, all[i].shown);
        }
    }
    options_done(&opts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_row_makes_sense, plain_environment),
        cmocka_unit_test_setup(a_name_gives_the_flag_and_the_variable, plain_environment),
        cmocka_unit_test_setup(a_number_may_be_its_limits_and_nothing_beyond, plain_environment),
        cmocka_unit_test_setup(bytes_and_seconds_have_units, plain_environment),
        cmocka_unit_test_setup(what_is_no_number_is_refused_with_the_limits, plain_environment),
        cmocka_unit_test_setup(a_choice_is_one_of_its_words, plain_environment),
        cmocka_unit_test_setup(a_bool_is_0_or_1_and_its_flag_alone_1, plain_environment),
        cmocka_unit_test_setup(a_list_has_as_many_as_its_row_says, plain_environment),
        cmocka_unit_test_setup(a_value_is_shown_as_it_is_given, plain_environment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
