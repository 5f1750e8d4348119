#include "job.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn_line.h"
#include "log.h"
#include "metrics.h"
#include "request.h"
#include "route.h"
#include "server.h"

struct jobs {
    struct server *server;
    struct job **list; /* owned; oldest first, ended ones included */
    size_t n, cap;
    size_t running, queued;
    uint64_t last; /* id */
    uv_async_t async;
    pthread_mutex_t lock;
    pthread_cond_t served;          /* a posted net is served, or a job is to stop */
    struct job_report *head, *tail; /* under the lock */
};

static void dispatch(struct jobs *jobs);
static void reports_take(struct job *job, struct job_report *report);

/* A worker may be waiting for either. */
static void served_tell(struct jobs *jobs, atomic_bool *flag, bool value)
{
    pthread_mutex_lock(&jobs->lock);
    atomic_store(flag, value);
    pthread_cond_broadcast(&jobs->served);
    pthread_mutex_unlock(&jobs->lock);
}

void job_await_served(struct job *job)
{
    struct jobs *jobs = job->jobs;

    pthread_mutex_lock(&jobs->lock);
    while (atomic_load(&job->net_posted) && !atomic_load(&job->stop)) {
        pthread_cond_wait(&jobs->served, &jobs->lock);
    }
    pthread_mutex_unlock(&jobs->lock);
}

/* ---- one job ---- */

static void job_free(struct job *job)
{
    feed_done(&job->train);
    feed_done(&job->validation);
    labels_free(job->labels);
    free(job->history);
    free(job->end);
    model_unref(job->model);
    free(job);
}

bool job_ended(const struct job *job)
{
    return job->state != JOB_QUEUED && job->state != JOB_RUNNING;
}

/* A job reads its data sets from the moment it is queued. */
static void feed_count(struct feed *feed, const struct job *job, bool add)
{
    if (feed->dataset != NULL) {
        feed->dataset->jobs += add ? 1u : -1u;
        feed->dataset->job = job->id;
    }
}

bool job_create(struct jobs *jobs, struct model *model, const struct msg_train *msg,
                struct feed *train, struct feed *validation, struct labels *labels,
                struct job **ret, struct err *err)
{
    const size_t max = jobs->server->options.max_jobs;
    struct job *job = calloc(1, sizeof *job);

    if (jobs->n == jobs->cap) {
        size_t cap = jobs->cap == 0 ? 64 : 2 * jobs->cap;
        struct job **grown = realloc(jobs->list, cap * sizeof(struct job *));

        if (grown != NULL) {
            jobs->list = grown;
            jobs->cap = cap;
        }
    }
    if (jobs->server->draining) {
        err_set(err, ERR_DRAINING, "", "the server is going down and takes no new job");
    } else if (model->deleting) {
        err_set(err, ERR_BUSY, "name", "'%s' is being deleted", model->name);
    } else if (jobs->queued + jobs->running >= max) {
        err_set(err, ERR_LIMIT, "jobs", "are %zu, as many as --max-jobs allows", max);
    } else if (job == NULL || jobs->n == jobs->cap ||
               (job->end = calloc(1, sizeof *job->end)) == NULL) {
        err_set(err, ERR_MEMORY, "job", "has no memory");
    }
    if (err->code != ERR_NONE) {
        feed_done(train);
        feed_done(validation);
        labels_free(labels);
        free(job);
        return false;
    }
    job->id = ++jobs->last;
    job->jobs = jobs;
    job->model = model_ref(model);
    job->epochs = msg->epochs;
    job->plan = msg->plan;
    job->publish = msg->publish;
    job->publish_seconds = msg->publish_seconds;
    job->has_validation = msg->has_validation;
    memcpy(job->dataset, msg->source.dataset, sizeof job->dataset);
    memcpy(job->validation_name, msg->validation.dataset, sizeof job->validation_name);
    job->created = server_now();
    job->train = *train;
    job->validation = *validation;
    job->labels = labels;
    job->task.run = job_run;
    feed_count(&job->train, job, true);
    feed_count(&job->validation, job, true);
    model->jobs++;
    model->plan = msg->plan;
    jobs->queued++;
    jobs->list[jobs->n++] = job;
    *ret = job;
    dispatch(jobs);
    return true;
}

/* ---- clients that wait ---- */

static void waiter_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Answers one, with 200 when the job has ended and 202 when it has not. */
static void waiter_answer(struct waiter *waiter)
{
    struct request *req = waiter->req;
    struct msg_job info;
    struct text text = { 0 };

    job_info(waiter->job, &info);
    msg_job_encode(&text, &info, true);
    text_str(&text, "\n");
    request_reply(req, job_ended(waiter->job) ? 200 : 202, &text);
    waiter->req = NULL;
    uv_close((uv_handle_t *)&waiter->timer, waiter_closed);
    request_finish(req);
}

static void waiter_expired(uv_timer_t *timer)
{
    struct waiter *waiter = timer->data;
    struct waiter **at = &waiter->job->waiters;

    while (*at != waiter) {
        at = &(*at)->next;
    }
    *at = waiter->next;
    waiter_answer(waiter);
}

bool job_wait(struct job *job, struct request *req, double seconds, struct err *err)
{
    struct waiter *waiter = calloc(1, sizeof *waiter);

    if (waiter == NULL) {
        return err_set(err, ERR_MEMORY, "Prefer", "has no memory to wait");
    }
    waiter->req = req;
    waiter->job = job;
    uv_timer_init(job->jobs->server->loop, &waiter->timer);
    waiter->timer.data = waiter;
    if (job_ended(job)) {
        waiter_answer(waiter);
        return true;
    }
    waiter->next = job->waiters;
    job->waiters = waiter;
    if (seconds >= 0.0) {
        uv_timer_start(&waiter->timer, waiter_expired, (uint64_t)(seconds * 1000.0), 0);
    }
    return true;
}

/* ---- ends ---- */

static void records_prune(struct jobs *jobs)
{
    const size_t keep = jobs->server->options.keep_jobs;
    size_t ended = jobs->n - jobs->queued - jobs->running;
    size_t to = 0;

    for (size_t i = 0; i < jobs->n; i++) {
        struct job *job = jobs->list[i];

        if (job_ended(job) && ended > keep) {
            ended--;
            job_free(job);
        } else {
            jobs->list[to++] = job;
        }
    }
    jobs->n = to;
}

/* The record stays; what the job held is given up. The job may be gone after it. */
static void job_finish(struct job *job, enum job_state state)
{
    struct waiter *waiter = job->waiters;
    struct jobs *jobs = job->jobs;

    if (job->state == JOB_QUEUED) {
        jobs->queued--;
    } else {
        jobs->running--;
        job->model->job = NULL;
    }
    job->model->jobs--;
    job->state = state;
    job->finished = server_now();
    feed_count(&job->train, job, false);
    feed_count(&job->validation, job, false);
    feed_done(&job->train);
    feed_done(&job->validation);
    if (job->base != NULL) {
        version_unref(job->base);
        job->base = NULL;
    }
    job->waiters = NULL;
    while (waiter != NULL) {
        struct waiter *next = waiter->next;

        waiter_answer(waiter);
        waiter = next;
    }
    log_line("job %" PRIu64 " on %s has %s", job->id, job->model->name,
             state == JOB_CANCELLED ? "been cancelled" : job_state_name(state));
    records_prune(jobs);
    server_request_ended(jobs->server); /* a draining server may be waiting for this */
}

bool job_cancel(struct job *job, struct err *err)
{
    if (job_ended(job)) {
        return err_set(err, ERR_BUSY, "id", "%" PRIu64 " has ended: it is %s", job->id,
                       job_state_name(job->state));
    }
    if (job->state == JOB_QUEUED) {
        job_finish(job, JOB_CANCELLED);
    } else {
        served_tell(job->jobs, &job->stop, true);
    }
    return true;
}

/* Cancels the queued and stops the running jobs of a model, or of all when model is NULL. Jobs
 * leave the list only when records are pruned, so it is walked from the end. */
static void cancel_all(struct jobs *jobs, const struct model *model)
{
    for (size_t i = jobs->n; i-- > 0;) {
        struct err none = { 0 };

        if (i < jobs->n && !job_ended(jobs->list[i]) &&
            (model == NULL || jobs->list[i]->model == model)) {
            job_cancel(jobs->list[i], &none);
        }
    }
}

void jobs_cancel_model(struct jobs *jobs, const struct model *model)
{
    cancel_all(jobs, model);
}

void jobs_stop(struct jobs *jobs)
{
    cancel_all(jobs, NULL);
}

/* ---- reports ---- */

/* The first version that has learned from named classes gives the model its labels. */
static void labels_settle(struct job *job)
{
    if (job->labels != NULL && job->model->labels == NULL) {
        job->model->labels = job->labels;
        job->labels = NULL;
    }
}

static void report_epoch(struct job *job, const struct job_report *report)
{
    if (job->n_history == job->cap_history) {
        size_t cap = job->cap_history == 0 ? 16 : 2 * job->cap_history;
        struct msg_epoch *grown = realloc(job->history, cap * sizeof *grown);

        if (grown == NULL) {
            err_set(&job->err, ERR_MEMORY, "history", "has no memory");
            atomic_store(&job->stop, true);
            return;
        }
        job->history = grown;
        job->cap_history = cap;
    }
    job->history[job->n_history++] = report->epoch;
}

/* What a report says, but for the net in it. */
static void report_record(struct job *job, struct job_report *report)
{
    job->train_seconds += report->seconds;
    job->train_rows += report->rows;
    metrics_trained(job->jobs->server->metrics, report->rows);
    if (report->has_epoch) {
        report_epoch(job, report);
    }
    if (report->ended) {
        if (job->err.code == ERR_NONE) {
            job->err = report->err;
        }
        job->end = NULL;
        job_finish(job, job->err.code != ERR_NONE ? JOB_FAILED
                        : atomic_load(&job->stop) && atomic_load(&job->epochs_done) < job->epochs
                            ? JOB_CANCELLED
                            : JOB_SUCCEEDED);
    }
    free(report);
}

static void report_published(struct publication *publication)
{
    struct job *job = (struct job *)((char *)publication - offsetof(struct job, publication));
    struct job_report *report = job->publishing;
    struct version *version = publication->version;
    char text[512];

    job->publishing = NULL;
    if (job->model->deleted || job->model->deleting) {
        publication->err =
            (struct err){ 0 }; /* its folder has gone, which is no failure of the job */
    } else if (publication->err.code != ERR_NONE) {
        err_detail(&publication->err, text, sizeof text);
        log_line("job %" PRIu64 " could not publish: %s", job->id, text);
        job->err = publication->err;
        served_tell(job->jobs, &job->stop, true);
    } else {
        labels_settle(job);
        job->version = version->number;
        report->epoch.version = version->number;
    }
    version_unref(version);
    served_tell(job->jobs, &job->net_posted, false);
    reports_take(job, report);
}

/* False: the report has nothing to publish, or cannot. */
static bool report_publish(struct job *job, struct job_report *report)
{
    struct model *model = job->model;
    struct net *net = report->net;
    struct version *version;

    report->net = NULL;
    if (net == NULL || model->deleted || model->deleting) {
        net_free(net);
        served_tell(job->jobs, &job->net_posted, false);
        return false;
    }
    if (!version_create(model, net, ++model->last, server_now(), &report->origin, &version,
                        &job->err)) {
        served_tell(job->jobs, &job->stop, true);
        return false;
    }
    job->publishing = report;
    job->publication = (struct publication){ .version = version,
                                             .labels = job->net_labels,
                                             .done = report_published };
    publish_begin(&job->publication);
    return true;
}

/* The first report, whose net has been seen to, and then those that were held back behind it. */
static void reports_take(struct job *job, struct job_report *report)
{
    struct jobs *jobs = job->jobs;
    bool ended = report->ended;

    report_record(job, report);
    while (!ended && (report = job->held) != NULL) {
        job->held = report->next;
        if (report_publish(job, report)) {
            return; /* to be gone on with when it is on disk */
        }
        ended = report->ended; /* the last there is, and the job may be gone with it */
        report_record(job, report);
    }
    dispatch(jobs);
}

static void report_take(struct job_report *report)
{
    struct job *job = report->job;

    if (job->publishing != NULL) {
        report->next = NULL;
        if (job->held != NULL) {
            job->held_tail->next = report;
        } else {
            job->held = report;
        }
        job->held_tail = report;
    } else if (!report_publish(job, report)) {
        report_record(job, report);
    }
}

static void on_async(uv_async_t *async)
{
    struct jobs *jobs = async->data;
    struct job_report *report;

    pthread_mutex_lock(&jobs->lock);
    report = jobs->head;
    jobs->head = jobs->tail = NULL;
    pthread_mutex_unlock(&jobs->lock);
    while (report != NULL) {
        struct job_report *next = report->next;

        report_take(report);
        report = next;
    }
    dispatch(jobs);
}

void job_post(struct job_report *report)
{
    struct jobs *jobs = report->job->jobs;

    report->next = NULL;
    pthread_mutex_lock(&jobs->lock);
    if (jobs->tail != NULL) {
        jobs->tail->next = report;
    } else {
        jobs->head = report;
    }
    jobs->tail = report;
    pthread_mutex_unlock(&jobs->lock);
    uv_async_send(&jobs->async);
}

/* ---- the queue ---- */

/* The version it starts from is in memory, or cannot be had. */
static void base_loaded(struct load_waiter *waiter, const struct err *err)
{
    struct job *job = (struct job *)((char *)waiter - offsetof(struct job, load));

    if (err->code == ERR_NONE) {
        workers_submit(job->jobs->server->workers, &job->task);
        return;
    }
    job->err = *err;
    job_finish(job, JOB_FAILED);
}

/* Hands a job to the workers. A job that was made before its model got its labels, by another job,
 * has to agree with them; one that does not fails here, and the list may have become shorter. */
static bool job_start(struct jobs *jobs, struct job *job)
{
    const struct model *model = job->model;

    if (job->labels != NULL && model->labels != NULL && !labels_equal(job->labels, model->labels)) {
        err_set(&job->err, ERR_FIELD, "labels", "of its data are not those that '%s' has got since",
                model->name);
        job_finish(job, JOB_FAILED);
        return false;
    }
    job->net_labels = model->labels != NULL ? model->labels : job->labels;
    jobs->queued--;
    jobs->running++;
    job->state = JOB_RUNNING;
    job->started = server_now();
    job->base = version_ref(model->served);
    job->model->job = job;
    if (job->base->net == NULL) {
        job->load.done = base_loaded;
        version_load(job->base, &job->load);
    } else {
        workers_submit(jobs->server->workers, &job->task);
    }
    return true;
}

/* Starts what can start: oldest first, one a model, as many as there are workers. */
static void dispatch(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n && jobs->queued > 0; i++) {
        struct job *job = jobs->list[i];

        if (jobs->running >= workers_count(jobs->server->workers)) {
            return;
        }
        if (job->state == JOB_QUEUED && job->model->job == NULL &&
            learn_line_idle(job->model->learn) && !job_start(jobs, job)) {
            i = (size_t)-1; /* from the start */
        }
    }
}

void jobs_dispatch(struct jobs *jobs)
{
    dispatch(jobs);
}

bool jobs_create(struct server *server, struct jobs **ret, struct err *err)
{
    struct jobs *jobs = calloc(1, sizeof *jobs);

    if (jobs == NULL) {
        return err_set(err, ERR_MEMORY, "jobs", "have no memory");
    }
    jobs->server = server;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->served, NULL);
    uv_async_init(server->loop, &jobs->async, on_async);
    jobs->async.data = jobs;
    *ret = jobs;
    return true;
}

static void jobs_closed(uv_handle_t *handle)
{
    struct jobs *jobs = handle->data;

    pthread_cond_destroy(&jobs->served);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs->list);
    free(jobs);
}

void jobs_free(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++) {
        job_free(jobs->list[i]);
    }
    uv_close((uv_handle_t *)&jobs->async, jobs_closed);
}

struct job *jobs_find(const struct jobs *jobs, const char *id, struct err *err)
{
    char text[24];

    for (size_t i = jobs->n; i-- > 0;) {
        snprintf(text, sizeof text, "%" PRIu64, jobs->list[i]->id);
        if (strcmp(text, id) == 0) {
            return jobs->list[i];
        }
    }
    err_set(err, ERR_NOT_FOUND, "id", "'%.64s' is no job whose record is kept", id);
    return NULL;
}

size_t jobs_count(const struct jobs *jobs)
{
    return jobs->n;
}

struct job *jobs_at(const struct jobs *jobs, size_t i)
{
    return jobs->list[i];
}

size_t jobs_in_state(const struct jobs *jobs, enum job_state state)
{
    size_t n = 0;

    for (size_t i = 0; i < jobs->n; i++) {
        n += jobs->list[i]->state == state;
    }
    return n;
}

bool jobs_idle(const struct jobs *jobs)
{
    return jobs->queued + jobs->running == 0;
}

/* Queued jobs before this one, and itself. */
static size_t position(const struct job *job)
{
    size_t n = 0;

    for (size_t i = 0; i < job->jobs->n; i++) {
        n += job->jobs->list[i]->state == JOB_QUEUED;
        if (job->jobs->list[i] == job) {
            break;
        }
    }
    return n;
}

void job_info(const struct job *job, struct msg_job *ret)
{
    const size_t steps = atomic_load(&job->steps);
    const size_t done = atomic_load(&job->epochs_done);
    const double part = steps > 0 && done < job->epochs && !job_ended(job)
                            ? (double)atomic_load(&job->steps_done) / (double)steps
                            : 0.0;

    *ret = (struct msg_job){
        .id = job->id,
        .model = job->model->name,
        .state = job->state,
        .epochs = job->epochs,
        .epoch = done,
        .progress = fmin(1.0, ((double)done + fmin(part, 1.0)) / (double)job->epochs),
        .dataset = job->dataset[0] != '\0' ? job->dataset : NULL,
        .validation = !job->has_validation              ? ""
                      : job->validation_name[0] != '\0' ? job->validation_name
                                                        : NULL,
        .plan = job->plan,
        .publish = job->publish,
        .publish_seconds = job->publish_seconds,
        .samples_per_second =
            job->train_seconds > 0.0 ? (double)job->train_rows / job->train_seconds : NAN,
        .workers = atomic_load(&job->ways),
        .created = job->created,
        .started = job->started,
        .finished = job->finished,
        .history = job->history,
        .n_history = job->n_history,
        .version = job->version,
        .position = job->state == JOB_QUEUED ? position(job) : 0,
        .err = &job->err,
        .status = route_status(job->err.code),
        .type = route_type(job->err.code),
        .title = route_title(job->err.code),
    };
}
