/* A job that tries settings out (core/sweep.h): trial after trial, each a fresh net, drawn by the
 * model's seed and trained by the job's plan with the trial's settings, as a new model of that spec
 * would be. So a trial depends on nothing that was before it, and may be trained again at any time,
 * to the same bits.
 *
 * Between two rounds of halving the trials that are left wait as checkpoints in memory, KEPT_MAX
 * bytes of them; those beyond it, the worse ones, are trained again from the start. On disk there
 * is the table, and a checkpoint of the trial under way: what else is missing after a restart is
 * trained again, too, the best net included if its trial was over by then. */
#include "job_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX ((size_t)64 << 20)
#define TELL_SECONDS 0.05 /* between two reports of the table */

struct sweeper {
    struct run *run;
    struct job *job;
    const struct sweep *sweep;
    struct sweep_trial *trials; /* owned */
    struct checkpoint *kept;    /* owned; one a trial */
    size_t kept_bytes;
    float *norm;        /* owned; shift and scale of the training data; NULL: not yet, or none */
    float *target_norm; /* owned; likewise */
    struct net *best; /* owned; that of trial best_at, the best so far; NULL: to be trained again */
    size_t best_at;
    double told; /* when the table was reported, in seconds of a monotonic clock */
    bool over;   /* max_seconds have passed */
};

static double clock_seconds(void)
{
    return (double)uv_hrtime() * 1e-9;
}

/* ---- a trial's net and plan ---- */

/* Both, one behind the other; NULL without memory: then they are worked out again. */
static float *pair_copy(const float *shift, const float *scale, size_t n)
{
    float *ret = malloc(2 * n * sizeof *ret);

    if (ret != NULL) {
        memcpy(ret, shift, n * sizeof *ret);
        memcpy(ret + n, scale, n * sizeof *ret);
    }
    return ret;
}

/* Normalisation of a trial's net, worked out once for all of them. */
static bool norm_set(struct sweeper *s, struct net *net, struct err *err)
{
    const struct net *base = s->job->base->net;
    const struct data data = feed_data(&s->job->train);
    const size_t inputs = net->spec.inputs, outputs = spec_outputs(&net->spec);

    if ((net->spec.norm == NORM_UNIT && !net_set_norm(net, base->shift, base->scale, err)) ||
        (s->norm != NULL && !net_set_norm(net, s->norm, s->norm + inputs, err)) ||
        (s->target_norm != NULL &&
         !net_set_target_norm(net, s->target_norm, s->target_norm + outputs, err)) ||
        !norm_learn(net, &data, err)) {
        return false;
    }
    if (s->norm == NULL && net->shift != NULL) {
        s->norm = pair_copy(net->shift, net->scale, inputs);
    }
    if (s->target_norm == NULL && net->target_shift != NULL) {
        s->target_norm = pair_copy(net->target_shift, net->target_scale, outputs);
    }
    return true;
}

static bool trial_net(struct sweeper *s, size_t at, struct net **ret, struct err *err)
{
    struct net_spec spec = s->job->base->net->spec;
    const struct data data = feed_data(&s->job->train);
    struct net *net = NULL;
    const size_t hidden = (size_t)s->trials[at].value[AXIS_LAYERS];

    if (sweep_is_over(s->sweep, AXIS_LAYERS) &&
        !sweep_shape(&s->sweep->hidden[hidden], &spec, err)) {
        return false;
    }
    if (!net_create(&spec, &net, err)) {
        return false;
    }
    net_init(net);
    if (!norm_set(s, net, err) || !priors_learn(net, &data, err)) {
        net_free(net);
        return false;
    }
    *ret = net;
    return true;
}

static struct train_plan trial_plan(const struct sweeper *s, size_t at)
{
    const double *value = s->trials[at].value;
    struct train_plan plan = s->job->plan;

    if (sweep_is_over(s->sweep, AXIS_LEARNING_RATE)) {
        plan.learning_rate = (float)value[AXIS_LEARNING_RATE];
    }
    if (sweep_is_over(s->sweep, AXIS_BATCH_SIZE)) {
        plan.batch_size = (size_t)value[AXIS_BATCH_SIZE];
    }
    if (sweep_is_over(s->sweep, AXIS_L2)) {
        plan.l2 = (float)value[AXIS_L2];
    }
    return plan;
}

/* ---- the table ---- */

/* Reports it, when it is time; without memory for that the next report has it. */
static void tell(struct sweeper *s)
{
    struct run *run = s->run;
    struct job_report *report;

    if (clock_seconds() - s->told < TELL_SECONDS || (report = calloc(1, sizeof *report)) == NULL) {
        return;
    }
    if (!run_trials(run, &report->trials)) {
        free(report);
        return;
    }
    report->job = s->job;
    report->rows = run->rows;
    report->seconds = run->seconds;
    run->rows = 0;
    run->seconds = 0.0;
    s->told = clock_seconds();
    job_post(report);
}

static void numbers_set(struct sweep_trial *trial, const struct msg_epoch *epoch, double score)
{
    trial->epoch = epoch->epoch;
    trial->loss = epoch->loss;
    trial->accuracy = epoch->accuracy;
    trial->validation_loss = epoch->validation_loss;
    trial->validation_accuracy = epoch->validation_accuracy;
    trial->score = score;
}

static void numbers_clear(struct sweep_trial *trial)
{
    const struct msg_epoch none = { 0, NAN, NAN, NAN, NAN, 0.0, 0 };

    numbers_set(trial, &none, -INFINITY);
}

/* ---- what waits for the next round ---- */

static void kept_drop(struct sweeper *s, size_t at)
{
    s->kept_bytes -= s->kept[at].len;
    checkpoint_done(&s->kept[at]);
}

static void kept_add(struct sweeper *s, size_t at)
{
    struct err none = { 0 };

    if (!run_checkpoint(s->run, &s->kept[at], &none)) {
        return; /* no memory */
    }
    s->kept_bytes += s->kept[at].len;
    while (s->kept_bytes > KEPT_MAX) {
        size_t worst = at;

        for (size_t i = 0; i < s->sweep->trials; i++) {
            if (s->kept[i].len > 0 && s->trials[i].score < s->trials[worst].score) {
                worst = i;
            }
        }
        kept_drop(s, worst);
    }
}

static void kept_tidy(struct sweeper *s)
{
    for (size_t i = 0; i < s->sweep->trials; i++) {
        if (s->trials[i].state == TRIAL_HALVED) {
            kept_drop(s, i);
        }
    }
}

/* ---- one trial ---- */

/* Where it stood, after the round before or before a restart, or nothing. What is from before the
 * restart has to be of this trial, and to go with what the table says of it. */
static const struct checkpoint *trial_from(const struct sweeper *s, size_t at)
{
    static const struct checkpoint nothing;
    const struct checkpoint_head *head = s->job->resume.head;

    if (s->kept[at].head != NULL) {
        return &s->kept[at];
    }
    return head != NULL && head->trial == at + 1 &&
                   (!head->has_best || head->best_epoch == s->trials[at].epoch)
               ? &s->job->resume
               : &nothing;
}

static bool trial_begin(struct sweeper *s, size_t at, struct sweep_trial *row, struct err *err)
{
    const struct checkpoint *from = trial_from(s, at);
    struct run *run = s->run;
    struct net *net = NULL;
    bool ok;

    run_end(run);
    run->trial = at + 1;
    run->plan = trial_plan(s, at);
    atomic_store(&s->job->epochs_done, 0);
    if (from->head == NULL) {
        row->epochs = 0;
        row->seconds = 0.0;
    }
    if (from->head == NULL || !from->head->has_best) {
        numbers_clear(row);
    }
    tell(s);
    ok = trial_net(s, at, &net, err) && run_begin(run, net, from, err);
    kept_drop(s, at); /* it goes on from there, and will stand elsewhere */
    return ok;
}

/* Up to the end of that epoch, unless it ends before by itself. What came of it goes into row. */
static bool trial_train(struct sweeper *s, size_t at, size_t goal, struct sweep_trial *row,
                        struct err *err)
{
    const size_t before = sweep_done(s->sweep, s->job->epochs, s->trials);
    const size_t rounds = s->trials[at].rounds;
    const size_t was = rounds > 0 ? sweep_goal(s->sweep, s->job->epochs, rounds - 1) : 0;
    struct run *run = s->run;
    struct msg_epoch found;
    bool better = true;

    if (!trial_begin(s, at, row, err)) {
        return false;
    }
    while (run->epoch <= goal && !run->enough) {
        if (!run_next(run, &found, err) ||
            (s->job->publish == PUBLISH_BEST && !run_keep(run, &found, &better, err))) {
            return false;
        }
        if (better) {
            numbers_set(row, &found, run_score(s->job, &found));
        }
        row->epochs = run->epoch;
        row->seconds += found.seconds;
        atomic_store(&s->job->epochs_done, run->epoch);
        atomic_store(&s->job->swept, before + (run->epoch > was ? run->epoch - was : 0));
        run->epoch++;
    }
    return true;
}

/* The net that the trial stands for, out of the training that has just ended. */
static void best_take(struct sweeper *s, size_t at)
{
    struct net **from = s->job->publish == PUBLISH_BEST ? &s->run->best : &s->run->net;

    net_free(s->best);
    s->best = *from;
    s->best_at = at;
    *from = NULL;
}

/* It has come through a round; in the last one, or the last that there is time for, its net may be
 * wanted. */
static void trial_done(struct sweeper *s, size_t at, size_t goal)
{
    size_t best;

    s->trials[at].rounds++;
    sweep_mark(s->sweep, s->trials, at, TRIAL_DONE);
    s->over = run_is_time(s->run);
    if (goal < s->job->epochs && !s->over) {
        kept_add(s, at);
    } else if (sweep_best(s->sweep, s->trials, &best) && best == at) {
        best_take(s, at);
    }
}

/* One round of one trial. One that diverges ends, and nothing else does. */
static bool trial_run(struct sweeper *s, size_t at, size_t goal, struct err *err)
{
    struct sweep_trial *trial = &s->trials[at];
    const size_t rounds = trial->rounds;

    if (rounds > 0 && trial->state == TRIAL_DONE &&
        trial->epochs < sweep_goal(s->sweep, s->job->epochs, rounds - 1)) {
        trial->rounds++; /* it has ended by itself in the round before, and would again */
        sweep_mark(s->sweep, s->trials, at, TRIAL_DONE);
        return true;
    }
    trial->state = TRIAL_RUNNING;
    if (trial_train(s, at, goal, trial, err)) {
        trial_done(s, at, goal);
        return true;
    }
    if (err->code != ERR_NUMBER) {
        return false;
    }
    *err = (struct err){ 0 };
    trial->epochs = s->run->epoch;
    trial->rounds++;
    sweep_mark(s->sweep, s->trials, at, TRIAL_FAILED);
    s->run->used += clock_seconds() - s->run->begun;
    s->run->begun = clock_seconds();
    s->over = run_is_time(s->run);
    return true;
}

/* ---- all of them ---- */

/* The best trial's net, trained again if it is not at hand: max_seconds, which may have passed, do
 * not count then. */
static bool best_have(struct sweeper *s, size_t at, struct err *err)
{
    struct sweep_trial again = s->trials[at];

    if (s->best != NULL && s->best_at == at) {
        return true;
    }
    s->run->untimed = true;
    if (!trial_train(s, at, s->trials[at].epochs, &again, err)) {
        return false;
    }
    best_take(s, at);
    return true;
}

static bool best_publish(struct sweeper *s, size_t at, struct err *err)
{
    const struct sweep_trial *best = &s->trials[at];
    struct run *run = s->run;
    struct job_report *report = calloc(1, sizeof *report);

    if (report == NULL || !run_trials(run, &report->trials)) {
        free(report);
        return err_set(err, ERR_MEMORY, "job", "has no memory for its record");
    }
    run->plan = trial_plan(s, at);
    report->job = s->job;
    report->epoch = (struct msg_epoch){ .epoch = best->epoch,
                                        .loss = best->loss,
                                        .accuracy = best->accuracy,
                                        .validation_loss = best->validation_loss,
                                        .validation_accuracy = best->validation_accuracy };
    report->origin = run_origin(run, &report->epoch);
    report->rows = run->rows;
    report->seconds = run->seconds;
    if (!digest_net(s->best, s->job->net_labels, report->origin.digest, err)) {
        free(report->trials);
        free(report);
        return false;
    }
    report->net = s->best;
    s->best = NULL;
    atomic_store(&s->job->epochs_done, best->epochs);
    atomic_store(&s->job->net_posted, true);
    job_post(report);
    return true;
}

static bool sweep_all(struct sweeper *s, struct err *err)
{
    size_t at, goal;

    while (!s->over && sweep_next(s->sweep, s->job->epochs, s->trials, &at, &goal)) {
        kept_tidy(s);
        if (!trial_run(s, at, goal, err)) {
            return false;
        }
    }
    if (!sweep_best(s->sweep, s->trials, &at)) {
        return err_set(err, ERR_NUMBER, "sweep",
                       "has no best: every trial that was run has diverged");
    }
    if (!best_have(s, at, err)) {
        return false;
    }
    sweep_mark(s->sweep, s->trials, at, TRIAL_BEST);
    return best_publish(s, at, err);
}

bool job_sweep(struct run *run, struct sweep_trial **trials, struct err *err)
{
    struct job *job = run->job;
    const struct sweep *sweep = &job->sweep->sweep;
    struct sweeper s = { .run = run,
                         .job = job,
                         .sweep = sweep,
                         .trials = calloc(sweep->trials, sizeof *s.trials),
                         .kept = calloc(sweep->trials, sizeof *s.kept),
                         .told = -INFINITY };
    bool ok = s.trials != NULL && s.kept != NULL;

    if (ok) {
        memcpy(s.trials, job->trials, sweep->trials * sizeof *s.trials);
        run->trials = s.trials;
        run->n_trials = sweep->trials;
        ok = sweep_all(&s, err);
    } else {
        err_set(err, ERR_MEMORY, "sweep", "has no memory");
    }
    for (size_t i = 0; s.kept != NULL && i < sweep->trials; i++) {
        checkpoint_done(&s.kept[i]);
    }
    free(s.kept);
    free(s.norm);
    free(s.target_norm);
    net_free(s.best);
    run->trials = NULL;
    run->n_trials = 0;
    *trials = s.trials;
    return ok;
}
