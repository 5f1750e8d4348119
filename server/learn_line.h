/* Calls to learn of one model, in line.
 *
 *   QUEUED     decoded; waits for the one before it to be computed
 *   COMPUTING  one step on the net of the one before it, or on the served version
 *   READY      computed; waits for the disk
 *   WRITING    its rows are being appended to the learn log, with those of others that were ready;
 *              or its version is being written whole
 *   and ends   its version is served, its client has been answered
 *
 * So each goes on from the one before, none is lost, and many share one sync. When the disk fails,
 * those that were computed fail together; those still queued start from the served version again.
 * Thread: loop, but for learn_step. */
#ifndef LEARN_LINE_H
#define LEARN_LINE_H

#include "feed.h"
#include "loader.h"
#include "model.h"
#include "publish.h"
#include "request.h"

struct learn_line;

enum learn_state { LEARN_QUEUED, LEARN_COMPUTING, LEARN_READY, LEARN_WRITING };

/* One call; lies in its request's arena. */
struct learn {
    struct request *req;
    struct learn *next;
    enum learn_state state;
    struct err doom;     /* of what it computes from, when that has failed meanwhile */
    struct model *model; /* a reference */
    struct msg_learn msg;
    struct prediction *prediction; /* taken; its rows are msg's inputs; NULL: they came along */
    struct rows_limits limits;
    const char *key_header; /* Idempotency-Key; "": none */
    struct learn_key key;   /* of it and the body */
    struct feed feed;
    struct labels *labels;     /* owned; of the rows, when the model has none */
    struct load_waiter waiter; /* for the net of what it goes on from, given back meanwhile */
    struct version *base;      /* a reference, while computing */
    struct carry *from;        /* what the optimiser goes on with; likewise; NULL: it begins */
    struct train_plan plan;
    struct train_plan before; /* the model's, once this one's is in its place */
    struct net *net;          /* owned, while computing */
    struct carry *carry;      /* likewise; NULL: none */
    struct origin origin;
    struct version *version; /* a reference, once computed */
    struct text entry;       /* for the log; empty: the version is to be written whole */
    bool begins_log;
    struct publication publication;
};

/* The line has its model's turn (turn.h) while any call is between QUEUED and its end; when another
 * waits for the turn, no further call begins until that one has left. */

/* 200 with what a call led to. */
void learn_reply(struct request *req, const struct learn_answer *answer);
/* Puts a decoded call at the end of its model's line. Its request is finished when it ends. */
void learn_line_add(struct learn *learn);
/* Whether entries are, or may be, appended to that log. line may be NULL. */
bool learn_line_writes(const struct learn_line *line, uint64_t base, uint64_t first);
/* The call in line that brought this key; NULL: none. line may be NULL. */
const struct learn *learn_line_find(const struct learn_line *line, const char *key);
/* No call is in line. */
bool learn_line_idle(const struct learn_line *line);
/* At start: the log that leads to the model's newest version, to be gone on with. */
bool learn_line_restore(struct model *model, uint64_t base, uint64_t first, uint64_t tip,
                        size_t count, size_t bytes, struct err *err);
void learn_line_free(struct learn_line *line);

#endif
