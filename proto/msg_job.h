/* A training job's record. */
#ifndef MSG_JOB_H
#define MSG_JOB_H

#include "msg_train.h"
#include "msg_trial.h"
#include "text.h"

enum job_state {
    JOB_QUEUED,
    JOB_RUNNING,
    JOB_PAUSED,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_CANCELLED,
    JOB_STATES
};
const char *job_state_name(enum job_state state);
/* Whether nothing follows it. */
bool job_state_is_end(enum job_state state);

/* One epoch. NAN: not known. */
struct msg_epoch {
    size_t epoch;          /* 1 .. epochs */
    double loss, accuracy; /* over the epoch's rows, each before its own step */
    double validation_loss, validation_accuracy;
    double seconds;   /* training alone, without the validation */
    uint64_t version; /* published at its end; 0: none */
};

struct msg_job {
    uint64_t id;
    const char *model;
    enum job_state state;
    size_t epochs;
    size_t epoch;           /* done */
    double progress;        /* 0 .. 1 */
    const char *dataset;    /* NULL: rows that came with the request */
    const char *validation; /* "": none; NULL: rows that came with the request */
    struct train_plan plan;
    enum publish publish;
    double publish_seconds;
    double samples_per_second;         /* NAN: not yet */
    size_t workers;                    /* the most that a step has used; 0: not yet */
    double created, started, finished; /* 0: not yet */
    const struct msg_epoch *history;
    size_t n_history;
    uint64_t version; /* the last one published; 0: none */
    struct promote_rule promote;
    struct early_stopping stopping;
    struct msg_schedule schedule;
    double max_seconds; /* 0: none */
    struct split split; /* of the training data, which validates; none: see validation */
    const struct class_weights *weights;
    const struct msg_sweep *sweep; /* NULL: none, and no trials */
    const struct sweep_trial *trials;
    int priority;
    uint64_t promoted;     /* the last of its versions that was promoted; 0: none */
    const char *promotion; /* why version was, or was not; "": nothing was asked of it */
    size_t position;       /* in the queue, from 1; 0: not queued */
    const struct err *err; /* when failed */
    int status;            /* err's, and its problem type and title */
    const char *type, *title;
};

/* {"id": "1", "model": ..., "state": ..., ...}; history, and a sweep's trials, when
 * asked. */
void msg_job_encode(struct text *text, const struct msg_job *job, bool history);

/* {"epoch": 3, "loss": ..., "accuracy": ..., "validation_loss": ..., "validation_accuracy": ...,
 *  "seconds": ..., "version": null} */
void msg_epoch_encode(struct text *text, const struct msg_epoch *epoch);

/* What a person reads, without the end of the line: the job's bar at so much progress, 0 .. 1, the
 * epoch, of a sweep the trial too, and, if it has ended, what came of it. */
void msg_epoch_line(struct text *text, const struct msg_job *job, const struct msg_epoch *epoch,
                    double progress);

#endif
