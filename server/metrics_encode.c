/* /metrics, family by family. */
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dataset.h"
#include "disk.h"
#include "job.h"
#include "kernel.h"
#include "metrics.h"
#include "pool.h"
#include "registry.h"
#include "remembered.h"
#include "route.h"
#include "server.h"
#include "version.h"
#include "workers.h"

#define COUNTER "counter"
#define GAUGE "gauge"

/* ---- the process: the names that every client library of Prometheus has ---- */

/* Resident bytes; 0 when /proc does not say. */
static double resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long pages = 0;

    if (file != NULL) {
        if (fscanf(file, "%*u %lu", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* Open descriptors, the one that looks not counted; 0 when /proc does not say. */
static double descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t n = 0;

    if (dir == NULL) {
        return 0.0;
    }
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return (double)(n - 3); /* ".", ".." and the folder itself */
}

static void process_encode(const struct server *server, struct text *text)
{
    struct rlimit limit = { 0 };
    struct rusage used = { 0 };

    getrusage(RUSAGE_SELF, &used);
    getrlimit(RLIMIT_NOFILE, &limit);
    prometheus_one(text, "process_start_time_seconds", GAUGE,
                   "When the daemon started, in Unix time.", server->started);
    prometheus_one(text, "process_cpu_seconds_total", COUNTER, "Processor time, training included.",
                   (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                       (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6);
    prometheus_one(text, "process_resident_memory_bytes", GAUGE, "Resident memory.",
                   resident_bytes());
    prometheus_one(text, "process_open_fds", GAUGE, "Open file descriptors.", descriptors());
    prometheus_one(text, "process_max_fds", GAUGE, "How many there can be.",
                   (double)limit.rlim_cur);
}

/* ---- requests ---- */

static uint64_t answers(const struct route_count *count)
{
    uint64_t n = 0;

    for (size_t c = 1; c < METRICS_CLASSES; c++) {
        n += count->by_class[c];
    }
    return n;
}

static void requests_encode(const struct metrics *metrics, struct text *text)
{
    static const char *const classes[METRICS_CLASSES] = {
        "none", "1xx", "2xx", "3xx", "4xx", "5xx"
    };

    prometheus_family(text, "sigmad_requests_total", COUNTER,
                      "HTTP requests ended, by route and status; none: the client hung up.");
    for (size_t i = 0; i <= route_count(); i++) {
        const struct route *route = i < route_count() ? route_at(i) : NULL;

        for (size_t c = 0; c < METRICS_CLASSES; c++) {
            if (metrics->routes[i].by_class[c] > 0) {
                prometheus_sample(text, "sigmad_requests_total",
                                  LABELS("method", route != NULL ? route->method : "", "route",
                                         route != NULL ? route->path : "", "status", classes[c]),
                                  (double)metrics->routes[i].by_class[c]);
            }
        }
    }
    prometheus_family(text, "sigmad_request_duration_seconds", "histogram",
                      "From a request's headers to the last byte of its reply, by route.");
    for (size_t i = 0; i < route_count(); i++) {
        const struct route *route = route_at(i);

        if (answers(&metrics->routes[i]) > 0) {
            prometheus_histogram(text, "sigmad_request_duration_seconds",
                                 LABELS("method", route->method, "route", route->path),
                                 &metrics->routes[i].seconds);
        }
    }
    prometheus_one(text, "sigmad_received_bytes_total", COUNTER, "Bytes of request bodies.",
                   (double)metrics->received);
}

static void serving_encode(const struct server *server, struct text *text)
{
    const struct metrics *metrics = server->metrics;

    prometheus_one(text, "sigmad_ready", GAUGE, "1: it takes work; 0: it is going down.",
                   server->draining ? 0.0 : 1.0);
    prometheus_one(text, "sigmad_connections", GAUGE, "Connections that are open.",
                   (double)server->connections);
    prometheus_one(text, "sigmad_requests", GAUGE, "Requests under way, this one included.",
                   (double)server->requests);
    prometheus_one(text, "sigmad_held_bytes", GAUGE, "Request bodies and replies held in memory.",
                   (double)server->held);
    prometheus_one(text, "sigmad_pool_threads", GAUGE, "Threads that compute for requests.",
                   (double)pool_threads(server->pool));
    prometheus_one(text, "sigmad_pool_queue", GAUGE, "Pieces of work that wait for one of them.",
                   (double)pool_waiting(server->pool));
    prometheus_one(text, "sigmad_predictions_total", COUNTER, "Rows answered by predict.",
                   (double)metrics->predicted);
    prometheus_family(text, "sigmad_predict_batch_rows", "histogram",
                      "Rows of predictions that the pool has computed together.");
    prometheus_histogram(text, "sigmad_predict_batch_rows", NULL, &metrics->batches);
    prometheus_one(text, "sigmad_remembered_predictions", GAUGE,
                   "Predictions that can be learned from.",
                   (double)remembered_count(server->remembered));
    prometheus_one(text, "sigmad_remembered_bytes", GAUGE, "Memory that their rows take.",
                   (double)remembered_bytes(server->remembered));
}

/* ---- models and data sets ---- */

/* Of the nets that are in memory, and of what their optimisers carry. */
static size_t model_bytes(const struct model *model)
{
    size_t bytes = 0;

    for (size_t i = 0; i < model->n_versions; i++) {
        const struct version *version = model->versions[i];

        bytes += version->net != NULL ? net_bytes(version->net) : 0;
        bytes += version->carry != NULL ? carry_bytes(version->carry) : 0;
    }
    return bytes;
}

static double model_served(const struct model *model)
{
    return model->served != NULL ? (double)model->served->number : 0.0;
}

static double model_versions(const struct model *model)
{
    return (double)model->n_versions;
}

static double model_predictions(const struct model *model)
{
    return (double)model->predictions;
}

static double model_memory(const struct model *model)
{
    return (double)model_bytes(model);
}

static void models_encode(const struct registry *registry, struct text *text)
{
    static const struct {
        const char *name, *type, *help;
        double (*value)(const struct model *model);
    } families[] = {
        { "sigmad_model_served_version", GAUGE, "The version that is served, by model.",
          model_served },
        { "sigmad_model_versions", GAUGE, "Versions that are kept, by model.", model_versions },
        { "sigmad_model_memory_bytes", GAUGE, "Networks in memory, by model.", model_memory },
        { "sigmad_model_predictions_total", COUNTER, "Rows answered by predict, by model.",
          model_predictions },
    };
    const size_t n = registry_count(registry), told = n < METRICS_MODELS ? n : METRICS_MODELS;
    size_t bytes = 0, versions = 0;

    for (size_t i = 0; i < n; i++) {
        bytes += model_bytes(registry_at(registry, i));
        versions += registry_at(registry, i)->n_versions;
    }
    prometheus_one(text, "sigmad_models", GAUGE, "Models.", (double)n);
    prometheus_one(text, "sigmad_versions", GAUGE, "Versions that are kept of them.",
                   (double)versions);
    prometheus_one(text, "sigmad_models_memory_bytes", GAUGE, "Networks in memory.", (double)bytes);
    for (size_t f = 0; told > 0 && f < sizeof families / sizeof families[0]; f++) {
        prometheus_family(text, families[f].name, families[f].type, families[f].help);
        for (size_t i = 0; i < told; i++) {
            const struct model *model = registry_at(registry, i);

            prometheus_sample(text, families[f].name, LABELS("model", model->name),
                              families[f].value(model));
        }
    }
}

static void datasets_encode(const struct datasets *datasets, struct text *text)
{
    size_t bytes = 0;

    for (size_t i = 0; i < datasets_count(datasets); i++) {
        bytes += dataset_bytes(datasets_at(datasets, i));
    }
    prometheus_one(text, "sigmad_datasets", GAUGE, "Data sets.", (double)datasets_count(datasets));
    prometheus_one(text, "sigmad_datasets_bytes", GAUGE,
                   "Their values, mapped from files, or in memory without a state folder.",
                   (double)bytes);
}

static void quotas_encode(const struct server *server, struct text *text)
{
    const struct quota *const quotas[] = { &server->model_memory, &server->dataset_memory };
    const size_t n = sizeof quotas / sizeof quotas[0];

    prometheus_family(text, "sigmad_quota_bytes", GAUGE, "Memory that may be taken.");
    for (size_t i = 0; i < n; i++) {
        prometheus_sample(text, "sigmad_quota_bytes", LABELS("kind", quotas[i]->what),
                          (double)quotas[i]->max);
    }
    prometheus_family(text, "sigmad_quota_used_bytes", GAUGE, "What is taken of it.");
    for (size_t i = 0; i < n; i++) {
        prometheus_sample(text, "sigmad_quota_used_bytes", LABELS("kind", quotas[i]->what),
                          (double)quota_used(quotas[i]));
    }
}

static void store_encode(const struct server *server, struct text *text)
{
    prometheus_family(text, "sigmad_store_errors_total", COUNTER,
                      "Calls to the file system that failed; full: for want of room.");
    prometheus_sample(text, "sigmad_store_errors_total", LABELS("kind", "io"),
                      (double)disk_errors(ERR_IO));
    prometheus_sample(text, "sigmad_store_errors_total", LABELS("kind", "full"),
                      (double)disk_errors(ERR_FULL));
    prometheus_one(text, "sigmad_corrupt_files", GAUGE,
                   "Files and folders that this start has set aside.", (double)server->n_corrupt);
}

/* ---- training ---- */

static double job_epoch(const struct msg_job *job)
{
    return (double)job->epoch;
}

static double job_progress(const struct msg_job *job)
{
    return job->progress;
}

static double job_speed(const struct msg_job *job)
{
    return job->samples_per_second;
}

static double job_workers(const struct msg_job *job)
{
    return (double)job->workers;
}

static double job_loss(const struct msg_job *job)
{
    return job->n_history > 0 ? job->history[job->n_history - 1].loss : NAN;
}

static double job_accuracy(const struct msg_job *job)
{
    return job->n_history > 0 ? job->history[job->n_history - 1].accuracy : NAN;
}

static double job_validation_loss(const struct msg_job *job)
{
    return job->n_history > 0 ? job->history[job->n_history - 1].validation_loss : NAN;
}

static double job_validation_accuracy(const struct msg_job *job)
{
    return job->n_history > 0 ? job->history[job->n_history - 1].validation_accuracy : NAN;
}

/* Of those that run: no more than there are workers. What is not known yet has no sample. */
static void running_encode(const struct jobs *jobs, struct text *text)
{
    static const struct {
        const char *name, *help;
        double (*value)(const struct msg_job *job);
    } families[] = {
        { "sigmad_job_epoch", "Epochs done by a running job.", job_epoch },
        { "sigmad_job_progress_ratio", "How much of it is done, 0 to 1.", job_progress },
        { "sigmad_job_samples_per_second", "Rows it trains on in a second.", job_speed },
        { "sigmad_job_workers", "Training threads that it has used at most.", job_workers },
        { "sigmad_job_loss", "Loss of its last epoch.", job_loss },
        { "sigmad_job_accuracy_ratio", "Accuracy of its last epoch, 0 to 1.", job_accuracy },
        { "sigmad_job_validation_loss", "Loss on its validation rows.", job_validation_loss },
        { "sigmad_job_validation_accuracy_ratio", "Accuracy on its validation rows, 0 to 1.",
          job_validation_accuracy },
    };

    if (jobs_in_state(jobs, JOB_RUNNING) == 0) {
        return;
    }
    for (size_t f = 0; f < sizeof families / sizeof families[0]; f++) {
        prometheus_family(text, families[f].name, GAUGE, families[f].help);
        for (size_t i = 0; i < jobs_count(jobs); i++) {
            struct msg_job info;
            char id[24];

            if (jobs_at(jobs, i)->state != JOB_RUNNING) {
                continue;
            }
            job_info(jobs_at(jobs, i), &info);
            snprintf(id, sizeof id, "%" PRIu64, info.id);
            if (!isnan(families[f].value(&info))) {
                prometheus_sample(text, families[f].name, LABELS("id", id, "model", info.model),
                                  families[f].value(&info));
            }
        }
    }
}

static void training_encode(const struct server *server, struct text *text)
{
    const struct metrics *metrics = server->metrics;

    prometheus_one(text, "sigmad_workers", GAUGE, "Training threads.",
                   (double)workers_count(server->workers));
    prometheus_one(text, "sigmad_workers_busy", GAUGE, "Of these, at work for a job.",
                   (double)workers_busy(server->workers));
    prometheus_family(text, "sigmad_jobs", GAUGE, "Jobs whose record is kept, by state.");
    for (int s = 0; s < JOB_STATES; s++) {
        prometheus_sample(text, "sigmad_jobs", LABELS("state", job_state_name((enum job_state)s)),
                          (double)jobs_in_state(server->jobs, (enum job_state)s));
    }
    prometheus_family(text, "sigmad_jobs_ended_total", COUNTER, "Jobs that have ended, by how.");
    for (int s = 0; s < JOB_STATES; s++) {
        if (job_state_is_end((enum job_state)s)) {
            prometheus_sample(text, "sigmad_jobs_ended_total",
                              LABELS("state", job_state_name((enum job_state)s)),
                              (double)metrics->ended[s]);
        }
    }
    prometheus_one(text, "sigmad_trained_rows_total", COUNTER, "Rows trained on by jobs.",
                   (double)metrics->trained);
    prometheus_one(text, "sigmad_learn_steps_total", COUNTER, "Steps taken by learn.",
                   (double)metrics->learned_steps);
    prometheus_one(text, "sigmad_learned_rows_total", COUNTER, "Rows learned by learn.",
                   (double)metrics->learned_rows);
    running_encode(server->jobs, text);
}

void metrics_encode(const struct server *server, struct text *text)
{
    prometheus_family(text, "sigmad_build_info", GAUGE, "What runs here; always 1.");
    prometheus_sample(text, "sigmad_build_info",
                      LABELS("version", SIGMAD_VERSION, "isa", kernel_name(kernel_chosen())), 1.0);
    process_encode(server, text);
    serving_encode(server, text);
    models_encode(server->registry, text);
    datasets_encode(server->datasets, text);
    quotas_encode(server, text);
    store_encode(server, text);
    training_encode(server, text);
    requests_encode(server->metrics, text);
}
