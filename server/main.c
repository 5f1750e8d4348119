/* sigmad: start, serve, drain; or one of the commands of options.c.
 *
 * SIGTERM or SIGINT: ready answers 503, no connection is taken any more, jobs stop, requests in
 * flight finish and their connections close; then, or after --drain-timeout, the process ends with
 * 0. A second signal ends it at once.
 *
 * SIGHUP: what can be read anew is; the rest stays as it was at the start. */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "auth.h"
#include "bf16.h"
#include "batch.h"
#include "check.h"
#include "dataset.h"
#include "disk.h"
#include "host.h"
#include "http.h"
#include "intake.h"
#include "job.h"
#include "kernel.h"
#include "listen.h"
#include "log.h"
#include "metrics.h"
#include "passed.h"
#include "pool.h"
#include "probe.h"
#include "recovery.h"
#include "registry.h"
#include "remembered.h"
#include "server.h"
#include "service.h"
#include "site.h"
#include "state.h"
#include "tls.h"
#include "token.h"
#include "version.h"
#include "workers.h"

#define FILES_KEPT 256 /* descriptors that connections leave for files */

struct process {
    struct server server;
    uv_signal_t term, interrupt, hangup;
    uv_timer_t deadline; /* of the drain */
    uv_idle_t ending;    /* runs once, outside of HTTP's callbacks, when all is done */
    struct state state;
    bool stopped;
};

/* ---- the end ---- */

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

/* Everything is stopped that keeps the loop alive; uv_run returns when it has let go of it. */
static void on_ending(uv_idle_t *idle)
{
    struct process *process = idle->data;
    struct server *server = &process->server;

    for (size_t i = 0; i < server->n_http; i++) {
        http_stop(server->http[i]);
        server->http[i] = NULL;
    }
    service_stop(server->service); /* it tells of jobs */
    jobs_free(server->jobs);
    server->jobs = NULL;
    close_handle((uv_handle_t *)&process->term);
    close_handle((uv_handle_t *)&process->interrupt);
    close_handle((uv_handle_t *)&process->hangup);
    close_handle((uv_handle_t *)&process->deadline);
    close_handle((uv_handle_t *)&process->ending);
}

void server_request_ended(struct server *server)
{
    struct process *process = (struct process *)server; /* its first member */

    if (server->draining && !process->stopped && server->requests == 0 && jobs_idle(server->jobs)) {
        process->stopped = true;
        uv_idle_start(&process->ending, on_ending);
    }
}

static void on_deadline(uv_timer_t *timer)
{
    struct process *process = timer->data;

    log_at(LEVEL_WARNING, "stopping with %zu requests unfinished", process->server.requests);
    state_close(&process->state);
    exit(EXIT_SUCCESS); /* every acknowledged write is on disk; nothing else is owed */
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct process *process = handle->data;
    struct server *server = &process->server;

    if (server->draining) {
        on_deadline(&process->deadline);
    }
    log_line("%s: finishing %zu requests", signum == SIGTERM ? "SIGTERM" : "SIGINT",
             server->requests);
    server->draining = true;
    service_stopping(server->service);
    for (size_t i = 0; i < server->n_http; i++) {
        http_quiesce(server->http[i]);
    }
    jobs_stop(server->jobs);
    uv_timer_start(&process->deadline, on_deadline, server->options.drain_timeout * 1000, 0);
    server_request_ended(server);
}

/* ---- reload ---- */

static bool reload_told(bool ok, const struct err *err)
{
    char text[512];

    if (!ok) {
        err_detail(err, text, sizeof text);
        log_at(LEVEL_ERROR, "SIGHUP: going on as before: %s", text);
    }
    return ok;
}

/* Whatever can be read anew has its line here. What is wrong with one file leaves what was read of
 * it before, and the others are read all the same. Settings cannot: flags and variables stay. */
static void reload(struct server *server)
{
    struct err tokens = { 0 }, tls = { 0 };
    bool ok = reload_told(auth_reload(server->auth, &tokens), &tokens);

    ok = reload_told(tls_reload(server->tls, &tls), &tls) && ok;
    if (ok) {
        log_line("SIGHUP: reloaded; settings stay as they were at the start");
        tls_log(server->tls);
    }
}

static void on_hangup(uv_signal_t *handle, int signum)
{
    struct process *process = handle->data;
    struct server *server = &process->server;

    (void)signum;
    if (!server->draining) {
        service_reloading(server->service);
        reload(server);
        service_reloaded(server->service);
    }
}

/* ---- the start ---- */

/* As many descriptors as the system lets us have, and no more connections than they allow: models
 * and jobs have to be written even when every client there is has come. */
static void descriptors_raise(struct options *opts)
{
    struct rlimit limit;
    size_t fit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        const struct rlimit raised = { limit.rlim_max, limit.rlim_max };

        if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
            limit = raised;
        }
    }
    fit = limit.rlim_cur > 2 * FILES_KEPT ? limit.rlim_cur - FILES_KEPT : limit.rlim_cur / 2;
    if (limit.rlim_cur != RLIM_INFINITY && opts->max_connections > fit) {
        log_at(LEVEL_WARNING,
               "--max-connections %zu is too many for %llu open files (ulimit -n, LimitNOFILE): "
               "taking %zu",
               opts->max_connections, (unsigned long long)limit.rlim_cur, fit);
        opts->max_connections = fit;
    }
}

/* The kernels to use: the best there are, unless told. */
static bool isa_choose(const char *isa, struct err *err)
{
    struct err why = { 0 };

    if (isa != NULL && !kernel_force(isa, &why)) {
        return err_set(err, ERR_FIELD, "--isa", "%s", why.text);
    }
    bf16_begin();
    return true;
}

static void log_configure(const struct options *opts)
{
    enum log_level most = LEVEL_INFO;

    log_level_find(opts->log_level, &most); /* one of them: options_parse has seen to it */
    log_open(most, strcmp(opts->log, "json") == 0);
}

/* Who may come in, by what name, and do what. */
static bool doors_create(struct server *server, struct err *err)
{
    const struct options *opts = &server->options;

    return host_names_check(&opts->allow_host, err) && sites_check(&opts->allow_origin, err) &&
           auth_create(opts->tokens, &server->auth, err) &&
           tls_create(opts->tls_cert, opts->tls_key, opts->tls_client_ca, &server->tls, err);
}

static bool server_create(struct process *process, struct err *err)
{
    struct server *server = &process->server;
    struct options *opts = &server->options;

    server->started = server_now();
    server->model_memory = (struct quota){ .what = "models",
                                           .flag = "max-model-memory",
                                           .max = opts->max_model_memory };
    server->dataset_memory = (struct quota){ .what = "datasets",
                                             .flag = "max-dataset-memory",
                                             .max = opts->max_dataset_memory };
    server->loop = uv_default_loop();
    if (getrandom(&server->id_base, sizeof server->id_base, GRND_NONBLOCK) < 0) {
        server->id_base = (uint32_t)getpid();
    }
    descriptors_raise(opts);
    /* A body of half a megabyte is nothing special, and costs more in pages given back to the
     * system and asked for again than in being read. */
    mallopt(M_MMAP_THRESHOLD, 4 << 20);
    mallopt(M_TRIM_THRESHOLD, 8 << 20);
    disk_durability_set(
        opts->state != NULL && strcmp(opts->durability, "power") == 0 ? DISK_POWER : DISK_PROCESS);
    return isa_choose(opts->isa, err) && doors_create(server, err) &&
           state_open(opts->state, &process->state, err) &&
           (opts->state == NULL || intake_recover(opts->state, err)) &&
           metrics_create(&server->metrics, err) && service_create(server, &server->service, err) &&
           registry_create(opts->max_models, &server->registry, err) &&
           remembered_create(opts->prediction_memory, opts->prediction_seconds, &server->remembered,
                             err) &&
           datasets_create(opts->state != NULL ? opts->state : process->state.memory,
                           opts->max_datasets, &server->dataset_memory, &server->datasets, err) &&
           datasets_load(server->datasets, server, err) &&
           (opts->state == NULL || recovery_models(server, err)) &&
           workers_create(opts->workers, &server->workers, err) &&
           pool_create(server->loop, opts->pool_threads, &server->pool, err) &&
           batcher_create(server, opts->max_batch, &server->batcher, err) &&
           jobs_create(server, &server->jobs, err) &&
           (opts->state == NULL || jobs_restore(server->jobs, err));
}

/* One more address; the listener is taken over. */
static bool server_answer(struct server *server, struct listener *listener, struct err *err)
{
    if (!http_listen(server, listener, &server->http[server->n_http], err)) {
        return false;
    }
    server->n_http++;
    return true;
}

/* On the sockets that were passed, and on the addresses we were told; by itself the default address
 * is for when nothing was passed. */
static bool server_listen(struct server *server, const struct passed *passed, struct err *err)
{
    const struct options *opts = &server->options;
    const struct option *row = option_find("listen", strlen("listen"));
    const bool given = opts->from[option_index(row)] != OPTION_USUAL;
    const size_t n = passed->n > 0 && !given ? 0 : opts->listen.n;
    const bool open = opts->insecure || auth_guards(server->auth) || tls_mutual(server->tls);
    struct listener listener;

    if (passed->n + n > LISTEN_MAX) {
        return err_set(err, ERR_FIELD, "--listen",
                       "makes %zu with the %zu in LISTEN_FDS, %d at most", passed->n + n, passed->n,
                       LISTEN_MAX);
    }
    for (size_t i = 0; i < passed->n; i++) {
        if (!listener_adopt(&listener, PASSED_FIRST + (int)i, passed->names[i], open, err) ||
            !server_answer(server, &listener, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!listener_open(&listener, opts->listen.at[i], open, err) ||
            !server_answer(server, &listener, err)) {
            return false;
        }
    }
    return true;
}

static void startup_note(struct server *server)
{
    struct startup *startup = &server->startup;

    startup->models = registry_count(server->registry);
    for (size_t i = 0; i < startup->models; i++) {
        startup->versions += registry_at(server->registry, i)->n_versions;
    }
    startup->datasets = datasets_count(server->datasets);
    for (size_t i = 0; i < jobs_count(server->jobs); i++) {
        startup->jobs += !job_ended(jobs_at(server->jobs, i));
    }
    startup->seconds = server_now() - server->started;
}

static void signals_start(struct process *process)
{
    uv_loop_t *loop = process->server.loop;

    signal(SIGPIPE, SIG_IGN);
    uv_signal_init(loop, &process->term);
    uv_signal_init(loop, &process->interrupt);
    uv_signal_init(loop, &process->hangup);
    uv_timer_init(loop, &process->deadline);
    uv_idle_init(loop, &process->ending);
    process->term.data = process->interrupt.data = process->hangup.data = process;
    process->deadline.data = process->ending.data = process;
    uv_signal_start(&process->term, on_signal, SIGTERM);
    uv_signal_start(&process->interrupt, on_signal, SIGINT);
    uv_signal_start(&process->hangup, on_hangup, SIGHUP);
}

static void paths_free(char **paths, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(paths[i]);
    }
    free(paths);
}

static void server_free(struct process *process)
{
    struct server *server = &process->server;

    workers_free(server->workers);
    batcher_free(server->batcher);
    pool_free(server->pool);
    uv_run(server->loop, UV_RUN_DEFAULT); /* closes the pool's handle */
    service_free(server->service);
    registry_free(server->registry);
    remembered_free(server->remembered);
    datasets_free(server->datasets);
    metrics_free(server->metrics);
    auth_free(server->auth);
    tls_free(server->tls);
    paths_free(server->corrupt, server->n_corrupt);
    paths_free(server->newer, server->n_newer);
    uv_loop_close(server->loop);
    state_close(&process->state);
    options_done(&server->options);
}

static int refuse(const struct err *err)
{
    char text[512];

    err_detail(err, text, sizeof text);
    log_at(LEVEL_ERROR, "%s", text);
    return err->code == ERR_FIELD ? 2 : EXIT_FAILURE;
}

static void strangers_log(void)
{
    char text[256];

    for (size_t at = 0; options_stranger(&at, text, sizeof text);) {
        log_line("%s", text);
    }
}

/* What is done instead of serving. */
static int command_run(enum options_act act, const struct options *opts)
{
    struct err err = { 0 };

    switch (act) {
    case OPTIONS_CHECK:
        return check_run(opts);
    case OPTIONS_HEALTH:
        return probe_ready(opts->listen.at[0], opts->tls_cert != NULL, &err) ? EXIT_SUCCESS
                                                                             : refuse(&err);
    case OPTIONS_HELP:
        options_help();
        return EXIT_SUCCESS;
    case OPTIONS_VERSION:
        printf("sigmad %s\n", SIGMAD_VERSION);
        return EXIT_SUCCESS;
    case OPTIONS_TOKEN:
    case OPTIONS_RUN:
        break;
    }
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static struct process process = { .state = { .lock = -1 } };
    struct server *server = &process.server;
    struct passed passed = { 0 };
    enum options_act act;
    struct err err = { 0 };

    log_open(LEVEL_INFO, false); /* until it is known how */
    if (!options_parse(argc, argv, &server->options, &act, &err)) {
        return refuse(&err);
    }
    if (act == OPTIONS_TOKEN) {
        return token_command(argc, argv);
    }
    if (act != OPTIONS_RUN) {
        const int code = command_run(act, &server->options);

        options_done(&server->options);
        return code;
    }
    log_configure(&server->options);
    strangers_log();
    if (!passed_take(&passed, &err) || !server_create(&process, &err) ||
        !server_listen(server, &passed, &err)) {
        state_close(&process.state);
        return refuse(&err);
    }
    recovery_end(server);
    startup_note(server);
    signals_start(&process);
    log_line("version %s, %s kernels, %zu workers, state in %s: %zu models, %zu data sets",
             SIGMAD_VERSION, kernel_name(kernel_chosen()), server->options.workers,
             server->options.state != NULL ? server->options.state
                                           : "memory alone, gone when this process ends",
             registry_count(server->registry), datasets_count(server->datasets));
    tls_log(server->tls);
    for (size_t i = 0; i < server->n_http; i++) {
        log_line("listening on %s", http_url(server->http[i]));
    }
    service_ready(server->service);
    jobs_dispatch(server->jobs); /* those that were under way go on */
    uv_run(server->loop, UV_RUN_DEFAULT);
    server_free(&process);
    log_line("stopped");
    return EXIT_SUCCESS;
}
