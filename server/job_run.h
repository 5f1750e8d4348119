/* Training on a worker: what a job of one training (job_run.c) and the trials of a sweep
 * (job_sweep.c) share. Thread: the worker's that runs the job. */
#ifndef JOB_RUN_H
#define JOB_RUN_H

#include "job.h"
#include "train.h"

/* The worker's own. */
struct run {
    struct job *job;
    struct crew *crew;
    struct train_plan plan;  /* the job's, or a trial's */
    struct net *net;         /* owned; what is trained */
    struct trainer *trainer; /* owned */
    void *scratch;           /* owned; for evaluations; NULL: no validation */
    struct net *best;        /* owned; PUBLISH_BEST's candidate; NULL: none yet */
    struct origin best_origin;
    double best_score;
    double watched;  /* by early stopping: the best score there was, */
    uint64_t waited; /* epochs since, */
    bool enough;     /* which are as many as it waits */
    double plateau;  /* likewise by the schedule, */
    uint64_t plateau_waited;
    size_t cuts;      /* of the learning rate, so far */
    bool slow;        /* steps take long enough to look at the clock after each */
    bool untimed;     /* max_seconds does not count: what was trained is trained again */
    double published; /* when, in seconds of a monotonic clock */
    size_t rows;      /* trained on since the last report, */
    double seconds;   /* in this time */
    double used;      /* by the epochs done, in this process */
    double begun;     /* when the part of the epoch under way began */
    double before;    /* what its parts before that took, in an earlier process */
    float *weights;   /* owned; of the outputs' classes; NULL: none, or not yet */
    double kept;      /* when the last checkpoint was taken */
    size_t epoch;     /* under way, from 1 */
    size_t step;      /* steps done in it */
    size_t trial;     /* of a sweep, from 1; 0: no sweep */
    const struct sweep_trial *trials; /* borrowed; n_trials of them; NULL: no sweep */
    size_t n_trials;
};

/* shift and scale of the training data, inputs and targets, for a net that is to have some and has
 * none yet. */
bool norm_learn(struct net *net, const struct data *data, struct err *err);
/* Biases, for one that nobody has trained yet and whose spec wants them from the data. */
bool priors_learn(struct net *net, const struct data *data, struct err *err);

/* Begins to train net, taken over, also on failure, by run->plan; a checkpoint that is not of
 * nothing says where to go on. What an earlier training has left must have been given up. */
bool run_begin(struct run *run, struct net *net, const struct checkpoint *from, struct err *err);
/* The next epoch, or what is left of it, validated; run->enough says whether it is to be the last.
 * False also, without an error, when told to stop. Errors: ERR_NUMBER: diverged; others. */
bool run_next(struct run *run, struct msg_epoch *ret, struct err *err);
/* Gives up net, trainer, best and scratch. */
void run_end(struct run *run);

/* Whether the job has trained for as long as it may: then the epoch under way ends here, and is the
 * last. */
bool run_is_time(const struct run *run);
/* A copy of all that the bits depend on. */
bool run_checkpoint(struct run *run, struct checkpoint *ret, struct err *err);
/* A copy of a sweep's trials, or nothing. False: no memory. */
bool run_trials(const struct run *run, struct sweep_trial **ret);

/* job_score.c */

/* What nets are compared by, more being better: what a sweep or, else, early stopping monitors;
 * else validation accuracy, else validation loss, else training loss. */
double run_score(const struct job *job, const struct msg_epoch *epoch);
struct origin run_origin(const struct run *run, const struct msg_epoch *epoch);
/* Keeps a copy of the net if it is the best so far. Errors: ERR_MEMORY. */
bool run_keep(struct run *run, const struct msg_epoch *epoch, bool *better, struct err *err);
/* Early stopping and the schedule take note: the rate may be cut, the epoch be the last. */
void run_watch(struct run *run, const struct msg_epoch *epoch);

/* job_sweep.c: a job that tries settings out and publishes the best. *trials is how they stand at
 * the end, for its last report. False also, without an error, when told to stop. */
bool job_sweep(struct run *run, struct sweep_trial **trials, struct err *err);

#endif
