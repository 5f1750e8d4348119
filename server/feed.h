/* Data made fit for a model: a data set, or the rows of a request, checked against the model's
 * shape, cost and labels, with the way from the data's classes to the model's outputs. Thread:
 * feed_open and feed_done the loop's; feed_check any. */
#ifndef FEED_H
#define FEED_H

#include "dataset.h"
#include "msg_train.h"
#include "server.h"

struct feed {
    struct dataset *dataset; /* a reference */
    uint32_t *map;           /* owned; class in the data -> output; NULL: the same */
    bool has_accuracy;       /* whether "right" or "wrong" can be said of a row */
    uint32_t *order;      /* owned; what a split has made of the rows; NULL: none, or another's */
    const uint32_t *pick; /* the rows that are meant; NULL: all */
    size_t n_pick;
};

/* Errors: ERR_NOT_FOUND at "dataset"; ERR_FIELD at "dataset", "inputs", "labels[i]" and the like
 * for what does not fit spec and labels. labels NULL: the model has none yet; then *fresh, if it is
 * NULL still, becomes those of the data (the caller's), sorted; labels that are only indices leave
 * none. */
bool feed_open(struct server *server, const struct msg_source *source, const struct net_spec *spec,
               const struct labels *labels, struct labels **fresh, struct feed *ret,
               struct err *err);
/* A feed that was open before a restart: the dataset's reference is taken over, also on failure;
 * rows that came with the request have no class names any more, only outputs. */
bool feed_again(struct dataset *dataset, const struct net_spec *spec, const struct labels *labels,
                struct feed *ret, struct err *err);
/* Another feed of the same data. Errors: ERR_MEMORY. */
bool feed_share(const struct feed *feed, struct feed *ret, struct err *err);
/* Parts the rows of the two, which share their data: see split_make. train has to outlive validation.
 * Thread: any. */
bool feed_split(struct feed *train, const struct split *split, uint64_t seed,
                struct feed *validation, struct err *err);
/* How many rows are meant. */
size_t feed_rows(const struct feed *feed);
/* The values, against the cost: see data_check. Walks through all targets. */
bool feed_check(const struct feed *feed, const struct net_spec *spec, struct err *err);
struct data feed_data(const struct feed *feed);
void feed_done(struct feed *feed);

#endif
