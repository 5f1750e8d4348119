#include "weights_match.h"

#include <string.h>

#include "text.h"
#include "weights_name.h"

/* W or b of a layer. */
struct param {
    const struct weights_array *from;
    struct weights_name name;
};

struct layer {
    const struct param *w, *b;
};

struct match {
    struct arena *arena;
    struct msg_model *model;
    struct param param[WEIGHTS_ARRAYS_MAX];
    size_t n_params, n_layers;
    struct layer layer[WEIGHTS_ARRAYS_MAX];
    const struct weights_array *norm[4]; /* as norm_names has them; NULL: is not there */
};

enum { SHIFT, SCALE, TARGET_SHIFT, TARGET_SCALE };

static const char *const norm_names[] = { "norm.shift", "norm.scale", "norm.target_shift",
                                          "norm.target_scale" };

/* ---- Layers ---- */

/* Bytes of a value; 0: of a type that holds no weights. */
static size_t value_size(enum array_type type)
{
    return type == ARRAY_F64                         ? 8
           : type == ARRAY_F32                       ? 4
           : type == ARRAY_F16 || type == ARRAY_BF16 ? 2
                                                     : 0;
}

/* One of a type and rank that it may have, with the bytes that its shape takes. */
static bool array_check(const struct weights_array *from, size_t rank, struct err *err)
{
    const struct array *array = &from->array;
    size_t need = value_size(array->type);

    if (need == 0) {
        return err_set(err, ERR_FIELD, from->name,
                       "must be of float64, float32, float16 or bfloat16");
    }
    if (array->rank != rank) {
        return err_set(err, ERR_FIELD, from->name, "must have %zu dimension%s, has %zu", rank,
                       rank == 1 ? "" : "s", array->rank);
    }
    for (size_t i = 0; i < rank; i++) {
        if (array->shape[i] < 1 || array->shape[i] > SPEC_UNITS_MAX) {
            return err_set(err, ERR_FIELD, from->name,
                           "must have 1 to %d in each dimension, has %zu", SPEC_UNITS_MAX,
                           array->shape[i]);
        }
        need *= array->shape[i]; /* at most 2^35 */
    }
    return array->len == need ||
           err_set(err, ERR_FIELD, from->name, "must have %zu bytes of values, has %zu", need,
                   array->len);
}

/* Every array has its place: a normalisation's, or W or b of a layer. */
static bool arrays_sort(struct match *match, const struct weights_array *arrays, size_t n,
                        struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct param *param = &match->param[match->n_params];
        bool norm = false;

        for (size_t k = 0; k < 4; k++) {
            if (strcmp(arrays[i].name, norm_names[k]) == 0) {
                if (match->norm[k] != NULL) {
                    return err_set(err, ERR_FIELD, arrays[i].name, "is there twice");
                }
                match->norm[k] = &arrays[i];
                norm = true;
            }
        }
        if (!norm) {
            if (!weights_name_read(arrays[i].name, &param->name, err)) {
                return false;
            }
            param->from = &arrays[i];
            match->n_params++;
        }
        if (!array_check(&arrays[i], norm || param->name.word->bias ? 1 : 2, err)) {
            return false;
        }
    }
    return true;
}

/* Names of one layer: alike, and with the same numbers. */
static bool names_equal(const struct param *a, const struct param *b)
{
    int order;

    return weights_name_alike(&a->name, &b->name, &order) && order == 0;
}

static bool twins_check(const struct match *match, struct err *err)
{
    for (size_t i = 0; i < match->n_params; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct param *a = &match->param[i], *b = &match->param[k];

            if (a->name.word->bias == b->name.word->bias && names_equal(a, b)) {
                return err_set(err, ERR_FIELD, a->from->name, "is of the same layer as '%.100s'",
                               b->from->name);
            }
        }
    }
    return true;
}

/* W and b of one stem are a layer. */
static bool pairs_find(struct match *match, struct err *err)
{
    if (!twins_check(match, err)) {
        return false;
    }
    for (size_t i = 0; i < match->n_params; i++) {
        const struct param *param = &match->param[i], *other = NULL;

        for (size_t k = 0; k < match->n_params; k++) {
            if (k != i && names_equal(param, &match->param[k])) {
                other = &match->param[k];
            }
        }
        if (other == NULL) {
            return err_set(err, ERR_FIELD, param->from->name,
                           param->name.word->bias
                               ? "has no weights beside it"
                               : "has no biases beside it: add zeros if the layer "
                                 "has none");
        }
        if (!param->name.word->bias) {
            match->layer[match->n_layers++] = (struct layer){ param, other };
        }
    }
    return true;
}

/* Sorts by numbers; false when the names do not say an order. */
static bool layers_order(struct match *match)
{
    struct layer *layer = match->layer;
    int order;

    for (size_t i = 1; i < match->n_layers; i++) {
        if (!weights_name_alike(&layer[0].w->name, &layer[i].w->name, &order)) {
            return false;
        }
    }
    for (size_t i = 1; i < match->n_layers; i++) { /* by insertion: there are 64 at most */
        for (size_t k = i; k > 0; k--) {
            const struct layer later = layer[k];

            weights_name_alike(&layer[k - 1].w->name, &later.w->name, &order);
            if (order <= 0) {
                break;
            }
            layer[k] = layer[k - 1];
            layer[k - 1] = later;
        }
    }
    return true;
}

static bool count_check(const struct match *match, struct err *err)
{
    const size_t expected = match->model->spec.n_layers;
    struct text names = { 0 };

    if (match->n_layers == expected) {
        return true;
    }
    for (size_t i = 0; i < match->n_layers; i++) {
        text_printf(&names, "%s%s", i > 0 ? ", " : "", match->layer[i].w->from->name);
    }
    err_set(err, ERR_FIELD, "spec.layers", "has %zu layers, the file weights of %zu: %.200s",
            expected, match->n_layers, match->n_layers > 0 && !names.failed ? names.data : "none");
    text_done(&names);
    return false;
}

/* ---- Shapes ---- */

static size_t fan_in(const struct net_spec *spec, size_t l)
{
    return l > 0 ? spec->layers[l - 1].units : spec->inputs;
}

static bool w_fits(const struct layer *layer, const struct net_spec *spec, size_t l, bool flipped)
{
    const size_t *shape = layer->w->from->array.shape;

    return shape[flipped] == spec->layers[l].units && shape[!flipped] == fan_in(spec, l);
}

/* All of them in this order. */
static bool order_fits(const struct match *match, bool flipped, struct err *err)
{
    const struct net_spec *spec = &match->model->spec;

    for (size_t l = 0; l < match->n_layers; l++) {
        const struct weights_array *from = match->layer[l].w->from;
        const size_t out = spec->layers[l].units, in = fan_in(spec, l);

        if (!w_fits(&match->layer[l], spec, l, flipped)) {
            return err_set(err, ERR_FIELD, from->name,
                           "must have %zu x %zu values, as layers[%zu] of the spec, has %zu x %zu",
                           flipped ? in : out, flipped ? out : in, l, from->array.shape[0],
                           from->array.shape[1]);
        }
    }
    return true;
}

/* Each layer of the spec gets the one W that has its shape. */
static bool shapes_order(struct match *match, bool flipped, struct err *err)
{
    const struct net_spec *spec = &match->model->spec;
    struct layer sorted[SPEC_LAYERS_MAX] = { 0 };

    for (size_t l = 0; l < match->n_layers; l++) {
        const struct layer *found = NULL;

        for (size_t i = 0; i < match->n_layers; i++) {
            if (!w_fits(&match->layer[i], spec, l, flipped)) {
                continue;
            }
            if (found != NULL) {
                return err_set(err, ERR_FIELD, match->layer[i].w->from->name,
                               "may be layers[%zu], and so may '%.100s': name them alike but for "
                               "numbers that give the order",
                               l, found->w->from->name);
            }
            found = &match->layer[i];
        }
        if (found == NULL) {
            return err_set(err, ERR_FIELD, "spec.layers",
                           "has %zu units of %zu inputs at %zu, which no weights in the file have",
                           spec->layers[l].units, fan_in(spec, l), l);
        }
        sorted[l] = *found;
    }
    memcpy(match->layer, sorted, match->n_layers * sizeof *sorted);
    return true;
}

/* How all W lie: as their names say if that fits, else the other way round if that does. */
static bool layers_fit(struct match *match, bool *flipped, struct err *err)
{
    const bool ordered = layers_order(match);
    struct err ignored = { 0 };

    if (!count_check(match, err)) {
        return false;
    }
    *flipped = match->layer[0].w->name.word->flipped;
    for (size_t l = 1; l < match->n_layers; l++) {
        if (match->layer[l].w->name.word->flipped != *flipped) {
            return err_set(err, ERR_FIELD, match->layer[l].w->from->name,
                           "must be called as '%.100s' is, since that says how it lies",
                           match->layer[0].w->from->name);
        }
    }
    if (ordered ? order_fits(match, *flipped, err) : shapes_order(match, *flipped, err)) {
        return true;
    }
    if (!(ordered ? order_fits(match, !*flipped, &ignored)
                  : shapes_order(match, !*flipped, &ignored))) {
        return false;
    }
    *err = (struct err){ 0 };
    *flipped = !*flipped;
    return true;
}

/* ---- Values ---- */

static bool values_take(const struct weights_array *from, size_t n, struct arena *arena,
                        const float **ret, struct err *err)
{
    float *values;

    if (from->array.shape[0] * (from->array.rank == 2 ? from->array.shape[1] : 1) != n) {
        return err_set(err, ERR_FIELD, from->name, "must have %zu values, has %zu", n,
                       from->array.shape[0]);
    }
    values = arena_alloc(arena, n, sizeof *values);
    if (values == NULL) {
        return err_set(err, ERR_MEMORY, from->name, "does not fit into memory");
    }
    array_floats(&from->array, 0, n, values);
    if (!array_finite(values, n)) {
        return err_set(err, ERR_RANGE, from->name,
                       "has a value that is not finite or too large for float32");
    }
    *ret = values;
    return true;
}

/* [fan-in, units] as [units, fan-in]. */
static bool turn(const float **values, size_t in, size_t out, const char *name, struct arena *arena,
                 struct err *err)
{
    float *turned = arena_alloc(arena, in * out, sizeof *turned);

    if (turned == NULL) {
        return err_set(err, ERR_MEMORY, name, "does not fit into memory");
    }
    for (size_t j = 0; j < out; j++) {
        for (size_t k = 0; k < in; k++) {
            turned[j * in + k] = (*values)[k * out + j];
        }
    }
    *values = turned;
    return true;
}

static bool layers_take(const struct match *match, bool flipped, struct err *err)
{
    struct msg_model *model = match->model;
    const size_t n = match->n_layers;

    model->weights = arena_alloc(match->arena, n, sizeof *model->weights);
    model->biases = arena_alloc(match->arena, n, sizeof *model->biases);
    if (model->weights == NULL || model->biases == NULL) {
        return err_set(err, ERR_MEMORY, "layers", "do not fit into memory");
    }
    for (size_t l = 0; l < n; l++) {
        const struct weights_array *w = match->layer[l].w->from, *b = match->layer[l].b->from;
        const size_t in = fan_in(&model->spec, l), out = model->spec.layers[l].units;

        if (!values_take(w, in * out, match->arena, &model->weights[l], err) ||
            (flipped && !turn(&model->weights[l], in, out, w->name, match->arena, err)) ||
            !values_take(b, out, match->arena, &model->biases[l], err)) {
            return false;
        }
    }
    model->has_weights = true;
    return true;
}

/* Two arrays of n values, at norm_names[at] and the next: both, or none when they are not needed. */
static bool norm_take(const struct match *match, size_t at, enum norm norm, size_t n,
                      const float **shift, const float **scale, struct err *err)
{
    const struct weights_array *const *from = &match->norm[at];

    if (from[0] == NULL && from[1] == NULL && !norm_is_learned(norm)) {
        return true;
    }
    for (size_t i = 0; i < 2; i++) {
        if (from[i] == NULL) {
            return err_set(err, ERR_FIELD, norm_names[at + i],
                           "is missing, which normalisation %s needs", norm_name(norm));
        }
    }
    return values_take(from[0], n, match->arena, shift, err) &&
           values_take(from[1], n, match->arena, scale, err);
}

bool weights_match(const struct weights_array *arrays, size_t n, struct arena *arena,
                   struct msg_model *model, struct err *err)
{
    struct match *match = arena_alloc(arena, 1, sizeof *match);
    const size_t outputs = spec_outputs(&model->spec);
    bool flipped;

    if (match == NULL) {
        return err_set(err, ERR_MEMORY, "body", "does not fit into memory");
    }
    memset(match, 0, sizeof *match);
    match->arena = arena;
    match->model = model;
    if (n > WEIGHTS_ARRAYS_MAX) {
        return err_set(err, ERR_FIELD, arrays[WEIGHTS_ARRAYS_MAX].name,
                       "is one array too many: there must be at most %d, are %zu",
                       WEIGHTS_ARRAYS_MAX, n);
    }
    return arrays_sort(match, arrays, n, err) && pairs_find(match, err) &&
           layers_fit(match, &flipped, err) && layers_take(match, flipped, err) &&
           norm_take(match, SHIFT, model->spec.norm, model->spec.inputs, &model->shift,
                     &model->scale, err) &&
           norm_take(match, TARGET_SHIFT, model->spec.target_norm, outputs, &model->target_shift,
                     &model->target_scale, err) &&
           target_scale_check(model->target_scale, outputs, norm_names[TARGET_SCALE], err);
}
