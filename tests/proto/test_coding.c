/* Inflating: bytes cut anywhere, members, damage, and what is no compressed data at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "coding.h"
#include "rng.h"

#define LEN 3000
#define ROOM (3 * LEN)

/* Something between noise and zeros. */
static void text_fill(char text[LEN])
{
    struct rng rng;

    rng_init(&rng, 7);
    for (size_t i = 0; i < LEN; i++) {
        text[i] = (char)('0' + (int)(rng_unit(&rng) * 9.0));
    }
}

/* Inflates in pieces of step bytes, into room for `room` at a time; the whole length, or SIZE_MAX
 * with err set. */
static size_t inflate_all(enum coding coding, const char *in, size_t len, size_t step, size_t room,
                          char *out, struct err *err)
{
    struct inflater *inflater;
    size_t made = 0;
    bool ok = true;

    *err = (struct err){ 0 };
    assert_true(inflater_create(coding, &inflater, err));
    for (size_t at = 0; ok && at < len; at += step) {
        const char *piece = in + at;
        size_t left = len - at < step ? len - at : step, n;

        do {
            assert_true(made + room <= ROOM);
            ok = inflater_run(inflater, &piece, &left, out + made, room, &n, err);
            made += n;
        } while (ok && n == room);
        assert_true(!ok || left == 0);
    }
    ok = ok && inflater_end(inflater, err);
    inflater_free(inflater);
    return ok ? made : SIZE_MAX;
}

static void any_pieces_give_the_same(void **state)
{
    static char text[LEN], packed[2 * LEN], out[ROOM];
    struct err err;
    size_t len;

    (void)state;
    text_fill(text);
    for (enum coding coding = CODING_GZIP; coding <= CODING_DEFLATE; coding++) {
        assert_true(coding_deflate(coding, text, LEN, packed, &len));
        assert_true(len < LEN && len <= coding_bound(LEN));
        for (size_t step = 1; step <= len; step += step < 40 ? 1 : 97) {
            for (size_t room = 1; room <= LEN; room = room * 7 + 1) {
                assert_int_equal(inflate_all(coding, packed, len, step, room, out, &err), LEN);
                assert_memory_equal(out, text, LEN);
            }
        }
        for (size_t cut = 1; cut < len; cut++) {
            assert_int_equal(inflate_all(coding, packed, cut, cut, LEN, out, &err), SIZE_MAX);
            assert_int_equal(err.code, ERR_SYNTAX);
            assert_string_equal(err.where, "Content-Encoding");
        }
    }
}

/* How many of the bytes of a packed text can be changed without notice, and how many of those leave
 * another text. */
static size_t unnoticed(enum coding coding, size_t *other)
{
    static char text[LEN], packed[2 * LEN], out[ROOM];
    size_t len, n = 0;
    struct err err;

    text_fill(text);
    *other = 0;
    assert_true(coding_deflate(coding, text, LEN, packed, &len));
    for (size_t i = 0; i < len; i++) {
        size_t made;

        packed[i] = (char)(packed[i] ^ 0x55);
        made = inflate_all(coding, packed, len, len, LEN, out, &err);
        packed[i] = (char)(packed[i] ^ 0x55);
        if (made != SIZE_MAX) {
            assert_int_equal(made, LEN);
            *other += memcmp(out, text, LEN) != 0;
            n++;
        }
    }
    return n;
}

/* gzip's CRC-32 misses nothing; what may change is the time, the packer's flags and the system in
 * its header. zlib's Adler-32 lets one through here: digits that add up to the same as before. */
static void damage_is_noticed(void **state)
{
    size_t other;

    (void)state;
    assert_int_equal(unnoticed(CODING_GZIP, &other), 6);
    assert_int_equal(other, 0);
    assert_int_equal(unnoticed(CODING_DEFLATE, &other), 1);
    assert_int_equal(other, 1);
}

static void members_follow_each_other(void **state)
{
    static char text[LEN], packed[4 * LEN], out[ROOM];
    size_t one, two;
    struct err err;

    (void)state;
    text_fill(text);
    assert_true(coding_deflate(CODING_GZIP, text, 1000, packed, &one));
    assert_true(coding_deflate(CODING_GZIP, text + 1000, LEN - 1000, packed + one, &two));
    for (size_t step = 1; step <= one + two; step += 13) {
        assert_int_equal(inflate_all(CODING_GZIP, packed, one + two, step, 500, out, &err), LEN);
        assert_memory_equal(out, text, LEN);
    }
    packed[one] = 'x';
    assert_int_equal(inflate_all(CODING_GZIP, packed, one + 1, 9, LEN, out, &err), SIZE_MAX);
    assert_non_null(strstr(err.text, "more follows"));
    assert_true(coding_deflate(CODING_DEFLATE, text, LEN, packed, &one));
    assert_int_equal(inflate_all(CODING_DEFLATE, packed, one + 1, 9, LEN, out, &err), SIZE_MAX);
    assert_non_null(strstr(err.text, "more follows"));
}

/* The zlib format without its header of 2 bytes and checksum of 4. */
static void bare_deflate_is_taken(void **state)
{
    static char text[LEN], packed[2 * LEN], out[ROOM];
    struct err err;
    size_t len;

    (void)state;
    text_fill(text);
    assert_true(coding_deflate(CODING_DEFLATE, text, LEN, packed, &len));
    assert_int_equal(inflate_all(CODING_DEFLATE, packed + 2, len - 6, 10, LEN, out, &err), LEN);
    assert_memory_equal(out, text, LEN);
}

static void what_is_not_compressed_is_refused(void **state)
{
    static const char *const bodies[] = { "{\"inputs\": [[1, 2]]}", "x", "\x1f", "\x1f\x8b",
                                          "\x78\x9c\xff\xff\xff\xff" };
    static char out[ROOM];
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        for (enum coding coding = CODING_GZIP; coding <= CODING_DEFLATE; coding++) {
            assert_int_equal(inflate_all(coding, bodies[i], strlen(bodies[i]), 3, LEN, out, &err),
                             SIZE_MAX);
            assert_int_equal(err.code, ERR_SYNTAX);
        }
    }
}

static void headers(void **state)
{
    static const struct {
        const char *header;
        enum coding want;
    } wanted[] = { { NULL, CODING_IDENTITY },
                   { "", CODING_IDENTITY },
                   { "gzip", CODING_GZIP },
                   { "GZIP", CODING_GZIP },
                   { "deflate", CODING_DEFLATE },
                   { "deflate, gzip, br, zstd", CODING_GZIP },
                   { "gzip;q=0.2, deflate;q=0.5", CODING_DEFLATE },
                   { "gzip;q=0", CODING_IDENTITY },
                   { "gzip;q=0.5, identity", CODING_IDENTITY },
                   { "identity, gzip", CODING_GZIP },
                   { "br", CODING_IDENTITY },
                   { "*;q=0", CODING_IDENTITY },
                   { "*", CODING_GZIP },
                   { "identity;q=0, *", CODING_GZIP },
                   { "gzip;q=0, *;q=0.1", CODING_DEFLATE },
                   { "identity, *;q=0.5", CODING_IDENTITY } };
    struct err err = { 0 };
    enum coding coding;

    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        assert_int_equal(coding_wanted(wanted[i].header), wanted[i].want);
    }
    assert_true(coding_read(NULL, &coding, &err) && coding == CODING_IDENTITY);
    assert_true(coding_read("Identity", &coding, &err) && coding == CODING_IDENTITY);
    assert_true(coding_read("x-gzip", &coding, &err) && coding == CODING_GZIP);
    assert_true(coding_read("Deflate", &coding, &err) && coding == CODING_DEFLATE);
    assert_false(coding_read("gzip, gzip", &coding, &err));
    assert_int_equal(err.code, ERR_TYPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_pieces_give_the_same),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(members_follow_each_other),
        cmocka_unit_test(bare_deflate_is_taken),
        cmocka_unit_test(what_is_not_compressed_is_refused),
        cmocka_unit_test(headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
