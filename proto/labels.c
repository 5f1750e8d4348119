#include "labels.h"

#include <stdlib.h>
#include <string.h>

#include "quote.h"
#include "utf8.h"

static bool is_utf8(const char *bytes, size_t len)
{
    const char *end = bytes + len;

    while (bytes < end) {
        const size_t n = utf8_len(bytes, end);

        if (n == 0) {
            return false;
        }
        bytes += n;
    }
    return true;
}

bool label_check(const char *name, size_t len, struct err *err)
{
    if (len == 0) {
        return err_set(err, ERR_FIELD, "", "must not be empty");
    }
    if (len > LABEL_LEN_MAX) {
        return err_set(err, ERR_FIELD, "", "must be at most %d bytes, is %zu: '%s'", LABEL_LEN_MAX,
                       len, quote(name, len).text);
    }
    if (memchr(name, '\0', len) != NULL || !is_utf8(name, len)) {
        return err_set(err, ERR_FIELD, "", "must be UTF-8 without NUL, is '%s'",
                       quote(name, len).text);
    }
    return true;
}

/* A name on its way through qsort. */
struct item {
    const char *name;
    uint32_t index;
};

static int item_compare(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    const int order = strcmp(x->name, y->name);

    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* Fills labels->sorted. */
static bool sort(struct labels *labels, struct err *err)
{
    struct item *items = malloc((labels->n + 1) * sizeof *items);
    size_t twice = labels->n, first = 0; /* the earliest name that was there before, and where */

    if (items == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory for %zu labels", labels->n);
    }
    for (size_t i = 0; i < labels->n; i++) {
        items[i] = (struct item){ labels->name[i], (uint32_t)i };
    }
    qsort(items, labels->n, sizeof *items, item_compare);
    for (size_t i = 0; i < labels->n; i++) {
        labels->sorted[i] = items[i].index;
        if (i > 0 && items[i].index < twice && strcmp(items[i - 1].name, items[i].name) == 0) {
            twice = items[i].index;
            first = items[i - 1].index;
        }
    }
    free(items);
    if (twice < labels->n) {
        err_set(err, ERR_FIELD, "", "must differ from the others, is '%s' like [%zu]",
                quote(labels->name[twice], strlen(labels->name[twice])).text, first);
        return err_in(err, "[%zu]", twice);
    }
    return true;
}

bool labels_create(const char *const *names, size_t n, struct labels **ret, struct err *err)
{
    struct labels *labels = NULL;
    size_t bytes = 0;
    char *text;

    for (size_t i = 0; i < n; i++) {
        const size_t len = strlen(names[i]);

        if (!label_check(names[i], len, err)) {
            return err_in(err, "[%zu]", i);
        }
        bytes += len + 1;
    }
    labels = calloc(1, sizeof *labels);
    if (labels == NULL || n > UINT32_MAX) {
        goto no_memory;
    }
    labels->n = n;
    labels->name = malloc((n + 1) * sizeof *labels->name + bytes); /* the texts lie behind */
    labels->sorted = malloc((n + 1) * sizeof *labels->sorted);
    if (labels->name == NULL || labels->sorted == NULL) {
        goto no_memory;
    }
    text = (char *)(labels->name + n + 1);
    for (size_t i = 0; i < n; i++) {
        const size_t size = strlen(names[i]) + 1;

        labels->name[i] = memcpy(text, names[i], size);
        text += size;
    }
    labels->name[n] = NULL;
    if (!sort(labels, err)) {
        labels_free(labels);
        return false;
    }
    *ret = labels;
    return true;
no_memory:
    labels_free(labels);
    return err_set(err, ERR_MEMORY, "", "no memory for %zu labels", n);
}

void labels_free(struct labels *labels)
{
    if (labels != NULL) {
        free(labels->name);
        free(labels->sorted);
        free(labels);
    }
}

bool labels_copy(const struct labels *labels, struct labels **ret, struct err *err)
{
    return labels_create((const char *const *)labels->name, labels->n, ret, err);
}

bool labels_find(const struct labels *labels, const char *name, size_t len, uint32_t *ret)
{
    size_t low = 0, high = labels->n;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        const char *other = labels->name[labels->sorted[mid]];
        const size_t other_len = strlen(other);
        int order = memcmp(name, other, len < other_len ? len : other_len);

        order = order != 0 ? order : (len > other_len) - (len < other_len);
        if (order == 0) {
            *ret = labels->sorted[mid];
            return true;
        }
        if (order < 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return false;
}

bool labels_equal(const struct labels *a, const struct labels *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (strcmp(a->name[i], b->name[i]) != 0) {
            return false;
        }
    }
    return true;
}
