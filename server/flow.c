#include "flow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ON_POOL (2.0 * REQUEST_INLINE_US) /* an estimate that goes there, as something short */

/* ---- on the pool ---- */

/* Whether what is made by now is too short to be sent. */
static bool flow_lacks(const struct flow *flow)
{
    return !flow->end && flow->req->err.code == ERR_NONE &&
           flow->piece.len < (flow->sealed ? FLOW_AHEAD : FLOW_WHOLE);
}

static void flow_make(struct request *req)
{
    struct flow *flow = req->task;

    do {
        if (flow->next(flow, &flow->piece, &flow->end, &req->err) && flow->piece.failed) {
            err_set(&req->err, ERR_MEMORY, "body", "does not fit into memory");
        }
    } while (flow->next_us == 0.0 && flow_lacks(flow));
}

/* ---- on the loop ---- */

static struct flow *flow_of(struct stream *stream)
{
    return (struct flow *)((char *)stream - offsetof(struct flow, stream));
}

/* Has more made, then done called. */
static void flow_work(struct flow *flow, void (*done)(struct request *))
{
    const double us = flow->next_us > ON_POOL ? flow->next_us : ON_POOL;

    request_work(flow->req, flow->disk ? INFINITY : us, flow_make, done);
}

static void flow_made(struct request *req)
{
    struct flow *flow = req->task;

    if (flow_lacks(flow) && !flow->gone) {
        flow_work(flow, flow_made);
        return;
    }
    flow->making = false;
    stream_wake(req);
}

static void flow_more(struct flow *flow)
{
    flow->piece.len = flow->at = 0;
    flow->making = true;
    flow_work(flow, flow_made);
}

static ssize_t flow_read(struct stream *stream, char *buf, size_t max)
{
    struct flow *flow = flow_of(stream);
    size_t n;

    if (!flow->making && !flow->gone && !flow->end && flow->at == flow->piece.len &&
        flow->req->err.code == ERR_NONE) {
        flow_more(flow);
    }
    if (flow->making) {
        return 0;
    }
    if (flow->gone || flow->req->err.code != ERR_NONE) {
        return STREAM_CUT;
    }
    n = flow->piece.len - flow->at;
    n = n < max ? n : max;
    if (n == 0) {
        return STREAM_END;
    }
    memcpy(buf, flow->piece.data + flow->at, n);
    flow->at += n;
    return (ssize_t)n;
}

static void flow_hung_up(void *stream)
{
    struct flow *flow = flow_of(stream);

    flow->gone = true;
    if (!flow->making) {
        stream_wake(flow->req);
    }
}

static void flow_free(struct stream *stream)
{
    struct flow *flow = flow_of(stream);

    text_done(&flow->piece);
    flow->free(flow);
}

/* The first pieces are there, or all of them. */
static void flow_begun(struct request *req)
{
    struct flow *flow = req->task;

    if (flow_lacks(flow) && !flow->gone) {
        flow_work(flow, flow_begun);
        return;
    }
    flow->making = false;
    if (flow->gone) {
        err_set(&req->err, ERR_UNAVAILABLE, "", "the client is gone");
    }
    if (req->err.code == ERR_NONE && !flow->end) {
        flow->sealed = true;
        request_reply_stream(req, flow->type, &flow->stream);
        req->reply.cache_control = NULL; /* unlike events it may be kept */
        req->reply.total = flow->total;
    } else {
        if (req->err.code == ERR_NONE) {
            request_reply_type(req, 200, flow->type, &flow->piece);
        }
        flow_free(&flow->stream);
    }
    request_finish(req);
}

void flow_reply(struct request *req, const char *type, struct flow *flow)
{
    flow->stream = (struct stream){ flow_read, flow_hung_up, flow_free };
    flow->req = req;
    flow->type = type;
    flow->piece = (struct text){ 0 };
    flow->at = 0;
    flow->making = true;
    flow->end = flow->gone = flow->sealed = false;
    req->task = flow;
    if (flow->next_us > 0.0) {
        request_await(req, flow_hung_up, &flow->stream);
    }
    flow_work(flow, flow_begun);
}
