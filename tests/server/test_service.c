/* The watchdog is told while the pool's threads answer, and not while they hang. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include <uv.h>

#include "dataset.h"
#include "job.h"
#include "log.h"
#include "pool.h"
#include "registry.h"
#include "server.h"
#include "service.h"

enum { THREADS = 2 };

/* main.c's, which no test here calls. */
void server_request_ended(struct server *server)
{
    (void)server;
}

struct work {
    struct pool_work work; /* first: what the pool hands back is this */
    uv_sem_t *hold;        /* run waits for it; NULL: it does not wait */
    bool done;
};

struct world {
    struct server server;
    struct service *service;
    int manager;   /* what systemd would have */
    uv_sem_t hold; /* what the pool's threads hang on */
    struct work hanging[THREADS], behind;
};

static void work_run(struct pool_work *work)
{
    uv_sem_t *hold = ((struct work *)work)->hold;

    if (hold != NULL) {
        uv_sem_wait(hold);
    }
}

static void work_done(struct pool_work *work)
{
    ((struct work *)work)->done = true;
}

static void submit(struct world *world, struct work *work, uv_sem_t *hold)
{
    *work = (struct work){ { .run = work_run, .done = work_done }, hold, false };
    pool_submit(world->server.pool, &work->work, false);
}

/* The daemon's parts that the status is made of, a pool, and a socket in systemd's place. */
static int begin(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct server *server = &world->server;
    const struct sockaddr_un any = { .sun_family = AF_UNIX };
    struct sockaddr_un sun;
    socklen_t len = sizeof sun;
    char name[sizeof sun.sun_path + 1];
    struct err err = { 0 };

    log_open(LEVEL_ERROR, false);
    world->manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    /* an address of its family alone: the kernel finds an abstract name */
    assert_int_equal(bind(world->manager, (const struct sockaddr *)&any, sizeof(sa_family_t)), 0);
    assert_int_equal(getsockname(world->manager, (struct sockaddr *)&sun, &len), 0);
    snprintf(name, sizeof name, "@%.*s", (int)(len - offsetof(struct sockaddr_un, sun_path) - 1),
             sun.sun_path + 1);
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", "40000", 1);
    server->loop = uv_default_loop();
    uv_sem_init(&world->hold, 0);
    assert_true(registry_create(10, &server->registry, &err));
    assert_true(
        datasets_create("/nonexistent", 10, &server->dataset_memory, &server->datasets, &err));
    assert_true(jobs_create(server, &server->jobs, &err));
    assert_true(pool_create(server->loop, THREADS, &server->pool, &err));
    assert_true(service_create(server, &world->service, &err));
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    *state = world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;
    struct server *server = &world->server;

    service_stop(world->service);
    jobs_free(server->jobs);
    pool_free(server->pool);
    uv_run(server->loop, UV_RUN_DEFAULT);
    service_free(world->service);
    datasets_free(server->datasets);
    registry_free(server->registry);
    uv_sem_destroy(&world->hold);
    close(world->manager);
    uv_loop_close(server->loop);
    free(world);
    return 0;
}

/* Runs the loop until the manager has heard that, or, with NULL, for that many of its turns in
 * which pings would come. How many other pings came meanwhile. */
static size_t hear(struct world *world, const char *wanted, size_t turns)
{
    char text[512];
    size_t pings = 0;

    for (size_t turn = 0; wanted != NULL || turn < turns; turn++) {
        ssize_t n;

        uv_run(world->server.loop, UV_RUN_ONCE); /* waits for the next timer */
        while ((n = recv(world->manager, text, sizeof text - 1, 0)) > 0) {
            text[n] = '\0';
            if (wanted != NULL && strncmp(text, wanted, strlen(wanted)) == 0) {
                return pings;
            }
            pings += strcmp(text, "WATCHDOG=1") == 0;
        }
    }
    return pings;
}

static void it_is_told_what_there_is(void **state)
{
    struct world *world = *state;
    char status[SERVICE_STATUS_MAX];

    service_status(&world->server, status, sizeof status);
    assert_string_equal(status, "0 models, 0 data sets");
    world->server.draining = true;
    world->server.requests = 1;
    service_status(&world->server, status, sizeof status);
    assert_string_equal(status, "finishing 1 request, 0 jobs");
}

static void pings_come_while_the_pool_answers(void **state)
{
    struct world *world = *state;

    service_ready(world->service);
    assert_int_equal(hear(world, "READY=1\nSTATUS=0 models, 0 data sets", 0), 0);
    for (int i = 0; i < 5; i++) {
        hear(world, "WATCHDOG=1", 0);
    }
}

/* Both threads hang: what was sent before is the last of it. When they go on, so do the pings; the
 * probe has been ahead of what waited. */
static void no_ping_comes_while_the_pool_hangs(void **state)
{
    struct world *world = *state;
    struct work behind[8];

    service_ready(world->service);
    hear(world, "WATCHDOG=1", 0);
    for (size_t i = 0; i < THREADS; i++) {
        submit(world, &world->hanging[i], &world->hold);
    }
    assert_true(hear(world, NULL, 20) <= 2); /* of one that was under way, or not sent yet */
    assert_int_equal(hear(world, NULL, 20), 0);
    for (size_t i = 0; i < 8; i++) {
        submit(world, &behind[i], NULL);
    }
    for (size_t i = 0; i < THREADS; i++) {
        uv_sem_post(&world->hold);
    }
    hear(world, "WATCHDOG=1", 0);
    while (!behind[7].done || !world->hanging[0].done || !world->hanging[1].done) {
        uv_run(world->server.loop, UV_RUN_ONCE);
    }
}

/* One of two threads at work is a pool that answers. */
static void one_thread_is_enough(void **state)
{
    struct world *world = *state;

    service_ready(world->service);
    submit(world, &world->hanging[0], &world->hold);
    for (int i = 0; i < 5; i++) {
        hear(world, "WATCHDOG=1", 0);
    }
    assert_false(world->hanging[0].done);
    uv_sem_post(&world->hold);
    while (!world->hanging[0].done) {
        uv_run(world->server.loop, UV_RUN_ONCE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_told_what_there_is, begin, end),
        cmocka_unit_test_setup_teardown(pings_come_while_the_pool_answers, begin, end),
        cmocka_unit_test_setup_teardown(no_ping_comes_while_the_pool_hangs, begin, end),
        cmocka_unit_test_setup_teardown(one_thread_is_enough, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
