#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "msg_bundle.h"

static void assert_written(const struct msg_bundle *bundle, const char *is)
{
    struct text text = { 0 };

    msg_bundle_encode(&text, bundle);
    assert_false(text.failed);
    assert_string_equal(text.data, is);
    text_done(&text);
}

static void a_manifest_says_what_there_is(void **state)
{
    static const uint64_t numbers[] = { 1, 3 };
    static uint64_t jobs[] = { 1, 2 }, unfinished[] = { UINT64_MAX };
    static struct msg_bundle_model models[] = {
        { "a", 1700000000.0, 1700000001.5, 3, 2, 5, numbers, 2 },
        { "b", 1700000000.0, 1700000000.0, 1, 0, 1, numbers, 1 },
    };
    static struct msg_bundle_dataset datasets[] = { { "d", 7 }, { "e", 8 } };
    const struct msg_bundle bundle = { "0.1.0", 1700000002.0, models,     2, datasets,
                                       2,       jobs,         unfinished, 2, 1 };

    (void)state;
    assert_written(
        &bundle,
        "{\"format\": \"sigmad-bundle\", \"format_version\": 1, \"sigmad\": \"0.1.0\", "
        "\"created\": \"2023-11-14T22:13:22.000Z\",\n"
        " \"models\": [{\"name\": \"a\", \"created\": \"2023-11-14T22:13:20.000Z\", "
        "\"updated\": \"2023-11-14T22:13:21.500Z\", \"served\": 3, \"chosen\": 2, \"last\": 5, "
        "\"versions\": [1, 3]},\n"
        "  {\"name\": \"b\", \"created\": \"2023-11-14T22:13:20.000Z\", "
        "\"updated\": \"2023-11-14T22:13:20.000Z\", \"served\": 1, \"chosen\": 0, \"last\": 1, "
        "\"versions\": [1]}],\n"
        " \"datasets\": [{\"name\": \"d\", \"generation\": 7},\n"
        "  {\"name\": \"e\", \"generation\": 8}],\n"
        " \"jobs\": [\"1\", \"2\"], \"unfinished\": [\"18446744073709551615\"]}\n");
}

static void a_manifest_of_nothing_has_all_its_lists(void **state)
{
    const struct msg_bundle bundle = { .release = "0.1.0", .created = 1700000002.0 };

    (void)state;
    assert_written(&bundle,
                   "{\"format\": \"sigmad-bundle\", \"format_version\": 1, \"sigmad\": \"0.1.0\", "
                   "\"created\": \"2023-11-14T22:13:22.000Z\",\n"
                   " \"models\": [],\n \"datasets\": [],\n \"jobs\": [], \"unfinished\": []}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_says_what_there_is),
        cmocka_unit_test(a_manifest_of_nothing_has_all_its_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
