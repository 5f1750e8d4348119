/* Jobs on disk.
 *
 *   STATE/jobs/ID/job.json      the record: proto/job_file.h
 *                 data/         rows that came with the request, as a data set's folder
 *                 validation/   likewise
 *                 checkpoint    where training stood, in all that its bits depend on
 *
 * A checkpoint: struct checkpoint_head as memory has it (little-endian), then block_len floats of
 * the net, blocks times block_len of the optimiser's memory, inputs of shift and scale if there are
 * some, block_len of the best net if there is one, then the SHA-256 of all before it. Thread: pool,
 * and start-up. */
#ifndef JOB_STORE_H
#define JOB_STORE_H

#include "dataset.h"
#include "job_file.h"
#include "model.h"
#include "train.h"

struct checkpoint_head {
    char magic[8]; /* "SIGMAJC2"; of the first kind none is read: its job begins again */
    uint64_t job, epochs_done;
    uint64_t block_len, inputs;
    uint32_t blocks, has_norm, has_best;
    uint32_t trial; /* of a sweep, from 1; 0: no sweep */
    struct trainer_state trainer;
    double best_score, best_loss, best_accuracy;
    uint64_t best_epoch;
    double watched;  /* of early stopping: the best there was, negative if it is a loss; */
    uint64_t waited; /* epochs since */
    double plateau;  /* likewise of the schedule, */
    uint64_t plateau_waited, cuts; /* and how often it has cut */
    uint64_t step;                 /* steps done in the epoch under way */
    double seconds;                /* that they took */
};

/* Memory: the bytes of the file but for its digest. */
struct checkpoint {
    struct checkpoint_head *head; /* owned; the rest lies behind it */
    size_t len;
};

/* A copy of all that, head->blocks of memory; best may be NULL. Errors: ERR_MEMORY. */
bool checkpoint_make(const struct checkpoint_head *head, const struct net *net, const float *memory,
                     const struct net *best, struct checkpoint *ret, struct err *err);
void checkpoint_done(struct checkpoint *checkpoint);
/* Into a net (and memory, and best) of the shape it was made of: see job_run.c. */
void checkpoint_apply(const struct checkpoint *checkpoint, struct net *net, float *memory,
                      struct net *best);

/* A new job's folder; data and validation are those that live in memory, or NULL. */
bool job_store_create(const char *root, const struct job_file *file, const struct dataset *data,
                      const struct dataset *validation, struct err *err);
/* The record anew; with a checkpoint, that too, behind it. */
bool job_store_save(const char *root, const struct job_file *file,
                    const struct checkpoint *checkpoint, struct err *err);
/* The record anew, and nothing else is kept: the job has ended. */
bool job_store_end(const char *root, const struct job_file *file, struct err *err);

/* False without an error: there is none. Errors: ERR_SYNTAX for one that is not whole or does not
 * match its sum; ERR_IO, ERR_MEMORY. */
bool job_store_checkpoint(const char *root, uint64_t id, struct checkpoint *ret, struct err *err);
/* ROOT/jobs/ID[/name], malloc'd. */
bool job_store_path(const char *root, uint64_t id, const char *name, char **ret, struct err *err);

#endif
