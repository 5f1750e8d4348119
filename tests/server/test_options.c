/* What comes of flags, environment variables, a file and defaults. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "parse_flags.h"
#include "settings_file.h"

/* ---- flags ---- */

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
    assert_int_equal(act_of(FLAGS("token", "new", "--nothing", "of ours")), OPTIONS_TOKEN);
    refused(FLAGS("tokne"), "tokne is not a command; did you mean token?");
    refused(FLAGS("helth"), "helth is not a command; did you mean health?");
    refused(FLAGS("start"), "start is not a command; --help lists them");
    refused(FLAGS(""), "is not a command; --help lists them");
    refused(FLAGS("health", "health"), "health is not an option; --help lists them");
}

/* ---- a file ---- */

static void text_put(const char *text)
{
    file_put(text, strlen(text));
}

/* refused, because of the file; PATH stands for its name. */
static void file_refused(const char *text, const char *why)
{
    char expected[512];
    const char *at = strstr(why, "PATH");

    assert_non_null(at);
    snprintf(expected, sizeof expected, "%.*s%s%s", (int)(at - why), why, path, at + 4);
    text_put(text);
    refused(FLAGS("--config", path, "--max-models=7"), expected);
}

static void a_file_sets_what_nothing_else_does(void **state)
{
    const size_t rows = option_index(option_find("max-rows", 8));
    struct options opts;

    (void)state;
    text_put("max-rows = 5\nmax-models = 3\nlisten = a\nlisten = b\ninsecure = 1\n"
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
        cmocka_unit_test_setup(flags_that_are_none, plain_environment),
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
