#include "workers.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "trial.h"

#define SPINS 4000 /* pauses before sleeping: about 50 us to 200 us, by processor */
#define LINE 128   /* neighbouring cache lines are fetched in pairs */
#define NICE 19

/* A seat in a leader's crew, one a thread that may help. One atomic word says what goes on:
 *
 *   EMPTY  -> IDLE     a thread sat down                              by the helper, under the lock
 *   IDLE   -> ASLEEP   it has waited long and sleeps on this word     by the helper
 *   IDLE, ASLEEP -> POSTED   a piece is to be run                     by the leader
 *   POSTED -> IDLE     it has been run                                by the helper
 *   IDLE   -> EMPTY    it has left                                    by the helper
 *
 * The leader waits until no seat is POSTED. What a piece is was written before POSTED (release) and
 * what it wrote is seen after it (acquire). */
enum seat_state { SEAT_EMPTY, SEAT_IDLE, SEAT_ASLEEP, SEAT_POSTED };

struct seat {
    _Alignas(LINE) atomic_uint state;
    size_t piece;
    bool taken; /* a helper sits here; under the lock */
};

struct crew {
    struct share share; /* first, so that share_run finds its crew */
    struct workers *workers;
    bool leading;       /* under the lock */
    atomic_size_t want; /* threads in all; written by the leader, read by who looks for work */
    atomic_bool spare;  /* another has fewer threads, and could use one; written under the lock */
    struct trial trial; /* the leader's, as the next */
    uint64_t began;     /* when the step under way did; 0: it is not timed */
    share_piece *piece;
    void *arg;
    struct seat *seats; /* owned; workers->n of them */
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct task *head, *tail; /* waiting; under the lock */
    atomic_size_t waiting;    /* how many; read without the lock by helpers */
    bool quit;                /* under the lock */
    size_t n;
    pthread_t *threads; /* owned */
    size_t started;
    struct crew *crews; /* owned; one a thread */
    atomic_size_t next; /* threads number themselves */
};

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(atomic_uint *word, unsigned value)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* ---- who helps whom: under the lock ---- */

/* A sleeper is made to look again, for a reason other than a piece. */
static void sleepers_rouse(struct workers *workers)
{
    for (size_t c = 0; c < workers->n; c++) {
        for (size_t i = 0; i < workers->n; i++) {
            struct seat *seat = &workers->crews[c].seats[i];
            unsigned asleep = SEAT_ASLEEP;

            if (atomic_compare_exchange_strong(&seat->state, &asleep, SEAT_IDLE)) {
                futex_wake(&seat->state);
            }
        }
    }
}

/* Threads on it, its leader included. */
static size_t crew_size(const struct crew *crew)
{
    size_t size = 1;

    for (size_t i = 0; i < crew->workers->n; i++) {
        size += crew->seats[i].taken;
    }
    return size;
}

/* The one with the fewest threads of those that want more; NULL when none does. */
static struct crew *crew_leanest(struct workers *workers)
{
    struct crew *leanest = NULL;

    for (size_t c = 0; c < workers->n; c++) {
        struct crew *crew = &workers->crews[c];

        if (crew->leading &&
            crew_size(crew) < atomic_load_explicit(&crew->want, memory_order_relaxed) &&
            (leanest == NULL || crew_size(crew) < crew_size(leanest))) {
            leanest = crew;
        }
    }
    return leanest;
}

/* Has a helper leave where there are two more than elsewhere: one at a time, since this is asked
 * again when that one has sat down. */
static void crews_level(struct workers *workers)
{
    const struct crew *leanest = crew_leanest(workers);

    for (size_t c = 0; leanest != NULL && c < workers->n; c++) {
        struct crew *crew = &workers->crews[c];

        if (crew->leading && crew_size(crew) > crew_size(leanest) + 1) {
            atomic_store(&crew->spare, true);
            sleepers_rouse(workers);
            return;
        }
    }
}

/* ---- the leader's side ---- */

/* Posts a piece to whoever sits there; false: nobody does. */
static bool seat_post(struct seat *seat, size_t piece)
{
    unsigned state = atomic_load_explicit(&seat->state, memory_order_relaxed);

    while (state == SEAT_IDLE || state == SEAT_ASLEEP) {
        seat->piece = piece; /* nobody reads it before POSTED */
        if (atomic_compare_exchange_weak_explicit(&seat->state, &state, SEAT_POSTED,
                                                  memory_order_acq_rel, memory_order_relaxed)) {
            if (state == SEAT_ASLEEP) {
                futex_wake(&seat->state);
            }
            return true;
        }
    }
    return false;
}

static void seat_await(struct seat *seat)
{
    unsigned spins = 0;

    while (atomic_load_explicit(&seat->state, memory_order_acquire) == SEAT_POSTED) {
        if (++spins < SPINS) {
            pause_briefly();
        } else {
            sched_yield(); /* the helper may wait for a processor that a prediction has */
        }
    }
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void share_run(struct share *share, share_piece *piece, void *arg, size_t n)
{
    struct crew *crew = (struct crew *)share;
    const size_t seats = crew->workers->n;
    size_t posted = 0;

    if (n == 1 || crew->share.ways == 1) {
        for (size_t i = 0; i < n; i++) {
            piece(arg, i);
        }
        return;
    }
    crew->piece = piece;
    crew->arg = arg;
    /* Pieces 1, 2, ... go to the seats in order, the same to the same; the leader has piece 0 and
     * whatever nobody is there for. */
    for (size_t i = 0; i < seats && posted + 1 < n; i++) {
        if (seat_post(&crew->seats[i], posted + 1)) {
            posted++;
        }
    }
    piece(arg, 0);
    for (size_t i = posted + 1; i < n; i++) {
        piece(arg, i);
    }
    for (size_t i = 0; posted > 0 && i < seats; i++) {
        seat_await(&crew->seats[i]);
    }
}

/* Sees how long the step before has taken, if it was what the trial asked for. */
static void crew_time(struct crew *crew)
{
    const uint64_t now = now_ns();

    if (crew->began != 0 && crew->trial.shared == (crew->share.ways > 1)) {
        trial_step(&crew->trial, now - crew->began);
    }
    crew->began = now;
}

struct share *crew_share(struct crew *crew, size_t want)
{
    const size_t seats = crew->workers->n;
    size_t ways = 1;

    if (atomic_load_explicit(&crew->want, memory_order_relaxed) != want) {
        pthread_mutex_lock(&crew->workers->lock);
        atomic_store_explicit(&crew->want, want, memory_order_relaxed);
        pthread_cond_broadcast(&crew->workers->wake);
        crews_level(crew->workers);
        pthread_mutex_unlock(&crew->workers->lock);
        crew->began = 0; /* that was another kind of work */
    }
    if (want > 1 && seats > 1) {
        crew_time(crew);
        for (size_t i = 0; crew->trial.shared && i < seats; i++) {
            ways += atomic_load_explicit(&crew->seats[i].state, memory_order_relaxed) != SEAT_EMPTY;
        }
    }
    crew->share.ways = ways < want ? ways : want;
    return &crew->share;
}

/* ---- the helper's side ---- */

/* Whether a helper should get up: a task waits, its leader wants fewer, or another has fewer. */
static bool seat_leave(struct crew *crew, struct seat *seat)
{
    unsigned idle = SEAT_IDLE;

    return (atomic_load_explicit(&crew->workers->waiting, memory_order_relaxed) > 0 ||
            atomic_load_explicit(&crew->want, memory_order_relaxed) < 2 ||
            atomic_load_explicit(&crew->spare, memory_order_relaxed)) &&
           atomic_compare_exchange_strong(&seat->state, &idle, SEAT_EMPTY);
}

static void seat_sleep(struct seat *seat)
{
    unsigned idle = SEAT_IDLE;

    if (!atomic_compare_exchange_strong(&seat->state, &idle, SEAT_ASLEEP)) {
        return;
    }
    while (atomic_load(&seat->state) == SEAT_ASLEEP) {
        futex_wait(&seat->state, SEAT_ASLEEP);
    }
}

/* Runs pieces until it should leave. */
static void crew_help(struct crew *crew, struct seat *seat)
{
    unsigned spins = 0;

    for (;;) {
        if (atomic_load_explicit(&seat->state, memory_order_acquire) == SEAT_POSTED) {
            crew->piece(crew->arg, seat->piece);
            atomic_store_explicit(&seat->state, SEAT_IDLE, memory_order_release);
            spins = 0;
        } else if (seat_leave(crew, seat)) {
            return;
        } else if (++spins < SPINS) {
            pause_briefly();
        } else {
            seat_sleep(seat);
            spins = 0;
        }
    }
}

/* An empty seat at the leader that has the fewest threads of those that want more; NULL when none
 * does. Under the lock. */
static struct seat *seat_find(struct workers *workers, struct crew **ret)
{
    struct crew *crew = crew_leanest(workers);

    for (size_t i = 0; crew != NULL && i < workers->n; i++) {
        if (!crew->seats[i].taken) {
            *ret = crew;
            return &crew->seats[i];
        }
    }
    return NULL;
}

/* ---- threads ---- */

static struct task *task_take(struct workers *workers)
{
    struct task *task = workers->head;

    workers->head = task->next;
    if (workers->head == NULL) {
        workers->tail = NULL;
    }
    task->next = NULL;
    atomic_fetch_sub(&workers->waiting, 1);
    return task;
}

/* Called and returns under the lock. */
static void lead(struct crew *crew, struct task *task)
{
    struct workers *workers = crew->workers;

    crew->leading = true;
    pthread_mutex_unlock(&workers->lock);
    trial_init(&crew->trial);
    crew->began = 0;
    task->run(task, crew); /* task is not ours any more when it returns */
    pthread_mutex_lock(&workers->lock);
    crew->leading = false;
    atomic_store(&crew->want, 1);
    sleepers_rouse(workers); /* its helpers leave */
}

static void *thread_main(void *arg)
{
    struct workers *workers = arg;
    struct crew *mine = &workers->crews[atomic_fetch_add(&workers->next, 1)];

    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE); /* of this thread alone, on Linux */
    pthread_mutex_lock(&workers->lock);
    for (;;) {
        struct crew *crew;
        struct seat *seat;

        if (workers->head != NULL) {
            lead(mine, task_take(workers));
        } else if (workers->quit) {
            break;
        } else if ((seat = seat_find(workers, &crew)) != NULL) {
            seat->taken = true;
            atomic_store(&seat->state, SEAT_IDLE);
            crews_level(workers);
            pthread_mutex_unlock(&workers->lock);
            crew_help(crew, seat);
            pthread_mutex_lock(&workers->lock);
            seat->taken = false;
            atomic_store(&crew->spare, false);
        } else {
            pthread_cond_wait(&workers->wake, &workers->lock);
        }
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

void workers_submit(struct workers *workers, struct task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&workers->lock);
    if (workers->tail != NULL) {
        workers->tail->next = task;
    } else {
        workers->head = task;
    }
    workers->tail = task;
    atomic_fetch_add(&workers->waiting, 1);
    sleepers_rouse(workers);
    pthread_cond_signal(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
}

size_t workers_busy(struct workers *workers)
{
    size_t busy = 0;

    pthread_mutex_lock(&workers->lock);
    for (size_t c = 0; c < workers->n; c++) {
        busy += workers->crews[c].leading ? crew_size(&workers->crews[c]) : 0;
    }
    pthread_mutex_unlock(&workers->lock);
    return busy;
}

size_t workers_count(const struct workers *workers)
{
    return workers->n;
}

void workers_free(struct workers *workers)
{
    if (workers == NULL) {
        return;
    }
    pthread_mutex_lock(&workers->lock);
    workers->quit = true;
    pthread_cond_broadcast(&workers->wake);
    pthread_mutex_unlock(&workers->lock);
    for (size_t i = 0; i < workers->started; i++) {
        pthread_join(workers->threads[i], NULL);
    }
    for (size_t i = 0; workers->crews != NULL && i < workers->n; i++) {
        free(workers->crews[i].seats);
    }
    free(workers->crews);
    free(workers->threads);
    pthread_cond_destroy(&workers->wake);
    pthread_mutex_destroy(&workers->lock);
    free(workers);
}

static bool crews_create(struct workers *workers)
{
    for (size_t i = 0; i < workers->n; i++) {
        struct crew *crew = &workers->crews[i];

        crew->share = (struct share){ .ways = 1, .run = share_run };
        crew->workers = workers;
        atomic_init(&crew->want, 1);
        atomic_init(&crew->spare, false);
        crew->seats = aligned_alloc(LINE, workers->n * sizeof *crew->seats);
        if (crew->seats == NULL) {
            return false;
        }
        for (size_t s = 0; s < workers->n; s++) {
            atomic_init(&crew->seats[s].state, SEAT_EMPTY);
            crew->seats[s].taken = false;
        }
    }
    return true;
}

bool workers_create(size_t n, struct workers **ret, struct err *err)
{
    struct workers *workers = calloc(1, sizeof *workers);

    if (workers == NULL) {
        return err_set(err, ERR_MEMORY, "--workers", "have no memory");
    }
    workers->n = n;
    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->wake, NULL);
    workers->crews = calloc(n, sizeof *workers->crews);
    workers->threads = calloc(n, sizeof *workers->threads);
    if (workers->crews == NULL || workers->threads == NULL || !crews_create(workers)) {
        workers_free(workers);
        return err_set(err, ERR_MEMORY, "--workers", "have no memory");
    }
    for (; workers->started < n; workers->started++) {
        if (pthread_create(&workers->threads[workers->started], NULL, thread_main, workers) != 0) {
            workers_free(workers);
            return err_set(err, ERR_MEMORY, "--workers", "cannot start thread %zu",
                           workers->started + 1);
        }
    }
    *ret = workers;
    return true;
}
