/* What learn_line.c, learn_step.c and learn_write.c share, and nobody else sees. */
#ifndef LEARN_LINES_H
#define LEARN_LINES_H

#include "learn_line.h"

struct learn_line {
    struct model *model; /* borrowed: it owns the line */
    struct learn *head, *tail;
    bool pumping; /* line_pump is on the stack */
    struct turn turn;
    bool asked, holds; /* for the turn; it */
    bool writing;
    /* The log: of version base, first .. tip; computed entries count, though not written yet. */
    uint64_t base, first, tip; /* base 0: there is none */
    size_t count, bytes;
    /* One batch on its way to the disk. */
    uv_work_t uv;
    struct text batch;
    char *path; /* owned */
    bool fresh;
    struct err err;
};

/* The call's turn has come: opens its rows, settles its plan. base: what it goes on from, borrowed.
 * Errors: what a client may have done wrong, or too early. Loop thread. */
bool learn_begin(struct learn *learn, struct version *base, struct err *err);
/* The step itself, and its digest. Any thread. */
bool learn_step(struct learn *learn, struct err *err);
/* Its version is there: whether the call's rows can go to a log, and to which. The first of a model's
 * labels, the first after a long log, rows of a log's size, and one that goes on from what has no
 * file are written whole. Errors: ERR_MEMORY. Loop thread. */
bool learn_entry_make(struct learn_line *line, struct learn *learn, struct err *err);

/* learn_write.c, loop thread. */

/* Has all that are ready written to the log, from the head up to the next that begins a log of its
 * own; or the head's version as a file. The head is ready. */
void learn_write_batch(struct learn_line *line);
void learn_write_whole(struct learn_line *line);
/* Takes the head off and answers its client. */
void learn_line_end(struct learn_line *line);
/* Used up or not, nobody needs the prediction for this call any more. */
void learn_leave_prediction(struct learn *learn, bool used);

/* learn_line.c: does whatever can be done next. Loop thread. */
void learn_line_pump(struct learn_line *line);

#endif
