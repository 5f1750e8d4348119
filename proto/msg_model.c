#include "msg_model.h"

#include <inttypes.h>
#include <string.h>

#include "value.h"

#define COUNT(fields) (sizeof(fields) / sizeof *(fields))

/* Where an array is that the first pass only steps over. */
struct later {
    bool there;
    struct scan at;
};

/* A body is read in two passes: the spec, and when spec_check is content with it the arrays, whose
 * sizes it gives, so that nothing is allocated for a network that is refused. */
struct model_in {
    const struct model_limits *limits;
    struct arena *arena;
    struct net_spec spec;
    struct labels *labels; /* owned until the decoder hands it over; NULL: none */
    struct later weights[SPEC_LAYERS_MAX], biases[SPEC_LAYERS_MAX];
    struct later shift, scale, target_shift, target_scale;
};

/* Of inputs or targets: what says how, and the two arrays that it has learned. */
struct learned {
    const char *norm_name, *shift_name, *scale_name;
    enum norm norm;
    size_t n;
    struct later *shift, *scale;
};

static bool later_read(struct scan *scan, struct later *later, struct err *err)
{
    *later = (struct later){ .there = true, .at = *scan };
    return scan_skip(scan, err);
}

/* --- A layer's fields --- */

static bool read_units(struct scan *scan, void *into, struct err *err)
{
    struct model_in *in = into;
    uint64_t units;

    if (!value_whole(scan, 1, in->limits->max_units, &units, err)) {
        return false;
    }
    in->spec.layers[in->spec.n_layers].units = (size_t)units;
    return true;
}

static bool read_activation(struct scan *scan, void *into, struct err *err)
{
    struct model_in *in = into;
    const char *names[ACT_COUNT];
    size_t at;

    for (at = 0; at < ACT_COUNT; at++) {
        names[at] = act_name((enum act)at);
    }
    if (!value_choice(scan, names, ACT_COUNT, &at, err)) {
        return false;
    }
    in->spec.layers[in->spec.n_layers].act = (enum act)at;
    return true;
}

static bool read_weights(struct scan *scan, void *into, struct err *err)
{
    struct model_in *in = into;

    return later_read(scan, &in->weights[in->spec.n_layers], err);
}

static bool read_biases(struct scan *scan, void *into, struct err *err)
{
    struct model_in *in = into;

    return later_read(scan, &in->biases[in->spec.n_layers], err);
}

/* --- The model's fields --- */

static bool read_inputs(struct scan *scan, void *into, struct err *err)
{
    struct model_in *in = into;
    uint64_t inputs;

    if (!value_whole(scan, 1, in->limits->max_units, &inputs, err)) {
        return false;
    }
    in->spec.inputs = (size_t)inputs;
    return true;
}

/* The entry that begins here is the first of too many. */
static bool too_many(struct scan *scan, size_t max, const char *what, struct err *err)
{
    size_t n = max;
    bool more = true;

    while (more) {
        n++;
        if (!scan_skip(scan, err) || !scan_next(scan, &more, err)) {
            return false;
        }
    }
    return err_set(err, ERR_FIELD, "", "must have 1 to %zu %s, has %zu", max, what, n);
}

static bool read_layers(struct scan *scan, void *into, struct err *err)
{
    static const struct value_field fields[] = {
        { "units", read_units, true },
        { "activation", read_activation, true },
        { "weights", read_weights, false },
        { "biases", read_biases, false },
    };
    struct model_in *in = into;
    const size_t limit = in->limits->max_layers;
    const size_t max = limit < SPEC_LAYERS_MAX ? limit : SPEC_LAYERS_MAX;
    size_t *n = &in->spec.n_layers;
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array of layers", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (;; ++*n) {
        if (!scan_next(scan, &more, err)) {
            return false;
        }
        if (!more) {
            break;
        }
        if (*n == max) {
            return too_many(scan, max, "layers", err);
        }
        if (!value_object(scan, "a layer", fields, COUNT(fields), in, err)) {
            return value_in(err, "[%zu]", *n);
        }
    }
    return *n > 0 || err_set(err, ERR_FIELD, "", "must have 1 to %zu layers, has none", max);
}

VALUE_NAMED(read_cost, ((struct model_in *)into)->spec.cost, enum cost, cost_name, COST_COUNT)

VALUE_NAMED(read_init, ((struct model_in *)into)->spec.init, enum init, init_name, INIT_COUNT)

VALUE_NAMED(read_bias_init, ((struct model_in *)into)->spec.bias_init, enum bias_init,
            bias_init_name, BIAS_COUNT)

static bool read_seed(struct scan *scan, void *into, struct err *err)
{
    struct model_in *in = into;

    return value_whole(scan, 0, INT64_MAX, &in->spec.seed, err);
}

VALUE_NAMED(read_normalize, ((struct model_in *)into)->spec.norm, enum norm, norm_name, NORM_COUNT)

static bool read_normalize_targets(struct scan *scan, void *into, struct err *err)
{
    static const enum norm norms[] = { NORM_NONE, NORM_STANDARD, NORM_MINMAX };
    const char *const names[] = { norm_name(norms[0]), norm_name(norms[1]), norm_name(norms[2]) };
    struct model_in *in = into;
    size_t at;

    if (!value_choice(scan, names, COUNT(names), &at, err)) {
        return false;
    }
    in->spec.target_norm = norms[at];
    return true;
}

static bool read_target_shift(struct scan *scan, void *into, struct err *err)
{
    struct model_in *in = into;

    return later_read(scan, &in->target_shift, err);
}

static bool read_target_scale(struct scan *scan, void *into, struct err *err)
{
    struct model_in *in = into;

    return later_read(scan, &in->target_scale, err);
}

static bool read_shift(struct scan *scan, void *into, struct err *err)
{
    struct model_in *in = into;

    return later_read(scan, &in->shift, err);
}

static bool read_scale(struct scan *scan, void *into, struct err *err)
{
    struct model_in *in = into;

    return later_read(scan, &in->scale, err);
}

/* Copies the names of the array that was entered to names, up to max. */
static bool names_read(struct scan *scan, struct arena *arena, const char **names, size_t max,
                       size_t *ret, struct err *err)
{
    char name[LABEL_LEN_MAX + 1];
    size_t n = 0, len;
    bool more;

    for (;; n++) {
        if (!scan_next(scan, &more, err)) {
            return false;
        }
        if (!more) {
            *ret = n;
            return true;
        }
        if (n == max) {
            return too_many(scan, max, "names", err);
        }
        if (!value_string(scan, name, sizeof name, &len, err)) {
            return value_in(err, "[%zu]", n);
        }
        names[n] = arena_copy(arena, name, len);
        if (names[n] == NULL) {
            return err_set(err, ERR_MEMORY, "", "no memory for a name");
        }
    }
}

static bool labels_scan(struct scan *scan, size_t max, struct arena *arena, struct labels **ret,
                        struct err *err)
{
    const size_t left = (size_t)(scan->end - scan->at);
    const size_t room = left / 2 < max ? left / 2 + 1 : max; /* a name takes 2 bytes or more */
    const char **names;
    size_t n;

    if (!scan_expect(scan, SCAN_ARRAY, "an array of names", err)) {
        return false;
    }
    names = arena_alloc(arena, room, sizeof *names);
    if (names == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory for names");
    }
    return scan_enter(scan, err) && names_read(scan, arena, names, max, &n, err) &&
           labels_create(names, n, ret, err);
}

static bool read_labels(struct scan *scan, void *into, struct err *err)
{
    struct model_in *in = into;
    const size_t limit = in->limits->max_units;

    return labels_scan(scan, limit < SPEC_UNITS_MAX ? limit : SPEC_UNITS_MAX, in->arena,
                       &in->labels, err);
}

bool msg_labels_decode(const char *body, size_t len, size_t max, struct arena *arena,
                       struct labels **ret, struct err *err)
{
    struct labels *labels = NULL;
    struct scan scan;

    scan_init(&scan, body, len);
    if (!labels_scan(&scan, max, arena, &labels, err) || !scan_end(&scan, err)) {
        labels_free(labels);
        return false;
    }
    *ret = labels;
    return true;
}

/* --- The second pass --- */

static float *floats_read(struct later *later, size_t n, struct arena *arena, struct err *err)
{
    float *values = arena_alloc(arena, n, sizeof *values);

    if (values == NULL) {
        err_set(err, ERR_MEMORY, "", "no memory for %zu values", n);
        return NULL;
    }
    return value_row_of(&later->at, values, n, err) ? values : NULL;
}

static float *weights_read(struct later *later, size_t units, size_t inputs, struct arena *arena,
                           struct err *err)
{
    struct scan *scan = &later->at;
    float *values;
    size_t n;
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array of rows", err) || !scan_enter(scan, err)) {
        return NULL;
    }
    values = arena_alloc(arena, units * inputs, sizeof *values);
    if (values == NULL) {
        err_set(err, ERR_MEMORY, "", "no memory for %zu values", units * inputs);
        return NULL;
    }
    for (n = 0;; n++) {
        if (!scan_next(scan, &more, err)) {
            return NULL;
        }
        if (!more) {
            break;
        }
        if (n >= units) { /* too many: only counted */
            if (!scan_skip(scan, err)) {
                return NULL;
            }
        } else if (!value_row_of(scan, values + n * inputs, inputs, err)) {
            value_in(err, "[%zu]", n);
            return NULL;
        }
    }
    if (n != units) {
        err_set(err, ERR_FIELD, "", "has %zu rows, expected %zu", n, units);
        return NULL;
    }
    return values;
}

static bool layers_read(struct model_in *in, struct msg_model *ret, struct err *err)
{
    const struct net_spec *spec = &in->spec;

    ret->weights = arena_alloc(in->arena, spec->n_layers, sizeof *ret->weights);
    ret->biases = arena_alloc(in->arena, spec->n_layers, sizeof *ret->biases);
    if (ret->weights == NULL || ret->biases == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory for layers");
    }
    for (size_t l = 0; l < spec->n_layers; l++) {
        const size_t inputs = l == 0 ? spec->inputs : spec->layers[l - 1].units;
        const size_t units = spec->layers[l].units;

        if (!in->weights[l].there || !in->biases[l].there) {
            err_set(err, ERR_FIELD, in->weights[l].there ? "biases" : "weights",
                    "is missing, but others are there: give all or none");
            return value_in(err, "layers[%zu]", l);
        }
        ret->weights[l] = weights_read(&in->weights[l], units, inputs, in->arena, err);
        if (ret->weights[l] == NULL) {
            return value_in(err, "layers[%zu].weights", l);
        }
        ret->biases[l] = floats_read(&in->biases[l], units, in->arena, err);
        if (ret->biases[l] == NULL) {
            return value_in(err, "layers[%zu].biases", l);
        }
    }
    ret->has_weights = true;
    return true;
}

/* shift and scale of n values, called so, which go with weights and a normalisation that is learned. */
static bool norm_read(struct model_in *in, const struct learned *learned, bool has_weights,
                      const float **shift, const float **scale, struct err *err)
{
    const char *given = learned->shift->there ? learned->shift_name : learned->scale_name;
    const char *lacks = learned->shift->there ? learned->scale_name : learned->shift_name;

    if (!learned->shift->there && !learned->scale->there) {
        return true;
    }
    if (!norm_is_learned(learned->norm)) {
        return err_set(err, ERR_FIELD, given, "needs %s to be standard or minmax, is %s",
                       learned->norm_name, norm_name(learned->norm));
    }
    if (!has_weights) {
        return err_set(err, ERR_FIELD, given, "is there without weights");
    }
    if (!learned->shift->there || !learned->scale->there) {
        return err_set(err, ERR_FIELD, lacks, "is missing, but %s is there", given);
    }
    *shift = floats_read(learned->shift, learned->n, in->arena, err);
    if (*shift == NULL) {
        return value_in(err, "%s", learned->shift_name);
    }
    *scale = floats_read(learned->scale, learned->n, in->arena, err);
    return *scale != NULL || value_in(err, "%s", learned->scale_name);
}

bool target_scale_check(const float *scale, size_t n, const char *where, struct err *err)
{
    for (size_t i = 0; scale != NULL && i < n; i++) {
        if (scale[i] == 0.0F) {
            err_set(err, ERR_FIELD, "", "must not be 0");
            return value_in(err, "%s[%zu]", where, i);
        }
    }
    return true;
}

static bool arrays_read(struct model_in *in, struct msg_model *ret, struct err *err)
{
    const struct learned inputs = { "normalize",     "shift",    "scale",   in->spec.norm,
                                    in->spec.inputs, &in->shift, &in->scale };
    const struct learned targets = { "normalize_targets",     "target_shift",
                                     "target_scale",          in->spec.target_norm,
                                     spec_outputs(&in->spec), &in->target_shift,
                                     &in->target_scale };
    bool any = false;

    for (size_t l = 0; l < in->spec.n_layers; l++) {
        any = any || in->weights[l].there || in->biases[l].there;
    }
    if (any && !layers_read(in, ret, err)) {
        return false;
    }
    return norm_read(in, &inputs, ret->has_weights, &ret->shift, &ret->scale, err) &&
           norm_read(in, &targets, ret->has_weights, &ret->target_shift, &ret->target_scale, err) &&
           target_scale_check(ret->target_scale, targets.n, "target_scale", err);
}

static bool labels_check(const struct model_in *in, struct err *err)
{
    const size_t outputs = spec_outputs(&in->spec);

    if (in->labels != NULL && in->labels->n != outputs) {
        return err_set(err, ERR_FIELD, "labels", "has %zu names, expected %zu, one for each output",
                       in->labels->n, outputs);
    }
    return true;
}

bool msg_model_decode(const char *body, size_t len, const struct model_limits *limits,
                      struct arena *arena, struct msg_model *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "inputs", read_inputs, true },
        { "layers", read_layers, true },
        { "cost", read_cost, true },
        { "init", read_init, false },
        { "bias_init", read_bias_init, false },
        { "seed", read_seed, false },
        { "labels", read_labels, false },
        { "normalize", read_normalize, false },
        { "shift", read_shift, false },
        { "scale", read_scale, false },
        { "normalize_targets", read_normalize_targets, false },
        { "target_shift", read_target_shift, false },
        { "target_scale", read_target_scale, false },
    };
    struct model_in *in = arena_alloc(arena, 1, sizeof *in);
    struct msg_model msg = { .has_weights = false };

    if (in == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory for a model");
    }
    memset(in, 0, sizeof *in);
    in->limits = limits;
    in->arena = arena;
    in->spec.init = INIT_SCALED_NORMAL;
    in->spec.bias_init = BIAS_ZEROS;
    in->spec.norm = NORM_NONE;
    if (!value_body(body, len, "a model", fields, COUNT(fields), in, err) ||
        !spec_check(&in->spec, limits->max_layers, limits->max_params, err) ||
        !labels_check(in, err) || !arrays_read(in, &msg, err)) {
        labels_free(in->labels);
        return false;
    }
    msg.spec = in->spec;
    msg.labels = in->labels;
    *ret = msg;
    return true;
}
