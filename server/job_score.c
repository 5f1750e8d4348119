/* What the numbers of an epoch say: whether its net is the best so far, whether to go on. */
#include "job_run.h"

#include <math.h>

/* More is better. */
static double score_by(enum metric metric, const struct msg_epoch *epoch)
{
    const double value = judge_metric(epoch, metric);

    return metric_is_loss(metric) ? -value : value;
}

double run_score(const struct job *job, const struct msg_epoch *epoch)
{
    if (job->sweep != NULL) {
        return score_by(job->sweep->monitor, epoch);
    }
    if (job->stopping.patience > 0) {
        return score_by(job->stopping.monitor, epoch);
    }
    if (!isnan(epoch->validation_accuracy)) {
        return epoch->validation_accuracy;
    }
    return isnan(epoch->validation_loss) ? -epoch->loss : -epoch->validation_loss;
}

struct origin run_origin(const struct run *run, const struct msg_epoch *epoch)
{
    const bool validated = !isnan(epoch->validation_loss);

    return (struct origin){ .source = SOURCE_TRAIN,
                            .job = run->job->id,
                            .epoch = epoch->epoch,
                            .loss = validated ? epoch->validation_loss : epoch->loss,
                            .accuracy = validated ? epoch->validation_accuracy : epoch->accuracy,
                            .has_plan = true,
                            .plan = run->plan };
}

bool run_keep(struct run *run, const struct msg_epoch *epoch, bool *better, struct err *err)
{
    const double score = run_score(run->job, epoch);

    *better = run->best == NULL || score > run->best_score;
    if (*better) {
        net_free(run->best);
        run->best = NULL;
        if (!net_clone(run->net, &run->best, err)) {
            return false;
        }
        run->best_score = score;
        run->best_origin = run_origin(run, epoch);
    }
    return true;
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

void run_watch(struct run *run, const struct msg_epoch *epoch)
{
    run->enough = is_enough(run, epoch) || run->enough;
    run->enough = is_spent(run, epoch) || run->enough;
}
