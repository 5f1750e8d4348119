/* The first byte chooses the coding and the pieces, the rest is a body: pieces of any size give what
 * the whole gives. As a header, the rest is read without harm. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "coding.h"

#define ROOM ((size_t)64 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds) {
        abort();
    }
}

/* What body[len] inflates to, given step bytes at a time, up to ROOM; false: it is refused. */
static bool inflate_in(enum coding coding, const char *body, size_t len, size_t step, char *out,
                       size_t *made)
{
    struct inflater *inflater;
    struct err err = { 0 };
    bool ok = true;

    *made = 0;
    must(inflater_create(coding, &inflater, &err));
    for (size_t at = 0; ok && at < len && *made < ROOM; at += step) {
        const char *in = body + at;
        size_t left = len - at < step ? len - at : step, room, n;

        do {
            room = ROOM - *made < 8 * step ? ROOM - *made : 8 * step;
            ok = inflater_run(inflater, &in, &left, out + *made, room, &n, &err);
            must(n <= room && in >= body && in + left <= body + len);
            *made += n;
        } while (ok && n == room && n > 0);
        must(!ok || left == 0 || *made == ROOM);
    }
    ok = ok && (*made == ROOM || inflater_end(inflater, &err));
    must(ok || (err.code == ERR_SYNTAX && strcmp(err.where, "Content-Encoding") == 0));
    inflater_free(inflater);
    return ok;
}

static void header_read(const char *data, size_t size)
{
    char *header = calloc(size + 1, 1);
    struct err err = { 0 };
    enum coding coding;

    must(header != NULL);
    memcpy(header, data, size);
    must(coding_wanted(header) <= CODING_DEFLATE);
    must(coding_read(header, &coding, &err) == (err.code == ERR_NONE));
    free(header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole[ROOM], pieces[ROOM];
    const char *body = (const char *)data + 1;
    enum coding coding;
    size_t n, m, step;

    if (size < 2) {
        return 0;
    }
    coding = data[0] % 2 == 0 ? CODING_GZIP : CODING_DEFLATE;
    step = data[0] / 2 % 64 + 1;
    if (inflate_in(coding, body, size - 1, size - 1, whole, &n)) {
        must(inflate_in(coding, body, size - 1, step, pieces, &m));
        must(n == m && memcmp(whole, pieces, n) == 0);
    } else {
        must(!inflate_in(coding, body, size - 1, step, pieces, &m) || m == ROOM || n == ROOM);
    }
    header_read(body, size - 1);
    return 0;
}
