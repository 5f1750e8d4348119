#include "msg_trial.h"

#include <inttypes.h>
#include <math.h>

#include "value.h"

#define COUNT(fields) (sizeof(fields) / sizeof *(fields))

static void number(struct text *text, const char *key, double value)
{
    text_printf(text, ", \"%s\": ", key);
    text_double(text, value);
}

void msg_trial_encode(struct text *text, const struct msg_sweep *msg,
                      const struct sweep_trial *trials, size_t at, bool over)
{
    const struct sweep_trial *trial = &trials[at];
    const bool open = trial->state == TRIAL_QUEUED || trial->state == TRIAL_RUNNING;

    text_printf(text, "{\"trial\": %zu, \"state\": \"%s\"", at + 1,
                open && over ? "skipped" : sweep_state_name(trial->state));
    for (enum sweep_axis a = 0; a < SWEEP_AXES; a++) {
        if (sweep_is_over(&msg->sweep, a)) {
            text_printf(text, ", \"%s\": ", sweep_axis_name(a));
            msg_sweep_value(text, &msg->sweep, a, trial->value[a]);
        }
    }
    text_printf(text, ", \"epochs\": %zu, \"epoch\": ", trial->epochs);
    if (trial->epoch > 0) {
        text_printf(text, "%zu", trial->epoch);
    } else {
        text_str(text, "null");
    }
    number(text, "loss", trial->loss);
    number(text, "accuracy", trial->accuracy);
    number(text, "validation_loss", trial->validation_loss);
    number(text, "validation_accuracy", trial->validation_accuracy);
    number(text, "seconds", trial->seconds);
    text_str(text, "}");
}

/* "  loss 0.1234", "  accuracy 95.12 %"; nothing where it is not known. */
static void shown(struct text *text, const char *what, double loss, double accuracy)
{
    if (!isnan(loss)) {
        text_printf(text, "  %sloss %.4f", what, loss);
    }
    if (!isnan(accuracy)) {
        text_printf(text, "  %saccuracy %.2f %%", what, 100.0 * accuracy);
    }
}

void msg_trial_line(struct text *text, const struct msg_sweep *msg,
                    const struct sweep_trial *trials, size_t at)
{
    const struct sweep_trial *trial = &trials[at];

    text_printf(text, "trial %zu/%zu", at + 1, msg->sweep.trials);
    for (enum sweep_axis a = 0; a < SWEEP_AXES; a++) {
        if (sweep_is_over(&msg->sweep, a)) {
            text_printf(text, "  %s ", sweep_axis_name(a));
            msg_sweep_value(text, &msg->sweep, a, trial->value[a]);
        }
    }
    text_printf(text, "  epochs %zu", trial->epochs);
    shown(text, "", trial->loss, trial->accuracy);
    shown(text, "validation ", trial->validation_loss, trial->validation_accuracy);
    if (trial->state != TRIAL_DONE) {
        text_printf(text, "  %s", sweep_state_name(trial->state));
    }
}

#define NUMBERS 11 /* of a trial in a record */

void msg_trials_encode(struct text *text, const struct msg_sweep *msg,
                       const struct sweep_trial *trials)
{
    text_str(text, "[");
    for (size_t i = 0; i < msg->sweep.trials; i++) {
        const struct sweep_trial *t = &trials[i];
        const double values[] = { t->loss,  t->accuracy, t->validation_loss, t->validation_accuracy,
                                  t->score, t->seconds };

        text_printf(text, "%s[%d, %zu, %" PRIu64 ", %zu, %zu", i > 0 ? ", " : "", (int)t->state,
                    t->rounds, t->order, t->epochs, t->epoch);
        for (size_t v = 0; v < COUNT(values); v++) {
            text_str(text, ", ");
            text_double(text, values[v]);
        }
        text_str(text, "]");
    }
    text_str(text, "]");
}

/* NUMBERS of them, of which null is NAN. */
static bool numbers_read(struct scan *scan, double *ret, struct err *err)
{
    size_t n = 0;
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array", err) || !scan_enter(scan, err)) {
        return false;
    }
    while (scan_next(scan, &more, err)) {
        enum scan_kind kind;

        if (more != (n < NUMBERS)) {
            return err_set(err, ERR_FIELD, "", "must be %d numbers", NUMBERS);
        }
        if (!more) {
            return true;
        }
        ret[n] = NAN;
        if (!scan_peek(scan, &kind, err) ||
            !(kind == SCAN_NULL ? scan_skip(scan, err) : value_double(scan, &ret[n], err))) {
            return false;
        }
        n++;
    }
    return false;
}

static bool trial_read(struct scan *scan, struct sweep_trial *ret, struct err *err)
{
    static const double most[] = { TRIAL_STATES - 1, 64.0, 1e15, 1e15, 1e15 };
    double v[NUMBERS];

    if (!numbers_read(scan, v, err)) {
        return false;
    }
    for (size_t i = 0; i < COUNT(most); i++) {
        if (!(v[i] >= 0.0 && v[i] <= most[i])) {
            return err_set(err, ERR_FIELD, "", "must begin with five whole numbers");
        }
    }
    ret->state = (enum sweep_state)v[0];
    ret->rounds = (size_t)v[1];
    ret->order = (uint64_t)v[2];
    ret->epochs = (size_t)v[3];
    ret->epoch = (size_t)v[4];
    ret->loss = v[5];
    ret->accuracy = v[6];
    ret->validation_loss = v[7];
    ret->validation_accuracy = v[8];
    ret->score = isnan(v[9]) ? -INFINITY : v[9];
    ret->seconds = v[10];
    return true;
}

bool msg_trials_read(struct scan *scan, const struct msg_sweep *msg, struct sweep_trial *trials,
                     struct err *err)
{
    size_t n = 0;
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array", err) || !scan_enter(scan, err)) {
        return false;
    }
    while (scan_next(scan, &more, err)) {
        if (more != (n < msg->sweep.trials)) {
            return err_set(err, ERR_FIELD, "", "must be %zu trials", msg->sweep.trials);
        }
        if (!more) {
            return true;
        }
        if (!trial_read(scan, &trials[n], err)) {
            return value_in(err, "[%zu]", n);
        }
        n++;
    }
    return false;
}
