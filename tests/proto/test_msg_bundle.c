#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail_malloc.h"
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

/* ---- reading ---- */

#define HEAD                                                                                       \
    "{\"format\": \"sigmad-bundle\", \"format_version\": 1, \"sigmad\": \"0.1.0\", "               \
    "\"created\": \"2023-11-14T22:13:22.000Z\", "
#define MODEL(name, rest)                                                                          \
    "{\"name\": \"" name "\", \"created\": \"2023-11-14T22:13:20.001Z\", "                         \
    "\"updated\": \"2023-11-14T22:13:21.999Z\", " rest "}"
#define GOOD "\"served\": 3, \"chosen\": 2, \"last\": 5, \"versions\": [1, 3]"
#define TAIL                                                                                       \
    ", \"datasets\": [{\"name\": \"d\", \"generation\": 7}], \"jobs\": [\"1\"], \"unfinished\": "  \
    "[]}"

static const char whole[] = HEAD "\"models\": [" MODEL("a", GOOD) ", " MODEL("b", GOOD) "]" TAIL;
static const struct msg_bundle_limits limits = { 3, 3, 2, 2 };

static bool decode(const char *text, size_t len, struct arena *arena, struct msg_bundle *ret,
                   struct err *err)
{
    const bool ok = msg_bundle_decode(text, len, &limits, arena, ret, err);

    assert_int_equal(ok, err->code == ERR_NONE);
    return ok;
}

/* Up to the millisecond, times included. */
static void what_is_read_is_what_was_written(void **state)
{
    struct arena arena = { 0 };
    struct msg_bundle bundle, again;
    struct text text = { 0 }, more = { 0 };
    struct err err = { 0 };

    (void)state;
    assert_true(decode(whole, sizeof whole - 1, &arena, &bundle, &err));
    assert_int_equal(bundle.n_models, 2);
    assert_string_equal(bundle.models[1].name, "b");
    assert_int_equal(bundle.models[1].served, 3);
    assert_int_equal(bundle.models[1].chosen, 2);
    assert_int_equal(bundle.models[1].last, 5);
    assert_int_equal(bundle.models[1].n, 2);
    assert_int_equal(bundle.models[1].versions[1], 3);
    assert_int_equal(bundle.n_datasets, 1);
    assert_int_equal(bundle.datasets[0].generation, 7);
    assert_int_equal(bundle.n_jobs, 1);
    assert_int_equal(bundle.n_unfinished, 0);
    msg_bundle_encode(&text, &bundle);
    assert_non_null(strstr(text.data, "2023-11-14T22:13:20.001Z"));
    assert_non_null(strstr(text.data, "2023-11-14T22:13:21.999Z"));
    assert_true(decode(text.data, text.len, &arena, &again, &err));
    msg_bundle_encode(&more, &again);
    assert_string_equal(more.data, text.data);
    text_done(&text);
    text_done(&more);
    arena_done(&arena);
}

static void assert_refused(const char *text, enum err_code code, const char *said)
{
    struct arena arena = { 0 };
    struct msg_bundle bundle;
    struct err err = { 0 };
    char detail[512];

    assert_false(decode(text, strlen(text), &arena, &bundle, &err));
    err_detail(&err, detail, sizeof detail);
    assert_string_equal(detail, said);
    assert_int_equal(err.code, code);
    arena_done(&arena);
}

#define MODELS(...) HEAD "\"models\": [" __VA_ARGS__ "]" TAIL

static void what_is_wrong_is_named(void **state)
{
    static const char *const no_times[] = {
        "yesterday",
        "",
        "-023-11-14T22:13:20.001Z",
        "+023-11-14T22:13:20.001Z",
        "2023- 1-14T22:13:20.001Z",
        "2023-11-14T22:13:20.+01Z",
        "2023-11-14T22:13:20.001",
        "2023-11-14 22:13:20.001Z",
    };

    (void)state;
    assert_refused("{}", ERR_FIELD, "format is missing");
    assert_refused("{\"format\": \"x\"}", ERR_FIELD, "format must be sigmad-bundle, is 'x'");
    assert_refused("{\"format\": \"sigmad-bundle\", \"format_version\": 2, \"new\": 1}", ERR_FIELD,
                   "format_version is 2, this server reads 1");
    assert_refused(MODELS(MODEL("b", GOOD) ", " MODEL("a", GOOD)), ERR_FIELD,
                   "models[1].name 'a' must come behind 'b', by its bytes");
    assert_refused(MODELS(MODEL("a", GOOD) ", " MODEL("a", GOOD)), ERR_FIELD,
                   "models[1].name 'a' must come behind 'a', by its bytes");
    assert_refused(
        MODELS(MODEL("../a", GOOD)), ERR_FIELD,
        "models[0].name must be 1 to 128 of A-Z a-z 0-9 . _ - and begin with a letter or "
        "digit, is '../a'");
    assert_refused(
        MODELS(MODEL("a", GOOD ", \"more\": 1")), ERR_FIELD,
        "models[0].more is not a field of a model; its fields are name, created, updated, "
        "served, chosen, last, versions");
    assert_refused(
        MODELS(MODEL("a", "\"served\": 1, \"chosen\": 0, \"last\": 1, \"versions\": [0]")),
        ERR_FIELD, "models[0].versions[0] must be 1 to 9223372036854775807, is 0");
    assert_refused(
        MODELS(MODEL("a", "\"served\": 1, \"chosen\": 0, \"last\": 1, \"versions\": [1, 1]")),
        ERR_FIELD, "models[0].versions[1] must be above 1, is 1");
    assert_refused(
        MODELS(MODEL("a", "\"served\": 1, \"chosen\": 0, \"last\": 1, \"versions\": []")),
        ERR_FIELD, "models[0].versions must be 1 at least");
    assert_refused(
        MODELS(MODEL("a", "\"served\": 1, \"chosen\": 4, \"last\": 4, \"versions\": [1, 2, 3, 4]")),
        ERR_LIMIT, "models[0].versions are 4, and as many as 3 are kept here");
    assert_refused(
        MODELS(MODEL("a", "\"served\": 2, \"chosen\": 0, \"last\": 3, \"versions\": [1, 3]")),
        ERR_FIELD, "models[0].served is 2, which is none of the versions");
    assert_refused(
        MODELS(MODEL("a", "\"served\": 1, \"chosen\": 2, \"last\": 3, \"versions\": [1, 3]")),
        ERR_FIELD, "models[0].chosen must be 3 at least, since 1 is served, is 2");
    assert_refused(
        MODELS(MODEL("a", "\"served\": 3, \"chosen\": 4, \"last\": 3, \"versions\": [1, 3]")),
        ERR_FIELD, "models[0].last must be 4 at least, as versions and chosen are, is 3");
    assert_refused(HEAD "\"models\": [], \"datasets\": [{\"name\": \"d\", \"generation\": 0}]}",
                   ERR_FIELD, "datasets[0].generation must be 1 to 9223372036854775806, is 0");
    assert_refused(HEAD "\"models\": [], \"datasets\": [], \"jobs\": [\"01\"]}", ERR_FIELD,
                   "jobs[0] must be the id of a job, \"1\" to \"9223372036854775806\"");
    assert_refused(HEAD "\"models\": [], \"datasets\": [], \"jobs\": [\"2\", \"1\"]}", ERR_FIELD,
                   "jobs[1] must be above 2, is 1");
    assert_refused(HEAD "\"models\": [], \"datasets\": [], \"jobs\": [\"1\", \"2\", \"3\"]}",
                   ERR_LIMIT, "jobs are 3, and as many as 2 are kept here");
    for (size_t i = 0; i < sizeof no_times / sizeof *no_times; i++) {
        char text[64];

        snprintf(text, sizeof text, "{\"created\": \"%s\"}", no_times[i]);
        assert_refused(text, ERR_FIELD, "created must be a time such as 2026-11-26T18:00:00.000Z");
    }
    assert_refused("{\"created\": \"2023-02-29T00:00:00.000Z\"}", ERR_FIELD,
                   "created is no time that there is");
}

static void every_cut_and_every_flip_ends_in_an_answer(void **state)
{
    char text[sizeof whole];

    (void)state;
    for (size_t at = 0; at < sizeof whole - 1; at++) {
        char *cut = malloc(at + 1); /* so that a sanitizer sees its end */
        struct arena arena = { 0 };
        struct msg_bundle bundle;
        struct err err = { 0 };

        assert_non_null(cut);
        memcpy(cut, whole, at);
        assert_false(decode(cut, at, &arena, &bundle, &err));
        free(cut);
        for (unsigned bit = 1; bit < 256; bit <<= 1) {
            memcpy(text, whole, sizeof whole);
            text[at] = (char)(text[at] ^ (char)bit);
            err = (struct err){ 0 };
            decode(text, sizeof whole - 1, &arena, &bundle, &err);
        }
        arena_done(&arena);
    }
}

static void without_memory_it_is_an_error(void **state)
{
    bool ok = false;

    (void)state;
    for (size_t at = 1; !ok; at++) {
        struct arena arena = { 0 };
        struct msg_bundle bundle;
        struct err err = { 0 };

        fail_malloc_start(at);
        ok = decode(whole, sizeof whole - 1, &arena, &bundle, &err);
        arena_done(&arena);
        assert_int_equal(fail_malloc_live, 0);
        fail_malloc_start(0);
        assert_int_equal(err.code, ok ? ERR_NONE : ERR_MEMORY);
        assert_true(ok || at < 100);
    }
}

static void the_reply_names_what_was_taken_in(void **state)
{
    struct arena arena = { 0 };
    struct msg_bundle bundle;
    struct text text = { 0 };
    struct err err = { 0 };

    (void)state;
    assert_true(decode(whole, sizeof whole - 1, &arena, &bundle, &err));
    msg_bundle_reply_encode(&text, &bundle);
    assert_string_equal(text.data, "{\"models\": [\"a\", \"b\"], \"datasets\": [\"d\"], "
                                   "\"jobs\": [\"1\"], \"unfinished\": []}\n");
    text_done(&text);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_says_what_there_is),
        cmocka_unit_test(a_manifest_of_nothing_has_all_its_lists),
        cmocka_unit_test(what_is_read_is_what_was_written),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(every_cut_and_every_flip_ends_in_an_answer),
        cmocka_unit_test(without_memory_it_is_an_error),
        cmocka_unit_test(the_reply_names_what_was_taken_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
