/* Files whose bytes change or whose end is missing. */
#ifndef DAMAGE_H
#define DAMAGE_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct bytes {
    char *at; /* owned */
    size_t len;
};

static struct bytes bytes_read(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct bytes bytes = { malloc(1 << 20), 0 };

    assert_non_null(file);
    assert_non_null(bytes.at);
    bytes.len = fread(bytes.at, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

static void bytes_write(const char *path, const char *at, size_t len)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(at, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* Calls look for the file with each byte changed, and with each of its beginnings. at: the place
 * changed, or the length. */
static void damage_all(const char *path, void (*look)(size_t at, bool cut, void *arg), void *arg)
{
    static const char masks[] = { 1, 0x20, (char)0xff };
    struct bytes bytes = bytes_read(path);
    const int fd = open(path, O_WRONLY);

    assert_true(fd >= 0 && bytes.len > 20);
    for (size_t i = 0; i < bytes.len; i++) {
        for (size_t m = 0; m < sizeof masks; m++) {
            const char changed = (char)(bytes.at[i] ^ masks[m]);

            assert_int_equal(pwrite(fd, &changed, 1, (off_t)i), 1);
            look(i, false, arg);
        }
        assert_int_equal(pwrite(fd, bytes.at + i, 1, (off_t)i), 1);
    }
    for (size_t len = bytes.len; len-- > 0;) {
        assert_int_equal(ftruncate(fd, (off_t)len), 0);
        look(len, true, arg);
    }
    close(fd);
    bytes_write(path, bytes.at, bytes.len);
    free(bytes.at);
}

#endif
