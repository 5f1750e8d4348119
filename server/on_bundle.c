/* GET /v1/export: a bundle (bundle.h) as a tar, made while it is sent. */
#include "handlers.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bundle.h"
#include "disk.h"
#include "flow.h"
#include "log.h"
#include "server.h"
#include "tar.h"

#define TRIES 8                     /* lists taken until one is all there */
#define READ_MAX ((size_t)64 << 10) /* bytes of a file at a time */

enum part { PART_MANIFEST, PART_FILES, PART_SUMS };

struct bundling {
    struct flow flow;
    struct bundle bundle;
    unsigned tries;
    enum part part;
    size_t at;            /* of PART_FILES: the file under way, or the next */
    int fd;               /* of that; -1: it has not begun */
    uint64_t left;        /* bytes of it to come, */
    size_t padding;       /* and zeros behind them */
    struct digest digest; /* of it; begun if fd is there */
    struct text sums;     /* owned; the last member */
};

static struct bundling *bundling_of(struct flow *flow)
{
    return (struct bundling *)((char *)flow - offsetof(struct bundling, flow));
}

/* ---- members, on the pool ---- */

static void zeros_add(struct text *text, size_t n)
{
    static const char zeros[TAR_END];

    text_add(text, zeros, n);
}

static bool head_add(struct text *text, const char *name, uint64_t size, uint64_t modified,
                     struct err *err)
{
    struct tar_member member = { .size = size, .modified = modified };
    unsigned char head[TAR_BLOCK];

    snprintf(member.name, sizeof member.name, "%s", name);
    if (!tar_head_encode(&member, head, err)) {
        return false;
    }
    text_add(text, (const char *)head, sizeof head);
    return true;
}

static void sum_add(struct bundling *bundling, const char *hex, const char *name)
{
    text_printf(&bundling->sums, "%s  %s\n", hex, name);
}

/* A member whose bytes are in memory. */
static bool text_member(const struct bundling *bundling, struct text *text, const char *name,
                        const struct text *content, struct err *err)
{
    if (content->failed) {
        return err_set(err, ERR_MEMORY, name, "does not fit into memory");
    }
    if (!head_add(text, name, content->len, (uint64_t)bundling->bundle.created, err)) {
        return false;
    }
    text_add(text, content->data, content->len);
    zeros_add(text, tar_padding(content->len));
    return true;
}

static bool manifest_next(struct bundling *bundling, struct text *text, struct err *err)
{
    const struct text *manifest = &bundling->bundle.manifest;
    char hex[DIGEST_HEX];

    if (!digest_bytes(manifest->data, manifest->len, hex, err) ||
        !text_member(bundling, text, "manifest.json", manifest, err)) {
        return false;
    }
    sum_add(bundling, hex, "manifest.json");
    bundling->part = PART_FILES;
    return true;
}

static bool file_begin(struct bundling *bundling, const struct bundle_file *file, struct text *text,
                       struct err *err)
{
    struct stat info;
    int fd;

    if (!bundle_open(&bundling->bundle, file, &fd, err)) {
        return false;
    }
    if (fstat(fd, &info) != 0) {
        disk_err(err, "look at", file->name);
    } else if (head_add(text, file->name, (uint64_t)info.st_size, (uint64_t)info.st_mtim.tv_sec,
                        err) &&
               digest_begin(&bundling->digest, err)) {
        bundling->fd = fd;
        bundling->left = (uint64_t)info.st_size;
        bundling->padding = tar_padding(bundling->left);
        return true;
    }
    bundle_close(&bundling->bundle, file, fd);
    return false;
}

static bool file_bytes(struct bundling *bundling, const struct bundle_file *file, struct text *text,
                       struct err *err)
{
    char buf[READ_MAX];
    const ssize_t n =
        read(bundling->fd, buf, bundling->left < READ_MAX ? (size_t)bundling->left : READ_MAX);

    if (n <= 0) {
        return n == 0 ? err_set(err, ERR_IO, file->name, "ends early") /* it never should change */
                      : disk_err(err, "read", file->name);
    }
    digest_add(&bundling->digest, buf, (size_t)n);
    text_add(text, buf, (size_t)n);
    bundling->left -= (uint64_t)n;
    return true;
}

static void file_end(struct bundling *bundling, const struct bundle_file *file, struct text *text)
{
    char hex[DIGEST_HEX];

    zeros_add(text, bundling->padding);
    digest_end(&bundling->digest, hex);
    sum_add(bundling, hex, file->name);
    bundle_close(&bundling->bundle, file, bundling->fd);
    bundling->fd = -1;
    bundling->at++;
}

static bool file_next(struct bundling *bundling, struct text *text, struct err *err)
{
    const struct bundle *bundle = &bundling->bundle;
    const struct bundle_file *file;

    while (bundling->at < bundle->n_files && bundle->files[bundling->at].hidden) {
        bundling->at++;
    }
    if (bundling->at == bundle->n_files) {
        bundling->part = PART_SUMS;
        return true;
    }
    file = &bundle->files[bundling->at];
    if (bundling->fd < 0) {
        return file_begin(bundling, file, text, err);
    }
    if (bundling->left > 0) {
        return file_bytes(bundling, file, text, err);
    }
    file_end(bundling, file, text);
    return true;
}

static bool bundling_next(struct flow *flow, struct text *text, bool *end, struct err *err)
{
    struct bundling *bundling = bundling_of(flow);

    switch (bundling->part) {
    case PART_MANIFEST:
        return manifest_next(bundling, text, err);
    case PART_FILES:
        return file_next(bundling, text, err);
    case PART_SUMS:
        break;
    }
    if (!text_member(bundling, text, "SHA256SUMS", &bundling->sums, err)) {
        return false;
    }
    zeros_add(text, TAR_END);
    *end = true;
    return true;
}

/* ---- on the loop ---- */

static void bundling_free(struct flow *flow)
{
    struct bundling *bundling = bundling_of(flow);
    const struct err *err = &flow->req->err;
    char text[512];

    if (err->code != ERR_NONE) { /* a client that has some of it is told by its end alone */
        err_detail(err, text, sizeof text);
        log_at(LEVEL_WARNING, "the export of everything broke off: %s", text);
    }
    if (bundling->fd >= 0) {
        digest_end(&bundling->digest, NULL);
        close(bundling->fd);
    }
    text_done(&bundling->sums);
    bundle_done(&bundling->bundle);
}

static void file_name_set(struct request *req, double created)
{
    const time_t seconds = (time_t)created;
    struct tm day;
    char name[64] = "";

    gmtime_r(&seconds, &day);
    strftime(name, sizeof name, "attachment; filename=\"sigmad-%Y%m%d.tar\"", &day);
    req->reply.file_name = arena_copy(&req->arena, name, strlen(name));
}

static void stage_run(struct request *req)
{
    struct bundling *bundling = req->task;

    bundle_stage(&bundling->bundle, &req->err);
}

static void stage_after(struct request *req)
{
    struct bundling *bundling = req->task;
    struct bundle *bundle = &bundling->bundle;

    if (bundle->stale && ++bundling->tries < TRIES) {
        req->err = (struct err){ 0 };
        bundle_done(bundle);
        if (bundle_take(bundle, &req->err)) {
            request_work(req, INFINITY, stage_run, stage_after);
            return;
        }
    }
    if (req->err.code != ERR_NONE) {
        bundle_done(bundle);
        request_finish(req);
        return;
    }
    file_name_set(req, bundle->created);
    bundling->flow.next = bundling_next;
    bundling->flow.free = bundling_free;
    bundling->flow.disk = true;
    flow_reply(req, "application/x-tar", &bundling->flow);
}

bool on_bundle_get(struct request *req, struct err *err)
{
    struct bundling *bundling = arena_alloc(&req->arena, 1, sizeof *bundling);

    if (bundling == NULL) {
        return err_set(err, ERR_MEMORY, "", "there is no memory for the export");
    }
    memset(bundling, 0, sizeof *bundling);
    bundling->fd = -1;
    bundling->bundle.server = req->server;
    bundling->bundle.arena = &req->arena;
    if (!bundle_take(&bundling->bundle, err)) {
        bundle_done(&bundling->bundle);
        return false;
    }
    req->task = bundling;
    request_work(req, INFINITY, stage_run, stage_after);
    return true;
}
