#include "class_weights.h"

#include <stdlib.h>
#include <string.h>

#include "quote.h"
#include "spec.h"
#include "value.h"

void class_weights_done(struct class_weights *weights)
{
    labels_free(weights->names);
    free(weights->weight);
    *weights = (struct class_weights){ 0 };
}

/* What has been read of the object. */
struct given {
    char **name; /* owned, and each */
    float *weight;
    size_t n, cap;
};

static bool given_grow(struct given *given, struct err *err)
{
    const size_t cap = given->cap > 0 ? 2 * given->cap : 16;
    char **name = realloc(given->name, cap * sizeof *name);
    float *weight;

    if (name != NULL) {
        given->name = name;
    }
    weight = name != NULL ? realloc(given->weight, cap * sizeof *weight) : NULL;
    if (weight == NULL) {
        return err_set(err, ERR_MEMORY, "", "have no memory");
    }
    given->weight = weight;
    given->cap = cap;
    return true;
}

static bool given_add(struct scan *scan, const char *name, struct given *given, struct err *err)
{
    if (given->n == SPEC_UNITS_MAX) {
        return err_set(err, ERR_FIELD, "", "are more than %d", SPEC_UNITS_MAX);
    }
    if (given->n == given->cap && !given_grow(given, err)) {
        return false;
    }
    if (!value_float_in(scan, &value_from_0, &given->weight[given->n], err)) {
        return value_in(err, "%s", quote(name, strlen(name)).text);
    }
    given->name[given->n] = strdup(name);
    if (given->name[given->n] == NULL) {
        return err_set(err, ERR_MEMORY, "", "have no memory");
    }
    given->n++;
    return true;
}

static bool given_read(struct scan *scan, struct given *given, struct err *err)
{
    char name[LABEL_LEN_MAX + 1];
    size_t len;
    bool more;

    if (!scan_enter(scan, err)) {
        return false;
    }
    for (;;) {
        if (!scan_key(scan, name, sizeof name, &len, &more, err)) {
            return false;
        }
        if (!more) {
            return given->n > 0 || err_set(err, ERR_FIELD, "", "names no class");
        }
        if (len >= sizeof name) {
            return err_set(err, ERR_FIELD, "", "has a label of %zu bytes, more than %d", len,
                           LABEL_LEN_MAX);
        }
        if (!given_add(scan, name, given, err)) {
            return false;
        }
    }
}

bool class_weights_read(struct scan *scan, struct class_weights *ret, struct err *err)
{
    static const char *const words[] = { "balanced" };
    struct given given = { 0 };
    enum scan_kind kind;
    bool ok;

    if (!scan_peek(scan, &kind, err)) {
        return false;
    }
    if (kind != SCAN_OBJECT) {
        size_t at;

        ok = kind == SCAN_STRING ? value_choice(scan, words, 1, &at, err)
                                 : err_set(err, ERR_FIELD, "",
                                           "must be \"balanced\" or an object of weights, is %s",
                                           scan_kind_name(kind));
        ret->kind = ok ? WEIGHTS_BALANCED : ret->kind;
        return ok;
    }
    ok = given_read(scan, &given, err) &&
         labels_create((const char *const *)given.name, given.n, &ret->names, err);
    for (size_t i = 0; i < given.n; i++) {
        free(given.name[i]);
    }
    free(given.name);
    if (!ok) {
        free(given.weight);
        return false;
    }
    ret->kind = WEIGHTS_GIVEN;
    ret->weight = given.weight;
    return true;
}

bool class_weights_copy(const struct class_weights *weights, struct class_weights *ret,
                        struct err *err)
{
    struct class_weights copy = { .kind = weights->kind };

    if (weights->kind == WEIGHTS_GIVEN) {
        const size_t size = weights->names->n * sizeof *copy.weight;

        copy.weight = malloc(size);
        if (copy.weight == NULL) {
            return err_set(err, ERR_MEMORY, "class_weights", "have no memory");
        }
        memcpy(copy.weight, weights->weight, size);
        if (!labels_copy(weights->names, &copy.names, err)) {
            free(copy.weight);
            return false;
        }
    }
    *ret = copy;
    return true;
}

/* The output that a class is called by. */
static bool output_find(const struct labels *labels, size_t outputs, const char *name, size_t *ret)
{
    uint32_t index;
    uint64_t at = 0;

    if (labels != NULL) {
        *ret = labels_find(labels, name, strlen(name), &index) ? index : outputs;
        return *ret < outputs;
    }
    for (const char *p = name; *p != '\0'; p++) {
        if (*p < '0' || *p > '9' || at >= outputs || (p > name && at == 0)) {
            return false;
        }
        at = 10 * at + (uint64_t)(*p - '0');
    }
    *ret = (size_t)at;
    return at < outputs;
}

bool class_weights_resolve(const struct class_weights *weights, const struct labels *labels,
                           size_t outputs, float *ret, struct err *err)
{
    for (size_t i = 0; i < outputs; i++) {
        ret[i] = 1.0F;
    }
    for (size_t i = 0; i < weights->names->n; i++) {
        const char *name = weights->names->name[i];
        size_t at;

        if (!output_find(labels, outputs, name, &at)) {
            return err_set(err, ERR_FIELD, quote(name, strlen(name)).text,
                           "is none of the model's classes");
        }
        ret[at] = weights->weight[i];
    }
    return true;
}

void class_weights_encode(struct text *text, const struct class_weights *weights)
{
    if (weights->kind != WEIGHTS_GIVEN) {
        text_str(text, weights->kind == WEIGHTS_BALANCED ? "\"balanced\"" : "null");
        return;
    }
    for (size_t i = 0; i < weights->names->n; i++) {
        text_str(text, i > 0 ? ", " : "{");
        text_json(text, weights->names->name[i]);
        text_str(text, ": ");
        text_float(text, weights->weight[i]);
    }
    text_str(text, "}");
}
