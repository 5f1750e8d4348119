/* Replies on their way to MHD: whole ones, and streams that are made while they go. */
#include <stdlib.h>
#include <microhttpd.h>

#include "http_parts.h"
#include "route.h"
#include "server.h"
#include "watch.h"

void http_phase(struct request *req, enum watch_phase phase, size_t bytes)
{
    if (req->watch != NULL) {
        watch_enter(req->http->watcher, req->watch, phase, bytes);
    }
}

#define STREAM_BLOCK 4096

/* MHD has room for more. While there is nothing the connection is suspended, and only looked at for
 * whether its client is there. */
static ssize_t stream_read(void *cls, uint64_t at, char *buf, size_t max)
{
    struct request *req = cls;
    struct stream *stream = req->reply.stream;
    const ssize_t n = stream->read(stream, buf, max);

    (void)at;
    if (n < 0) {
        return n == STREAM_CUT ? MHD_CONTENT_READER_END_WITH_ERROR
                               : MHD_CONTENT_READER_END_OF_STREAM;
    }
    if (n > 0) {
        req->sent += (uint64_t)n;
        http_phase(req, WATCH_WRITE, (size_t)n);
        return n;
    }
    http_phase(req, WATCH_WORK, 0);
    request_await(req, stream->hung_up, stream);
    http_suspend(req);
    return 0;
}

static struct MHD_Response *response_make(struct request *req)
{
    struct reply *reply = &req->reply;
    struct MHD_Response *response;

    if (reply->stream != NULL) {
        return MHD_create_response_from_callback(reply->total > 0 ? reply->total : MHD_SIZE_UNKNOWN,
                                                 STREAM_BLOCK, stream_read, req, NULL);
    }
    if (reply->data == NULL && reply->spare != NULL) {
        return MHD_create_response_from_buffer(reply->len, (void *)(uintptr_t)reply->spare,
                                               MHD_RESPMEM_PERSISTENT);
    }
    response = MHD_create_response_from_buffer_with_free_callback(reply->len, reply->data, free);
    if (response != NULL) {
        reply->data = NULL; /* the response's now */
    }
    return response;
}

/* What lets a browser give the reply to another page. */
static void cors_add(const struct request *req, struct MHD_Response *response)
{
    const struct reply *reply = &req->reply;

    if (req->server->options.allow_origin.n > 0) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ORIGIN);
    }
    if (req->origin == NULL) {
        return;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, req->origin);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_EXPOSE_HEADERS,
                            "Content-Disposition, ETag, Inference-Header-Content-Length, Location, "
                            "Retry-After, Sigmad-Digest, WWW-Authenticate, X-Request-Id");
    if (reply->allow_methods != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_METHODS,
                                reply->allow_methods);
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_HEADERS,
                                "Authorization, Content-Encoding, Content-Type, Idempotency-Key, "
                                "If-Match, If-None-Match, Inference-Header-Content-Length, "
                                "Last-Event-ID, Prefer, Traceparent, X-Request-Id");
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCESS_CONTROL_MAX_AGE, "600");
    }
}

/* What it is, and what else is known of it. */
static void headers_add(const struct request *req, struct MHD_Response *response)
{
    const struct reply *reply = &req->reply;

    if (reply->type != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
    }
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff"); /* to browsers */
    if (reply->location != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, reply->location);
    }
    if (reply->inference_header != NULL) {
        MHD_add_response_header(response, "Inference-Header-Content-Length",
                                reply->inference_header);
    }
    if (reply->etag != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, reply->etag);
    }
    if (reply->file_name != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_DISPOSITION, reply->file_name);
    }
    if (reply->digest != NULL) {
        MHD_add_response_header(response, "Sigmad-Digest", reply->digest);
    }
    if (reply->coding != CODING_IDENTITY) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING,
                                coding_name(reply->coding));
    }
    if (reply->vary != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, reply->vary);
    }
    if (reply->cache_control != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, reply->cache_control);
        MHD_add_response_header(response, "X-Accel-Buffering", "no"); /* nginx, of streams */
    }
    if (reply->authenticate != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, reply->authenticate);
    }
    if (reply->accept_encoding != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_ENCODING, reply->accept_encoding);
    }
    if (reply->allow != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, reply->allow);
    }
    if (reply->retry_after != NULL) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, reply->retry_after);
    }
    cors_add(req, response);
    /* Of HEAD, MHD sends the end of a chunked body that there is not: nothing may come behind it. */
    if (req->server->draining || (req->head && reply->stream != NULL && reply->total == 0)) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    if (req->id != NULL) {
        MHD_add_response_header(response, "X-Request-Id", req->id);
    }
}

bool http_reply_send(struct request *req)
{
    struct reply *reply = &req->reply;
    struct MHD_Response *response;
    bool ok;

    if (req->lost) {
        return false;
    }
    /* What has been changed is told, whatever is held. */
    if (!(req->err.code == ERR_NONE && req->route != NULL && route_changes(req->route)) &&
        !body_hold(req, reply->len, "reply", &req->err)) {
        free(reply->data);
        *reply = (struct reply){ 0 };
        route_problem(req);
    }
    response = response_make(req);
    if (response == NULL) {
        return false;
    }
    headers_add(req, response);
    ok = MHD_queue_response(req->conn, (unsigned)reply->status, response) == MHD_YES;
    MHD_destroy_response(response);
    req->answered = true;
    req->sent = req->head ? 0 : reply->len; /* of a stream: none yet */
    http_phase(req, WATCH_WRITE, reply->len);
    return ok;
}
