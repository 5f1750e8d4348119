/* A search for settings: which are tried, in what order, how far each trial is trained, and which
 * is the best. Nothing here trains: the caller does, and says what came of it.
 *
 *   grid     every combination of the values listed, learning rates outermost, layers innermost,
 *            each in the order of its list (scikit-learn's GridSearchCV)
 *   random   where every setting has a list, combinations drawn without putting back, else each
 *            setting of each trial drawn by itself, from its list or between two bounds
 *            (RandomizedSearchCV); all from rng.h, so that the same seed gives the same trials
 *   halving  in round r all that are left are trained to min_epochs factor^r epochs, the best
 *            ceil(n / factor) of the n before go on, until there are as many epochs as asked for
 *            (HalvingRandomSearchCV, with epochs as the resource); who is alone goes all the way
 *
 * Thread: any; what is passed belongs to the caller. */
#ifndef SWEEP_H
#define SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec.h"

#define SWEEP_TRIALS_MAX 1000
#define SWEEP_VALUES_MAX 64 /* of one list */

enum sweep_method { SWEEP_GRID, SWEEP_RANDOM, SWEEP_METHODS };
const char *sweep_method_name(enum sweep_method method);

enum sweep_axis { AXIS_LEARNING_RATE, AXIS_BATCH_SIZE, AXIS_L2, AXIS_LAYERS, SWEEP_AXES };
const char *sweep_axis_name(enum sweep_axis axis);
/* Whether its values are whole numbers; others are float32. */
bool sweep_axis_is_whole(enum sweep_axis axis);

/* One setting: a list of values, or two bounds, both possible, from < to; neither: it is not
 * searched. With log equal ratios are equally likely, which needs from > 0. */
struct sweep_over {
    size_t n;
    double values[SWEEP_VALUES_MAX]; /* of AXIS_LAYERS 0, 1, ...: places in hidden */
    bool is_range, log;
    double from, to;
};

/* Units of the hidden layers; n 0: there is none. */
struct sweep_hidden {
    size_t n;
    uint32_t units[SPEC_LAYERS_MAX - 1];
};

struct sweep {
    enum sweep_method method;
    size_t trials; /* 1 .. SWEEP_TRIALS_MAX; of a grid, and where all are lists, at most the
                    * combinations */
    uint64_t seed;
    struct sweep_over over[SWEEP_AXES];
    struct sweep_hidden hidden[SWEEP_VALUES_MAX];
    size_t factor;     /* of halving, >= 2; 0: none */
    size_t min_epochs; /* with halving, >= 1 */
};

/* Whether it is searched. */
bool sweep_is_over(const struct sweep *sweep, enum sweep_axis axis);

enum sweep_state {
    TRIAL_QUEUED,
    TRIAL_RUNNING,
    TRIAL_DONE, /* as far as it has come: with halving it may go on */
    TRIAL_HALVED,
    TRIAL_FAILED,
    TRIAL_BEST,
    TRIAL_STATES
};
const char *sweep_state_name(enum sweep_state state);

struct sweep_trial {
    double value[SWEEP_AXES]; /* as in struct sweep_over; 0 where nothing is searched */
    enum sweep_state state;
    size_t rounds;  /* that are behind it, a failed one included */
    uint64_t order; /* the changes of all states but to running are counted: when its last was; 0:
                     * not yet */
    size_t epochs;  /* trained */
    size_t epoch;   /* whose net it stands for, with these numbers (NAN: not known); 0: none */
    double loss, accuracy, validation_loss, validation_accuracy;
    double score;   /* what trials are compared by, more being better */
    double seconds; /* of training */
};

/* How many combinations the lists have, SIZE_MAX when there is a range. */
size_t sweep_combinations(const struct sweep *sweep);
/* Fills ret[sweep->trials] with queued trials. */
void sweep_draw(const struct sweep *sweep, struct sweep_trial *ret);

/* The spec with those hidden layers, of the activation that its first one has. Errors: ERR_FIELD at
 * "layers" when it has none, and so no activation. */
bool sweep_shape(const struct sweep_hidden *hidden, struct net_spec *spec, struct err *err);

/* How many trials begin round r, from 0, if none has failed; to what epoch it trains; how many
 * rounds there are; and how many epochs in all. */
size_t sweep_size(const struct sweep *sweep, size_t round);
size_t sweep_goal(const struct sweep *sweep, size_t epochs, size_t round);
size_t sweep_rounds(const struct sweep *sweep, size_t epochs);
size_t sweep_work(const struct sweep *sweep, size_t epochs);
/* How many of those are behind the trials, round by round. */
size_t sweep_done(const struct sweep *sweep, size_t epochs, const struct sweep_trial *trials);

/* The state becomes this one, which is counted. */
void sweep_mark(const struct sweep *sweep, struct sweep_trial *trials, size_t at,
                enum sweep_state state);
/* Which trial is trained next, and to what epoch, all before it having been marked; those that a
 * round has sorted out are. False: all is done. */
bool sweep_next(const struct sweep *sweep, size_t epochs, struct sweep_trial *trials, size_t *at,
                size_t *goal);
/* The first of the trials that the state is running; false: none. */
bool sweep_running(const struct sweep *sweep, const struct sweep_trial *trials, size_t *at);
/* The best of those that have come farthest; of equals the first. False: there is none. */
bool sweep_best(const struct sweep *sweep, const struct sweep_trial *trials, size_t *at);

#endif
