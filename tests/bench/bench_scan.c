/* Bytes a second of number arrays read and written, against libc and jansson, on texts such as
 * clients send. Prints the best of several rounds each: the machine may be shared.
 *
 *   make build/tests/bench/bench_scan && build/tests/bench/bench_scan */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rng.h"
#include "table.h"
#include "text.h"
#include "value.h"

enum { COLS = 784, ROWS = 64, ROUNDS = 15 };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct sample {
    const char *name;
    char *bytes;
    size_t len;
    float *values;
};

static size_t read_ours(const struct sample *sample)
{
    struct err err = { 0 };
    struct scan scan;
    size_t rows = 0;
    bool more;

    scan_init(&scan, sample->bytes, sample->len);
    if (!scan_enter(&scan, &err)) {
        return 0;
    }
    while (scan_next(&scan, &more, &err) && more) {
        if (!value_row_of(&scan, sample->values + rows * COLS, COLS, &err)) {
            return 0;
        }
        rows++;
    }
    return err.code == ERR_NONE ? rows : 0;
}

static size_t read_strtof(const struct sample *sample)
{
    const char *p = sample->bytes;
    size_t n = 0;

    while (n < ROWS * COLS) {
        char *end;

        p += strspn(p, "[], \n");
        sample->values[n++] = strtof(p, &end);
        p = end;
    }
    return n / COLS;
}

static size_t read_jansson(const struct sample *sample)
{
    json_t *rows = json_loadb(sample->bytes, sample->len, 0, NULL);
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);

        for (size_t j = 0; j < json_array_size(row); j++) {
            sample->values[n++] = (float)json_number_value(json_array_get(row, j));
        }
    }
    json_decref(rows);
    return n / COLS;
}

static void report(const struct sample *sample, const char *who,
                   size_t (*read)(const struct sample *sample), int rounds)
{
    double best = 1e9;

    for (int i = 0; i < rounds; i++) {
        const double begin = now();

        if (read(sample) != ROWS) {
            printf("%s failed\n", who);
            exit(1);
        }
        best = now() - begin < best ? now() - begin : best;
    }
    printf("read  %-22s %-8s %6.3f GB/s %7.2f us a row of %d\n", sample->name, who,
           (double)sample->len / best * 1e-9, best / ROWS * 1e6, COLS);
}

static bool sink_values(struct table_sink *sink, const void *bytes, size_t len, struct err *err)
{
    static float piece[65536];

    (void)sink;
    (void)err;
    memcpy(piece, bytes, len < sizeof piece ? len : sizeof piece);
    return true;
}

static size_t read_table(const struct sample *sample)
{
    const struct table_limits limits = { .max_features = 65536, .max_rows = 1000000 };
    struct table_sink sink = { .features = sink_values };
    struct table_info info;
    struct err err = { 0 };
    size_t rows;

    if (!json_table_read(sample->bytes, sample->len, CSV_FEATURES, &limits, &sink, &info, &err)) {
        return 0;
    }
    rows = info.rows;
    table_info_done(&info);
    return rows;
}

static struct sample sample_make(const char *name, const char *fmt, const char *between, int kind)
{
    struct sample sample = { .name = name };
    struct text text = { 0 };
    struct rng rng;

    rng_init(&rng, 1);
    text_str(&text, "[");
    for (size_t i = 0; i < ROWS * COLS; i++) {
        const double u = rng_unit(&rng);

        text_str(&text, i % COLS != 0 ? between : i == 0 ? "[" : "],\n[");
        if (kind == 0) {
            text_printf(&text, fmt, u);
        } else if (kind == 1) { /* as a picture's bytes divided by 255: four in five are 0 */
            text_printf(&text, fmt,
                        rng_unit(&rng) < 0.8 ? 0.0 : (double)(float)(int)(u * 256) / 255);
        } else {
            text_printf(&text, fmt, rng_normal(&rng));
        }
    }
    text_str(&text, "]]");
    sample.bytes = text_detach(&text, &sample.len);
    sample.values = malloc(ROWS * COLS * sizeof *sample.values);
    if (sample.bytes == NULL || sample.values == NULL) {
        exit(1);
    }
    return sample;
}

static void write_report(const struct sample *sample)
{
    struct text text = { 0 };
    double best = 1e9, best_libc = 1e9;
    char buf[32];
    size_t sum = 0;

    for (int i = 0; i < ROUNDS; i++) {
        double begin = now();

        text.len = 0;
        text_rows(&text, sample->values, ROWS, COLS);
        best = now() - begin < best ? now() - begin : best;
        begin = now();
        for (size_t j = 0; j < ROWS * COLS; j++) {
            sum += (size_t)snprintf(buf, sizeof buf, "%.9g", (double)sample->values[j]);
        }
        best_libc = now() - begin < best_libc ? now() - begin : best_libc;
    }
    printf("write %-22s ours     %6.1f ns a float, %%.9g %.1f (%zu bytes, %zu)\n", sample->name,
           best / (ROWS * COLS) * 1e9, best_libc / (ROWS * COLS) * 1e9, text.len, sum / ROUNDS);
    text_done(&text);
}

int main(void)
{
    struct sample samples[] = {
        sample_make("%.4f", "%.4f", ", ", 0),
        sample_make("%.4f without blanks", "%.4f", ",", 0),
        sample_make("pictures, %.9g", "%.9g", ", ", 1),
        sample_make("17 digits", "%.17g", ", ", 0),
        sample_make("normal, %.6f", "%.6f", ", ", 2),
        sample_make("normal, %.8e", "%.8e", ", ", 2),
    };

    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        report(&samples[i], "jansson", read_jansson, 3);
        report(&samples[i], "strtof", read_strtof, 5);
        report(&samples[i], "ours", read_ours, ROUNDS);
        report(&samples[i], "table", read_table, ROUNDS);
        write_report(&samples[i]);
        free(samples[i].bytes);
        free(samples[i].values);
    }
    return 0;
}
