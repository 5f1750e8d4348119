#include "msg_sweep.h"

#include <inttypes.h>
#include <string.h>

#include "msg_trial.h"
#include "value.h"

#define BATCH_MAX 65536
#define TRIALS_DEFAULT 20
#define FACTOR_MAX 100
#define EPOCHS_MAX 1000000
#define COUNT(fields) (sizeof(fields) / sizeof *(fields))

/* What is read, and what of it was there. */
struct sweep_in {
    struct sweep *sweep;
    struct msg_sweep *msg;
    enum sweep_axis axis; /* whose values are being read */
    bool has_trials, has_seed;
};

/* ---- values ---- */

static bool value_read(struct scan *scan, enum sweep_axis axis, double *ret, struct err *err)
{
    uint64_t whole;
    float real;

    if (axis == AXIS_BATCH_SIZE) {
        if (!value_whole(scan, 1, BATCH_MAX, &whole, err)) {
            return false;
        }
        *ret = (double)whole;
        return true;
    }
    if (!value_float_in(scan, axis == AXIS_LEARNING_RATE ? &value_above_0 : &value_from_0, &real,
                        err)) {
        return false;
    }
    *ret = (double)real;
    return true;
}

static bool hidden_read(struct scan *scan, struct sweep_hidden *ret, struct err *err)
{
    uint64_t units;
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array of units", err) || !scan_enter(scan, err)) {
        return false;
    }
    while (scan_next(scan, &more, err)) {
        if (!more) {
            return true;
        }
        if (ret->n == SPEC_LAYERS_MAX - 1) {
            return err_set(err, ERR_FIELD, "", "has more than %d layers", SPEC_LAYERS_MAX - 1);
        }
        if (!value_whole(scan, 1, SPEC_UNITS_MAX, &units, err)) {
            return value_in(err, "[%zu]", ret->n);
        }
        ret->units[ret->n++] = (uint32_t)units;
    }
    return false;
}

static bool list_read(struct scan *scan, struct sweep_in *in, struct err *err)
{
    struct sweep_over *over = &in->sweep->over[in->axis];
    bool more;

    if (!scan_enter(scan, err)) {
        return false;
    }
    while (scan_next(scan, &more, err)) {
        const size_t n = over->n;
        bool ok;

        if (!more) {
            return n > 0 ||
                   err_set(err, ERR_FIELD, "", "must have 1 to %d values, has 0", SWEEP_VALUES_MAX);
        }
        if (n == SWEEP_VALUES_MAX) {
            return err_set(err, ERR_FIELD, "", "must have 1 to %d values, has more",
                           SWEEP_VALUES_MAX);
        }
        over->values[n] = (double)n;
        ok = in->axis == AXIS_LAYERS ? hidden_read(scan, &in->sweep->hidden[n], err)
                                     : value_read(scan, in->axis, &over->values[n], err);
        if (!ok) {
            return value_in(err, "[%zu]", n);
        }
        over->n++;
    }
    return false;
}

/* ---- bounds ---- */

static bool read_from(struct scan *scan, void *into, struct err *err)
{
    struct sweep_in *in = into;

    return value_read(scan, in->axis, &in->sweep->over[in->axis].from, err);
}

static bool read_to(struct scan *scan, void *into, struct err *err)
{
    struct sweep_in *in = into;

    return value_read(scan, in->axis, &in->sweep->over[in->axis].to, err);
}

static bool read_scale(struct scan *scan, void *into, struct err *err)
{
    static const char *const names[] = { "linear", "log" };
    struct sweep_in *in = into;
    size_t at;

    if (!value_choice(scan, names, COUNT(names), &at, err)) {
        return false;
    }
    in->sweep->over[in->axis].log = at == 1;
    return true;
}

static bool range_read(struct scan *scan, struct sweep_in *in, struct err *err)
{
    static const struct value_field fields[] = {
        { "from", read_from, true },
        { "to", read_to, true },
        { "scale", read_scale, false },
    };
    struct sweep_over *over = &in->sweep->over[in->axis];

    over->is_range = true;
    if (!value_object(scan, "a range", fields, COUNT(fields), in, err)) {
        return false;
    }
    if (!(over->from < over->to)) {
        return err_set(err, ERR_FIELD, "to", "must be above from, %.9g, is %.9g", over->from,
                       over->to);
    }
    return !over->log || over->from > 0.0 ||
           err_set(err, ERR_FIELD, "from", "must be above 0 where scale is log, is 0");
}

/* ---- over ---- */

static bool axis_read(struct scan *scan, struct sweep_in *in, enum sweep_axis axis, struct err *err)
{
    enum scan_kind kind;

    in->axis = axis;
    if (!scan_peek(scan, &kind, err)) {
        return false;
    }
    if (kind == SCAN_ARRAY) {
        return list_read(scan, in, err);
    }
    if (axis == AXIS_LAYERS) {
        return err_set(err, ERR_FIELD, "", "must be an array of arrays of units, is %s",
                       scan_kind_name(kind));
    }
    return kind == SCAN_OBJECT
               ? range_read(scan, in, err)
               : err_set(err, ERR_FIELD, "", "must be an array of values, or a range, is %s",
                         scan_kind_name(kind));
}

static bool read_learning_rate(struct scan *scan, void *into, struct err *err)
{
    return axis_read(scan, into, AXIS_LEARNING_RATE, err);
}

static bool read_batch_size(struct scan *scan, void *into, struct err *err)
{
    return axis_read(scan, into, AXIS_BATCH_SIZE, err);
}

static bool read_l2(struct scan *scan, void *into, struct err *err)
{
    return axis_read(scan, into, AXIS_L2, err);
}

static bool read_layers(struct scan *scan, void *into, struct err *err)
{
    return axis_read(scan, into, AXIS_LAYERS, err);
}

static bool read_over(struct scan *scan, void *into, struct err *err)
{
    static const struct value_field fields[] = {
        { "learning_rate", read_learning_rate, false },
        { "batch_size", read_batch_size, false },
        { "l2", read_l2, false },
        { "layers", read_layers, false },
    };
    const struct sweep *sweep = ((struct sweep_in *)into)->sweep;

    if (!value_object(scan, "over", fields, COUNT(fields), into, err)) {
        return false;
    }
    for (int a = 0; a < SWEEP_AXES; a++) {
        if (sweep_is_over(sweep, (enum sweep_axis)a)) {
            return true;
        }
    }
    return err_set(err, ERR_FIELD, "",
                   "must have one at least of learning_rate, batch_size, l2, layers");
}

/* ---- the others ---- */

VALUE_NAMED(read_method, ((struct sweep_in *)into)->sweep->method, enum sweep_method,
            sweep_method_name, SWEEP_METHODS)

static bool size_read(struct scan *scan, uint64_t min, uint64_t max, size_t *ret, struct err *err)
{
    uint64_t value;

    if (!value_whole(scan, min, max, &value, err)) {
        return false;
    }
    *ret = (size_t)value;
    return true;
}

static bool read_trials(struct scan *scan, void *into, struct err *err)
{
    struct sweep_in *in = into;

    in->has_trials = true;
    return size_read(scan, 1, SWEEP_TRIALS_MAX, &in->sweep->trials, err);
}

static bool read_seed(struct scan *scan, void *into, struct err *err)
{
    struct sweep_in *in = into;

    in->has_seed = true;
    return value_whole(scan, 0, INT64_MAX, &in->sweep->seed, err);
}

static bool read_factor(struct scan *scan, void *into, struct err *err)
{
    struct sweep_in *in = into;

    return size_read(scan, 2, FACTOR_MAX, &in->sweep->factor, err);
}

static bool read_min_epochs(struct scan *scan, void *into, struct err *err)
{
    struct sweep_in *in = into;

    return size_read(scan, 1, EPOCHS_MAX, &in->sweep->min_epochs, err);
}

static bool read_halving(struct scan *scan, void *into, struct err *err)
{
    static const struct value_field fields[] = {
        { "factor", read_factor, false },
        { "min_epochs", read_min_epochs, false },
    };
    struct sweep_in *in = into;

    in->sweep->factor = 3;
    in->sweep->min_epochs = 1;
    return value_object(scan, "halving", fields, COUNT(fields), in, err);
}

static bool read_monitor(struct scan *scan, void *into, struct err *err)
{
    struct sweep_in *in = into;

    in->msg->has_monitor = true;
    return metric_read(scan, &in->msg->monitor, err);
}

/* ---- the whole ---- */

static bool grid_settle(struct sweep_in *in, struct err *err)
{
    struct sweep *sweep = in->sweep;

    if (in->has_trials || in->has_seed) {
        return err_set(err, ERR_FIELD, in->has_trials ? "trials" : "seed",
                       "is for random: a grid has every combination");
    }
    for (int a = 0; a < SWEEP_AXES; a++) {
        if (sweep->over[a].is_range) {
            err_set(err, ERR_FIELD, sweep_axis_name((enum sweep_axis)a),
                    "is a range, which is for random: a grid needs an array of values");
            return err_in(err, "over");
        }
    }
    sweep->trials = sweep_combinations(sweep);
    return sweep->trials <= SWEEP_TRIALS_MAX ||
           err_set(err, ERR_FIELD, "over",
                   "makes %zu combinations, at most %d are tried: use random", sweep->trials,
                   SWEEP_TRIALS_MAX);
}

static bool random_settle(struct sweep_in *in, struct err *err)
{
    struct sweep *sweep = in->sweep;
    const size_t of = sweep_combinations(sweep);

    if (!in->has_trials) {
        sweep->trials = of < TRIALS_DEFAULT ? of : TRIALS_DEFAULT;
    }
    return sweep->trials <= of || err_set(err, ERR_FIELD, "trials",
                                          "must be 1 to %zu, as many as there are combinations, "
                                          "is %zu",
                                          of, sweep->trials);
}

bool msg_sweep_read(struct scan *scan, struct msg_sweep *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "method", read_method, true },    { "trials", read_trials, false },
        { "seed", read_seed, false },       { "over", read_over, true },
        { "halving", read_halving, false }, { "monitor", read_monitor, false },
    };
    struct sweep_in in = { .sweep = &ret->sweep, .msg = ret };

    memset(ret, 0, sizeof *ret);
    return value_object(scan, "sweep", fields, COUNT(fields), &in, err) &&
           (ret->sweep.method == SWEEP_GRID ? grid_settle(&in, err) : random_settle(&in, err));
}

bool msg_sweep_settle(struct msg_sweep *msg, size_t epochs, bool has_validation, struct err *err)
{
    const struct sweep *sweep = &msg->sweep;

    if (!msg->has_monitor) {
        msg->monitor = has_validation ? METRIC_VALIDATION_LOSS : METRIC_LOSS;
    }
    if (!has_validation && metric_is_validation(msg->monitor)) {
        return err_set(err, ERR_FIELD, "sweep.monitor", "is %s, which needs validation",
                       metric_name(msg->monitor));
    }
    return sweep->factor == 0 || sweep->min_epochs < epochs ||
           err_set(err, ERR_FIELD, "sweep.halving.min_epochs", "must be below epochs, %zu, is %zu",
                   epochs, sweep->min_epochs);
}

void msg_sweep_value(struct text *text, const struct sweep *sweep, enum sweep_axis axis,
                     double value)
{
    if (axis == AXIS_LAYERS) {
        const struct sweep_hidden *hidden = &sweep->hidden[(size_t)value];

        text_str(text, "[");
        for (size_t l = 0; l < hidden->n; l++) {
            text_printf(text, "%s%" PRIu32, l > 0 ? ", " : "", hidden->units[l]);
        }
        text_str(text, "]");
    } else if (axis == AXIS_BATCH_SIZE) {
        text_printf(text, "%zu", (size_t)value);
    } else {
        text_float(text, (float)value);
    }
}

static void over_encode(struct text *text, const struct sweep *sweep)
{
    const char *comma = "";

    text_str(text, ", \"over\": {");
    for (enum sweep_axis a = 0; a < SWEEP_AXES; a++) {
        const struct sweep_over *over = &sweep->over[a];

        if (!sweep_is_over(sweep, a)) {
            continue;
        }
        text_printf(text, "%s\"%s\": ", comma, sweep_axis_name(a));
        comma = ", ";
        if (over->is_range) {
            text_str(text, "{\"from\": ");
            msg_sweep_value(text, sweep, a, over->from);
            text_str(text, ", \"to\": ");
            msg_sweep_value(text, sweep, a, over->to);
            text_printf(text, ", \"scale\": \"%s\"}", over->log ? "log" : "linear");
            continue;
        }
        for (size_t i = 0; i < over->n; i++) {
            text_str(text, i > 0 ? ", " : "[");
            msg_sweep_value(text, sweep, a, over->values[i]);
        }
        text_str(text, "]");
    }
    text_str(text, "}");
}

/* All of it but the number of trials. */
static void members_encode(struct text *text, const struct msg_sweep *msg)
{
    const struct sweep *sweep = &msg->sweep;

    text_printf(text, "{\"method\": \"%s\"", sweep_method_name(sweep->method));
    if (sweep->method == SWEEP_RANDOM) {
        text_printf(text, ", \"seed\": %" PRIu64, sweep->seed);
    }
    over_encode(text, sweep);
    if (sweep->factor > 0) {
        text_printf(text, ", \"halving\": {\"factor\": %zu, \"min_epochs\": %zu}", sweep->factor,
                    sweep->min_epochs);
    }
    text_printf(text, ", \"monitor\": \"%s\"", metric_name(msg->monitor));
}

void msg_sweep_encode(struct text *text, const struct msg_sweep *msg)
{
    members_encode(text, msg);
    if (msg->sweep.method == SWEEP_RANDOM) {
        text_printf(text, ", \"trials\": %zu", msg->sweep.trials);
    }
    text_str(text, "}");
}

void msg_sweep_table_encode(struct text *text, const struct msg_sweep *msg,
                            const struct sweep_trial *trials, bool table, bool over)
{
    size_t best = 0;

    members_encode(text, msg);
    if (msg->sweep.factor == 0) {
        text_str(text, ", \"halving\": null");
    }
    if (table) {
        text_str(text, ", \"trials\": [");
    }
    for (size_t i = 0; i < msg->sweep.trials; i++) {
        if (table) {
            text_str(text, i > 0 ? ", " : "");
            msg_trial_encode(text, msg, trials, i, over);
        }
        best = trials[i].state == TRIAL_BEST ? i + 1 : best;
    }
    text_str(text, table ? "], \"best\": " : ", \"best\": ");
    if (best > 0) {
        text_printf(text, "%zu}", best);
    } else {
        text_str(text, "null}");
    }
}
