/* GET /v1/jobs/{id}/events: a job's progress while it goes on, as Server-Sent Events (WHATWG HTML,
 * 9.2) or, with Accept: text/plain, as lines for a person at a terminal.
 *
 *   event: state     its state, and its place in the queue, when they change
 *   event: epoch     an entry of its history; the id is the epoch's number, and who comes back with
 *                    it as Last-Event-ID gets those behind it: the history has them all
 *   event: trial     of a sweep, in place of epochs: a trial of its table, when it has changed;
 *                    the id counts the changes
 *   event: progress  between two epochs, at most ten times a second
 *   event: end       its record; the id is "end", and who comes back with that gets 204
 *
 * A listener has no queue: what it is sent next follows from how far it has got in the history. One
 * that does not read loses the progress in between, and is cut off when it takes nothing at all for
 * the time that a reply has (watch.h). */
#include "handlers.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "accept.h"
#include "jobs.h"
#include "request.h"
#include "server.h"

#define TICK_MS 100
#define BEAT_MS 15000 /* of silence, after which a proxy may think that nobody is there */
#define EPOCHS_AT_ONCE 64
#define LINE 100 /* columns that a line of the terminal is padded to, to cover the one before */

struct listener {
    struct stream stream; /* the request's; first, so that one is the other */
    struct request *req;
    struct job *job;       /* borrowed; NULL: its record has gone */
    struct listener *next; /* of the job */
    uv_timer_t timer;
    bool plain;
    bool gone;   /* the client is */
    bool ended;  /* all has been told */
    bool paused; /* has been told last, and not yet that it goes on */
    size_t
        sent; /* the last epoch told, here or to who came back with its id; of a sweep the last change
                    of its table */
    int state; /* told last; -1: none */
    size_t position;
    double progress; /* told last */
    uint64_t told;   /* uv_now() of that, */
    uint64_t spoke;  /* and of anything */
    struct text out; /* on its way, from at on */
    size_t at;
};

static uint64_t now(const struct listener *listener)
{
    return uv_now(listener->req->server->loop);
}

/* ---- what there is to tell ---- */

static void line_end(struct listener *listener, size_t from, const char *end)
{
    while (listener->out.len - from < LINE && !listener->out.failed) {
        text_str(&listener->out, " ");
    }
    text_str(&listener->out, end);
}

/* A line of its own for what a person has to know, over the bar that may be there. */
static void state_line(struct listener *listener, const struct msg_job *info)
{
    struct text *out = &listener->out;
    const size_t from = out->len + 1;

    if (info->state == JOB_QUEUED) {
        text_printf(out, "\rjob %" PRIu64 " is queued, at place %zu", info->id, info->position);
    } else if (info->state == JOB_PAUSED) {
        text_printf(out, "\rjob %" PRIu64 " is paused", info->id);
    } else if (info->state == JOB_RUNNING && listener->paused) {
        text_printf(out, "\rjob %" PRIu64 " goes on", info->id);
    } else {
        return;
    }
    line_end(listener, from, "\n");
}

static void tell_state(struct listener *listener, const struct msg_job *info)
{
    struct text *out = &listener->out;

    if ((int)info->state == listener->state && info->position == listener->position) {
        return;
    }
    listener->state = (int)info->state;
    listener->position = info->position;
    if (listener->plain) {
        state_line(listener, info);
    } else {
        text_printf(out, "event: state\ndata: {\"state\": \"%s\"", job_state_name(info->state));
        if (info->position > 0) {
            text_printf(out, ", \"position\": %zu", info->position);
        }
        text_str(out, "}\n\n");
    }
    listener->paused = info->state == JOB_PAUSED || (listener->paused && info->state == JOB_QUEUED);
}

/* Where in the history the epochs behind that one begin. By number, not by place: a job that went on
 * from a checkpoint may have entries to come that somebody has been told of before. */
static size_t history_behind(const struct msg_job *info, size_t epoch)
{
    size_t low = 0, high = info->n_history;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;

        if (info->history[mid].epoch <= epoch) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static void tell_epochs(struct listener *listener, const struct msg_job *info)
{
    struct text *out = &listener->out;

    size_t at = history_behind(info, listener->sent);

    for (size_t i = 0; i < EPOCHS_AT_ONCE && at < info->n_history; i++) {
        const struct msg_epoch *epoch = &info->history[at++];
        const double progress = (double)epoch->epoch / (double)info->epochs;
        const size_t from = out->len + 1;

        if (listener->plain) {
            text_str(out, "\r");
            msg_epoch_line(out, info, epoch, progress);
            line_end(listener, from, "\n");
        } else {
            text_printf(out, "id: %zu\nevent: epoch\ndata: ", epoch->epoch);
            msg_epoch_encode(out, epoch);
            text_str(out, "\n\n");
        }
        listener->sent = epoch->epoch;
        listener->progress = fmax(listener->progress, progress);
        listener->told = now(listener);
    }
}

/* The change of a sweep's table that comes after those told; false: there is none. A trial that has
 * changed twice meanwhile is told of once, as it is now. */
static bool trial_next(const struct listener *listener, const struct msg_job *info, size_t *ret)
{
    bool found = false;

    for (size_t i = 0; i < info->sweep->sweep.trials; i++) {
        const uint64_t order = info->trials[i].order;

        if (order > listener->sent && (!found || order < info->trials[*ret].order)) {
            *ret = i;
            found = true;
        }
    }
    return found;
}

/* False: there is more. */
static bool tell_trials(struct listener *listener, const struct msg_job *info)
{
    struct text *out = &listener->out;
    size_t at = 0;

    for (size_t i = 0; i < EPOCHS_AT_ONCE && trial_next(listener, info, &at); i++) {
        const size_t from = out->len + 1;

        listener->sent = (size_t)info->trials[at].order;
        if (listener->plain) {
            text_str(out, "\r");
            msg_trial_line(out, info->sweep, info->trials, at);
            line_end(listener, from, "\n");
        } else {
            text_printf(out, "id: %zu\nevent: trial\ndata: ", listener->sent);
            msg_trial_encode(out, info->sweep, info->trials, at, false);
            text_str(out, "\n\n");
        }
    }
    return !trial_next(listener, info, &at);
}

static void tell_progress(struct listener *listener, const struct msg_job *info)
{
    const struct msg_epoch epoch = { info->epoch + 1, NAN, NAN, NAN, NAN, NAN, 0 };
    struct text *out = &listener->out;
    const size_t from = out->len + 1;
    size_t trial;

    if (info->state != JOB_RUNNING || info->progress <= listener->progress ||
        info->epoch == info->epochs || now(listener) - listener->told < TICK_MS) {
        return;
    }
    listener->progress = info->progress;
    listener->told = now(listener);
    if (listener->plain) {
        text_str(out, "\r");
        msg_epoch_line(out, info, &epoch, info->progress);
        line_end(listener, from, "");
        return;
    }
    text_str(out, "event: progress\ndata: {");
    if (info->sweep != NULL && sweep_running(&info->sweep->sweep, info->trials, &trial)) {
        text_printf(out, "\"trial\": %zu, ", trial + 1);
    }
    text_printf(out, "\"epoch\": %zu, \"epochs\": %zu, \"progress\": ", epoch.epoch, info->epochs);
    text_double(out, info->progress);
    text_str(out, ", \"samples_per_second\": ");
    text_double(out, info->samples_per_second);
    text_str(out, "}\n\n");
}

static void tell_end(struct listener *listener, const struct msg_job *info)
{
    struct text *out = &listener->out;

    listener->ended = true;
    if (!listener->plain) {
        text_str(out, "id: end\nevent: end\ndata: ");
        msg_job_encode(out, info, false);
        text_str(out, "\n\n");
        return;
    }
    text_printf(out, "job %" PRIu64 " has %s%s", info->id,
                info->state == JOB_CANCELLED ? "been " : "", job_state_name(info->state));
    if (info->state == JOB_FAILED) {
        char why[512];

        err_detail(info->err, why, sizeof why);
        text_printf(out, ": %s", why);
    } else if (info->version != 0) {
        text_printf(out, ": version %" PRIu64 " of %s", info->version, info->model);
    }
    text_str(out, "\n");
}

/* What has come since, into out. */
static void tell(struct listener *listener)
{
    struct msg_job info;

    job_info(listener->job, &info);
    if (info.state == JOB_QUEUED || info.state == JOB_RUNNING) {
        tell_state(listener, &info);
    }
    if (info.sweep == NULL) {
        tell_epochs(listener, &info);
    }
    if (info.sweep != NULL ? !tell_trials(listener, &info)
                           : history_behind(&info, listener->sent) < info.n_history) {
        return;
    }
    tell_state(listener, &info); /* that it has stopped, when its epochs have been told */
    if (job_ended(listener->job)) {
        tell_end(listener, &info);
    } else {
        tell_progress(listener, &info);
    }
    if (listener->out.len == 0 && now(listener) - listener->spoke >= BEAT_MS) {
        text_str(&listener->out, listener->plain ? "\r" : ": \n\n");
    }
}

/* ---- the stream ---- */

static ssize_t events_read(struct stream *stream, char *buf, size_t max)
{
    struct listener *listener = (struct listener *)stream;
    size_t n;

    if (listener->at == listener->out.len) {
        listener->out.len = listener->at = 0;
        if (listener->ended || listener->gone || listener->job == NULL ||
            listener->req->server->draining) {
            return -1;
        }
        tell(listener);
        if (listener->out.failed) {
            return -1; /* no memory: the client comes back, and has missed nothing */
        }
    }
    n = listener->out.len - listener->at;
    n = n < max ? n : max;
    if (n > 0) {
        memcpy(buf, listener->out.data + listener->at, n);
        listener->at += n;
        listener->spoke = now(listener);
    }
    return (ssize_t)n;
}

static void events_tick(uv_timer_t *timer)
{
    struct listener *listener = timer->data;

    stream_wake(listener->req);
}

static void events_hung_up(void *stream)
{
    struct listener *listener = stream;

    listener->gone = true;
    stream_wake(listener->req);
}

static void events_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;

    text_done(&listener->out);
    free(listener);
}

static void events_free(struct stream *stream)
{
    struct listener *listener = (struct listener *)stream;

    if (listener->job != NULL) {
        struct listener **at = &listener->job->listeners;

        while (*at != listener) {
            at = &(*at)->next;
        }
        *at = listener->next;
    }
    uv_close((uv_handle_t *)&listener->timer, events_closed);
}

void job_listeners_wake(struct job *job)
{
    for (struct listener *at = job->listeners; at != NULL; at = at->next) {
        stream_wake(at->req);
    }
}

void job_listeners_leave(struct job *job)
{
    for (struct listener *at = job->listeners; at != NULL; at = at->next) {
        at->job = NULL;
    }
    job->listeners = NULL;
}

/* ---- the request ---- */

/* What has been told last, 0 for nothing; *over: all has been told. */
static bool last_id_parse(struct request *req, const struct job *job, size_t *ret, bool *over,
                          struct err *err)
{
    const char *text = request_header(req, "Last-Event-ID");
    char *end = NULL;
    uint64_t last = 0;

    *ret = 0;
    *over = text != NULL && strcmp(text, "end") == 0 && job_ended(job);
    if (text == NULL || text[0] == '\0' || strcmp(text, "end") == 0) {
        return true;
    }
    errno = 0;
    if (text[0] >= '0' && text[0] <= '9') {
        last = strtoull(text, &end, 10);
    }
    if (end == NULL || *end != '\0' || errno != 0) {
        return err_set(err, ERR_FIELD, "Last-Event-ID",
                       "must be the number of an epoch, or end, is '%.64s'", text);
    }
    *ret = (size_t)last;
    return true;
}

bool on_job_events(struct request *req, struct err *err)
{
    static const char *const types[] = { "text/event-stream", "text/plain" };
    struct job *job = jobs_find(req->server->jobs, req->param[0], err);
    struct listener *listener;
    size_t type = 0, sent;
    bool over;

    if (job == NULL || !last_id_parse(req, job, &sent, &over, err)) {
        return false;
    }
    if (!accept_choose(request_header_all(req, "Accept"), types, 2, &type)) {
        return err_set(err, ERR_ACCEPT, "Accept", "must allow text/event-stream or text/plain");
    }
    if (over) {
        request_reply_empty(req, 204);
        request_finish(req);
        return true;
    }
    listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        return err_set(err, ERR_MEMORY, "job", "has no memory for a listener");
    }
    listener->stream = (struct stream){ events_read, events_hung_up, events_free };
    listener->req = req;
    listener->job = job;
    listener->next = job->listeners;
    job->listeners = listener;
    listener->plain = type == 1;
    listener->sent = sent;
    listener->state = -1;
    listener->spoke = now(listener);
    uv_timer_init(req->server->loop, &listener->timer);
    listener->timer.data = listener;
    uv_timer_start(&listener->timer, events_tick, TICK_MS, TICK_MS);
    if (!listener->plain) {
        text_str(&listener->out, "retry: 1000\n\n");
    }
    request_reply_stream(req, listener->plain ? "text/plain; charset=utf-8" : types[0],
                         &listener->stream);
    req->reply.vary = "Accept";
    request_finish(req);
    return true;
}
