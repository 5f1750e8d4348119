#include "csv_target.h"

#include <stdlib.h>
#include <string.h>

#include "labels.h"
#include "quote.h"

/* One name or index as the client wrote it. */
struct wanted {
    const char *text; /* borrowed */
    size_t len;
    size_t column;
    bool found;
};

static size_t split(const char *text, struct wanted *ret)
{
    size_t n = 0;

    for (;; text++) {
        size_t len = strcspn(text, ",");
        const char *next = text + len;

        for (; len > 0 && *text == ' '; len--) {
            text++;
        }
        while (len > 0 && text[len - 1] == ' ') {
            len--;
        }
        ret[n++] = (struct wanted){ .text = text, .len = len };
        text = next;
        if (*text == '\0') {
            return n;
        }
    }
}

/* Finds names in the header. */
static bool match_header(const struct csv_cursor *header, struct wanted *wanted, size_t n,
                         struct err *err)
{
    struct csv_cursor cursor = *header;
    struct csv_field field = { .last = false };
    char name[LABEL_LEN_MAX];

    for (size_t column = 0; !field.last; column++) {
        size_t len;

        if (!csv_field_next(&cursor, column + 1, &field, err)) {
            return false;
        }
        len = csv_field_text(&field, name, sizeof name);
        for (size_t i = 0; i < n; i++) {
            if (len == 0 || len != wanted[i].len || len > sizeof name ||
                memcmp(name, wanted[i].text, len) != 0) {
                continue;
            }
            if (wanted[i].found) {
                return err_set(err, ERR_FIELD, "target",
                               "must name one column, '%s' is the name of columns %zu and %zu",
                               quote(name, len).text, wanted[i].column, column);
            }
            wanted[i].column = column;
            wanted[i].found = true;
        }
    }
    return true;
}

static bool index_read(const struct wanted *wanted, bool has_header, size_t columns, size_t *ret,
                       struct err *err)
{
    const bool negative = wanted->len > 0 && wanted->text[0] == '-';
    const struct quote shown = quote(wanted->text, wanted->len);
    size_t index = 0, i;

    for (i = negative; i < wanted->len && wanted->text[i] >= '0' && wanted->text[i] <= '9'; i++) {
        index = index * 10 + (size_t)(wanted->text[i] - '0');
        index = index <= columns ? index : columns + 1; /* stays out of range, and small */
    }
    if (i < wanted->len || i == negative) {
        return has_header ? err_set(err, ERR_FIELD, "target",
                                    "must name a column, none is called '%s'", shown.text)
                          : err_set(err, ERR_FIELD, "target",
                                    "must be the index of a column, as there is no header, is '%s'",
                                    shown.text);
    }
    if (negative ? index != 1 : index >= columns) {
        return err_set(err, ERR_FIELD, "target", "must be 0 to %zu, or -1 for the last, is %s",
                       columns - 1, shown.text);
    }
    *ret = negative ? columns - 1 : index;
    return true;
}

static int compare(const void *a, const void *b)
{
    const struct csv_target *x = a, *y = b;

    return (x->column > y->column) - (x->column < y->column);
}

/* Names first, then indices; wanted[i].column for all. */
static bool resolve(const char *text, const struct csv_cursor *header, size_t columns,
                    struct wanted *wanted, size_t *n, struct err *err)
{
    if (header != NULL) {
        wanted[0] = (struct wanted){ .text = text, .len = strlen(text) };
        *n = 1; /* a name with commas in it */
        if (!match_header(header, wanted, 1, err)) {
            return false;
        }
        if (wanted[0].found) {
            return true;
        }
    }
    *n = split(text, wanted);
    if (header != NULL && !match_header(header, wanted, *n, err)) {
        return false;
    }
    for (size_t i = 0; i < *n; i++) {
        if (!wanted[i].found &&
            !index_read(&wanted[i], header != NULL, columns, &wanted[i].column, err)) {
            return false;
        }
    }
    return true;
}

bool csv_target_find(const char *text, const struct csv_cursor *header, size_t columns,
                     struct csv_target **ret, size_t *ret_n, struct err *err)
{
    struct wanted *wanted = NULL;
    struct csv_target *targets = NULL;
    size_t n = 1;
    bool ok = false;

    if (text == NULL) {
        text = "-1";
        header = NULL; /* no name meant */
    }
    for (const char *p = text; *p != '\0'; p++) {
        n += *p == ',';
    }
    if (n > CSV_TARGETS_MAX) {
        return err_set(err, ERR_FIELD, "target", "must name at most %d columns, names %zu",
                       CSV_TARGETS_MAX, n);
    }
    wanted = malloc(n * sizeof *wanted);
    targets = malloc(n * sizeof *targets);
    if (wanted == NULL || targets == NULL) {
        err_set(err, ERR_MEMORY, "", "no memory for %zu target columns", n);
        goto out;
    }
    if (!resolve(text, header, columns, wanted, &n, err)) {
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        targets[i] = (struct csv_target){ .column = wanted[i].column, .place = i };
    }
    qsort(targets, n, sizeof *targets, compare);
    for (size_t i = 1; i < n; i++) {
        if (targets[i].column == targets[i - 1].column) {
            err_set(err, ERR_FIELD, "target", "must not name column %zu twice", targets[i].column);
            goto out;
        }
    }
    *ret = targets;
    *ret_n = n;
    targets = NULL; /* the caller's now */
    ok = true;
out:
    free(wanted);
    free(targets);
    return ok;
}
