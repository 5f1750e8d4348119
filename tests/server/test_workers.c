/* Tasks that run at once: who gets how many of the threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "workers.h"

#define WORKERS 4
#define PIECE_NS 200000 /* a piece sleeps, so that sharing pays however few processors there are */
#define LIMIT 60        /* seconds for anything to come about */

struct load {
    struct task task; /* first, so that one is the other */
    size_t want;
    atomic_size_t ways; /* of the last step */
    atomic_bool stop, ended;
};

static void nap(long ns)
{
    const struct timespec time = { 0, ns };

    nanosleep(&time, NULL);
}

static void piece(void *arg, size_t i)
{
    (void)arg;
    (void)i;
    nap(PIECE_NS);
}

static void load_run(struct task *task, struct crew *crew)
{
    struct load *load = (struct load *)task;

    while (!atomic_load(&load->stop)) {
        struct share *share = crew_share(crew, load->want);

        atomic_store(&load->ways, share->ways);
        share->run(share, piece, NULL, WORKERS);
    }
    atomic_store(&load->ended, true);
}

static void load_begin(struct workers *workers, struct load *load, size_t want)
{
    *load = (struct load){ .task.run = load_run, .want = want };
    workers_submit(workers, &load->task);
}

static void load_end(struct load *load)
{
    atomic_store(&load->stop, true);
    while (!atomic_load(&load->ended)) {
        nap(PIECE_NS);
    }
}

/* Each of them comes to have so many ways, all at the same look, and still has at the next ones. */
static void assert_ways(struct load *loads, size_t n, const size_t *ways)
{
    const time_t limit = time(NULL) + LIMIT;

    for (size_t looks = 0; looks < 10; looks++) {
        for (size_t i = 0; i < n; i++) {
            if (atomic_load(&loads[i].ways) != ways[i]) {
                looks = 0;
            }
        }
        if (time(NULL) > limit) {
            fail_msg("ways are %zu, %zu", atomic_load(&loads[0].ways),
                     n > 1 ? atomic_load(&loads[1].ways) : 0);
        }
        nap(PIECE_NS);
    }
}

static void a_task_alone_has_all_threads(void **state)
{
    struct workers *workers = *state;
    struct load load;

    load_begin(workers, &load, SIZE_MAX);
    assert_ways(&load, 1, (const size_t[]){ WORKERS });
    load_end(&load);
}

/* One that was there first gives half of them up, and gets them back. */
static void two_tasks_have_as_many_threads(void **state)
{
    struct workers *workers = *state;
    struct load loads[2];

    load_begin(workers, &loads[0], WORKERS);
    assert_ways(loads, 1, (const size_t[]){ WORKERS });
    load_begin(workers, &loads[1], WORKERS);
    assert_ways(loads, 2, (const size_t[]){ 2, 2 });
    load_end(&loads[0]);
    assert_ways(&loads[1], 1, (const size_t[]){ WORKERS });
    load_end(&loads[1]);
}

static void who_wants_one_leaves_the_others(void **state)
{
    struct workers *workers = *state;
    struct load loads[2];

    load_begin(workers, &loads[0], WORKERS);
    load_begin(workers, &loads[1], 1);
    assert_ways(loads, 2, (const size_t[]){ WORKERS - 1, 1 });
    load_end(&loads[0]);
    load_end(&loads[1]);
}

static void as_many_tasks_as_threads_have_one_each(void **state)
{
    struct workers *workers = *state;
    struct load loads[WORKERS];

    for (size_t i = 0; i < WORKERS; i++) {
        load_begin(workers, &loads[i], WORKERS);
    }
    assert_ways(loads, WORKERS, (const size_t[]){ 1, 1, 1, 1 });
    for (size_t i = 0; i < WORKERS; i++) {
        load_end(&loads[i]);
    }
}

static int begin(void **state)
{
    struct err err = { 0 };

    return workers_create(WORKERS, (struct workers **)state, &err) ? 0 : -1;
}

static int end(void **state)
{
    workers_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_alone_has_all_threads),
        cmocka_unit_test(two_tasks_have_as_many_threads),
        cmocka_unit_test(who_wants_one_leaves_the_others),
        cmocka_unit_test(as_many_tasks_as_threads_have_one_each),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
