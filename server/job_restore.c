/* Jobs of an earlier process: records of those that have ended, and the others back into the queue,
 * to go on from their last checkpoint, or to stay paused. Thread: main, before the loop runs. */
#include "jobs.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "log.h"
#include "recovery.h"
#include "registry.h"
#include "server.h"

void job_take_file(struct job *job, struct job_file *file)
{
    job->id = file->id;
    memcpy(job->model_name, file->model, sizeof job->model_name);
    memcpy(job->model_folder, file->folder, sizeof job->model_folder);
    memcpy(job->dataset, file->dataset, sizeof job->dataset);
    memcpy(job->validation_name, file->validation, sizeof job->validation_name);
    memcpy(job->key, file->key, sizeof job->key);
    memcpy(job->request, file->request, sizeof job->request);
    job->state = job->outcome = file->state;
    job->epochs = file->epochs;
    job->plan = file->plan;
    job->publish = file->publish;
    job->publish_seconds = file->publish_seconds;
    job->promote = file->promote;
    job->stopping = file->stopping;
    job->schedule = file->schedule;
    job->max_seconds = file->max_seconds;
    job->split = file->split;
    job->weights = file->weights;
    job->priority = job->priority_next = file->priority;
    job->promoted = file->promoted;
    memcpy(job->promotion, file->promotion, sizeof job->promotion);
    job->has_validation = file->has_validation;
    job->created = file->created;
    job->started = file->started;
    job->finished = file->finished;
    job->train_rows = file->train_rows;
    job->train_seconds = file->train_seconds;
    job->version = file->version;
    job->base_number = file->base;
    job->labels = file->labels;
    job->history = file->history;
    job->sweep = file->sweep;
    job->trials = file->trials;
    job->n_history = job->cap_history = file->n_history;
    job->err = file->err;
    job->task.run = job_run;
    atomic_store(&job->ways, file->workers);
    atomic_store(&job->epochs_done, file->done);
    file->labels = NULL;
    file->history = NULL;
    file->weights = (struct class_weights){ 0 };
    if (job->sweep != NULL) {
        atomic_store(&job->swept, sweep_done(&job->sweep->sweep, job->epochs, job->trials));
    }
    file->sweep = NULL;
    file->trials = NULL;
}

/* Rows that came with a request are few enough to be read once more. */
static bool rows_verify(const struct job *job, struct dataset *dataset, struct err *err)
{
    char digest[DIGEST_HEX];
    bool ok = dataset_digest(dataset, digest, err);

    if (ok && strcmp(digest, dataset->digest) != 0) {
        ok =
            err_set(err, ERR_IO, "inputs", "of job %" PRIu64 " do not match their digest", job->id);
    }
    if (!ok) {
        dataset_unref(dataset);
    }
    return ok;
}

/* The data set that one side of a job reads: the folder beside its record, or a generation of a
 * named one, which may have been replaced since. */
static bool side_open(struct jobs *jobs, const struct job *job, const char *side, const char *name,
                      uint64_t generation, struct dataset **ret, struct err *err)
{
    struct err none = { 0 };
    struct dataset *dataset = NULL;
    char *path = NULL, folder[NAME_MAX_LEN + 48];
    bool ok;

    if (name[0] != '\0') {
        dataset = datasets_find(jobs->server->datasets, name, side, &none);
        if (dataset != NULL && dataset->generation == generation) {
            *ret = dataset_ref(dataset);
            return true;
        }
        snprintf(folder, sizeof folder, "datasets/%s@%" PRIu64, name, generation);
        ok = disk_path(jobs->server->options.state, folder, &path, err);
    } else {
        ok = job_store_path(jobs->server->options.state, job->id, side, &path, err);
    }
    ok = ok && dataset_open(path, ret, err);
    if (ok) {
        (*ret)->replaced = name[0] != '\0';
    }
    free(path);
    return ok && (name[0] != '\0' || rows_verify(job, *ret, err));
}

static bool feeds_open(struct jobs *jobs, struct job *job, const struct job_file *file,
                       struct err *err)
{
    const struct labels *labels = job->model->labels != NULL ? job->model->labels : job->labels;
    struct dataset *dataset;

    if (!side_open(jobs, job, "data", file->dataset, file->generation, &dataset, err) ||
        !feed_again(dataset, &job->model->spec, labels, &job->train, err)) {
        return false;
    }
    if (split_is(&job->split)) {
        return feed_share(&job->train, &job->validation, err) &&
               feed_split(&job->train, &job->split, job->plan.seed, &job->validation, err);
    }
    return !file->has_validation ||
           (side_open(jobs, job, "validation", file->validation, file->validation_generation,
                      &dataset, err) &&
            feed_again(dataset, &job->model->spec, labels, &job->validation, err));
}

void job_history_cut(struct job *job, size_t epochs)
{
    while (job->n_history > 0 && job->history[job->n_history - 1].epoch > epochs) {
        job->n_history--;
    }
    atomic_store(&job->epochs_done, epochs);
}

void job_progress_set(struct job *job)
{
    const size_t rows = feed_rows(&job->train), batch = job->plan.batch_size;

    if (job->sweep != NULL) {
        return; /* whose batches are each trial's own */
    }
    atomic_store(&job->steps_done, job->resume.head != NULL ? (size_t)job->resume.head->step : 0);
    atomic_store(&job->steps, (rows + batch - 1) / batch);
}

/* Where it stood: the version it began with, and its last checkpoint. Without a checkpoint it
 * begins again, to the same bits; without the version too, it cannot. */
static bool resume_take(struct jobs *jobs, struct job *job, struct err *err)
{
    const char *root = jobs->server->options.state;
    struct model *model = job->model;
    struct err why = { 0 }, none = { 0 };
    struct version *base = NULL;
    char *path = NULL;

    if (job->base_number > 0) {
        base = model_version(model, job->base_number, &none);
    }
    if (job_store_checkpoint(root, job->id, &job->resume, &why)) {
        job_history_cut(job, (size_t)job->resume.head->epochs_done);
        base = base != NULL ? base : model->served; /* for its shape */
    } else {
        job_history_cut(job, 0);
    }
    if (why.code == ERR_MEMORY) {
        *err = why;
        return false;
    }
    if (why.code != ERR_NONE && job_store_path(root, job->id, "checkpoint", &path, &none)) {
        recovery_set_aside(jobs->server, path, &why);
    }
    free(path);
    if (job->base_number == 0) {
        return true; /* it has not begun */
    }
    if (base == NULL) {
        return err_set(err, ERR_IO, "version",
                       "%" PRIu64 ", which the job began with, cannot be read", job->base_number);
    }
    job->base = version_ref(base);
    model->job_base = base->number;
    return true;
}

/* Puts a job that has not ended back into the queue. Errors: why it cannot go on. */
static bool job_revive(struct jobs *jobs, struct job *job, const struct job_file *file,
                       struct err *err)
{
    struct model *model = registry_find(jobs->server->registry, job->model_name, err);

    if (model == NULL || model->folder == NULL ||
        strcmp(strrchr(model->folder, '/') + 1, job->model_folder) != 0) {
        return err_set(err, ERR_NOT_FOUND, "model", "'%s' has been deleted", job->model_name);
    }
    job->model = model_ref(model);
    if (!feeds_open(jobs, job, file, err) || !resume_take(jobs, job, err)) {
        return false;
    }
    job->end = calloc(1, sizeof *job->end);
    if (job->end == NULL) {
        return err_set(err, ERR_MEMORY, "job", "has no memory");
    }
    job->checkpoint_seconds = jobs->server->options.checkpoint_seconds;
    job->interrupted = job->state == JOB_RUNNING;
    job_progress_set(job);
    job->reload = job->state == JOB_PAUSED && job->base_number > 0;
    if (job->reload) {
        checkpoint_done(&job->resume);
    }
    job->state = job->outcome = job->state == JOB_PAUSED ? JOB_PAUSED : JOB_QUEUED;
    if (job->base_number > 0 && model->job == NULL) {
        model->job = job; /* it has begun, and nobody else does before it has ended */
    }
    job_count(job, true);
    job_feed_count(job, true);
    return true;
}

/* The settings last used are the newest job's, unless learn was called since it was made. */
static void plan_take(struct jobs *jobs, const struct job *job)
{
    struct err none = { 0 };
    struct model *model = registry_find(jobs->server->registry, job->model_name, &none);

    if (model != NULL && model->folder != NULL &&
        strcmp(strrchr(model->folder, '/') + 1, job->model_folder) == 0 &&
        job->created > model->plan_used) {
        model->plan = job->plan;
        model->plan_used = job->created;
    }
}

static bool job_restore(struct jobs *jobs, struct job_file *file, struct err *err)
{
    const bool over = job_state_is_end(file->state);
    struct job *job = calloc(1, sizeof *job);
    struct err why = { 0 };
    char text[512];

    if (job == NULL || !job_add(jobs, job, err)) {
        free(job);
        return err_set(err, ERR_MEMORY, "jobs", "do not fit into memory");
    }
    job->jobs = jobs;
    job_take_file(job, file);
    plan_take(jobs, job);
    jobs->last = job->id > jobs->last ? job->id : jobs->last;
    if (over || job_revive(jobs, job, file, &why)) {
        return true;
    }
    if (why.code == ERR_MEMORY) {
        *err = why;
        return false;
    }
    err_detail(&why, text, sizeof text);
    log_at(LEVEL_ERROR, "job %" PRIu64 " on %s cannot go on: %s", job->id, job->model_name, text);
    job->err = why;
    job->outcome = why.code == ERR_NOT_FOUND ? JOB_CANCELLED : JOB_FAILED;
    job_give_up(job);
    return true;
}

/* A folder is called as its job. */
static bool id_check(const char *path, const struct job_file *file, struct err *err)
{
    return strtoull(strrchr(path, '/') + 1, NULL, 10) == file->id ||
           err_set(err, ERR_FIELD, "id", "is %" PRIu64 ", which is not the folder's", file->id);
}

/* Removes what was being written when the process ended and, of a job that is over, all but its
 * record. */
static void leftovers_remove(const char *path, bool over)
{
    DIR *dir = opendir(path);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        const size_t len = strlen(entry->d_name);
        struct err none = { 0 };
        char *inner = NULL;

        if (entry->d_name[0] != '.' && strcmp(entry->d_name, "job.json") != 0 &&
            (over || (len > 4 && strcmp(entry->d_name + len - 4, ".tmp") == 0)) &&
            disk_path(path, entry->d_name, &inner, &none)) {
            disk_remove(inner);
        }
        free(inner);
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static bool folder_restore(struct jobs *jobs, const char *path, struct err *err)
{
    struct job_file file = { 0 };
    struct err why = { 0 };
    char *record = NULL;
    void *bytes = NULL;
    size_t len = 0, text_len = 0;
    bool ok = disk_path(path, "job.json", &record, err);

    if (!ok) {
        return false;
    }
    if (!disk_text_map(record, &bytes, &len, &text_len, &why) ||
        !job_file_decode(bytes, text_len, &file, &why) || !id_check(path, &file, &why)) {
        if (why.code == ERR_MEMORY) {
            *err = why;
            ok = false;
        } else {
            recovery_set_aside(jobs->server, path, &why);
        }
    } else {
        leftovers_remove(path, job_state_is_end(file.state));
        ok = job_restore(jobs, &file, err);
    }
    job_file_done(&file);
    disk_unmap(bytes, len);
    free(record);
    return ok;
}

static int by_id(const void *a, const void *b)
{
    const struct job *const *x = a, *const *y = b;

    return (*x)->id < (*y)->id ? -1 : (*x)->id > (*y)->id;
}

/* Generations that were replaced and that no job reads any more go. */
static bool datasets_left(struct jobs *jobs, struct err *err)
{
    const char **read = calloc(2 * jobs->n + 1, sizeof *read);
    size_t n = 0;
    bool ok;

    if (read == NULL) {
        return err_set(err, ERR_MEMORY, "jobs", "do not fit into memory");
    }
    for (size_t i = 0; i < jobs->n; i++) {
        const struct dataset *sides[] = { jobs->list[i]->train.dataset,
                                          jobs->list[i]->validation.dataset };

        for (size_t s = 0; s < 2; s++) {
            if (sides[s] != NULL && sides[s]->replaced) {
                read[n++] = sides[s]->path;
            }
        }
    }
    ok = datasets_tidy(jobs->server->datasets, read, n, err);
    free(read);
    return ok;
}

bool jobs_restore(struct jobs *jobs, struct err *err)
{
    char *root = NULL;
    DIR *dir;
    const struct dirent *entry;
    bool ok =
        disk_path(jobs->server->options.state, "jobs", &root, err) && disk_make_dirs(root, err);

    dir = ok ? opendir(root) : NULL;
    ok = ok && (dir != NULL || disk_err(err, "open folder", root));
    while (ok && (entry = readdir(dir)) != NULL) {
        char *path = NULL, *end;

        const uint64_t id = strtoull(entry->d_name, &end, 10);

        if (id > jobs->last) {
            jobs->last = id; /* one that is set aside had its number, too */
        }
        if (id == 0 || *end != '\0') {
            continue; /* set aside, or none of ours */
        }
        ok = disk_path(root, entry->d_name, &path, err) && folder_restore(jobs, path, err);
        free(path);
    }
    if (dir != NULL) {
        closedir(dir);
    }
    free(root);
    if (jobs->n > 0) {
        qsort(jobs->list, jobs->n, sizeof(struct job *), by_id);
    }
    return ok && datasets_left(jobs, err);
}
