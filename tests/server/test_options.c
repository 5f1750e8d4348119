/* The table of settings, and what comes of flags, environment variables, a file and defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "options.h"

/* Literals: what options_parse keeps of them has to stay. */
#define FLAGS(...) ((char *[]){ "sigmad", __VA_ARGS__, NULL })

static bool parse(char **argv, struct options *opts, struct err *err)
{
    enum options_act act;
    int argc = 0;

    while (argv[argc] != NULL) {
        argc++;
    }
    return options_parse(argc, argv, opts, &act, err);
}

static void accepted(char **argv, struct options *opts)
{
    struct err err = { 0 };

    assert_true(parse(argv, opts, &err));
}

static void refused(char **argv, const char *text)
{
    struct options untouched = { .workers = 12345 };
    struct err err = { 0 };
    char said[512];

    assert_false(parse(argv, &untouched, &err));
    assert_int_equal(err.code, ERR_FIELD);
    err_detail(&err, said, sizeof said);
    assert_string_equal(said, text);
    assert_int_equal(untouched.workers, 12345);
}

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

static int plain_environment(void **state)
{
    const struct option *o;

    (void)state;
    for (size_t i = 0; (o = option_nth(i)) != NULL; i++) {
        unsetenv(option_variable(o).text);
    }
    unsetenv("STATE_DIRECTORY");
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/home/it", 1);
    return 0;
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

static void flags_that_are_none(void **state)
{
    (void)state;
    refused(FLAGS("--wrokers", "2"), "--wrokers is not an option; did you mean --workers?");
    refused(FLAGS("-max-body=1m"), "-max-body=1m is not an option; did you mean --max-body?");
    refused(FLAGS("--max-rows=1", "workers", "2"),
            "workers is not an option; did you mean --workers?");
    refused(FLAGS("--port=1"), "--port=1 is not an option; --help lists them");
    refused(FLAGS("--"), "-- is not an option; --help lists them");
    refused(FLAGS("--=1"), "--=1 is not an option; --help lists them");
    refused(FLAGS("--max-rows=5", "--workers"), "--workers needs a value: N");
}

static enum options_act act_of(char **argv)
{
    struct options opts = { 0 };
    struct err err = { 0 };
    enum options_act act;
    int argc = 0;

    while (argv[argc] != NULL) {
        argc++;
    }
    assert_true(options_parse(argc, argv, &opts, &act, &err));
    options_done(&opts);
    return act;
}

static void the_first_argument_may_be_a_command(void **state)
{
    (void)state;
    assert_int_equal(act_of(FLAGS("--workers=1")), OPTIONS_RUN);
    assert_int_equal(act_of(FLAGS("health")), OPTIONS_HEALTH);
    assert_int_equal(act_of(FLAGS("health", "--listen", "a")), OPTIONS_HEALTH);
    assert_int_equal(act_of(FLAGS("check", "--workers=1")), OPTIONS_CHECK);
    assert_int_equal(act_of(FLAGS("help")), OPTIONS_HELP);
    assert_int_equal(act_of(FLAGS("--help")), OPTIONS_HELP);
    assert_int_equal(act_of(FLAGS("health", "--help")), OPTIONS_HELP);
    assert_int_equal(act_of(FLAGS("version")), OPTIONS_VERSION);
    refused(FLAGS("helth"), "helth is not a command; did you mean health?");
    refused(FLAGS("start"), "start is not a command; --help lists them");
    refused(FLAGS(""), "is not a command; --help lists them");
    refused(FLAGS("health", "health"), "health is not an option; --help lists them");
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

/* ---- a file ---- */

static char path[] = "/tmp/sigmad-test-XXXXXX";

static int file_make(void **state)
{
    const int fd = mkstemp(path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int file_remove(void **state)
{
    (void)state;
    return unlink(path);
}

static void file_put(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* refused, because of the file; PATH stands for its name. */
static void file_refused(const char *text, const char *why)
{
    char expected[512];
    const char *at = strstr(why, "PATH");

    assert_non_null(at);
    snprintf(expected, sizeof expected, "%.*s%s%s", (int)(at - why), why, path, at + 4);
    file_put(text);
    refused(FLAGS("--config", path, "--max-models=7"), expected);
}

static void a_file_sets_what_nothing_else_does(void **state)
{
    const size_t rows = option_index(option_find("max-rows", 8));
    struct options opts;

    (void)state;
    file_put("max-rows = 5\nmax-models = 3\nlisten = a\nlisten = b\ninsecure = 1\n"
             "timeout = 2m\n");
    accepted(FLAGS("--config", path), &opts);
    assert_int_equal(opts.max_rows, 5);
    assert_int_equal(opts.max_models, 3);
    assert_int_equal(opts.timeout, 120);
    assert_true(opts.insecure);
    assert_int_equal(opts.listen.n, 2);
    assert_string_equal(opts.listen.at[1], "b");
    assert_int_equal(opts.from[rows], OPTION_FILE);
    assert_int_equal(opts.line[rows], 1);
    assert_int_equal(opts.max_jobs, 1000); /* it does not say */
    options_done(&opts);
    setenv("SIGMAD_CONFIG", path, 1);
    setenv("SIGMAD_MAX_ROWS", "6", 1);
    accepted(FLAGS("--max-models=4", "--listen=c", "--insecure=0"), &opts);
    assert_int_equal(opts.max_rows, 6);
    assert_int_equal(opts.from[rows], OPTION_ENV);
    assert_int_equal(opts.max_models, 4);
    assert_false(opts.insecure);
    assert_int_equal(opts.listen.n, 1);
    assert_string_equal(opts.listen.at[0], "c");
    options_done(&opts);
    setenv("SIGMAD_CONFIG", "/nowhere", 1);
    refused(FLAGS("--max-models=4"),
            "SIGMAD_CONFIG cannot open /nowhere: No such file or directory");
    accepted(FLAGS("--config", path), &opts);
    options_done(&opts);
}

static void a_bad_line_is_named_with_its_file(void **state)
{
    (void)state;
    file_refused("\n\nwokers = 2\n",
                 "unknown key 'wokers' in PATH line 3; did you mean 'workers'?");
    file_refused("port = 2\n", "unknown key 'port' in PATH line 1");
    file_refused("--workers = 2\n", "unknown key '--workers' in PATH line 1; did you mean "
                                    "'workers'?");
    file_refused("workers = 2\n\nworkers = 3\n", "workers in PATH line 3 is set in line 1 already");
    file_refused("workers = 0\n", "workers in PATH line 1 must be a whole number 1 to 256, is '0'");
    file_refused("durability = none\n",
                 "durability in PATH line 1 must be one of power|process, is 'none'");
    file_refused("config = x\n", "config in PATH line 1 cannot be set by a file");
    file_refused("workers\n", "PATH line 1 must be `key = value`, is 'workers'");
    /* What a flag overrides is checked all the same. */
    file_refused("max-models = x\n",
                 "max-models in PATH line 1 must be a whole number 1 to 1000000, is 'x'");
    file_refused("max-models = 1\nmax-models = 1\n",
                 "max-models in PATH line 2 is set in line 1 already");
    file_refused("listen=1\nlisten=2\nlisten=3\nlisten=4\nlisten=5\nlisten=6\nlisten=7\n"
                 "listen=8\nlisten=9\n",
                 "listen in PATH line 9 can be given 8 times at most");
}

/* ---- the environment ---- */

static void variables_that_are_no_settings_are_told(void **state)
{
    char text[256];
    size_t at = 0;

    (void)state;
    assert_false(options_stranger(&at, text, sizeof text));
    setenv("SIGMAD_MAX_ROWS", "1", 1);
    setenv("SIGMADE", "1", 1);
    at = 0;
    assert_false(options_stranger(&at, text, sizeof text));
    setenv("SIGMAD_WROKERS", "1", 1);
    at = 0;
    assert_true(options_stranger(&at, text, sizeof text));
    assert_string_equal(text, "SIGMAD_WROKERS is not a setting, and is passed over; did you mean "
                              "SIGMAD_WORKERS?");
    assert_false(options_stranger(&at, text, sizeof text));
    unsetenv("SIGMAD_WROKERS");
    setenv("SIGMAD_PORT", "tcp://10.0.0.1:8740", 1);
    at = 0;
    assert_true(options_stranger(&at, text, sizeof text));
    assert_string_equal(text, "SIGMAD_PORT is not a setting, and is passed over");
    unsetenv("SIGMAD_PORT");
    setenv("SIGMAD_max_rows", "1", 1);
    at = 0;
    assert_true(options_stranger(&at, text, sizeof text));
    assert_string_equal(text, "SIGMAD_max_rows is not a setting, and is passed over; did you mean "
                              "SIGMAD_MAX_ROWS?");
    unsetenv("SIGMAD_max_rows");
}

/* ---- what wins ---- */

static void flags_win_over_variables_and_those_over_defaults(void **state)
{
    const size_t rows = option_index(option_find("max-rows", 8));
    struct options opts;

    (void)state;
    accepted(FLAGS("--max-models=7"), &opts);
    assert_int_equal(opts.max_rows, 100000);
    assert_int_equal(opts.from[rows], OPTION_USUAL);
    options_done(&opts);
    setenv("SIGMAD_MAX_ROWS", "5", 1);
    setenv("SIGMAD_LISTEN", "from the environment", 1);
    accepted(FLAGS("--max-models=7"), &opts);
    assert_int_equal(opts.max_rows, 5);
    assert_int_equal(opts.from[rows], OPTION_ENV);
    assert_int_equal(opts.listen.n, 1);
    assert_string_equal(opts.listen.at[0], "from the environment");
    options_done(&opts);
    accepted(FLAGS("--max-rows=8", "--listen", "a", "--max-rows=6", "--listen", "b"), &opts);
    assert_int_equal(opts.max_rows, 6); /* of two flags the later */
    assert_int_equal(opts.from[rows], OPTION_FLAG);
    assert_int_equal(opts.listen.n, 2);
    options_done(&opts);
    setenv("SIGMAD_MAX_ROWS", "0", 1);
    refused(FLAGS("--max-models=7"),
            "SIGMAD_MAX_ROWS must be a whole number 1 to 100000000, is '0'");
}

static void the_state_folder_is_found(void **state)
{
    struct options opts;

    (void)state;
    accepted(FLAGS("--workers=1"), &opts);
    assert_string_equal(opts.state, "/home/it/.local/state/sigmad");
    assert_string_equal(opts.durability, "power");
    options_done(&opts);
    setenv("XDG_STATE_HOME", "/xdg", 1);
    accepted(FLAGS("--workers=1"), &opts);
    assert_string_equal(opts.state, "/xdg/sigmad");
    options_done(&opts);
    setenv("STATE_DIRECTORY", "/var/lib/it", 1);
    accepted(FLAGS("--workers=1"), &opts);
    assert_string_equal(opts.state, "/var/lib/it");
    options_done(&opts);
    setenv("SIGMAD_STATE", "none", 1);
    accepted(FLAGS("--workers=1"), &opts);
    assert_null(opts.state);
    assert_string_equal(opts.durability, "none");
    options_done(&opts);
    plain_environment(NULL);
    unsetenv("HOME");
    refused(FLAGS("--workers=1"),
            "--state is missing, and neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is "
            "set");
}

static void threads_are_as_many_as_cores(void **state)
{
    struct options opts;

    (void)state;
    accepted(FLAGS("--max-rows=1"), &opts);
    assert_in_range(opts.workers, 1, 256);
    assert_in_range(opts.pool_threads, 2, 256);
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
        cmocka_unit_test_setup(flags_that_are_none, plain_environment),
        cmocka_unit_test_setup(a_value_is_shown_as_it_is_given, plain_environment),
        cmocka_unit_test_setup(the_first_argument_may_be_a_command, plain_environment),
        cmocka_unit_test_setup(a_file_sets_what_nothing_else_does, plain_environment),
        cmocka_unit_test_setup(a_bad_line_is_named_with_its_file, plain_environment),
        cmocka_unit_test_setup(variables_that_are_no_settings_are_told, plain_environment),
        cmocka_unit_test_setup(flags_win_over_variables_and_those_over_defaults, plain_environment),
        cmocka_unit_test_setup(the_state_folder_is_found, plain_environment),
        cmocka_unit_test_setup(threads_are_as_many_as_cores, plain_environment),
    };

    return cmocka_run_group_tests(tests, file_make, file_remove);
}
