/* What is remembered of keyed calls to learn: the last ones, found by key, also when read back; a
 * file of them that has changed is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "disk.h"
#include "learn_keys.h"
#include "server.h"

/* main.c's, which no test here calls. */
void server_request_ended(struct server *server)
{
    (void)server;
}

static char folder[] = "/tmp/sigmad-test-XXXXXX";

/* The nth of many; all share a bucket when they are bundled. */
static struct learn_answer answer(size_t n, bool bundled)
{
    struct learn_answer ret = { .version = n + 2, .created = 1e9 + 0.25 * (double)n, .loss = 0.1 };

    snprintf(ret.key.key, DIGEST_HEX, "%08zx%056zx", bundled ? 7 : n, n);
    snprintf(ret.key.request, DIGEST_HEX, "%064zx", n * n);
    return ret;
}

static void same(const struct learn_answer *got, const struct learn_answer *want)
{
    assert_non_null(got);
    assert_string_equal(got->key.key, want->key.key);
    assert_string_equal(got->key.request, want->key.request);
    assert_int_equal(got->version, want->version);
    assert_true(got->created == want->created && got->loss == want->loss);
}

static struct learn_keys *keys_new(void)
{
    struct learn_keys *keys = NULL;
    struct err err = { 0 };

    assert_null(learn_keys_find(keys, "x"));
    assert_int_equal(learn_keys_count(keys), 0);
    assert_true(learn_keys_need(&keys, &err));
    return keys;
}

static void the_last_are_found(void **state)
{
    (void)state;
    for (int bundled = 0; bundled < 2; bundled++) {
        const size_t n = bundled ? 2000 : 3 * LEARN_KEYS_MAX + 17;
        const size_t kept = n < LEARN_KEYS_MAX ? n : LEARN_KEYS_MAX;
        struct learn_keys *keys = keys_new();
        struct learn_answer *all = calloc(LEARN_KEYS_MAX, sizeof *all);

        for (size_t i = 0; i < n; i++) {
            const struct learn_answer one = answer(i, bundled);

            assert_null(learn_keys_find(keys, one.key.key));
            learn_keys_add(keys, &one);
            same(learn_keys_find(keys, one.key.key), &one);
        }
        assert_int_equal(learn_keys_count(keys), kept);
        assert_non_null(all);
        learn_keys_copy(keys, all);
        for (size_t i = 0; i < n; i++) {
            const struct learn_answer one = answer(i, bundled);

            if (i < n - kept) {
                assert_null(learn_keys_find(keys, one.key.key));
            } else {
                same(learn_keys_find(keys, one.key.key), &one);
                same(&all[i - (n - kept)], &one);
            }
        }
        free(all);
        learn_keys_free(keys);
    }
}

static void the_later_call_of_a_key_counts(void **state)
{
    struct learn_keys *keys = keys_new();
    struct learn_answer first = answer(1, false), second = first;

    (void)state;
    second.version = 9;
    second.loss = 0.5;
    learn_keys_add(keys, &second);
    learn_keys_add(keys, &first);
    same(learn_keys_find(keys, first.key.key), &second);
    second.version = 10;
    learn_keys_add(keys, &second);
    same(learn_keys_find(keys, first.key.key), &second);
    assert_int_equal(learn_keys_count(keys), 1);
    learn_keys_free(keys);
}

static void a_file_gives_them_back(void **state)
{
    static const size_t counts[] = { 0, 1, 1000, LEARN_KEYS_MAX };
    struct learn_answer *all = calloc(LEARN_KEYS_MAX, sizeof *all);
    struct err err = { 0 };

    (void)state;
    assert_non_null(all);
    for (size_t i = 0; i < LEARN_KEYS_MAX; i++) {
        all[i] = answer(i, false);
    }
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct learn_keys *keys = NULL;

        assert_true(learn_keys_save(folder, all, counts[c], &err));
        assert_true(learn_keys_load(folder, &keys, &err));
        assert_int_equal(learn_keys_count(keys), counts[c]);
        for (size_t i = 0; i < counts[c]; i++) {
            same(learn_keys_find(keys, all[i].key.key), &all[i]);
        }
        learn_keys_free(keys);
    }
    free(all);
}

static void file_write(const char *path, const char *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void refused(void)
{
    struct learn_keys *keys = NULL;
    struct err err = { 0 };

    assert_false(learn_keys_load(folder, &keys, &err));
    assert_int_equal(err.code, ERR_SYNTAX);
    learn_keys_free(keys);
}

/* Every byte, and every length. */
static void a_changed_file_is_refused(void **state)
{
    const struct learn_answer answers[] = { answer(3, false), answer(4, false) };
    struct err err = { 0 };
    struct learn_keys *keys = NULL;
    char path[64], bytes[600];
    FILE *file;
    size_t len;

    (void)state;
    assert_true(learn_keys_save(folder, answers, 2, &err));
    snprintf(path, sizeof path, "%s/keys", folder);
    file = fopen(path, "rb");
    assert_non_null(file);
    len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    assert_in_range(len, 2 * 2 * 64, sizeof bytes - 1);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)(bytes[i] ^ 0x20);
        file_write(path, bytes, len);
        refused();
        bytes[i] = (char)(bytes[i] ^ 0x20);
        file_write(path, bytes, i);
        refused();
    }
    unlink(path);
    assert_true(learn_keys_load(folder, &keys, &err));
    assert_null(keys);
}

/* Sums that are right, around what is not. */
static void what_is_no_answer_is_refused(void **state)
{
    static const char *const lines[] = { "x\n", "\n", "aa bb 1 2 3\n", "no end" };
    struct err err = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_true(disk_text_put(folder, "keys", lines[i], strlen(lines[i]), &err));
        refused();
    }
}

static int folder_make(void **state)
{
    (void)state;
    disk_durability_set(DISK_PROCESS);
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int folder_remove(void **state)
{
    (void)state;
    disk_remove(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_are_found),
        cmocka_unit_test(the_later_call_of_a_key_counts),
        cmocka_unit_test(a_file_gives_them_back),
        cmocka_unit_test(a_changed_file_is_refused),
        cmocka_unit_test(what_is_no_answer_is_refused),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
