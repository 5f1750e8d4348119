/* Whose page a request comes from, by what a browser says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "site.h"

static void pages_are_told_apart(void **state)
{
    static const struct {
        const char *origin, *fetch, *host;
        enum site is;
    } cases[] = {
        { NULL, NULL, "localhost:8740", SITE_OWN },
        { NULL, NULL, NULL, SITE_OWN },
        { NULL, "none", "localhost:8740", SITE_OWN },
        { NULL, "same-origin", "localhost:8740", SITE_OWN },
        { NULL, "same-site", "localhost:8740", SITE_FOREIGN }, /* another port's */
        { NULL, "cross-site", "localhost:8740", SITE_FOREIGN },
        { NULL, "", "localhost:8740", SITE_FOREIGN },
        { "http://localhost:8740", "same-origin", "localhost:8740", SITE_OWN },
        { "http://LOCALHOST:8740", NULL, "localhost:8740", SITE_OWN },
        { "https://nets.example", NULL, "nets.example", SITE_OWN },
        { "http://localhost:3000", "same-site", "localhost:8740", SITE_FOREIGN },
        { "http://localhost", NULL, "localhost:8740", SITE_FOREIGN },
        { "http://localhost:8740", NULL, NULL, SITE_FOREIGN },
        { "ftp://localhost:8740", NULL, "localhost:8740", SITE_FOREIGN },
        { "localhost:8740", NULL, "localhost:8740", SITE_FOREIGN },
        { "null", NULL, "localhost:8740", SITE_FOREIGN },
        { "null", NULL, "null", SITE_FOREIGN },
        { "", NULL, "", SITE_FOREIGN },
        { "http://", NULL, "localhost:8740", SITE_FOREIGN },
        { "https://app.example", "cross-site", "localhost:8740", SITE_ALLOWED },
        { "http://app.example", "cross-site", "localhost:8740", SITE_FOREIGN },
        { "https://app.example:8443", "cross-site", "localhost:8740", SITE_FOREIGN },
        { "https://app.example.evil", "cross-site", "localhost:8740", SITE_FOREIGN },
        { "http://localhost:5000", "same-site", "localhost:8740", SITE_ALLOWED },
    };
    const struct option_list allowed = { .at = { "https://app.example", "http://localhost:5000" },
                                         .n = 2 };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (site_judge(cases[i].origin, cases[i].fetch, cases[i].host, &allowed) != cases[i].is) {
            fail_msg("case %zu", i);
        }
    }
}

static void what_no_browser_sends_is_no_origin(void **state)
{
    static const char *const bad[] = { "",          "*",
                                       "https://*", "https://*.app.example",
                                       "a",         "app.example",
                                       "null",      "https://app.example/",
                                       "http://",   "https://app.example/x",
                                       "file:///x" };
    const struct option_list good = { .at = { "https://app.example", "http://[::1]:3000" },
                                      .n = 2 };
    struct err none = { 0 };

    (void)state;
    assert_true(sites_check(&good, &none));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct option_list list = { .at = { "http://good", bad[i] }, .n = 2 };
        struct err err = { 0 };

        assert_false(sites_check(&list, &err));
        assert_int_equal(err.code, ERR_FIELD);
        assert_string_equal(err.where, "--allow-origin");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_told_apart),
        cmocka_unit_test(what_no_browser_sends_is_no_origin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
