/* What the tests of IDX, NPY and raw bytes share: bytes put together, a reader run on them, and the
 * ways to be hostile to it. Included behind cmocka.h. */
#ifndef ARRAY_READER_H
#define ARRAY_READER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail_malloc.h"
#include "memory_sink.h"
#include "table.h"

#define N(a) (sizeof(a) / sizeof(a)[0])

typedef bool array_reader(const char *bytes, size_t len, enum csv_part part, enum target_kind kind,
                          const struct table_limits *limits, struct table_sink *sink,
                          struct table_info *ret, struct err *err);

struct bytes {
    char data[4096];
    size_t len;
};

/* The value in size bytes of that order; zeros where it has none. */
static inline void put(struct bytes *to, uint64_t value, size_t size, bool big_endian)
{
    for (size_t i = 0; i < size; i++) {
        const size_t shift = 8 * (big_endian ? size - 1 - i : i);

        to->data[to->len++] = (char)(shift < 64 ? (unsigned char)(value >> shift) : 0);
    }
}

static inline void put_f32(struct bytes *to, float value, bool big_endian)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    put(to, bits, sizeof bits, big_endian);
}

static inline void put_f64(struct bytes *to, double value, bool big_endian)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    put(to, bits, sizeof bits, big_endian);
}

/* What the bytes gave; done with array_read_done. */
struct array_read {
    bool ok;
    struct memory_sink sink;
    struct table_info info;
    struct err err;
};

static inline struct array_read read_array(array_reader *reader, const char *bytes, size_t len,
                                           enum csv_part part, enum target_kind kind)
{
    const struct table_limits limits = { .max_features = 1000, .max_rows = 100000 };
    struct array_read read = { .sink = memory_sink() };
    char *exact = __real_malloc(len > 0 ? len : 1); /* so that a sanitizer sees its end */

    assert_non_null(exact);
    memcpy(exact, bytes, len);
    read.ok = reader(exact, len, part, kind, &limits, &read.sink.sink, &read.info, &read.err);
    __real_free(exact);
    assert_int_equal(read.ok, read.err.code == ERR_NONE);
    assert_int_equal(read.ok, read.info.rows > 0);
    return read;
}

static inline void array_read_done(struct array_read *read)
{
    memory_sink_done(&read->sink);
    table_info_done(&read->info);
}

static inline void check_floats(const struct memory_part *part, const float *expect, size_t n)
{
    assert_int_equal(part->len, n * sizeof *expect);
    for (size_t i = 0; i < n; i++) {
        const float value = memory_float(part, i);

        assert_memory_equal(&value, &expect[i], sizeof value); /* the bits: -0 is not 0 */
    }
}

/* Row i's class is called expect[i]. */
static inline void check_names(const struct array_read *read, const char *const *expect, size_t n)
{
    assert_int_equal(read->sink.y.len, n * sizeof(uint32_t));
    assert_int_equal(read->info.kind, TARGET_LABELS);
    assert_int_equal(read->info.y_width, 1);
    assert_int_equal(read->info.x_rank, 0);
    for (size_t i = 0; i < n; i++) {
        const uint32_t index = read->info.remap[memory_index(&read->sink.y, i)];

        assert_string_equal(read->info.classes->name[index], expect[i]);
    }
}

static inline void check_refused(array_reader *reader, const struct bytes *bytes,
                                 enum csv_part part, enum target_kind kind, enum err_code code,
                                 const char *where, const char *text)
{
    struct array_read read = read_array(reader, bytes->data, bytes->len, part, kind);

    assert_string_equal(read.err.text, text);
    assert_string_equal(read.err.where, where);
    assert_int_equal(read.err.code, code);
    array_read_done(&read);
}

/* Whatever is done to the bytes, reading them ends within them, with rows or with a reason. */
static inline void check_cut_and_flipped(array_reader *reader, const struct bytes *bytes)
{
    static const struct {
        enum csv_part part;
        enum target_kind kind;
    } ways[] = { { CSV_FEATURES, TARGET_NONE },
                 { CSV_TARGETS, TARGET_LABELS },
                 { CSV_TARGETS, TARGET_NUMBERS } };
    struct array_read read;

    for (size_t way = 0; way < N(ways); way++) {
        for (size_t len = 0; len < bytes->len; len++) {
            read = read_array(reader, bytes->data, len, ways[way].part, ways[way].kind);
            assert_false(read.ok); /* every byte is needed */
            array_read_done(&read);
        }
        for (size_t i = 0; i < bytes->len; i++) {
            for (int value = 0; value < 256; value++) {
                struct bytes flipped = *bytes;

                flipped.data[i] = (char)value;
                read = read_array(reader, flipped.data, bytes->len, ways[way].part, ways[way].kind);
                array_read_done(&read);
            }
        }
    }
}

/* Labels need memory; each allocation fails in turn. */
static inline void check_starved(array_reader *reader, const struct bytes *labels)
{
    bool ok = false;

    for (size_t k = 1; !ok; k++) {
        struct array_read read;

        fail_malloc_start(k);
        read = read_array(reader, labels->data, labels->len, CSV_TARGETS, TARGET_LABELS);
        ok = read.ok;
        assert_int_equal(read.err.code, ok ? ERR_NONE : ERR_MEMORY);
        array_read_done(&read);
        assert_int_equal(fail_malloc_live, 0);
        assert_true(ok || k < 100);
    }
    assert_true(fail_malloc_calls > 5);
    fail_malloc_start(0);
}

#endif
