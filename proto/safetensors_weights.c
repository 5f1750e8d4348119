/* A safetensors file of weights alone: whatever its tensors are called, matched to a spec. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "safetensors_reader.h"
#include "value.h"
#include "weights_match.h"
#include "weights_name.h"

struct plain {
    struct arena *arena;
    const char *data; /* behind the header */
    size_t data_len, n;
    struct weights_array array[WEIGHTS_ARRAYS_MAX];
    struct extent extent[WEIGHTS_ARRAYS_MAX];
    bool has_spec;
};

/* ---- The header ---- */

static bool read_dtype(struct scan *scan, void *into, struct err *err)
{
    static const char *const names[] = { "F64", "F32", "F16", "BF16" };
    static const enum array_type types[] = { ARRAY_F64, ARRAY_F32, ARRAY_F16, ARRAY_BF16 };
    struct plain *plain = into;
    size_t at;

    if (!value_choice(scan, names, 4, &at, err)) {
        return false;
    }
    plain->array[plain->n].array.type = types[at];
    return true;
}

static bool read_shape(struct scan *scan, void *into, struct err *err)
{
    struct plain *plain = into;
    struct array *array = &plain->array[plain->n].array;

    return safetensors_shape_read(scan, &array->rank, array->shape, err);
}

static bool read_offsets(struct scan *scan, void *into, struct err *err)
{
    struct plain *plain = into;
    struct extent *extent = &plain->extent[plain->n];

    return safetensors_extent_read(scan, plain->data_len, extent, err) &&
           (extent->from <= extent->to || err_set(err, ERR_FIELD, "", "must rise"));
}

static bool tensor_read(struct scan *scan, struct plain *plain, const char *name, struct err *err)
{
    static const struct value_field fields[] = { { "dtype", read_dtype, true },
                                                 { "shape", read_shape, true },
                                                 { "data_offsets", read_offsets, true } };
    struct weights_array *array;

    if (plain->n == WEIGHTS_ARRAYS_MAX) {
        return err_set(err, ERR_FIELD, name, "is one tensor too many: there may be %d",
                       WEIGHTS_ARRAYS_MAX);
    }
    array = &plain->array[plain->n];
    array->name = arena_copy(plain->arena, name, strlen(name));
    if (array->name == NULL) {
        return err_set(err, ERR_MEMORY, name, "does not fit into memory");
    }
    if (!value_object(scan, "a tensor", fields, 3, plain, err)) {
        return value_in(err, "%s", name);
    }
    array->array.bytes = plain->data + plain->extent[plain->n].from;
    array->array.len = (size_t)(plain->extent[plain->n].to - plain->extent[plain->n].from);
    plain->n++;
    return true;
}

/* Metadata are anybody's own, but for a spec. */
static bool metadata_skip(struct scan *scan, struct plain *plain, struct err *err)
{
    char key[8];
    size_t len;
    bool more;

    if (!scan_expect(scan, SCAN_OBJECT, "an object", err) || !scan_enter(scan, err)) {
        return false;
    }
    while (scan_key(scan, key, sizeof key, &len, &more, err)) {
        if (!more) {
            return true;
        }
        plain->has_spec = plain->has_spec || (len < sizeof key && strcmp(key, "spec") == 0);
        if (!scan_skip(scan, err)) {
            return false;
        }
    }
    return false;
}

/* tensors: of each its place, else only whether there is a spec. */
static bool header_read(const char *header, size_t len, bool tensors, struct plain *plain,
                        struct err *err)
{
    char key[WEIGHTS_NAME_MAX];
    struct scan scan;
    size_t key_len;
    bool more, ok;

    scan_init(&scan, header, len);
    if (!scan_expect(&scan, SCAN_OBJECT, "an object", err) || !scan_enter(&scan, err)) {
        return false;
    }
    while (scan_key(&scan, key, sizeof key, &key_len, &more, err)) {
        if (!more) {
            return scan_end(&scan, err);
        }
        if (key_len >= sizeof key && tensors) {
            return err_set(err, ERR_FIELD, key, "must have less than %zu bytes as a name",
                           sizeof key);
        }
        if (strcmp(key, "__metadata__") == 0) {
            ok = metadata_skip(&scan, plain, err) || value_in(err, "__metadata__");
        } else {
            ok = tensors ? tensor_read(&scan, plain, key, err) : scan_skip(&scan, err);
        }
        if (!ok) {
            return false;
        }
    }
    return false;
}

/* ---- The file ---- */

static int extent_compare(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;

    return x->from != y->from ? (x->from > y->from) - (x->from < y->from)
                              : (x->to > y->to) - (x->to < y->to);
}

/* One begins where another ends, from the first byte of the data to the last. */
static bool extents_fit(struct plain *plain, struct err *err)
{
    uint64_t at = 0;
    bool fit = true;

    qsort(plain->extent, plain->n, sizeof *plain->extent, extent_compare);
    for (size_t i = 0; i < plain->n; i++) {
        fit = fit && plain->extent[i].from == at;
        at = plain->extent[i].to;
    }
    return (fit && at == plain->data_len) ||
           err_set(err, ERR_SYNTAX, "body",
                   "has tensors that overlap or leave a hole in its %zu bytes of data",
                   plain->data_len);
}

bool safetensors_is_plain(const char *bytes, size_t len)
{
    const size_t n = safetensors_header_len(bytes, len);
    struct plain plain = { .n = 0 };
    struct err ignored = { 0 };

    return n > 0 && header_read(bytes + 8, n, false, &plain, &ignored) && !plain.has_spec;
}

bool safetensors_weights_read(const char *bytes, size_t len, struct arena *arena,
                              struct msg_model *model, struct err *err)
{
    struct plain *plain = arena_alloc(arena, 1, sizeof *plain);
    const size_t n = safetensors_header_len(bytes, len);

    if (plain == NULL) {
        return err_set(err, ERR_MEMORY, "body", "does not fit into memory");
    }
    if (n == 0) {
        return err_set(err, ERR_SYNTAX, "body", "is no safetensors file: its header does not fit");
    }
    memset(plain, 0, sizeof *plain);
    plain->arena = arena;
    plain->data = bytes + 8 + n;
    plain->data_len = len - 8 - n;
    if (!header_read(bytes + 8, n, false, plain, err)) {
        return false;
    }
    if (plain->has_spec) {
        return err_set(err, ERR_FIELD, "spec", "is in the file already: give none beside it");
    }
    return header_read(bytes + 8, n, true, plain, err) && extents_fit(plain, err) &&
           weights_match(plain->array, plain->n, arena, model, err);
}
