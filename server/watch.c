#include "watch.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define SWEEP_MS 500
#define SPARE_MAX 256
#define POLL_MAX 128 /* clients looked for in one go */

struct list {
    struct watch *head, *tail;
};

struct watcher {
    uv_timer_t timer;
    uv_loop_t *loop;
    struct watch_limits limits;
    struct list list[WATCH_PHASES];
    struct watch *spare; /* by next */
    size_t n_spare, n_open;
};

static void list_put(struct list *list, struct watch *watch)
{
    watch->next = NULL;
    watch->prev = list->tail;
    *(list->tail != NULL ? &list->tail->next : &list->head) = watch;
    list->tail = watch;
}

static void list_take(struct list *list, struct watch *watch)
{
    *(watch->prev != NULL ? &watch->prev->next : &list->head) = watch->next;
    *(watch->next != NULL ? &watch->next->prev : &list->tail) = watch->prev;
}

/* ---- who is late ---- */

/* The connection ends: MHD sees an end of input and closes it. It may have been told why, as long
 * as no other answer has begun. A reply that nobody takes is dropped, not kept by the kernel. */
static void cut(struct watch *watch)
{
    static const char late[] =
        "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
        "Content-Type: application/problem+json\r\nContent-Length: 183\r\n\r\n"
        "{\"type\": \"urn:sigmad:problem:timeout\", \"title\": \"The request took too long\", "
        "\"status\": 408, \"detail\": \"the request did not come in time\", "
        "\"error\": \"the request did not come in time\"}\n";
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    if (watch->phase == WATCH_WRITE) {
        setsockopt(watch->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    } else if (!watch->mute) {
        (void)!send(watch->fd, late, sizeof late - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    shutdown(watch->fd, SHUT_RDWR);
}

static uint64_t allowed_ms(const struct watcher *watcher, const struct watch *watch)
{
    const struct watch_limits *limits = &watcher->limits;

    return watch->phase == WATCH_IDLE ? limits->idle_ms + limits->request_ms
                                      : limits->request_ms + watch->bytes * 1000 / limits->min_rate;
}

/* The longest in a phase come first, and those that may stay longer, for their bytes, are passed
 * over; nobody before the shortest time allowed is looked at. */
static void sweep(struct watcher *watcher, enum watch_phase phase)
{
    const uint64_t now = uv_now(watcher->loop);
    struct watch *watch = watcher->list[phase].head;

    while (watch != NULL && now - watch->since > watcher->limits.request_ms) {
        struct watch *next = watch->next;

        if (now - watch->since > allowed_ms(watcher, watch)) {
            cut(watch);
        }
        watch = next;
    }
}

/* ---- who is gone ---- */

struct gone {
    struct pollfd fds[POLL_MAX];
    struct watch *watches[POLL_MAX];
    size_t n;
};

/* One that has only closed its sending side counts as gone while it waits for a job: nobody can
 * tell the difference before writing. While it should be sending, it is when all it sent was read:
 * MHD misses an end of input that comes together with the last bytes. */
static void gone_one(struct watch *watch)
{
    void (*hung_up)(void *) = watch->hung_up;
    int unread = 0;

    if (watch->phase != WATCH_WORK) {
        if (ioctl(watch->fd, FIONREAD, &unread) == 0 && unread == 0) {
            shutdown(watch->fd, SHUT_RDWR);
        }
    } else if (hung_up != NULL) {
        watch->hung_up = NULL;
        hung_up(watch->arg);
    }
}

static void gone_look(struct gone *gone)
{
    if (gone->n > 0 && poll(gone->fds, gone->n, 0) > 0) {
        for (size_t i = 0; i < gone->n; i++) {
            if ((gone->fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0) {
                gone_one(gone->watches[i]);
            }
        }
    }
    gone->n = 0;
}

static void gone_add(struct gone *gone, struct watch *watch)
{
    if (gone->n == POLL_MAX) {
        gone_look(gone);
    }
    gone->fds[gone->n] = (struct pollfd){ .fd = watch->fd, .events = POLLRDHUP };
    gone->watches[gone->n++] = watch;
}

/* Those that have been where they are for a while; idle ones twice or so, and not ever again. */
static void sweep_gone(struct watcher *watcher)
{
    const uint64_t now = uv_now(watcher->loop);
    struct gone gone;
    struct watch *watch;

    gone.n = 0;
    for (watch = watcher->list[WATCH_WORK].head; watch != NULL && now - watch->since > SWEEP_MS;
         watch = watch->next) {
        if (watch->hung_up != NULL) {
            gone_add(&gone, watch);
        }
    }
    for (watch = watcher->list[WATCH_READ].head; watch != NULL && now - watch->since > SWEEP_MS;
         watch = watch->next) {
        if (!watch->busy) {
            gone_add(&gone, watch);
        }
    }
    for (watch = watcher->list[WATCH_IDLE].tail; watch != NULL && now - watch->since < 3 * SWEEP_MS;
         watch = watch->prev) {
        if (now - watch->since > SWEEP_MS) {
            gone_add(&gone, watch);
        }
    }
    gone_look(&gone);
}

static void on_timer(uv_timer_t *timer)
{
    struct watcher *watcher = timer->data;

    sweep(watcher, WATCH_IDLE);
    sweep(watcher, WATCH_READ);
    sweep(watcher, WATCH_WRITE);
    sweep_gone(watcher);
}

/* ---- connections ---- */

struct watch *watch_open(struct watcher *watcher, int fd)
{
    struct watch *watch = watcher->spare;

    if (watch != NULL) {
        watcher->spare = watch->next;
        watcher->n_spare--;
    } else if ((watch = malloc(sizeof *watch)) == NULL) {
        return NULL;
    }
    *watch = (struct watch){ .fd = fd, .phase = WATCH_IDLE, .since = uv_now(watcher->loop) };
    list_put(&watcher->list[WATCH_IDLE], watch);
    if (watcher->n_open++ == 0) {
        uv_timer_start(&watcher->timer, on_timer, SWEEP_MS, SWEEP_MS);
    }
    return watch;
}

void watch_close(struct watcher *watcher, struct watch *watch)
{
    list_take(&watcher->list[watch->phase], watch);
    if (--watcher->n_open == 0) {
        uv_timer_stop(&watcher->timer);
    }
    if (watcher->n_spare == SPARE_MAX) {
        free(watch);
        return;
    }
    watch->next = watcher->spare;
    watcher->spare = watch;
    watcher->n_spare++;
}

void watch_enter(struct watcher *watcher, struct watch *watch, enum watch_phase phase,
                 uint64_t bytes)
{
    list_take(&watcher->list[watch->phase], watch);
    watch->phase = phase;
    watch->since = uv_now(watcher->loop);
    watch->bytes = bytes;
    watch->busy = false;
    if (phase != WATCH_WORK) {
        watch->hung_up = NULL;
    }
    list_put(&watcher->list[phase], watch);
}

struct watcher *watcher_create(uv_loop_t *loop, const struct watch_limits *limits)
{
    struct watcher *watcher = calloc(1, sizeof *watcher);

    if (watcher != NULL) {
        watcher->loop = loop;
        watcher->limits = *limits;
        uv_timer_init(loop, &watcher->timer);
        watcher->timer.data = watcher;
        uv_unref((uv_handle_t *)&watcher->timer);
    }
    return watcher;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void watcher_free(struct watcher *watcher)
{
    while (watcher->spare != NULL) {
        struct watch *next = watcher->spare->next;

        free(watcher->spare);
        watcher->spare = next;
    }
    uv_close((uv_handle_t *)&watcher->timer, on_closed);
}
