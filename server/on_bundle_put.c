/* PUT /v1/import: a bundle, taken in whole (intake.h). */
#include "handlers.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "intake.h"
#include "server.h"

/* ---- before the first byte ---- */

static bool type_check(const char *type, struct err *err)
{
    static const char *const known[] = { "application/x-tar", "application/tar",
                                         "application/octet-stream",
                                         "application/x-www-form-urlencoded" }; /* curl's */
    const size_t len = type != NULL ? strcspn(type, "; ") : 0;

    for (size_t i = 0; type != NULL && i < sizeof known / sizeof *known; i++) {
        if (strlen(known[i]) == len && strncasecmp(type, known[i], len) == 0) {
            return true;
        }
    }
    return type == NULL ||
           err_set(err, ERR_TYPE, "Content-Type", "must be application/x-tar, is '%.100s'", type);
}

bool on_bundle_open(struct request *req, struct err *err)
{
    return type_check(request_header(req, "Content-Type"), err) && intake_open(req, err);
}

/* ---- when all is there ---- */

struct taking;

/* That of one name of a data set. */
struct dataset_turn {
    struct turn turn; /* first, so that one is the other */
    struct taking *taking;
};

struct taking {
    struct turn turn; /* of imports; first likewise */
    struct request *req;
    struct intake *intake;
    struct dataset_turn *datasets;
    size_t taken; /* of them, the last maybe waiting */
    bool asking;  /* turns are being taken: go is called before turn_take returns, or later */
    bool held;    /* the last one taken is */
};

static void taking_end(struct taking *taking)
{
    struct request *req = taking->req;

    while (taking->taken > 0) {
        turn_leave(datasets_turns(req->server->datasets), &taking->datasets[--taking->taken].turn);
    }
    turn_leave(&req->server->imports, &taking->turn);
    request_finish(req);
}

static void commit_run(struct request *req)
{
    struct taking *taking = req->task;

    intake_commit(taking->intake, &req->err);
}

static void commit_done(struct request *req)
{
    struct taking *taking = req->task;
    struct text text = { 0 };

    if (req->err.code == ERR_NONE) {
        intake_add(taking->intake);
        msg_bundle_reply_encode(&text, &taking->intake->bundle);
        request_reply(req, 201, &text);
    } else {
        intake_release(taking->intake);
    }
    taking_end(taking);
}

static void claim(struct taking *taking)
{
    struct request *req = taking->req;

    if (intake_claim(taking->intake, &req->err)) {
        request_work(req, INFINITY, commit_run, commit_done);
    } else {
        taking_end(taking);
    }
}

static void dataset_go(struct turn *turn);

/* The turns of all data sets of these names, one after the other. Nobody who waits for one of them
 * holds another, but an import, and there is one at a time. */
static void turns_take(struct taking *taking)
{
    struct intake *intake = taking->intake;

    taking->asking = taking->held = true;
    while (taking->held && taking->taken < intake->bundle.n_datasets) {
        struct dataset_turn *next = &taking->datasets[taking->taken++];

        *next =
            (struct dataset_turn){ .turn = { .key = intake->bundle.datasets[taking->taken - 1].name,
                                             .go = dataset_go },
                                   .taking = taking };
        taking->held = false;
        turn_take(datasets_turns(taking->req->server->datasets), &next->turn);
    }
    taking->asking = false;
    if (taking->held) {
        claim(taking);
    }
}

static void dataset_go(struct turn *turn)
{
    struct taking *taking = ((struct dataset_turn *)turn)->taking;

    taking->held = true;
    if (!taking->asking) {
        turns_take(taking);
    }
}

static void import_go(struct turn *turn)
{
    turns_take((struct taking *)turn);
}

bool on_bundle_put(struct request *req, struct err *err)
{
    struct intake *intake = (struct intake *)req->sink;
    struct taking *taking;

    if (!intake_close(intake, err)) {
        return false;
    }
    taking = arena_alloc(&req->arena, 1, sizeof *taking);
    if (taking == NULL) {
        return err_set(err, ERR_MEMORY, "body", "has no memory to be taken in");
    }
    *taking = (struct taking){ .turn = { .go = import_go }, .req = req, .intake = intake };
    taking->datasets =
        arena_alloc(&req->arena, intake->bundle.n_datasets, sizeof *taking->datasets);
    if (taking->datasets == NULL) {
        return err_set(err, ERR_MEMORY, "body", "has no memory to be taken in");
    }
    req->task = taking;
    turn_take(&req->server->imports, &taking->turn);
    return true;
}
