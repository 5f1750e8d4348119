#include "pool.h"

#include <stdlib.h>

struct queue {
    struct pool_work *head, **tail;
};

/* Under the lock: all but loop, async and the threads themselves. */
struct pool {
    uv_async_t async; /* wakes the loop when done is not empty any more */
    uv_mutex_t lock;
    uv_cond_t wake;
    struct queue quick, slow, done;
    size_t n_slow;    /* slow ones that run */
    size_t n_waiting; /* of quick and slow */
    bool stop;
    size_t n, n_started; /* n_started is the loop's */
    uv_thread_t threads[];
};

static void queue_init(struct queue *queue)
{
    queue->head = NULL;
    queue->tail = &queue->head;
}

static void queue_put(struct queue *queue, struct pool_work *work)
{
    work->next = NULL;
    *queue->tail = work;
    queue->tail = &work->next;
}

static void queue_put_first(struct queue *queue, struct pool_work *work)
{
    work->next = queue->head;
    queue->head = work;
    if (work->next == NULL) {
        queue->tail = &work->next;
    }
}

static struct pool_work *queue_take(struct queue *queue)
{
    struct pool_work *work = queue->head;

    if (work != NULL) {
        queue->head = work->next;
        if (queue->head == NULL) {
            queue->tail = &queue->head;
        }
    }
    return work;
}

/* What this thread is to do now; NULL: nothing yet. */
static struct pool_work *next_work(struct pool *pool)
{
    struct pool_work *work = queue_take(&pool->quick);

    if (work == NULL && pool->n_slow < pool->n - 1) {
        work = queue_take(&pool->slow);
        pool->n_slow += work != NULL;
    }
    pool->n_waiting -= work != NULL;
    return work;
}

static void thread_main(void *arg)
{
    struct pool *pool = arg;

    uv_mutex_lock(&pool->lock);
    for (;;) {
        struct pool_work *work = next_work(pool);
        bool first;

        if (work == NULL && pool->stop) {
            break;
        }
        if (work == NULL) {
            uv_cond_wait(&pool->wake, &pool->lock);
            continue;
        }
        uv_mutex_unlock(&pool->lock);
        work->run(work);
        uv_mutex_lock(&pool->lock);
        pool->n_slow -= work->slow;
        first = pool->done.head == NULL;
        queue_put(&pool->done, work);
        if (first) {
            uv_async_send(&pool->async);
        }
    }
    uv_mutex_unlock(&pool->lock);
}

static void on_async(uv_async_t *async)
{
    struct pool *pool = async->data;
    struct pool_work *work;

    uv_mutex_lock(&pool->lock);
    work = pool->done.head;
    queue_init(&pool->done);
    uv_mutex_unlock(&pool->lock);
    while (work != NULL) {
        struct pool_work *next = work->next;

        work->done(work);
        work = next;
    }
}

bool pool_create(uv_loop_t *loop, size_t threads, struct pool **ret, struct err *err)
{
    struct pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);

    if (pool == NULL) {
        return err_set(err, ERR_MEMORY, "--pool-threads", "have no memory");
    }
    queue_init(&pool->quick);
    queue_init(&pool->slow);
    queue_init(&pool->done);
    if (uv_mutex_init(&pool->lock) != 0 || uv_cond_init(&pool->wake) != 0 ||
        uv_async_init(loop, &pool->async, on_async) != 0) {
        free(pool); /* the process ends: a lock it may have made goes with it */
        return err_set(err, ERR_LIMIT, "--pool-threads", "cannot be started");
    }
    pool->async.data = pool;
    uv_unref((uv_handle_t *)&pool->async); /* requests keep the loop alive, not this */
    for (pool->n = threads; pool->n_started < threads; pool->n_started++) {
        if (uv_thread_create(&pool->threads[pool->n_started], thread_main, pool) != 0) {
            err_set(err, ERR_LIMIT, "--pool-threads", "cannot be started: %zu of %zu can",
                    pool->n_started, threads);
            pool_free(pool);
            return false;
        }
    }
    *ret = pool;
    return true;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void pool_free(struct pool *pool)
{
    if (pool == NULL) {
        return;
    }
    uv_mutex_lock(&pool->lock);
    pool->stop = true;
    uv_cond_broadcast(&pool->wake);
    uv_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->n_started; i++) {
        uv_thread_join(&pool->threads[i]);
    }
    uv_cond_destroy(&pool->wake);
    uv_mutex_destroy(&pool->lock);
    uv_close((uv_handle_t *)&pool->async, on_closed);
}

size_t pool_threads(const struct pool *pool)
{
    return pool->n;
}

size_t pool_waiting(struct pool *pool)
{
    size_t n;

    uv_mutex_lock(&pool->lock);
    n = pool->n_waiting;
    uv_mutex_unlock(&pool->lock);
    return n;
}

void pool_submit(struct pool *pool, struct pool_work *work, bool slow)
{
    work->slow = slow;
    uv_mutex_lock(&pool->lock);
    queue_put(slow ? &pool->slow : &pool->quick, work);
    pool->n_waiting++;
    uv_cond_signal(&pool->wake);
    uv_mutex_unlock(&pool->lock);
}

void pool_submit_first(struct pool *pool, struct pool_work *work)
{
    work->slow = false;
    uv_mutex_lock(&pool->lock);
    queue_put_first(&pool->quick, work);
    uv_cond_signal(&pool->wake);
    uv_mutex_unlock(&pool->lock);
}
