/* Every reader of data sets on its fuzz target's own corpus, each file with every byte changed and
 * cut at every length: rows as table.h promises them, or an error, nothing worse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <dirent.h>

typedef int try_fn(const unsigned char *data, size_t size);

/* The fuzz targets, under names of their own. */
static try_fn csv_try, json_try, jsonl_try, idx_try, npy_try, npz_try;
#define LLVMFuzzerTestOneInput csv_try
#include "fuzz/fuzz_csv.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput json_try
#include "fuzz/fuzz_json_table.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput jsonl_try
#include "fuzz/fuzz_jsonl.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput idx_try
#include "fuzz/fuzz_idx.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput npy_try
#include "fuzz/fuzz_npy.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput npz_try
#include "fuzz/fuzz_npz.c"
#undef LLVMFuzzerTestOneInput

#define FILE_MAX 4096

/* In a block of just that size, so that a sanitizer sees what is read behind it. */
static void bytes_try(try_fn *reader, const unsigned char *bytes, size_t len)
{
    unsigned char *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    memcpy(copy, bytes, len);
    reader(copy, len); /* which aborts when it is not as promised */
    free(copy);
}

static void file_try(try_fn *reader, const char *folder, const char *name)
{
    static const unsigned char changes[] = { 0x01, 0x10, 0x80, 0xff };
    unsigned char bytes[FILE_MAX];
    char path[512];
    FILE *file;
    size_t len;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "rb");
    assert_non_null(file);
    len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    for (size_t cut = 0; cut <= len; cut++) {
        bytes_try(reader, bytes, cut);
    }
    for (size_t i = 0; i < len; i++) {
        for (size_t k = 0; k < sizeof changes; k++) {
            bytes[i] ^= changes[k];
            bytes_try(reader, bytes, len);
            bytes[i] ^= changes[k];
        }
    }
}

static void corpus_try(try_fn *reader, const char *name)
{
    const struct dirent *entry;
    char folder[128];
    size_t n = 0;
    DIR *dir;

    snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", name);
    dir = opendir(folder);
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            file_try(reader, folder, entry->d_name);
            n++;
        }
    }
    closedir(dir);
    assert_true(n > 2);
}

static void csv(void **state)
{
    (void)state;
    corpus_try(csv_try, "fuzz_csv");
}

static void json(void **state)
{
    (void)state;
    corpus_try(json_try, "fuzz_json_table");
}

static void json_lines(void **state)
{
    (void)state;
    corpus_try(jsonl_try, "fuzz_jsonl");
}

static void idx(void **state)
{
    (void)state;
    corpus_try(idx_try, "fuzz_idx");
}

static void npy(void **state)
{
    (void)state;
    corpus_try(npy_try, "fuzz_npy");
}

static void npz(void **state)
{
    (void)state;
    corpus_try(npz_try, "fuzz_npz");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv), cmocka_unit_test(json), cmocka_unit_test(json_lines),
        cmocka_unit_test(idx), cmocka_unit_test(npy),  cmocka_unit_test(npz),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
