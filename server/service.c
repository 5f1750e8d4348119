#include "service.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "dataset.h"
#include "job.h"
#include "log.h"
#include "notify.h"
#include "pool.h"
#include "registry.h"
#include "server.h"

#define STATUS_MS 1000
#define DRAIN_SPARE 15 /* seconds: the end itself, after --drain-timeout at the latest */

struct service {
    struct server *server; /* borrowed */
    struct notify notify;
    uv_timer_t status, watchdog;
    uint64_t watchdog_ms; /* between two pings; 0: nobody watches */
    struct pool_work probe;
    bool probing; /* the pool has it */
    bool late;    /* and had it the last time, too; that has been logged */
    bool stopped;
    char last[SERVICE_STATUS_MAX]; /* what was told */
};

/* ---- status ---- */

static void add(char *ret, size_t len, const char *before, size_t n, const char *what,
                const char *after)
{
    const size_t at = strlen(ret);

    snprintf(ret + at, len - at, "%s%zu %s%s%s", before, n, what, n == 1 ? "" : "s", after);
}

static const struct job *running(const struct jobs *jobs)
{
    for (size_t i = jobs_count(jobs); i > 0; i--) {
        if (jobs_at(jobs, i - 1)->state == JOB_RUNNING) {
            return jobs_at(jobs, i - 1);
        }
    }
    return NULL;
}

static void jobs_status(const struct jobs *jobs, char *ret, size_t len)
{
    const size_t n = jobs_in_state(jobs, JOB_RUNNING), queued = jobs_in_state(jobs, JOB_QUEUED);
    const struct job *job = n == 1 ? running(jobs) : NULL;
    const size_t at = strlen(ret);

    if (job != NULL) {
        const size_t done = atomic_load(&job->epochs_done);

        snprintf(ret + at, len - at, ", job %" PRIu64 " on %.60s: epoch %zu of %zu", job->id,
                 job->model_name, done < job->epochs ? done + 1 : done, job->epochs);
    } else if (n > 0) {
        add(ret, len, ", ", n, "job", " running");
    }
    if (queued > 0) {
        add(ret, len, ", ", queued, "job", " queued");
    }
}

void service_status(const struct server *server, char *ret, size_t len)
{
    ret[0] = '\0';
    if (server->draining) {
        add(ret, len, "finishing ", server->requests, "request", "");
        add(ret, len, ", ", jobs_in_state(server->jobs, JOB_RUNNING), "job", "");
        return;
    }
    add(ret, len, "", registry_count(server->registry), "model", "");
    add(ret, len, ", ", datasets_count(server->datasets), "data set", "");
    jobs_status(server->jobs, ret, len);
}

/* What is to be told, with the status behind it. */
static void tell(struct service *service, const char *state)
{
    char text[SERVICE_STATUS_MAX + 128];

    service_status(service->server, service->last, sizeof service->last);
    snprintf(text, sizeof text, "%sSTATUS=%s", state, service->last);
    notify_send(&service->notify, text, state[0] != '\0');
}

static void on_status(uv_timer_t *timer)
{
    struct service *service = timer->data;
    char now[SERVICE_STATUS_MAX];

    service_status(service->server, now, sizeof now);
    if (strcmp(now, service->last) != 0) {
        tell(service, "");
    }
}

/* ---- watchdog ---- */

static void probe_run(struct pool_work *work)
{
    (void)work; /* that a thread has come by is all there is to know */
}

static void probe_done(struct pool_work *work)
{
    struct service *service = (struct service *)((char *)work - offsetof(struct service, probe));

    service->probing = false;
    if (service->late) {
        service->late = false;
        log_line("the pool's threads answer again");
    }
}

static void on_watchdog(uv_timer_t *timer)
{
    struct service *service = timer->data;

    if (service->probing) {
        if (!service->late) {
            log_at(LEVEL_ERROR,
                   "the pool's threads have not answered for %.1f s: the watchdog is not told",
                   (double)service->watchdog_ms * 1e-3);
        }
        service->late = true;
        return;
    }
    notify_send(&service->notify, "WATCHDOG=1", false);
    service->probing = true;
    pool_submit_first(service->server->pool, &service->probe);
}

/* Milliseconds between two pings: half of what the manager waits for one; 0: it does not. */
static uint64_t watchdog_read(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    unsigned long long n = 0;
    char more;

    if (usec == NULL || usec[0] < '0' || usec[0] > '9' ||
        sscanf(usec, "%19llu%c", &n, &more) != 1 ||
        (pid != NULL && strtol(pid, NULL, 10) != (long)getpid())) {
        n = 0;
    }
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return n == 0 ? 0 : n < 2000 ? 1 : n / 2000;
}

/* ---- its life ---- */

bool service_create(struct server *server, struct service **ret, struct err *err)
{
    struct service *service = calloc(1, sizeof *service);

    if (service == NULL) {
        return err_set(err, ERR_MEMORY, "service", "there is no memory for it");
    }
    service->server = server;
    service->probe = (struct pool_work){ .run = probe_run, .done = probe_done };
    service->watchdog_ms = watchdog_read();
    notify_open(&service->notify);
    notify_send(&service->notify, "STATUS=reading what is kept", false);
    uv_timer_init(server->loop, &service->status);
    uv_timer_init(server->loop, &service->watchdog);
    uv_unref((uv_handle_t *)&service->status); /* requests keep the loop alive, not these */
    uv_unref((uv_handle_t *)&service->watchdog);
    service->status.data = service->watchdog.data = service;
    *ret = service;
    return true;
}

void service_ready(struct service *service)
{
    if (service->notify.fd < 0) {
        return;
    }
    tell(service, "READY=1\n");
    uv_timer_start(&service->status, on_status, STATUS_MS, STATUS_MS);
    if (service->watchdog_ms > 0) {
        uv_timer_start(&service->watchdog, on_watchdog, 0, service->watchdog_ms);
    }
}

/* The time tells this reload from one before it, whose end may still be on its way: both have to be
 * in one datagram (systemd.service(5), Type=notify-reload). */
void service_reloading(struct service *service)
{
    struct timespec now;
    char text[64];

    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
             (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    notify_send(&service->notify, text, true);
}

void service_reloaded(struct service *service)
{
    if (service->notify.fd >= 0) {
        tell(service, "READY=1\n");
    }
}

void service_stopping(struct service *service)
{
    char text[64];

    if (service->notify.fd >= 0) {
        snprintf(text, sizeof text, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%zu\n",
                 (service->server->options.drain_timeout + DRAIN_SPARE) * 1000000);
        tell(service, text);
    }
}

void service_stop(struct service *service)
{
    if (!service->stopped) {
        service->stopped = true;
        uv_close((uv_handle_t *)&service->status, NULL);
        uv_close((uv_handle_t *)&service->watchdog, NULL);
        notify_close(&service->notify);
    }
}

void service_free(struct service *service)
{
    free(service);
}
