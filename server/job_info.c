/* What a job tells of itself. */
#include "jobs.h"

#include <math.h>

#include "request.h"
#include "route.h"

/* 0 to 1; part: of the epoch under way. */
static double progress(const struct job *job, size_t done, double part)
{
    const size_t of =
        job->sweep != NULL ? sweep_work(&job->sweep->sweep, job->epochs) : job->epochs;

    done = job->sweep != NULL ? atomic_load(&job->swept) : done;
    return job->state == JOB_SUCCEEDED ? 1.0
                                       : fmin(1.0, ((double)done + fmin(part, 1.0)) / (double)of);
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
        .model = job->model_name,
        .state = job->state,
        .epochs = job->epochs,
        .epoch = done,
        .progress = progress(job, done, part),
        .dataset = job->dataset[0] != '\0' ? job->dataset : NULL,
        .validation = !job->has_validation              ? ""
                      : job->validation_name[0] != '\0' ? job->validation_name
                                                        : NULL,
        .plan = job->plan,
        .publish = job->publish,
        .publish_seconds = job->publish_seconds,
        .promote = job->promote,
        .stopping = job->stopping,
        .schedule = job->schedule,
        .max_seconds = job->max_seconds,
        .split = job->split,
        .weights = &job->weights,
        .sweep = job->sweep,
        .trials = job->trials,
        .priority = job->priority,
        .promoted = job->promoted,
        .promotion = job->promotion,
        .samples_per_second =
            job->train_seconds > 0.0 ? (double)job->train_rows / job->train_seconds : NAN,
        .workers = atomic_load(&job->ways),
        .created = job->created,
        .started = job->started,
        .finished = job_ended(job) ? job->finished : 0.0,
        .history = job->history,
        .n_history = job->n_history,
        .version = job->version,
        .position = job->state == JOB_QUEUED ? job_position(job) : 0,
        .err = &job->err,
        .status = route_status(job->err.code),
        .type = route_type(job->err.code),
        .title = route_title(job->err.code),
    };
}

void job_reply(struct request *req, int status, const struct job *job)
{
    struct msg_job info;
    struct text text = { 0 };

    job_info(job, &info);
    msg_job_encode(&text, &info, true);
    text_str(&text, "\n");
    request_reply(req, status, &text);
}
