#include "nearest.h"

#include <assert.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t nearest_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    /* rows[i % 3][j]: from the first i bytes of a to the first j of b. */
    size_t rows[3][NEAREST_LEN_MAX + 1];

    assert(a_len <= NEAREST_LEN_MAX && b_len <= NEAREST_LEN_MAX);
    for (size_t i = 0; i <= a_len; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];

        for (size_t j = 0; j <= b_len; j++) {
            if (i == 0 || j == 0) {
                row[j] = i + j;
                continue;
            }
            row[j] = least(above[j - 1] + (a[i - 1] != b[j - 1]), least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = least(row[j], before[j - 2] + 1);
            }
        }
    }
    return rows[a_len % 3][b_len];
}

void nearest_try(struct nearest *nearest, const char *wrong, size_t len, const char *name)
{
    const size_t name_len = strlen(name), longer = len > name_len ? len : name_len;
    size_t distance;

    if (longer > NEAREST_LEN_MAX) {
        return;
    }
    distance = nearest_distance(wrong, len, name, name_len);
    if (3 * distance <= longer && (nearest->name == NULL || distance < nearest->distance)) {
        *nearest = (struct nearest){ name, distance };
    }
}
