/* The rows of predictions that are to be learned from once somebody knows what was right: in memory
 * alone.
 *
 *   predict  "remember": true   the rows are copied, and kept under an id until one of these:
 *   learn    "prediction": ID   they are learned from, and used up
 *            --prediction-seconds have passed, --prediction-memory is needed for newer ones, their
 *            model is deleted, the process ends
 *
 * An id is NONCE-NUMBER: 64 random bits of this process in hexadecimal, and a count; so none comes
 * twice, after a restart either. Thread: the loop's, save where it says any. */
#ifndef REMEMBERED_H
#define REMEMBERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "msg_train.h"
#include "rows.h"

#define PREDICTION_ID_LEN 38 /* with the NUL */

struct remembered;

/* One prediction's rows. Object lifetime: from prediction_create until it is neither remembered nor
 * taken. */
struct prediction {
    struct prediction *older, *newer, *chain; /* remembered.c's: by age, and in its bucket */
    bool kept;                                /* it is remembered */
    bool taken;                               /* a call to learn has it */
    uint64_t number;
    double made; /* when it was added */
    char model[NAME_MAX_LEN + 1];
    size_t rows, cols;
    float values[]; /* rows x cols */
};

/* bytes, seconds: how much is remembered, how long. Errors: ERR_MEMORY, ERR_IO. */
bool remembered_create(size_t bytes, size_t seconds, struct remembered **ret, struct err *err);
void remembered_free(struct remembered *remembered);

/* The next number, for one that may be made. */
uint64_t remembered_number(struct remembered *remembered);
/* Any thread. */
void remembered_id(const struct remembered *remembered, uint64_t number,
                   char ret[PREDICTION_ID_LEN]);

/* Any thread. A copy of float32 rows. Errors: ERR_TOO_LARGE at "remember" for more than could ever
 * be remembered; ERR_MEMORY. */
bool prediction_create(const struct remembered *remembered, const char *model, uint64_t number,
                       const struct rows *x, struct prediction **ret, struct err *err);
/* One that was not added. */
void prediction_free(struct prediction *prediction);

/* Takes it over; the oldest are forgotten for it. now: seconds of a clock that never goes back. */
void remembered_add(struct remembered *remembered, struct prediction *prediction, double now);
/* The one of that id and model, for a call to learn; NULL: there is none. Until it is given back
 * nobody else gets it, and it stays, though maybe not remembered. Errors: ERR_NOT_FOUND and
 * ERR_BUSY at "prediction". */
struct prediction *remembered_take(struct remembered *remembered, const char *id, const char *model,
                                   double now, struct err *err);
/* used: it was learned from, and is remembered no more. */
void remembered_give_back(struct remembered *remembered, struct prediction *prediction, bool used);
/* All of a model's. */
void remembered_forget(struct remembered *remembered, const char *model);

/* How many, and how many bytes of memory they take. */
size_t remembered_count(const struct remembered *remembered);
size_t remembered_bytes(const struct remembered *remembered);

#endif
