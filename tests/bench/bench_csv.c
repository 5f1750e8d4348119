/* How fast data sets are read, in MB of input a second on one core: best of five.
 *   gcc -O2 ... (make build/tests/bench/bench_csv), then build/tests/bench/bench_csv [FILE.csv] */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "table.h"

#define BYTES (64u << 20)

struct sum_sink {
    struct table_sink sink;
    uint64_t bytes;
};

static bool sum(struct table_sink *sink, const void *bytes, size_t len, struct err *err)
{
    static char kept[1 << 20];

    (void)err;
    for (size_t at = 0; at < len; at += sizeof kept) { /* what writing to a file's pages costs */
        memcpy(kept, (const char *)bytes + at, len - at < sizeof kept ? len - at : sizeof kept);
        __asm__ volatile("" ::"r"(kept) : "memory");
    }
    ((struct sum_sink *)sink)->bytes += len;
    return true;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t random_state = 1;

static uint32_t random_u32(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 32);
}

/* Fills BYTES with rows of columns; how prints one value. */
static size_t fill(char *text, size_t columns, int (*how)(char *at))
{
    size_t len = 0;

    while (len < BYTES - columns * 32) {
        for (size_t i = 0; i < columns; i++) {
            len += (size_t)how(text + len);
            text[len++] = i + 1 < columns ? ',' : '\n';
        }
    }
    return len;
}

static int pixel(char *at) /* four in five are 0, as in MNIST */
{
    const uint32_t r = random_u32();

    return sprintf(at, "%u", r % 5 != 0 ? 0 : r >> 24);
}

static int byte(char *at)
{
    return sprintf(at, "%u", random_u32() >> 24);
}

static int short_float(char *at)
{
    return sprintf(at, "%.1f", (double)(random_u32() >> 25) / 10.0);
}

static int six_digits(char *at)
{
    return sprintf(at, "%.6f", (double)random_u32() * 0x1p-32 - 0.5);
}

static int nine_digits(char *at)
{
    return sprintf(at, "%.9g", (double)random_u32() * 0x1p-28 - 8.0);
}

static int exponents(char *at)
{
    return sprintf(at, "%.18e", (double)random_u32() * 0x1p-28 - 8.0);
}

static bool read_csv(const char *bytes, size_t len, struct table_sink *sink)
{
    const struct table_limits limits = { 1u << 20, SIZE_MAX };
    const struct csv_options options = { .kind = TARGET_LABELS,
                                         .delimiter = ',',
                                         .part = CSV_FEATURES };
    struct table_info info;
    struct err err = { 0 };

    if (!csv_read(bytes, len, &options, &limits, sink, &info, &err)) {
        fprintf(stderr, "%s %s\n", err.where, err.text);
        return false;
    }
    table_info_done(&info);
    return true;
}

/* The array's type is given by its IDX code; len bytes of values behind the header. */
static bool read_idx(const char *bytes, size_t len, struct table_sink *sink)
{
    const struct table_limits limits = { 1u << 20, SIZE_MAX };
    struct table_info info;
    struct err err = { 0 };

    if (!idx_read(bytes, len, CSV_FEATURES, TARGET_NONE, &limits, sink, &info, &err)) {
        fprintf(stderr, "%s %s\n", err.where, err.text);
        return false;
    }
    table_info_done(&info);
    return true;
}

static bool read_raw(const char *bytes, size_t len, struct table_sink *sink)
{
    const size_t shape[2] = { len / 4096, 1024 };
    const struct table_limits limits = { 1u << 20, SIZE_MAX };
    struct table_info info;
    struct err err = { 0 };

    if (!raw_read(bytes, len, shape, 2, CSV_FEATURES, TARGET_NONE, &limits, sink, &info, &err)) {
        fprintf(stderr, "%s %s\n", err.where, err.text);
        return false;
    }
    table_info_done(&info);
    return true;
}

static void measure(const char *name, const char *bytes, size_t len,
                    bool (*read)(const char *, size_t, struct table_sink *))
{
    double best = 1e9;

    for (int i = 0; i < 5; i++) {
        struct sum_sink sink = { .sink = { sum, sum } };
        const double start = now();

        if (!read(bytes, len, &sink.sink)) {
            exit(1);
        }
        best = now() - start < best ? now() - start : best;
    }
    printf("%-36s %8.0f MB/s\n", name, (double)len / best / 1e6);
}

static void measure_idx(const char *name, char *bytes, unsigned char type, size_t size)
{
    const uint32_t rows = (uint32_t)(BYTES / size / 1024);
    const unsigned char head[12] = { 0,
                                     0,
                                     type,
                                     2,
                                     (unsigned char)(rows >> 24),
                                     (unsigned char)(rows >> 16),
                                     (unsigned char)(rows >> 8),
                                     (unsigned char)rows,
                                     0,
                                     0,
                                     4,
                                     0 };

    memcpy(bytes, head, sizeof head);
    measure(name, bytes, sizeof head + rows * 1024 * size, read_idx);
}

int main(int argc, char **argv)
{
    char *text = calloc(1, BYTES + 64);

    if (text == NULL) {
        return 1;
    }
    if (argc > 1) {
        FILE *file = fopen(argv[1], "rb");

        if (file == NULL) {
            return 1;
        }
        measure(argv[1], text, fread(text, 1, BYTES, file), read_csv);
        fclose(file);
    }
    measure("csv, 784 pixels", text, fill(text, 784, pixel), read_csv);
    measure("csv, 64 bytes 0..255", text, fill(text, 64, byte), read_csv);
    measure("csv, 4 floats like 5.1", text, fill(text, 4, short_float), read_csv);
    measure("csv, 20 floats of 6 decimals", text, fill(text, 20, six_digits), read_csv);
    measure("csv, 20 floats of 9 digits", text, fill(text, 20, nine_digits), read_csv);
    measure("csv, 20 floats of 19 digits and e", text, fill(text, 20, exponents), read_csv);
    memset(text, 0, BYTES + 64);
    measure_idx("idx u8", text, 0x08, 1);
    measure_idx("idx i16", text, 0x0b, 2);
    measure_idx("idx f32 (big-endian)", text, 0x0d, 4);
    measure_idx("idx f64 (big-endian)", text, 0x0e, 8);
    memset(text, 0, 64);
    measure("raw f32", text, BYTES, read_raw);
    free(text);
    return 0;
}
