/* A job on its worker thread: clone the version it starts from, train epoch by epoch, report.
 * Nothing of the loop's is touched; each result goes there as a report. */
#include "job.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "priors.h"
#include "train.h"

#define CHECK_STEPS 256 /* steps between two looks at the clock, */
#define SLOW_STEP 1e7   /* or one, where a step takes about so many multiply-adds or more */

/* The worker's own. */
struct run {
    struct job *job;
    struct crew *crew;
    struct net *net; /* owned; what is trained */
    struct trainer *trainer;
    void *scratch;    /* owned; for evaluations; NULL: no validation */
    struct net *best; /* owned; PUBLISH_BEST's candidate; NULL: none yet */
    struct origin best_origin;
    double best_score;
    double watched;  /* by early stopping: the best score there was, */
    uint64_t waited; /* epochs since, */
    bool enough;     /* which are as many as it waits */
    double plateau;  /* likewise by the schedule, */
    uint64_t plateau_waited;
    size_t cuts;      /* of the learning rate, so far */
    bool slow;        /* steps take long enough to look at the clock after each */
    double published; /* when, in seconds of a monotonic clock */
    size_t rows;      /* trained on since the last report, */
    double seconds;   /* in this time */
    double used;      /* by the epochs done, in this process */
    double begun;     /* when the part of the epoch under way began */
    double before;    /* what its parts before that took, in an earlier process */
    float *weights;   /* owned; of the outputs' classes; NULL: none */
    double kept;      /* when the last checkpoint was taken */
    size_t epoch;     /* under way, from 1 */
    size_t step;      /* steps done in it */
};

static double clock_seconds(void)
{
    return (double)uv_hrtime() * 1e-9;
}

/* shift and scale of the training data, for a net that has none yet. */
static bool norm_learn(struct run *run, const struct data *data, struct err *err)
{
    const struct net_spec *spec = &run->net->spec;
    float *shift;
    bool ok;

    if ((spec->norm != NORM_STANDARD && spec->norm != NORM_MINMAX) || run->net->shift != NULL) {
        return true;
    }
    shift = malloc(2 * spec->inputs * sizeof *shift);
    if (shift == NULL) {
        return err_set(err, ERR_MEMORY, "normalize", "has no memory");
    }
    norm_fit(spec->norm, data, shift, shift + spec->inputs);
    ok = net_set_norm(run->net, shift, shift + spec->inputs, err);
    free(shift);
    return ok;
}

/* Goes back to where a checkpoint was taken. One that does not fit the net is a defect of the disk
 * that its digest did not show, or of ours. */
static bool run_resume(struct run *run, struct err *err)
{
    const struct checkpoint *checkpoint = &run->job->resume;
    const struct checkpoint_head *head = checkpoint->head;
    size_t blocks;
    float *memory = trainer_memory(run->trainer, &blocks);

    if (head == NULL) {
        return true;
    }
    if (head->job != run->job->id || head->block_len != run->net->block_len ||
        head->inputs != run->net->spec.inputs || head->blocks != blocks ||
        head->has_norm != (run->net->shift != NULL)) {
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
                                        .plan = run->job->plan };
    run->step = (size_t)head->step;
    run->before = head->seconds;
    run->epoch = (size_t)head->epochs_done + 1;
    atomic_store(&run->job->epochs_done, (size_t)head->epochs_done);
    return true;
}

/* What a net that nobody has trained yet takes from its first data besides normalisation. */
static bool priors_learn(struct run *run, const struct data *data, struct err *err)
{
    const bool fresh = run->job->base->origin.source == SOURCE_CREATE;

    return !fresh || run->net->spec.bias_init != BIAS_PRIORS || net_set_priors(run->net, data, err);
}

/* What rows of each class count. */
static bool weights_learn(struct run *run, struct data *data, struct err *err)
{
    const struct class_weights *weights = &run->job->weights;
    const size_t outputs = spec_outputs(&run->net->spec);
    bool ok;

    if (weights->kind == WEIGHTS_EQUAL) {
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

static bool run_begin(struct run *run, struct err *err)
{
    const struct job *job = run->job;
    struct data data = feed_data(&job->train);

    if (!net_clone(job->base->net, &run->net, err) || !norm_learn(run, &data, err) ||
        !priors_learn(run, &data, err) || !weights_learn(run, &data, err)) {
        return false;
    }
    if (job->has_validation &&
        (run->scratch = aligned_alloc(64, (net_scratch(run->net) + 63) / 64 * 64)) == NULL) {
        return err_set(err, ERR_MEMORY, "validation", "has no memory");
    }
    return trainer_create(run->net, &data, &job->plan, &run->trainer, err) && run_resume(run, err);
}

/* A copy of all that the job's bits depend on. */
static bool run_checkpoint(struct run *run, struct checkpoint *ret, struct err *err)
{
    size_t blocks;
    const float *memory = trainer_memory(run->trainer, &blocks);
    const struct checkpoint_head head = {
        .job = run->job->id,
        .blocks = (uint32_t)blocks,
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

    run->kept = clock_seconds();
    return checkpoint_make(&head, run->net, memory, run->best, ret, err);
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
    report = calloc(1, sizeof *report);
    if (report == NULL || !run_checkpoint(run, &report->checkpoint, &none)) {
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

/* Whether the job has trained for as long as it may: then the epoch under way ends here, and is the
 * last. */
static bool is_time(const struct run *run)
{
    const struct job *job = run->job;

    return job->max_seconds > 0.0 &&
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
            if (is_time(run)) {
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

/* More is better. */
static double score_by(enum metric metric, const struct msg_epoch *epoch)
{
    const double value = judge_metric(epoch, metric);

    return metric_is_loss(metric) ? -value : value;
}

/* What PUBLISH_BEST compares, more being better: what early stopping monitors if it is asked for, or
 * validation accuracy, else validation loss, else training loss. */
static double score(const struct job *job, const struct msg_epoch *epoch)
{
    if (job->stopping.patience > 0) {
        return score_by(job->stopping.monitor, epoch);
    }
    if (!isnan(epoch->validation_accuracy)) {
        return epoch->validation_accuracy;
    }
    return isnan(epoch->validation_loss) ? -epoch->loss : -epoch->validation_loss;
}

static struct origin origin_of(const struct job *job, const struct msg_epoch *epoch)
{
    const bool validated = !isnan(epoch->validation_loss);

    return (struct origin){ .source = SOURCE_TRAIN,
                            .job = job->id,
                            .epoch = epoch->epoch,
                            .loss = validated ? epoch->validation_loss : epoch->loss,
                            .accuracy = validated ? epoch->validation_accuracy : epoch->accuracy,
                            .has_plan = true,
                            .plan = job->plan };
}

/* Keeps the best net so far; the last epoch's report gets it. */
static bool keep_best(struct run *run, struct job_report *report, bool last, struct err *err)
{
    if (run->best == NULL || score(run->job, &report->epoch) > run->best_score) {
        net_free(run->best);
        run->best = NULL;
        if (!net_clone(run->net, &run->best, err)) {
            return false;
        }
        run->best_score = score(run->job, &report->epoch);
        run->best_origin = origin_of(run->job, &report->epoch);
    }
    if (last) {
        report->net = run->best;
        report->origin = run->best_origin;
        run->best = NULL;
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

    if (job->publish == PUBLISH_BEST) {
        if (!keep_best(run, report, last, err)) {
            return false;
        }
    } else if (is_due(run, last)) {
        if (!net_clone(run->net, &report->net, err)) {
            return false;
        }
        report->origin = origin_of(job, &report->epoch);
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
    run->enough = run->enough || is_time(run);
    return run_validate(run, ret, err);
}

/* Whether early stopping has seen enough. */
static bool is_enough(struct run *run, const struct msg_epoch *epoch)
{
    const struct early_stopping *stopping = &run->job->stopping;
    double now;

    if (stopping->patience == 0) {
        return false;
    }
    now = score_by(stopping->monitor, epoch);
    if (now > run->watched + stopping->min_delta) {
        run->watched = now;
        run->waited = 0;
    } else {
        run->waited++;
    }
    return run->waited >= stopping->patience;
}

/* The rate that the epoch has. */
static void rate_set(struct run *run)
{
    const struct job *job = run->job;
    const double share =
        schedule_share(&job->schedule.schedule, run->epoch, job->epochs, run->cuts);

    trainer_set_rate(run->trainer, (float)((double)job->plan.learning_rate * share));
}

/* Cuts the rate if it is time; whether it is time but the rate is as low as it may be. */
static bool is_spent(struct run *run, const struct msg_epoch *epoch)
{
    const struct msg_schedule *schedule = &run->job->schedule;
    double now;

    if (schedule->schedule.kind != SCHEDULE_PLATEAU) {
        return false;
    }
    now = score_by(schedule->monitor, epoch);
    if (now > run->plateau) {
        run->plateau = now;
        run->plateau_waited = 0;
    } else if (++run->plateau_waited >= schedule->schedule.patience) {
        if (schedule_is_spent(&schedule->schedule, run->cuts)) {
            return true;
        }
        run->cuts++;
        run->plateau_waited = 0;
    }
    return false;
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

    rate_set(run);
    if (!run_measured(run, &found.epoch, err)) {
        return false;
    }
    run->enough = is_enough(run, &found.epoch) || run->enough;
    run->enough = is_spent(run, &found.epoch) || run->enough;
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

void job_run(struct task *task, struct crew *crew)
{
    struct job *job = (struct job *)((char *)task - offsetof(struct job, task));
    struct run run = { .job = job,
                       .crew = crew,
                       .published = -INFINITY,
                       .watched = -INFINITY,
                       .plateau = -INFINITY,
                       .kept = clock_seconds(),
                       .epoch = 1 };
    struct job_report *end = job->end;
    struct err none = { 0 };
    bool ok = run_begin(&run, &end->err);

    run.slow = ok && (double)job->base->net->n_params * (double)job->plan.batch_size > SLOW_STEP;
    while (ok && run.epoch <= job->epochs && !run.enough) {
        ok = run_one(&run, &end->err);
        run.epoch += ok;
    }
    if (!ok && end->err.code == ERR_NONE && atomic_load(&job->suspend)) {
        end->suspended = true; /* without memory for a checkpoint, the last one has to do */
        run_checkpoint(&run, &end->checkpoint, &none);
    }
    trainer_free(run.trainer);
    net_free(run.net);
    net_free(run.best);
    free(run.scratch);
    free(run.weights);
    end->job = job;
    end->ended = true;
    end->rows = run.rows;
    end->seconds = run.seconds;
    job_post(end); /* the job is the loop's from here on */
}
