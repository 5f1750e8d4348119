#include "sweep.h"

#include <assert.h>
#include <math.h>

#include "rng.h"

const char *sweep_method_name(enum sweep_method method)
{
    static const char *const names[SWEEP_METHODS] = { "grid", "random" };

    assert((int)method >= 0 && method < SWEEP_METHODS);
    return names[method];
}

const char *sweep_axis_name(enum sweep_axis axis)
{
    static const char *const names[SWEEP_AXES] = { "learning_rate", "batch_size", "l2", "layers" };

    assert((int)axis >= 0 && axis < SWEEP_AXES);
    return names[axis];
}

bool sweep_axis_is_whole(enum sweep_axis axis)
{
    return axis == AXIS_BATCH_SIZE || axis == AXIS_LAYERS;
}

const char *sweep_state_name(enum sweep_state state)
{
    static const char *const names[TRIAL_STATES] = { "queued", "running", "done",
                                                     "halved", "failed",  "best" };

    assert((int)state >= 0 && state < TRIAL_STATES);
    return names[state];
}

bool sweep_is_over(const struct sweep *sweep, enum sweep_axis axis)
{
    return sweep->over[axis].n > 0 || sweep->over[axis].is_range;
}

/* ---- drawing ---- */

size_t sweep_combinations(const struct sweep *sweep)
{
    size_t n = 1;

    for (int a = 0; a < SWEEP_AXES; a++) {
        if (sweep->over[a].is_range) {
            return SIZE_MAX;
        }
        n *= sweep->over[a].n > 0 ? sweep->over[a].n : 1; /* 64^4 at most */
    }
    return n;
}

/* Combination i, counted with the last axis fastest. */
static void combination(const struct sweep *sweep, size_t i, struct sweep_trial *ret)
{
    for (int a = SWEEP_AXES; a-- > 0;) {
        const struct sweep_over *over = &sweep->over[a];

        if (over->n > 0) {
            ret->value[a] = over->values[i % over->n];
            i /= over->n;
        }
    }
}

/* ratio^u for u in [0, 1): the product of ratio^(1/2), ratio^(1/4), ... for the binary digits of u.
 * Square roots are rounded alike everywhere, which libm's pow is not. */
static double power(double ratio, double u)
{
    double ret = 1.0;

    while (u > 0.0) {
        ratio = sqrt(ratio);
        u *= 2.0;
        if (u >= 1.0) {
            ret *= ratio;
            u -= 1.0;
        }
    }
    return ret;
}

/* Between the bounds, both included as far as float32 has them. */
static double draw(const struct sweep_over *over, bool whole, struct rng *rng)
{
    const double least = over->from, most = over->to;
    const double u = rng_unit(rng);
    /* of whole numbers each has the stretch from it to the next */
    const double end = whole ? most + 1.0 : most;
    double x = over->log ? least * power(end / least, u) : least + (end - least) * u;

    x = whole ? floor(x) : (double)(float)x;
    return x < least ? least : x > most ? most : x;
}

static void draw_each(const struct sweep *sweep, struct rng *rng, struct sweep_trial *ret)
{
    for (int a = 0; a < SWEEP_AXES; a++) {
        const struct sweep_over *over = &sweep->over[a];

        if (over->is_range) {
            ret->value[a] = draw(over, sweep_axis_is_whole((enum sweep_axis)a), rng);
        } else if (over->n > 0) {
            ret->value[a] = over->values[rng_below(rng, over->n)];
        }
    }
}

/* A combination that none of the n before is. */
static size_t draw_new(const size_t *drawn, size_t n, size_t of, struct rng *rng)
{
    for (;;) {
        const size_t it = (size_t)rng_below(rng, of);
        size_t i = 0;

        while (i < n && drawn[i] != it) {
            i++;
        }
        if (i == n) {
            return it;
        }
    }
}

void sweep_draw(const struct sweep *sweep, struct sweep_trial *ret)
{
    const size_t of = sweep_combinations(sweep);
    size_t drawn[SWEEP_TRIALS_MAX];
    struct rng rng;

    assert(sweep->trials >= 1 && sweep->trials <= SWEEP_TRIALS_MAX && sweep->trials <= of);
    rng_init(&rng, sweep->seed);
    for (size_t i = 0; i < sweep->trials; i++) {
        ret[i] = (struct sweep_trial){ .loss = NAN,
                                       .accuracy = NAN,
                                       .validation_loss = NAN,
                                       .validation_accuracy = NAN,
                                       .score = -INFINITY };
        if (sweep->method == SWEEP_GRID) {
            combination(sweep, i, &ret[i]);
        } else if (of == SIZE_MAX) {
            draw_each(sweep, &rng, &ret[i]);
        } else {
            drawn[i] = draw_new(drawn, i, of, &rng);
            combination(sweep, drawn[i], &ret[i]);
        }
    }
}

bool sweep_shape(const struct sweep_hidden *hidden, struct net_spec *spec, struct err *err)
{
    const struct layer_spec first = spec->layers[0], last = spec->layers[spec->n_layers - 1];

    if (hidden->n > 0 && spec->n_layers == 1) {
        return err_set(err, ERR_FIELD, "layers",
                       "need a model with a hidden layer, whose activation they get");
    }
    for (size_t l = 0; l < hidden->n; l++) {
        spec->layers[l] = (struct layer_spec){ hidden->units[l], first.act };
    }
    spec->layers[hidden->n] = last;
    spec->n_layers = hidden->n + 1;
    return true;
}

/* ---- rounds ---- */

size_t sweep_size(const struct sweep *sweep, size_t round)
{
    size_t n = sweep->trials;

    for (size_t r = 0; r < round && sweep->factor > 0 && n > 1; r++) {
        n = (n + sweep->factor - 1) / sweep->factor;
    }
    return n;
}

size_t sweep_goal(const struct sweep *sweep, size_t epochs, size_t round)
{
    size_t goal = sweep->min_epochs;

    if (sweep->factor == 0 || sweep_size(sweep, round) == 1) {
        return epochs;
    }
    for (size_t r = 0; r < round && goal < epochs; r++) {
        goal *= sweep->factor;
    }
    return goal < epochs ? goal : epochs;
}

size_t sweep_rounds(const struct sweep *sweep, size_t epochs)
{
    size_t rounds = 1;

    while (sweep_goal(sweep, epochs, rounds - 1) < epochs) {
        rounds++;
    }
    return rounds;
}

size_t sweep_work(const struct sweep *sweep, size_t epochs)
{
    const size_t rounds = sweep_rounds(sweep, epochs);
    size_t before = 0, work = 0;

    for (size_t r = 0; r < rounds; r++) {
        const size_t goal = sweep_goal(sweep, epochs, r);

        work += sweep_size(sweep, r) * (goal - before);
        before = goal;
    }
    return work;
}

size_t sweep_done(const struct sweep *sweep, size_t epochs, const struct sweep_trial *trials)
{
    size_t done = 0;

    for (size_t i = 0; i < sweep->trials; i++) {
        done += trials[i].rounds > 0 ? sweep_goal(sweep, epochs, trials[i].rounds - 1) : 0;
    }
    return done;
}

static bool is_left(const struct sweep_trial *trial)
{
    return trial->state != TRIAL_FAILED && trial->state != TRIAL_HALVED;
}

/* Whether a has come farther than b, or as far with a better score. */
static bool is_better(const struct sweep_trial *a, const struct sweep_trial *b)
{
    return a->rounds != b->rounds ? a->rounds > b->rounds : a->score > b->score;
}

void sweep_mark(const struct sweep *sweep, struct sweep_trial *trials, size_t at,
                enum sweep_state state)
{
    uint64_t last = 0;

    for (size_t i = 0; i < sweep->trials; i++) {
        last = trials[i].order > last ? trials[i].order : last;
    }
    trials[at].state = state;
    trials[at].order = last + 1;
}

/* The worst of those left; of equals the last. */
static size_t worst(const struct sweep *sweep, const struct sweep_trial *trials)
{
    size_t at = sweep->trials;

    for (size_t i = 0; i < sweep->trials; i++) {
        if (is_left(&trials[i]) && (at == sweep->trials || !is_better(&trials[i], &trials[at]))) {
            at = i;
        }
    }
    return at;
}

bool sweep_next(const struct sweep *sweep, size_t epochs, struct sweep_trial *trials, size_t *at,
                size_t *goal)
{
    size_t round = SIZE_MAX, left = 0;

    for (size_t i = 0; i < sweep->trials; i++) {
        if (is_left(&trials[i])) {
            left++;
            round = trials[i].rounds < round ? trials[i].rounds : round;
        }
    }
    if (left == 0 || round >= sweep_rounds(sweep, epochs)) {
        return false;
    }
    /* Between two rounds all have as many behind them; within one, no more are left than may be. */
    for (; left > sweep_size(sweep, round); left--) {
        sweep_mark(sweep, trials, worst(sweep, trials), TRIAL_HALVED);
    }
    for (size_t i = 0; i < sweep->trials; i++) {
        if (is_left(&trials[i]) && trials[i].rounds == round) {
            *at = i;
            *goal = sweep_goal(sweep, epochs, round);
            return true;
        }
    }
    return false; /* cannot be: the round has somebody */
}

bool sweep_best(const struct sweep *sweep, const struct sweep_trial *trials, size_t *at)
{
    bool found = false;

    for (size_t i = 0; i < sweep->trials; i++) {
        if (is_left(&trials[i]) && trials[i].rounds > 0 &&
            (!found || is_better(&trials[i], &trials[*at]))) {
            *at = i;
            found = true;
        }
    }
    return found;
}

bool sweep_running(const struct sweep *sweep, const struct sweep_trial *trials, size_t *at)
{
    for (size_t i = 0; i < sweep->trials; i++) {
        if (trials[i].state == TRIAL_RUNNING) {
            *at = i;
            return true;
        }
    }
    return false;
}
