#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "numeral.h"
#include "fail_malloc.h"
#include "labels.h"
#include "spec.h"
#include "quote.h"

#define N(a) (sizeof(a) / sizeof(a)[0])

static void names_keep_their_indices_and_are_found(void **state)
{
    static const char *const names[] = { "dog", "cat", "", "catfish", "\xc3\xa9t\xc3\xa9", "10" };
    const char *const good[] = { names[0], names[1], names[3], names[4], names[5] };
    struct labels *labels = NULL;
    struct err err = { 0 };
    uint32_t index;

    (void)state;
    assert_true(labels_create(good, N(good), &labels, &err));
    assert_int_equal(labels->n, N(good));
    for (uint32_t i = 0; i < N(good); i++) {
        assert_string_equal(labels->name[i], good[i]);
        assert_true(labels_find(labels, good[i], strlen(good[i]), &index));
        assert_int_equal(index, i);
        assert_true(i == 0 || strcmp(labels->name[labels->sorted[i - 1]],
                                     labels->name[labels->sorted[i]]) < 0);
    }
    index = 99;
    assert_false(labels_find(labels, "ca", 2, &index));
    assert_false(labels_find(labels, "cats", 4, &index));
    assert_false(labels_find(labels, "cat\0", 4, &index));
    assert_false(labels_find(labels, "", 0, &index));
    assert_false(labels_find(labels, "zebra", 5, &index));
    assert_int_equal(index, 99);
    assert_true(labels_find(labels, "catfish!", 7, &index)); /* len counts, not the NUL */
    assert_int_equal(index, 2);
    labels_free(labels);
    labels_free(NULL);
}

static void bad_names_are_refused_with_their_index(void **state)
{
    char longest[LABEL_LEN_MAX + 2];
    const struct {
        const char *names[4];
        const char *where, *text;
    } cases[] = {
        { { "a", "", "b", "c" }, "[1]", "must not be empty" },
        { { "a", "b", "a", "b" }, "[2]", "must differ from the others, is 'a' like [0]" },
        { { "a", "b", "b", "a" }, "[2]", "must differ from the others, is 'b' like [1]" },
        { { "a", "b", "c", "a" }, "[3]", "must differ from the others, is 'a' like [0]" },
        { { "\xe9t\xe9", "b", "c", "d" }, "[0]", "must be UTF-8 without NUL, is '?t?'" },
        { { "a", longest, "c", "d" },
          "[1]",
          "must be at most 256 bytes, is 257: 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'" },
    };

    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (size_t i = 0; i < N(cases); i++) {
        struct labels *labels = NULL;
        struct err err = { 0 };

        assert_false(labels_create(cases[i].names, 4, &labels, &err));
        assert_null(labels);
        assert_int_equal(err.code, ERR_FIELD);
        assert_string_equal(err.where, cases[i].where);
        assert_string_equal(err.text, cases[i].text);
    }
}

static void a_copy_is_equal_and_its_own(void **state)
{
    static const char *const names[] = { "b", "a" }, *const other[] = { "a", "b" };
    struct labels *first = NULL, *second = NULL, *third = NULL, *fourth = NULL;
    struct err err = { 0 };

    (void)state;
    assert_true(labels_create(names, 2, &first, &err));
    assert_true(labels_create(other, 2, &third, &err));
    assert_true(labels_create(names, 1, &fourth, &err));
    assert_true(labels_copy(first, &second, &err));
    assert_true(labels_equal(first, second));
    assert_false(labels_equal(first, third));
    assert_false(labels_equal(first, fourth));
    labels_free(first);
    assert_string_equal(second->name[0], "b");
    labels_free(second);
    labels_free(third);
    labels_free(fourth);
}

/* Adds the names and finishes; the final order must be that of expect. */
static void check_order(const char *const *names, const char *const *expect, size_t n)
{
    struct label_set *set = NULL;
    struct labels *labels = NULL;
    struct err err = { 0 };
    uint32_t *remap = NULL, index;

    assert_true(label_set_create(&set, &err));
    for (size_t i = 0; i < 2 * n; i++) { /* the second time they are known */
        assert_true(label_set_add(set, names[i % n], strlen(names[i % n]), &index, &err));
        assert_int_equal(index, i % n);
    }
    assert_true(label_set_finish(set, &labels, &remap, &err));
    assert_int_equal(labels->n, n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(labels->name[i], expect[i]);
        assert_string_equal(labels->name[remap[i]], names[i]);
    }
    labels_free(labels);
    free(remap);
    label_set_free(set);
}

static void numbers_sort_by_value_and_names_by_bytes(void **state)
{
    static const char *const digits[] = { "10", "9", "0", "-1" };
    static const char *const digits_sorted[] = { "-1", "0", "9", "10" };
    static const char *const mixed[] = { "10", "9", "x" }, *const mixed_sorted[] = { "10", "9",
                                                                                     "x" };
    static const char *const same[] = { "1.0", "1", "01", "1e0", "0.1e1", "+1", "-0", "0" };
    static const char *const same_sorted[] = { "-0", "0", "+1", "0.1e1", "01", "1", "1.0", "1e0" };
    static const char *const fine[] = {
        "9007199254740993", "9007199254740992", "1e400", "1e-400", "-1e400", "9007199254740992.5"
    };
    static const char *const fine_sorted[] = { "-1e400",           "1e-400",
                                               "9007199254740992", "9007199254740992.5",
                                               "9007199254740993", "1e400" };
    static const char *const odd[] = { "inf", "2", "1" }, *const odd_sorted[] = { "1", "2", "inf" };

    (void)state;
    check_order(digits, digits_sorted, N(digits));
    check_order(mixed, mixed_sorted, N(mixed));
    check_order(same, same_sorted, 6 + 2);
    check_order(fine, fine_sorted, N(fine));
    check_order(odd, odd_sorted, N(odd));
    check_order(NULL, NULL, 0);
}

static void numerals_compare_as_their_values_do(void **state)
{
    /* In ascending order; a '=' in front says equal to the one before. */
    static const char *const ladder[] = { "-1e3",    "=-1000", "=-1000.",    "-12.5", "=-0012.50",
                                          "-12",     "-.5",    "0",          "=-0",   "=0e7",
                                          "=+0.00",  "1e-9",   "0.00000001", "5e-2",  "=0.05",
                                          "=.5e-1",  ".5",     "=0.5",       "0.51",  "1",
                                          "=10e-1",  "1.001",  "9",          "10",    "=1e1",
                                          "=1.0e+1", "100",    "=1E2",       "101",   "1e15" };
    static const char *const none[] = { "",   "+",   "-",   ".",   "e1",    "1e",  "1e+", "1 ",
                                        " 1", "0x1", "nan", "inf", "1.2.3", "--1", "1,0" };
    struct numeral a, b;

    (void)state;
    for (size_t i = 0; i < N(ladder); i++) {
        for (size_t j = i; j < N(ladder); j++) {
            const char *x = ladder[i] + (ladder[i][0] == '='),
                       *y = ladder[j] + (ladder[j][0] == '=');
            bool equal = true;

            for (size_t k = i + 1; k <= j; k++) {
                equal = equal && ladder[k][0] == '=';
            }
            assert_true(numeral_read(x, strlen(x), &a));
            assert_true(numeral_read(y, strlen(y), &b));
            assert_int_equal(numeral_compare(&a, &b), equal ? 0 : -1);
            assert_int_equal(numeral_compare(&b, &a), equal ? 0 : 1);
        }
    }
    for (size_t i = 0; i < N(none); i++) {
        assert_false(numeral_read(none[i], strlen(none[i]), &a));
    }
}

static void a_set_holds_as_many_names_as_a_net_has_outputs(void **state)
{
    struct label_set *set = NULL;
    struct labels *labels = NULL;
    struct err err = { 0 };
    uint32_t *remap = NULL, index;
    char name[16];

    (void)state;
    assert_true(label_set_create(&set, &err));
    for (uint32_t i = 0; i < SPEC_UNITS_MAX; i++) {
        const int len = snprintf(name, sizeof name, "%u", (i * 40503u) % SPEC_UNITS_MAX);

        assert_true(label_set_add(set, name, (size_t)len, &index, &err));
        assert_int_equal(index, i);
    }
    assert_true(label_set_add(set, "65535", 5, &index, &err)); /* known ones still go */
    assert_false(label_set_add(set, "65536", 5, &index, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.text, "must be one of at most 65536 different labels");
    err = (struct err){ 0 };
    assert_true(label_set_finish(set, &labels, &remap, &err));
    for (uint32_t i = 0; i < SPEC_UNITS_MAX; i++) {
        assert_int_equal(atoi(labels->name[i]), i);
        assert_int_equal(remap[i], (i * 40503u) % SPEC_UNITS_MAX);
    }
    labels_free(labels);
    free(remap);
    label_set_free(set);
}

static void a_set_refuses_what_cannot_be_a_name(void **state)
{
    char longest[LABEL_LEN_MAX + 1];
    struct label_set *set = NULL;
    struct err err = { 0 };
    uint32_t index = 7;

    (void)state;
    memset(longest, 'x', sizeof longest);
    assert_true(label_set_create(&set, &err));
    assert_false(label_set_add(set, "", 0, &index, &err));
    assert_int_equal(err.code, ERR_FIELD);
    assert_string_equal(err.where, "");
    err = (struct err){ 0 };
    assert_false(label_set_add(set, longest, sizeof longest, &index, &err));
    assert_int_equal(err.code, ERR_FIELD);
    err = (struct err){ 0 };
    assert_false(label_set_add(set, "a\0b", 3, &index, &err));
    assert_int_equal(err.code, ERR_FIELD);
    assert_int_equal(index, 7);
    err = (struct err){ 0 };
    assert_true(label_set_add(set, longest, sizeof longest - 1, &index, &err));
    assert_int_equal(index, 0);
    label_set_free(set);
    label_set_free(NULL);
}

/* Everything a set does, with 100 names so that it grows; false with ERR_MEMORY when it says so. */
static bool use_set(struct err *err)
{
    struct label_set *set = NULL;
    struct labels *labels = NULL, *copy = NULL;
    uint32_t *remap = NULL, index;
    char name[16];
    bool ok = label_set_create(&set, err);

    for (int i = 0; ok && i < 100; i++) {
        const int len = snprintf(name, sizeof name, "n%d", i);

        ok = label_set_add(set, name, (size_t)len, &index, err);
        if (!ok) { /* a set that could not grow is as it was */
            struct err again = { 0 };

            fail_malloc_at = 0;
            assert_true(label_set_add(set, name, (size_t)len, &index, &again));
            assert_int_equal(index, i);
        }
    }
    ok = ok && label_set_finish(set, &labels, &remap, err) && labels_copy(labels, &copy, err);
    labels_free(copy);
    labels_free(labels);
    free(remap);
    label_set_free(set);
    return ok;
}

static void no_memory_is_reported_and_nothing_leaks(void **state)
{
    size_t calls = 0;

    (void)state;
    for (size_t k = 1;; k++) {
        struct err err = { 0 };
        bool ok;

        fail_malloc_start(k);
        ok = use_set(&err);
        calls = fail_malloc_calls;
        assert_int_equal(fail_malloc_live, 0);
        if (ok) {
            break;
        }
        assert_int_equal(err.code, ERR_MEMORY);
    }
    assert_true(calls > 10);
    fail_malloc_start(0);
}

static void messages_show_a_short_and_printable_piece(void **state)
{
    (void)state;
    assert_string_equal(quote("", 0).text, "");
    assert_string_equal(quote("a\nb\xff\0c", 6).text, "a?b??c");
    assert_string_equal(quote("0123456789012345678901234567890123456789", 40).text,
                        "0123456789012345678901234567890123456789");
    assert_string_equal(quote("012345678901234567890123456789012345678\xc3\xa9", 41).text,
                        "012345678901234567890123456789012345678...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_keep_their_indices_and_are_found),
        cmocka_unit_test(bad_names_are_refused_with_their_index),
        cmocka_unit_test(a_copy_is_equal_and_its_own),
        cmocka_unit_test(numbers_sort_by_value_and_names_by_bytes),
        cmocka_unit_test(numerals_compare_as_their_values_do),
        cmocka_unit_test(a_set_holds_as_many_names_as_a_net_has_outputs),
        cmocka_unit_test(a_set_refuses_what_cannot_be_a_name),
        cmocka_unit_test(no_memory_is_reported_and_nothing_leaks),
        cmocka_unit_test(messages_show_a_short_and_printable_piece),
    };

    return cmocka_run_group_tests_name("labels", tests, NULL, NULL);
}
