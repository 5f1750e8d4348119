/* Bodies that come or go compressed. What takes longer than a few microseconds is done on the pool,
 * and no body is held in memory, nor written to disk, beyond the limits of one that comes as it is:
 * --max-body, --max-upload and --max-held count inflated bytes. */
#include "http_parts.h"

#include <stdlib.h>
#include <string.h>

#include "etag.h"
#include "route.h"
#include "server.h"

#define PIECE ((size_t)64 * 1024) /* of an upload, inflated at a time */
#define FLAT_FIRST ((size_t)4096) /* what a held body is given at first */
#define FLAT_INLINE                                                                                \
    ((size_t)1024) /* what comes that short is inflated into that much on the loop */
#define REPLY_LEAST ((size_t)1024) /* what is shorter goes as it is */
#define INFLATE_BYTES_A_US 250.0   /* about, of what goes in and comes out; for estimates */
#define DEFLATE_BYTES_A_US 100.0   /* of what goes in */

/* ---- requests ---- */

static bool too_large(const struct request *req, struct err *err)
{
    return err_set(err, ERR_TOO_LARGE, "body", "must be %zu bytes at most, inflated",
                   req->body_max);
}

void coding_sink(struct request *req, const char *in, size_t len, struct err *err)
{
    size_t n;
    char out[PIECE];

    do {
        if (!inflater_run(req->inflater, &in, &len, out, sizeof out, &n, err)) {
            return;
        }
        req->inflated += n;
        if (req->inflated > req->body_max) {
            too_large(req, err);
            return;
        }
        if (n > 0 && !req->sink->write(req->sink, out, n, err)) {
            return;
        }
    } while (n == sizeof out);
}

/* Room for twice as much as there is, up to one byte over the limit and the NUL. */
static bool flat_grow(struct request *req)
{
    const size_t most = req->body_max + 2;
    size_t cap = req->flat_cap == 0 ? FLAT_FIRST : 2 * req->flat_cap;
    char *grown;

    cap = cap < most ? cap : most;
    if (!body_hold(req, cap - req->flat_cap, "body", &req->err)) {
        return false;
    }
    grown = realloc(req->flat, cap);
    if (grown == NULL) {
        return err_set(&req->err, ERR_MEMORY, "body", "of %zu bytes does not fit into memory", cap);
    }
    req->flat = grown;
    req->flat_cap = cap;
    return true;
}

static void flat_run(struct request *req)
{
    const char *in = req->body + req->taken;
    size_t len = req->body_len - req->taken, n;

    inflater_run(req->inflater, &in, &len, req->flat + req->inflated,
                 req->flat_cap - 1 - req->inflated, &n, &req->err);
    req->taken = req->body_len - len;
    req->inflated += n;
}

/* The inflated body takes the place of the one that came. */
static void flat_take(struct request *req)
{
    req->server->held -= req->body_cap;
    req->held -= req->body_cap;
    free(req->body);
    req->body = req->flat;
    req->body_len = req->inflated;
    req->body_cap = req->flat_cap;
    req->body[req->body_len] = '\0';
    req->flat = NULL;
}

static void flat_ran(struct request *req);

static void flat_next(struct request *req)
{
    const bool quick = req->flat_cap == 0 && req->body_len <= FLAT_INLINE;

    double est_us;

    if (!flat_grow(req)) {
        request_finish(req);
        return;
    }
    /* Empty blocks and members are work without output, so what comes in counts as well. */
    est_us = (double)(req->body_len - req->taken + req->flat_cap) / INFLATE_BYTES_A_US;
    request_work(req, quick ? 0.0 : REQUEST_INLINE_US + est_us, flat_run, flat_ran);
}

static void flat_ran(struct request *req)
{
    if (req->err.code == ERR_NONE && req->inflated > req->body_max) {
        too_large(req, &req->err);
    }
    if (req->err.code == ERR_NONE && req->inflated == req->flat_cap - 1) {
        flat_next(req);
        return;
    }
    if (req->err.code == ERR_NONE && inflater_end(req->inflater, &req->err)) {
        flat_take(req);
    }
    request_again(req);
}

bool coding_inflate(struct request *req)
{
    if (req->inflater == NULL || req->received == 0) {
        return false;
    }
    if (req->sink != NULL) {
        if (inflater_end(req->inflater, &req->err)) {
            return false;
        }
        request_finish(req);
        return true;
    }
    flat_next(req);
    return true;
}

/* ---- replies ---- */

static void reply_deflate(struct request *req)
{
    struct reply *reply = &req->reply;
    char *out = malloc(coding_bound(reply->len));
    size_t len;

    if (out == NULL || !coding_deflate(reply->coding, reply->data, reply->len, out, &len) ||
        len >= reply->len) {
        reply->coding = CODING_IDENTITY; /* as it is: that is always allowed */
        free(out);
        return;
    }
    free(reply->data);
    reply->data = out;
    reply->len = len;
}

static void reply_deflated(struct request *req)
{
    if (req->reply.coding != CODING_IDENTITY && req->reply.etag != NULL) {
        etag_reply_coded(req, req->reply.etag, req->reply.coding);
    }
    request_ready(req);
}

bool coding_reply(struct request *req)
{
    struct reply *reply = &req->reply;

    if (reply->len < REPLY_LEAST) {
        return false;
    }
    if (reply->vary == NULL) {
        reply->vary = "Accept-Encoding";
    }
    reply->coding = coding_wanted(request_header_all(req, "Accept-Encoding"));
    if (reply->coding == CODING_IDENTITY) {
        return false;
    }
    request_work(req, REQUEST_INLINE_US + 1.0 + (double)reply->len / DEFLATE_BYTES_A_US,
                 reply_deflate, reply_deflated);
    return true;
}
