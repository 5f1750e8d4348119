#include "weights_name.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct weights_word words[] = {
    { "weight", false, false },   { "weights", false, false },   { "w", false, false },
    { "coef", false, true },      { "coefs", false, true },      { "kernel", false, true },
    { "bias", true, false },      { "biases", true, false },     { "b", true, false },
    { "intercept", true, false }, { "intercepts", true, false },
};

#define WEIGHT (&words[0])
#define BIAS (&words[6])
#define POSITIONS (2 * SPEC_LAYERS_MAX) /* of arr_N */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "arr_5": b of layer 2. */
static bool positional(const char *name, struct weights_name *ret)
{
    char *end;
    unsigned long at;

    if (strncmp(name, "arr_", 4) != 0 || !is_digit(name[4])) {
        return false;
    }
    at = strtoul(name + 4, &end, 10);
    if (*end != '\0' || at >= POSITIONS) {
        return false;
    }
    ret->word = at % 2 == 0 ? WEIGHT : BIAS;
    snprintf(ret->stem, sizeof ret->stem, "arr_%lu", at / 2);
    return true;
}

bool weights_name_read(const char *name, struct weights_name *ret, struct err *err)
{
    const char *end = name + strlen(name), *begin;

    while (end > name && !is_letter(end[-1])) {
        end--;
    }
    begin = end;
    while (begin > name && is_letter(begin[-1])) {
        begin--;
    }
    if (strlen(name) < WEIGHTS_NAME_MAX && positional(name, ret)) {
        return true;
    }
    for (size_t i = 0; strlen(name) < WEIGHTS_NAME_MAX && i < sizeof words / sizeof *words; i++) {
        const size_t len = strlen(words[i].text);

        if (len == (size_t)(end - begin) && strncasecmp(begin, words[i].text, len) == 0) {
            ret->word = &words[i];
            snprintf(ret->stem, sizeof ret->stem, "%.*s%s", (int)(begin - name), name, end);
            return true;
        }
    }
    return err_set(err, ERR_FIELD, name,
                   "is no array of a model: its last word must be weight, weights, w, coef, coefs, "
                   "kernel, bias, biases, b, intercept or intercepts, or its name arr_0 to arr_%d",
                   POSITIONS - 1);
}

bool weights_name_alike(const struct weights_name *first, const struct weights_name *second,
                        int *order)
{
    const char *a = first->stem, *b = second->stem;

    *order = 0;
    for (;;) {
        if (is_digit(*a) && is_digit(*b)) {
            size_t a_len, b_len;
            int here;

            a += strspn(a, "0");
            b += strspn(b, "0");
            a_len = strspn(a, "0123456789");
            b_len = strspn(b, "0123456789");
            here = a_len != b_len ? (a_len < b_len ? -1 : 1) : strncmp(a, b, a_len);
            *order = *order != 0 ? *order : here;
            a += a_len;
            b += b_len;
        } else if (*a != *b) {
            return false;
        } else if (*a == '\0') {
            return true;
        } else {
            a++;
            b++;
        }
    }
}
