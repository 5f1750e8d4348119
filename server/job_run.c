/* A job on its worker thread: clone the version it starts from, train epoch by epoch, report.
 * Nothing of the loop's is touched; each result goes there as a report. */
#include "job_run.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "priors.h"

#define CHECK_STEPS 256 /* steps between two looks at the clock, */
#define SLOW_STEP 1e7   /* or one, where a step takes about so many multiply-adds or more */

static double clock_seconds(void)
{
    return (double)uv_hrtime() * 1e-9;
}

bool norm_learn(struct net *net, const struct data *data, struct err *err)
{
    const struct net_spec *spec = &net->spec;
    const size_t outputs = spec_outputs(spec);
    const bool inputs = norm_is_learned(spec->norm) && net->shift == NULL;
    const bool targets = norm_is_learned(spec->target_norm) && net->target_shift == NULL;
    float *shift;
    bool ok = true;

    if (!inputs && !targets) {
        return true;
    }
    shift = malloc(2 * (spec->inputs > outputs ? spec->inputs : outputs) * sizeof *shift);
    if (shift == NULL) {
        return err_set(err, ERR_MEMORY, "normalize", "has no memory");
    }
    if (inputs) {
        norm_fit(spec->norm, data, shift, shift + spec->inputs);
        ok = net_set_norm(net, shift, shift + spec->inputs, err);
    }
    if (ok && targets) {
        target_norm_fit(spec->target_norm, data, outputs, shift, shift + outputs);
        ok = net_set_target_norm(net, shift, shift + outputs, err);
    }
    free(shift);
    return ok;
}

/* Goes back to where a checkpoint was taken. One that does not fit the net is a defect of the disk
 * that its digest did not show, or of ours. */
static bool run_resume(struct run *run, const struct checkpoint *checkpoint, struct err *err)
{
    const struct checkpoint_head *head = checkpoint->head;
    size_t blocks;
    float *memory = trainer_memory(run->trainer, &blocks);

    if (head == NULL) {
        return true;
    }
    if (head->job != run->job->id || head->trial != run->trial ||
        head->block_len != run->net->block_len || head->inputs != run->net->spec.inputs ||
        head->blocks != blocks || head->has_norm != (run->net->shift != NULL)) {
        return err_set(err, ERR_INTERNAL, "checkpoint", "does not fit the job");
    }
    if (head->has_best && !net_clone(run->net, &run->best, err)) {
        return false;
    }
    checkpoint_apply(checkpoint, run->net, memory, run->best);
    if (head->has_best && run->net->shift != NULL &&
        !net_set_norm(run->best, run->net->shift, run->net->scale, err)) {
        return false;
    }
    trainer_restore(run->trainer, &head->trainer);
    run->best_score = head->best_score;
    run->watched = head->watched;
    run->waited = head->waited;
    run->plateau = head->plateau;
    run->plateau_waited = head->plateau_waited;
    run->cuts = (size_t)head->cuts;
    run->best_origin = (struct origin){ .source = SOURCE_TRAIN,
                                        .job = run->job->id,
                                        .epoch = (size_t)head->best_epoch,
                                        .loss = head->best_loss,
                                        .accuracy = head->best_accuracy,
                                        .has_plan = true,
                                        .plan = run->plan };
    run->step = (size_t)head->step;
    run->before = head->seconds;
    run->epoch = (size_t)head->epochs_done + 1;
    atomic_store(&run->job->epochs_done, (size_t)head->epochs_done);
    return true;
}

bool priors_learn(struct net *net, const struct data *data, struct err *err)
{
    return net->spec.bias_init != BIAS_PRIORS || net_set_priors(net, data, err);
}

/* What rows of each class count: learned once, and the same for all that the job trains. */
static bool weights_learn(struct run *run, struct data *data, struct err *err)
{
    const struct class_weights *weights = &run->job->weights;
    const size_t outputs = spec_outputs(&run->net->spec);
    bool ok;

    if (weights->kind == WEIGHTS_EQUAL || run->weights != NULL) {
        data->weights = run->weights;
        return true;
    }
    run->weights = malloc(outputs * sizeof *run->weights);
    if (run->weights == NULL) {
        return err_set(err, ERR_MEMORY, "class_weights", "have no memory");
    }
    data->weights = run->weights;
    ok = weights->kind == WEIGHTS_BALANCED
             ? data_balance(data, outputs, run->weights, err)
             : class_weights_resolve(weights, run->job->net_labels, outputs, run->weights, err);
    return ok || err_in(err, "class_weights");
}

bool run_begin(struct run *run, struct net *net, const struct checkpoint *from, struct err *err)
{
    const struct job *job = run->job;
    struct data data = feed_data(&job->train);

    run->net = net;
    run->epoch = 1;
    run->step = 0;
    run->before = 0.0;
    run->enough = false;
    run->watched = run->plateau = -INFINITY;
    run->waited = run->plateau_waited = run->cuts = 0;
    run->best_origin = (struct origin){ 0 };
    run->slow = (double)net->n_params * (double)run->plan.batch_size > SLOW_STEP;
    if (job->has_validation &&
        (run->scratch = aligned_alloc(64, (net_scratch(net) + 63) / 64 * 64)) == NULL) {
        return err_set(err, ERR_MEMORY, "validation", "has no memory");
    }
    return weights_learn(run, &data, err) &&
           trainer_create(net, &data, &run->plan, &run->trainer, err) && run_resume(run, from, err);
}

void run_end(struct run *run)
{
    trainer_free(run->trainer);
    net_free(run->net);
    net_free(run->best);
    free(run->scratch);
    run->trainer = NULL;
    run->net = run->best = NULL;
    run->scratch = NULL;
}

bool run_checkpoint(struct run *run, struct checkpoint *ret, struct err *err)
{
    size_t blocks;
    const float *memory = trainer_memory(run->trainer, &blocks);
    const struct checkpoint_head head = {
        .job = run->job->id,
        .blocks = (uint32_t)blocks,
        .trial = (uint32_t)run->trial,
        .epochs_done = run->epoch - 1,
        .trainer = trainer_save(run->trainer),
        .best_score = run->best_score,
        .best_loss = run->best_origin.loss,
        .best_accuracy = run->best_origin.accuracy,
        .best_epoch = run->best_origin.epoch,
        .watched = run->watched,
        .waited = run->waited,
        .plateau = run->plateau,
        .plateau_waited = run->plateau_waited,
        .cuts = run->cuts,
        .step = run->step,
        .seconds = run->before + clock_seconds() - run->begun,
    };

    return checkpoint_make(&head, run->net, memory, run->best, ret, err);
}

bool run_trials(const struct run *run, struct sweep_trial **ret)
{
    const size_t bytes = run->n_trials * sizeof **ret;

    if (run->n_trials == 0) {
        return true;
    }
    *ret = malloc(bytes);
    if (*ret != NULL) {
        memcpy(*ret, run->trials, bytes);
    }
    return *ret != NULL;
}

/* Takes one when it is time and the one before has got through; without memory, none is taken. */
static void checkpoint_maybe(struct run *run)
{
    struct job *job = run->job;
    const double every = (double)job->checkpoint_seconds;
    struct job_report *report;
    struct err none = { 0 };

    if (every <= 0.0 || clock_seconds() - run->kept < every ||
        atomic_load(&job->checkpoint_posted)) {
        return;
    }
    run->kept = clock_seconds();
    report = calloc(1, sizeof *report);
    if (report == NULL || !run_trials(run, &report->trials) ||
        !run_checkpoint(run, &report->checkpoint, &none)) {
        if (report != NULL) {
            free(report->trials);
        }
        free(report);
        return;
    }
    report->job = job;
    atomic_store(&job->checkpoint_posted, true);
    job_post(report);
}

static bool diverged(size_t epoch, size_t batch, struct err *err)
{
    *err = (struct err){ 0 };
    return err_set(err, ERR_NUMBER, "loss",
                   "is not finite at epoch %zu, batch %zu: training has diverged; the version "
                   "served is the last one published",
                   epoch, batch);
}

/* Whether the job is to stop here, for good or for the next process. */
static bool told_to_stop(const struct job *job)
{
    return atomic_load_explicit(&job->stop, memory_order_relaxed) ||
           atomic_load_explicit(&job->suspend, memory_order_relaxed);
}

bool run_is_time(const struct run *run)
{
    const struct job *job = run->job;

    return job->max_seconds > 0.0 && !run->untimed &&
           job->spent + run->used + run->before + clock_seconds() - run->begun >= job->max_seconds;
}

/* One pass over the training data, or what is left of it; false also, without an error, when told
 * to stop. */
static bool run_epoch(struct run *run, struct err *err)
{
    struct job *job = run->job;
    const size_t steps = trainer_steps(run->trainer);
    size_t ways = atomic_load(&job->ways);

    atomic_store(&job->steps, steps);
    for (size_t i = run->step; i < steps; i++) {
        struct share *share = crew_share(run->crew, trainer_ways(run->trainer));

        if (told_to_stop(job)) {
            return false;
        }
        if (share->ways > ways) {
            ways = share->ways;
            atomic_store(&job->ways, ways);
        }
        if (!trainer_step(run->trainer, share, err)) {
            return err->code == ERR_NUMBER ? diverged(run->epoch, i + 1, err) : false;
        }
        run->step = i + 1;
        atomic_store_explicit(&job->steps_done, i + 1, memory_order_relaxed);
        if (i % CHECK_STEPS == 0 || run->slow) {
            checkpoint_maybe(run);
            if (run_is_time(run)) {
                run->enough = true;
                return true;
            }
        }
    }
    return true;
}

static bool run_validate(struct run *run, struct msg_epoch *epoch, struct err *err)
{
    const struct job *job = run->job;
    struct eval eval = { 0 };
    struct data data;

    if (!job->has_validation) {
        return true;
    }
    data = feed_data(&job->validation);
    if (!net_evaluate(run->net, &data, run->scratch, crew_share(run->crew, SIZE_MAX), &eval, err)) {
        return err_in(err, "validation");
    }
    epoch->validation_loss = eval.loss;
    if (job->validation.has_accuracy) {
        epoch->validation_accuracy = (double)eval.correct / (double)eval.rows;
    }
    return true;
}

/* Whether this epoch's net is to be published: the last always, others when it is time. One that is
 * due while the one before has not got through waits for it, so that a fast job cannot flood the
 * loop. */
static bool is_due(struct run *run, bool last)
{
    struct job *job = run->job;

    if (!last && (job->publish != PUBLISH_EPOCH ||
                  clock_seconds() - run->published < job->publish_seconds)) {
        return false;
    }
    job_await_served(job);
    return true;
}

/* Puts into the report what is to be published after this epoch, if anything. */
static bool run_publish(struct run *run, struct job_report *report, bool last, struct err *err)
{
    struct job *job = run->job;
    bool better;

    if (job->publish == PUBLISH_BEST) {
        if (!run_keep(run, &report->epoch, &better, err)) {
            return false;
        }
        if (last) {
            report->net = run->best;
            report->origin = run->best_origin;
            run->best = NULL;
        }
    } else if (is_due(run, last)) {
        if (!net_clone(run->net, &report->net, err)) {
            return false;
        }
        report->origin = run_origin(run, &report->epoch);
        run->published = clock_seconds();
    }
    if (report->net == NULL) {
        return true;
    }
    atomic_store(&job->net_posted, true);
    return digest_net(report->net, job->net_labels, report->origin.digest, err);
}

/* One epoch, validated. */
static bool run_measured(struct run *run, struct msg_epoch *ret, struct err *err)
{
    struct train_sum sum;

    run->begun = clock_seconds();
    if (!run_epoch(run, err)) {
        return false;
    }
    sum = trainer_sum(run->trainer);
    *ret = (struct msg_epoch){
        .epoch = run->epoch,
        .loss = sum.loss,
        .accuracy = run->job->train.has_accuracy ? (double)sum.correct / (double)sum.rows : NAN,
        .validation_loss = NAN,
        .validation_accuracy = NAN,
        .seconds = run->before + clock_seconds() - run->begun,
    };
    run->before = 0.0;
    run->step = 0;
    run->rows += sum.rows;
    run->seconds += ret->seconds;
    run->used += ret->seconds;
    run->begun = clock_seconds(); /* what was before that is in used */
    run->enough = run->enough || run_is_time(run);
    return run_validate(run, ret, err);
}

/* The rate that the epoch has. */
static void rate_set(struct run *run)
{
    const struct job *job = run->job;
    const double share =
        schedule_share(&job->schedule.schedule, run->epoch, job->epochs, run->cuts);

    trainer_set_rate(run->trainer, (float)((double)run->plan.learning_rate * share));
}

bool run_next(struct run *run, struct msg_epoch *ret, struct err *err)
{
    rate_set(run);
    if (!run_measured(run, ret, err)) {
        return false;
    }
    run_watch(run, ret);
    return true;
}

/* One epoch and, if it has something to say, its report; false when the job is to end. */
static bool run_one(struct run *run, struct err *err)
{
    struct job *job = run->job;
    const size_t epoch = run->epoch;
    const size_t stride = (job->epochs + JOB_HISTORY_MAX - 1) / JOB_HISTORY_MAX;
    struct job_report *report;
    struct job_report found = { .job = job };
    bool last;

    if (!run_next(run, &found.epoch, err)) {
        return false;
    }
    last = epoch == job->epochs || run->enough;
    found.has_epoch = epoch % stride == 0 || last;
    report = calloc(1, sizeof *report);
    if (report == NULL || !run_publish(run, &found, last, err)) {
        net_free(found.net);
        free(report);
        return err_set(err, ERR_MEMORY, "job", "has no memory for its record");
    }
    atomic_store(&job->epochs_done, epoch);
    if (!found.has_epoch && found.net == NULL) {
        free(report);
        return true;
    }
    found.rows = run->rows;
    found.seconds = run->seconds;
    run->rows = 0;
    run->seconds = 0.0;
    *report = found;
    job_post(report);
    return true;
}

/* A job that trains one net from its base on. */
static bool run_all(struct run *run, struct err *err)
{
    const struct job *job = run->job;
    const struct data data = feed_data(&job->train);
    const bool fresh = job->base->origin.source == SOURCE_CREATE;
    struct net *net = NULL;

    if (!net_clone(job->base->net, &net, err) || !norm_learn(net, &data, err) ||
        (fresh && !priors_learn(net, &data, err))) {
        net_free(net);
        return false;
    }
    if (!run_begin(run, net, &job->resume, err)) {
        return false;
    }
    while (run->epoch <= job->epochs && !run->enough) {
        if (!run_one(run, err)) {
            return false;
        }
        run->epoch++;
    }
    return true;
}

void job_run(struct task *task, struct crew *crew)
{
    struct job *job = (struct job *)((char *)task - offsetof(struct job, task));
    struct run run = {
        .job = job, .crew = crew, .plan = job->plan, .published = -INFINITY, .kept = clock_seconds()
    };
    struct job_report *end = job->end;
    struct err none = { 0 };
    bool ok =
        job->sweep != NULL ? job_sweep(&run, &end->trials, &end->err) : run_all(&run, &end->err);

    if (!ok && end->err.code == ERR_NONE && atomic_load(&job->suspend)) {
        end->suspended = true; /* without memory for a checkpoint, the last one has to do */
        run_checkpoint(&run, &end->checkpoint, &none);
    }
    run_end(&run);
    free(run.weights);
    end->job = job;
    end->ended = true;
    end->rows = run.rows;
    end->seconds = run.seconds;
    job_post(end); /* the job is the loop's from here on */
}
