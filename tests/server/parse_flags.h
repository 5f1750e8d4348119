/* Command lines, and what comes of them. */
#ifndef PARSE_FLAGS_H
#define PARSE_FLAGS_H

#include <stdlib.h>

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

/* Nothing that another test, or whoever runs them, has set. */
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

#endif
