/* How fast a file is read as features by the reader of its format, in MB of input a second of one
 * core's time, which other processes do not change: the median of RUNS.
 *
 *   build/tests/bench/bench_parsers csv|json|jsonl|idx|npy|npz RUNS FILE
 *
 * tests/bench/parsers.py makes the files and a table. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "table.h"

#define RUNS_MAX 99

static const struct table_limits limits = { 1u << 20, SIZE_MAX };

static bool add(struct table_sink *sink, const void *bytes, size_t len, struct err *err)
{
    static char kept[1 << 18]; /* as large as what stands before a part's file */

    (void)sink;
    (void)err;
    for (size_t at = 0; at < len; at += sizeof kept) {
        memcpy(kept, (const char *)bytes + at, len - at < sizeof kept ? len - at : sizeof kept);
        __asm__ volatile("" ::"r"(kept) : "memory");
    }
    return true;
}

/* Freed by main. */
struct heap_room {
    struct table_room room; /* first, so that one is the other */
    char *bytes;            /* owned */
};

static char *take(struct table_room *room, size_t len, struct err *err)
{
    struct heap_room *to = (struct heap_room *)room;

    free(to->bytes);
    to->bytes = malloc(len);
    if (to->bytes == NULL) {
        err_set(err, ERR_MEMORY, "body", "does not fit into memory");
    }
    return to->bytes;
}

static bool file_read(const char *format, const char *bytes, size_t len, struct table_info *ret,
                      struct err *err)
{
    const struct csv_options options = { .part = CSV_FEATURES, .delimiter = ',' };
    const struct npz_names names = { NULL, NULL };
    struct table_sink sink = { add, add };
    struct heap_room room = { .room = { take } };
    bool ok;

    if (strcmp(format, "csv") == 0) {
        return csv_read(bytes, len, &options, &limits, &sink, ret, err);
    }
    if (strcmp(format, "json") == 0) {
        return json_table_read(bytes, len, CSV_FEATURES, &limits, &sink, ret, err);
    }
    if (strcmp(format, "jsonl") == 0) {
        return json_lines_read(bytes, len, CSV_FEATURES, TARGET_NONE, &limits, &sink, ret, err);
    }
    if (strcmp(format, "idx") == 0) {
        return idx_read(bytes, len, CSV_FEATURES, TARGET_NONE, &limits, &sink, ret, err);
    }
    if (strcmp(format, "npy") == 0) {
        return npy_read(bytes, len, CSV_FEATURES, TARGET_NONE, &limits, &sink, ret, err);
    }
    ok = npz_table_read(bytes, len, CSV_FEATURES, TARGET_NONE, &names, &limits, &room.room, &sink,
                        ret, err);
    free(room.bytes);
    return ok;
}

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static bool measure(const char *format, size_t runs, const char *bytes, size_t len)
{
    double took[RUNS_MAX];

    for (size_t i = 0; i < runs; i++) {
        const double begun = seconds();
        struct table_info info = { 0 };
        struct err err = { 0 };
        char why[512];

        if (!file_read(format, bytes, len, &info, &err)) {
            err_detail(&err, why, sizeof why);
            fprintf(stderr, "bench_parsers: %s\n", why);
            return false;
        }
        took[i] = seconds() - begun;
        table_info_done(&info);
    }
    qsort(took, runs, sizeof *took, ascending);
    printf("%.0f\n", (double)len / took[runs / 2] / 1e6);
    return true;
}

int main(int argc, char **argv)
{
    const size_t runs = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    const int fd = runs > 0 && runs <= RUNS_MAX ? open(argv[3], O_RDONLY) : -1;
    struct stat stat;
    char *bytes;
    bool ok;

    if (fd < 0 || fstat(fd, &stat) != 0) {
        fprintf(stderr, "usage: bench_parsers FORMAT RUNS FILE\n");
        return 1;
    }
    bytes = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    ok = bytes != MAP_FAILED && measure(argv[1], runs, bytes, (size_t)stat.st_size);
    close(fd);
    return ok ? 0 : 1;
}
