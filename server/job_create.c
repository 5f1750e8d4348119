/* From an order to a job that waits its turn. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jobs.h"
#include "server.h"

static void created(struct job *job, const struct err *err)
{
    void (*done)(struct job *, const struct err *, void *) = job->created_done;
    struct jobs *jobs = job->jobs;
    struct err copy = *err;

    job->creating = false;
    job->created_done = NULL;
    if (copy.code != ERR_NONE) {
        job_count(job, false);
        job_feed_count(job, false);
        done(job, &copy, job->created_arg);
        job_drop(job);
        return;
    }
    done(job, &copy, job->created_arg);
    if (atomic_load(&job->stop)) { /* cancelled meanwhile */
        job_finish(job, JOB_CANCELLED);
    }
    jobs_dispatch(jobs);
}

/* Its data set may have been replaced or deleted since it was opened; the folder has gone then, and
 * a job of the next process would have nothing to read. */
static bool feed_there(const struct feed *feed, struct err *err)
{
    return feed->dataset == NULL || !feed->dataset->gone ||
           err_set(err, ERR_BUSY, "dataset", "'%s' was changed meanwhile", feed->dataset->name);
}

static bool order_check(const struct jobs *jobs, const struct job_order *order, struct err *err)
{
    const size_t max = jobs->server->options.max_jobs;

    if (jobs->server->draining) {
        return err_set(err, ERR_DRAINING, "", "the server is going down and takes no new job");
    }
    if (order->model->deleting || order->model->deleted) {
        return err_set(err, ERR_BUSY, "name", "'%s' is being deleted", order->model->name);
    }
    if (!feed_there(&order->train, err) || !feed_there(&order->validation, err)) {
        return false;
    }
    if (jobs->queued + jobs->running + jobs->paused >= max) {
        return err_set(err, ERR_QUEUE, "jobs", "are %zu, as many as --max-jobs allows", max);
    }
    return true;
}

static void order_done(struct job_order *order)
{
    feed_done(&order->train);
    feed_done(&order->validation);
    labels_free(order->labels);
    class_weights_done(&order->msg->weights);
    order->labels = NULL;
}

/* The sweep that is asked for, if any, with its trials. */
static bool sweep_take(struct job *job, const struct msg_sweep *sweep, struct err *err)
{
    if (sweep == NULL) {
        return true;
    }
    job->sweep = malloc(sizeof *sweep);
    job->trials = calloc(sweep->sweep.trials, sizeof *job->trials);
    if (job->sweep == NULL || job->trials == NULL) {
        return err_set(err, ERR_MEMORY, "sweep", "has no memory");
    }
    *job->sweep = *sweep;
    sweep_draw(&job->sweep->sweep, job->trials);
    return true;
}

/* Everything else that an order says, into a job of zeros. */
static void order_take(struct job *job, struct job_order *order)
{
    struct msg_train *msg = order->msg;
    struct model *model = order->model;

    job->model = model_ref(model);
    memcpy(job->model_name, model->name, sizeof job->model_name);
    if (model->folder != NULL) {
        snprintf(job->model_folder, sizeof job->model_folder, "%s",
                 strrchr(model->folder, '/') + 1);
    }
    job->epochs = msg->epochs;
    job->plan = msg->plan;
    job->publish = msg->publish;
    job->publish_seconds = msg->publish_seconds;
    job->promote = msg->promote;
    job->stopping = msg->stopping;
    job->schedule = msg->schedule;
    job->max_seconds = msg->max_seconds;
    job->split = msg->split;
    job->weights = msg->weights;
    msg->weights = (struct class_weights){ 0 };
    job->priority = job->priority_next = msg->priority;
    job->has_validation = msg->has_validation;
    memcpy(job->dataset, msg->source.dataset, sizeof job->dataset);
    memcpy(job->validation_name, msg->validation.dataset, sizeof job->validation_name);
    snprintf(job->key, sizeof job->key, "%s", order->key);
    snprintf(job->request, sizeof job->request, "%s", order->request);
    job->train = order->train;
    job->validation = order->validation;
    job->labels = order->labels;
    model->plan = msg->plan;
}

bool job_create(struct jobs *jobs, struct job_order *order,
                void (*done)(struct job *job, const struct err *err, void *arg), void *arg,
                struct err *err)
{
    struct job *job = NULL;

    if (order_check(jobs, order, err) && ((job = calloc(1, sizeof *job)) == NULL ||
                                          (job->end = calloc(1, sizeof *job->end)) == NULL)) {
        err_set(err, ERR_MEMORY, "job", "has no memory");
    }
    if (err->code != ERR_NONE || !sweep_take(job, order->msg->sweep, err) ||
        !job_add(jobs, job, err)) {
        order_done(order);
        if (job != NULL) {
            free(job->sweep);
            free(job->trials);
            free(job->end);
            free(job);
        }
        return false;
    }
    job->id = ++jobs->last;
    job->jobs = jobs;
    order_take(job, order);
    job->checkpoint_seconds =
        job->model_folder[0] != '\0' ? jobs->server->options.checkpoint_seconds : 0;
    job->created = server_now();
    job->state = job->outcome = JOB_QUEUED;
    job->task.run = job_run;
    job->creating = true;
    job->created_done = done;
    job->created_arg = arg;
    job_count(job, true);
    job_feed_count(job, true);
    job_save(job, SAVE_CREATE, NULL, created);
    return true;
}
