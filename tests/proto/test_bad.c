/* Bodies from files: tests/proto/bad/MESSAGE/CASE/ holds body.json and, in expect, the error's
 * code, where and text, a line each; tests/proto/good/MESSAGE/CASE/ holds their neighbours, which
 * must pass. All of them are also cut short at every byte, have every byte changed, and are read
 * with memory running out: whatever is said then, nothing may be touched that is not theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "decoders.h"
#include "fail_malloc.h"

static const char *const code_names[ERR_COUNT] = {
    [ERR_SYNTAX] = "ERR_SYNTAX",
    [ERR_FIELD] = "ERR_FIELD",
    [ERR_RANGE] = "ERR_RANGE",
    [ERR_TOO_LARGE] = "ERR_TOO_LARGE",
};

/* All bytes of DIR/NAME, malloc'd without one to spare, so that a sanitizer sees a step too far. */
static char *slurp(const char *dir, const char *name, size_t *len)
{
    char path[512], *bytes;
    FILE *file;
    long end;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "rb");
    if (file == NULL) {
        fail_msg("cannot open %s", path);
    }
    fseek(file, 0, SEEK_END);
    end = ftell(file);
    rewind(file);
    assert_true(end >= 0);
    *len = (size_t)end;
    bytes = malloc(*len);
    assert_true(*len == 0 || bytes != NULL);
    assert_int_equal(fread(bytes, 1, *len, file), *len);
    fclose(file);
    return bytes;
}

typedef void case_fn(const struct decoder *decoder, const char *dir, const char *body, size_t len);

/* Calls back for each case of each message under tests/proto/KIND; says how many there were. */
static size_t walk(const char *kind, case_fn *each)
{
    size_t n = 0;

    for (size_t i = 0; i < DECODERS; i++) {
        char top[128], dir[400];
        struct dirent *entry;
        DIR *cases;

        snprintf(top, sizeof top, "tests/proto/%s/%s", kind, decoders[i].name);
        cases = opendir(top);
        if (cases == NULL) {
            fail_msg("cannot open %s: tests run at the top of the tree", top);
        }
        while ((entry = readdir(cases)) != NULL) {
            char *body;
            size_t len;

            if (entry->d_name[0] == '.') {
                continue;
            }
            snprintf(dir, sizeof dir, "%s/%s", top, entry->d_name);
            body = slurp(dir, "body.json", &len);
            each(&decoders[i], dir, body, len);
            free(body);
            n++;
        }
        closedir(cases);
    }
    return n;
}

/* taken: bytes of the arena that are in use before, so that what it has left ends where we like. */
static bool decode_in(const struct decoder *decoder, size_t taken, const char *body, size_t len,
                      struct err *err)
{
    struct arena arena = { 0 };
    bool ok;

    assert_true(taken == 0 || arena_alloc(&arena, taken, 1) != NULL);
    ok = decoder->decode(body, len, &arena, err);
    arena_done(&arena);
    if (ok != (err->code == ERR_NONE)) {
        fail_msg("%s: result and error disagree", decoder->name);
    }
    return ok;
}

static bool decode(const struct decoder *decoder, const char *body, size_t len, struct err *err)
{
    return decode_in(decoder, 0, body, len, err);
}

static size_t wrong; /* errors that were not as expected; all are shown before the test fails */

static void expect_error(const struct decoder *decoder, const char *dir, const char *body,
                         size_t len)
{
    struct err err = { 0 };
    char is[600], *expect;
    size_t expect_len;

    if (decode(decoder, body, len, &err)) {
        fail_msg("%s was accepted", dir);
    }
    snprintf(is, sizeof is, "%s\n%s\n%s\n",
             code_names[err.code] == NULL ? "?" : code_names[err.code], err.where, err.text);
    expect = slurp(dir, "expect", &expect_len);
    if (strlen(is) != expect_len || memcmp(is, expect, expect_len) != 0) {
        print_error("%s: expected\n%.*sbut got\n%s", dir, (int)expect_len, expect, is);
        wrong++;
    }
    free(expect);
}

static void bad_bodies_are_refused_with_place_and_reason(void **state)
{
    (void)state;
    wrong = 0;
    assert_true(walk("bad", expect_error) > 200);
    assert_int_equal(wrong, 0);
}

static void expect_success(const struct decoder *decoder, const char *dir, const char *body,
                           size_t len)
{
    struct err err = { 0 };

    if (!decode(decoder, body, len, &err)) {
        fail_msg("%s was refused: %s %s", dir, err.where, err.text);
    }
}

static void their_good_neighbours_pass(void **state)
{
    (void)state;
    assert_true(walk("good", expect_success) > 20);
}

/* Every length but the whole one is an error. */
static void cut(const struct decoder *decoder, const char *dir, const char *body, size_t len)
{
    while (len > 0 && (body[len - 1] == ' ' || body[len - 1] == '\n' || body[len - 1] == '\r')) {
        len--;
    }
    for (size_t n = decoder->optional ? 1 : 0; n < len; n++) {
        struct err err = { 0 };
        char *tight = malloc(n);

        assert_true(n == 0 || tight != NULL);
        if (n > 0) {
            memcpy(tight, body, n);
        }
        if (decode(decoder, tight, n, &err)) {
            fail_msg("%s was accepted when cut to %zu bytes", dir, n);
        }
        free(tight);
    }
}

static void bodies_cut_short_are_refused(void **state)
{
    (void)state;
    walk("good", cut);
}

/* Any byte, changed in several ways; the result may be good or bad, and is whole. */
static void flip(const struct decoder *decoder, const char *dir, const char *body, size_t len)
{
    static const char become[] = { '\0', '\xff', '"', '\\', '[', ']', '{', '}', ',', '0', '-' };
    char *changed = malloc(len);

    (void)dir;
    assert_true(len == 0 || changed != NULL);
    for (size_t at = 0; at < len; at++) {
        for (size_t how = 0; how < 8 + sizeof become; how++) {
            struct err err = { 0 };

            memcpy(changed, body, len);
            changed[at] ^= (char)(how < 8 ? 1U << how : 0);
            if (how >= 8) {
                changed[at] = become[how - 8];
            }
            decode(decoder, changed, len, &err);
        }
    }
    free(changed);
}

static void changed_bytes_do_no_harm(void **state)
{
    (void)state;
    walk("good", flip);
}

/* With the k-th allocation failing, for every k: an error, or the same as ever, and no leak. */
static void starve(const struct decoder *decoder, const char *dir, const char *body, size_t len)
{
    struct err err = { 0 };
    size_t k = 0;

    do {
        err = (struct err){ 0 };
        fail_malloc_start(++k);
        decode(decoder, body, len, &err);
        fail_malloc_at = 0;
        if (fail_malloc_live != 0) {
            fail_msg("%s: %ld blocks leak when allocation %zu fails", dir, fail_malloc_live, k);
        }
        if (k <= fail_malloc_calls && err.code != ERR_MEMORY) {
            fail_msg("%s: allocation %zu failed, and nobody said so", dir, k);
        }
    } while (k <= fail_malloc_calls);
    assert_int_equal(err.code, ERR_NONE);
}

/* With room in the arena for less and less, and none to be had when that is used up. */
static void squeeze(const struct decoder *decoder, const char *dir, const char *body, size_t len)
{
    const size_t block = 64 * 1024, step = 64; /* what arena.c makes a block of, and aligns to */

    for (size_t left = 0; left < block / 3; left += step) {
        struct err err = { 0 };

        fail_malloc_start(2); /* the first is the block */
        decode_in(decoder, block - step - left, body, len, &err);
        fail_malloc_at = 0;
        if (fail_malloc_live != 0 || (fail_malloc_calls >= 2) != (err.code == ERR_MEMORY)) {
            fail_msg("%s: with room for %zu bytes: %ld leaks, %zu calls, error %d", dir, left,
                     fail_malloc_live, fail_malloc_calls, (int)err.code);
        }
    }
}

static void running_out_of_memory_is_an_error_and_no_leak(void **state)
{
    (void)state;
    walk("good", starve);
    walk("good", squeeze);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(bad_bodies_are_refused_with_place_and_reason),
        cmocka_unit_test(their_good_neighbours_pass),
        cmocka_unit_test(bodies_cut_short_are_refused),
        cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(running_out_of_memory_is_an_error_and_no_leak),
    };

    return cmocka_run_group_tests_name("bad", all, NULL, NULL);
}
