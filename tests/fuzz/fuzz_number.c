/* Any bytes as a number, against strtof; and its first four as a float, written and read back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "decimal.h"
#include "number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds) {
        abort();
    }
}

static void read_as_libc(const char *text, size_t len)
{
    const char *at = text, *quick_at;
    float value = 0.0F, quick = 0.0F, libc;
    enum number_status status = number_read(&at, text + len, &value);
    char *copy, *end;

    must(at >= text && at <= text + len);
    /* Only what JSON allows is compared: strtof takes more. */
    copy = malloc((size_t)(at - text) + 100);
    must(copy != NULL);
    memcpy(copy, text, (size_t)(at - text));
    memset(copy + (at - text), ' ', 99);
    copy[at - text + 99] = '\0';
    quick_at = copy;
    if (status == NUMBER_OK || status == NUMBER_LARGE) {
        libc = strtof(copy, &end);
        must(end == copy + (at - text));
        must((status == NUMBER_LARGE) == (libc - libc != 0.0F));
        must(status == NUMBER_LARGE || memcmp(&libc, &value, sizeof libc) == 0);
        if (number_list(&quick_at, copy + (at - text) + 99, &quick, 1) == 1) {
            must(quick_at == end && memcmp(&quick, &libc, sizeof libc) == 0);
        }
    }
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as_libc((const char *)data, size);
    if (size >= sizeof(float)) {
        char text[DECIMAL_MAX];
        const char *at = text;
        float value, back;
        size_t len;

        memcpy(&value, data, sizeof value);
        if (value - value == 0.0F) { /* finite */
            len = decimal_f32(value, text);
            must(number_read(&at, text + len, &back) == NUMBER_OK && at == text + len);
            must(memcmp(&value, &back, sizeof value) == 0);
        }
    }
    return 0;
}
