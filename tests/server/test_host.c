/* Whom a Host header may name: nobody that somebody else can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "host.h"

static const struct option_list none = { .n = 0 };

static void addresses_and_localhost_are_known(void **state)
{
    static const char *const hosts[] = {
        "localhost",      "localhost:8740", "LocalHost",        "localhost:",  "127.0.0.1",
        "127.0.0.1:8740", "127.1.2.3:1",    "10.0.0.7:65535",   "[::1]",       "[::1]:8740",
        "[fe80::1]:80",   "0.0.0.0:8740",   "[::ffff:1.2.3.4]", "192.168.1.1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (!host_known(hosts[i], &none)) {
            fail_msg("%s", hosts[i]);
        }
    }
}

static void what_a_name_can_be_made_to_look_like_is_not(void **state)
{
    static const char *const hosts[] = {
        "",
        "x",
        "evil.example",
        "evil.example:8740",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1evil",
        "127.0.0.1:8740.evil",
        "127.0.0.1:8740:1",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "127.0.0.1 ",
        " 127.0.0.1",
        "::1",
        "[::1",
        "[::1]evil",
        "[::1]:x",
        "[127.0.0.1]",
        "[localhost]",
        "[]",
        ":8740",
        "localhost:x",
        "localhost, 127.0.0.1",
        "user@127.0.0.1",
        "*",
        "[fe80::1%eth0]",
        "localhost/",
    };

    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        if (host_known(hosts[i], &none)) {
            fail_msg("%s", hosts[i]);
        }
    }
}

static void names_are_added(void **state)
{
    const struct option_list names = { .at = { "nets.example", "box" }, .n = 2 };

    (void)state;
    assert_true(host_known("nets.example", &names));
    assert_true(host_known("Nets.Example:443", &names));
    assert_true(host_known("box:8740", &names));
    assert_true(host_known("localhost", &names));
    assert_false(host_known("a.nets.example", &names));
    assert_false(host_known("nets.exampl", &names));
    assert_false(host_known("nets.example.evil", &names));
    assert_false(host_known("[box]", &names));
}

static void a_star_is_any(void **state)
{
    const struct option_list names = { .at = { "box", "*" }, .n = 2 };

    (void)state;
    assert_true(host_known("evil.example", &names));
    assert_true(host_known("", &names));
}

/* A name has 253 bytes at most. */
static void long_ones_are_cut_by_nobody(void **state)
{
    char host[400];
    const struct option_list names = { .at = { host }, .n = 1 };
    struct err err = { 0 };

    (void)state;
    for (size_t len = 250; len < sizeof host; len++) {
        memset(host, 'a', len);
        host[len] = '\0';
        assert_int_equal(host_known(host, &names), len <= 253);
    }
    assert_false(host_names_check(&names, &err));
    assert_string_equal(err.where, "--allow-host");
}

static void a_name_has_no_port(void **state)
{
    static const char *const bad[] = { "", "box:80", "http://box", "[::1]", "a b" };
    static const char *const good[] = { "box", "*", "nets.example", "10.0.0.1" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct option_list names = { .at = { "good", bad[i] }, .n = 2 };
        struct err err = { 0 };

        assert_false(host_names_check(&names, &err));
        assert_int_equal(err.code, ERR_FIELD);
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const struct option_list names = { .at = { good[i] }, .n = 1 };
        struct err err = { 0 };

        assert_true(host_names_check(&names, &err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_localhost_are_known),
        cmocka_unit_test(what_a_name_can_be_made_to_look_like_is_not),
        cmocka_unit_test(names_are_added),
        cmocka_unit_test(a_star_is_any),
        cmocka_unit_test(long_ones_are_cut_by_nobody),
        cmocka_unit_test(a_name_has_no_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
