/* The names of classes, in the order of their indices. */
#ifndef LABELS_H
#define LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define LABEL_LEN_MAX 256

/* Object lifetime: labels_create to the last labels_unref by whoever counts; plain data otherwise.
 * Immutable once made. */
struct labels {
    size_t n;
    char **name;      /* owned; by index */
    uint32_t *sorted; /* owned; indices in strcmp order of their names, for labels_find */
};

/* Whether a name can be one: 1 to LABEL_LEN_MAX bytes of UTF-8 without NUL, so that it survives
 * JSON. Errors: ERR_FIELD at "". */
bool label_check(const char *name, size_t len, struct err *err);

/* Copies n names. Errors: ERR_FIELD at "[i]" when label_check refuses the name, or it repeats
 * an earlier one; ERR_MEMORY. */
bool labels_create(const char *const *names, size_t n, struct labels **ret, struct err *err);
void labels_free(struct labels *labels);
bool labels_copy(const struct labels *labels, struct labels **ret, struct err *err);
/* Index of the name, or false. */
bool labels_find(const struct labels *labels, const char *name, size_t len, uint32_t *ret);
bool labels_equal(const struct labels *a, const struct labels *b);

/* Names in the order they are met, while data is read. */
struct label_set;
bool label_set_create(struct label_set **ret, struct err *err);
void label_set_free(struct label_set *set);
/* The provisional index of the name, adding it when new. Errors: ERR_FIELD at "" when label_check
 * refuses it; ERR_LIMIT above SPEC_UNITS_MAX names; ERR_MEMORY. */
bool label_set_add(struct label_set *set, const char *name, size_t len, uint32_t *ret,
                   struct err *err);
/* The names in their final order: sorted as numbers if all are numbers, else by bytes; and
 * remap[provisional] = final, malloc'd, the caller's. */
bool label_set_finish(const struct label_set *set, struct labels **ret, uint32_t **remap,
                      struct err *err);

#endif
