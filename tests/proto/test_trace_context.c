/* traceparent: what the standard's own words and examples say of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "trace_context.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

/* On the heap, so that the sanitizer sees a byte that is read behind the end. */
static bool decode(const char *text, struct trace_context *ret)
{
    char *copy = strdup(text);
    bool ok = trace_context_decode(copy, ret);

    free(copy);
    return ok;
}

static void refused(const char *text)
{
    struct trace_context before, context;

    memset(&before, 0x5a, sizeof before);
    context = before;
    assert_false(decode(text, &context));
    assert_memory_equal(&context, &before, sizeof context);
}

static void the_standards_example(void **state)
{
    struct trace_context context;

    (void)state;
    assert_true(decode("00-" TRACE "-" PARENT "-01", &context));
    assert_string_equal(context.trace_id, TRACE);
    assert_string_equal(context.parent_id, PARENT);
    assert_true(context.sampled);
    assert_true(decode("00-" TRACE "-" PARENT "-00", &context));
    assert_false(context.sampled);
}

/* Flags that mean nothing yet are ignored: only the last bit counts. */
static void other_flags_are_ignored(void **state)
{
    struct trace_context context;

    (void)state;
    assert_true(decode("00-" TRACE "-" PARENT "-ff", &context));
    assert_true(context.sampled);
    assert_true(decode("00-" TRACE "-" PARENT "-fe", &context));
    assert_false(context.sampled);
}

static void later_versions_may_say_more(void **state)
{
    struct trace_context context;

    (void)state;
    assert_true(decode("01-" TRACE "-" PARENT "-01", &context));
    assert_true(decode("cc-" TRACE "-" PARENT "-01-what-the-future-holds", &context));
    assert_string_equal(context.trace_id, TRACE);
    refused("cc-" TRACE "-" PARENT "-01.what");
    refused("00-" TRACE "-" PARENT "-01-what");
    refused("ff-" TRACE "-" PARENT "-01");
}

static void what_is_none_is_passed_over(void **state)
{
    (void)state;
    refused("");
    refused("00");
    refused("0-" TRACE "-" PARENT "-01");
    refused("0x-" TRACE "-" PARENT "-01");
    refused("00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01");
    refused("00-" TRACE "-00F067AA0BA902B7-01");
    refused("00-00000000000000000000000000000000-" PARENT "-01");
    refused("00-" TRACE "-0000000000000000-01");
    refused("00-" TRACE "0-" PARENT "-01");
    refused("00-" TRACE "-" PARENT "0-01");
    refused("00-" TRACE "-" PARENT "-0");
    refused("00-" TRACE "-" PARENT "-001");
    refused("00-" TRACE "-" PARENT "-0g");
    refused("00-" TRACE "-" PARENT "-01 ");
    refused(" 00-" TRACE "-" PARENT "-01");
    refused("00-" TRACE "-" PARENT "-01, 00-" TRACE "-" PARENT "-01"); /* the header twice */
}

/* Cut anywhere, and with any byte at any place that may not stand there. */
static void cut_or_changed_anywhere(void **state)
{
    static const char whole[] = "00-" TRACE "-" PARENT "-01";
    char text[sizeof whole];

    (void)state;
    for (size_t len = 0; len < sizeof whole - 1; len++) {
        memcpy(text, whole, len);
        text[len] = '\0';
        refused(text);
    }
    for (size_t at = 0; at < sizeof whole - 1; at++) {
        for (int byte = 1; byte < 256; byte++) {
            struct trace_context context;
            bool hex = strchr("0123456789abcdef", byte) != NULL;

            memcpy(text, whole, sizeof whole);
            text[at] = (char)byte;
            if (whole[at] == '-' ? byte != '-' : !hex) {
                refused(text);
            } else {
                assert_true(decode(text, &context)); /* none of these is ff, or zero */
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standards_example),
        cmocka_unit_test(other_flags_are_ignored),
        cmocka_unit_test(later_versions_may_say_more),
        cmocka_unit_test(what_is_none_is_passed_over),
        cmocka_unit_test(cut_or_changed_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
