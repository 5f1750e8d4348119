/* Jobs that have ended in another daemon, whose records a bundle has brought: see intake.h. */
#include "jobs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

/* Both lists rise. */
static bool ids_vacant(const struct jobs *jobs, const uint64_t *ids, size_t n, struct err *err)
{
    char where[32];

    for (size_t i = 0, at = 0; i < n; i++) {
        while (at < jobs->n && jobs->list[at]->id < ids[i]) {
            at++;
        }
        if (at < jobs->n && jobs->list[at]->id == ids[i]) {
            snprintf(where, sizeof where, "jobs[%zu]", i);
            return err_set(err, ERR_EXISTS, where, "%" PRIu64 " is a job here, too", ids[i]);
        }
    }
    return true;
}

static bool room_make(struct jobs *jobs, size_t n, struct err *err)
{
    const size_t least = jobs->n + jobs->reserved + n;
    struct job **grown;

    if (least <= jobs->cap) {
        return true;
    }
    grown = realloc(jobs->list, 2 * least * sizeof(struct job *));
    if (grown == NULL) {
        return err_set(err, ERR_MEMORY, "jobs", "there is no memory for more");
    }
    jobs->list = grown;
    jobs->cap = 2 * least;
    return true;
}

bool jobs_reserve(struct jobs *jobs, const uint64_t *ids, size_t n, struct err *err)
{
    const size_t keep = jobs->server->options.keep_jobs;
    const size_t ended = jobs->n - jobs->queued - jobs->running - jobs->paused + jobs->reserved;

    if (!ids_vacant(jobs, ids, n, err)) {
        return false;
    }
    if (n > 0 && (ended > keep || n > keep - ended)) {
        return err_set(err, ERR_LIMIT, "jobs",
                       "that have ended are %zu, with %zu more there would be more than the %zu "
                       "that --keep-jobs allows",
                       ended, n, keep);
    }
    if (!room_make(jobs, n, err)) {
        return false;
    }
    jobs->reserved += n;
    if (n > 0 && ids[n - 1] > jobs->last) {
        jobs->last = ids[n - 1];
    }
    return true;
}

void jobs_release(struct jobs *jobs, size_t n)
{
    jobs->reserved -= n;
}

bool job_of_file(struct jobs *jobs, struct job_file *file, struct job **ret, struct err *err)
{
    struct job *job = calloc(1, sizeof *job);

    if (job == NULL) {
        return err_set(err, ERR_MEMORY, "jobs", "do not fit into memory");
    }
    job->jobs = jobs;
    job_take_file(job, file);
    *ret = job;
    return true;
}

void job_adopt(struct job *job)
{
    struct jobs *jobs = job->jobs;
    size_t at = jobs->n;

    jobs->reserved--;
    while (at > 0 && jobs->list[at - 1]->id > job->id) {
        at--;
    }
    memmove(&jobs->list[at + 1], &jobs->list[at], (jobs->n - at) * sizeof(struct job *));
    jobs->list[at] = job;
    jobs->n++;
}
