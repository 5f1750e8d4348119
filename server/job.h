/* Training jobs: the queue, and the record of each.
 *
 *   queued    its record is on disk (job_store.h), and its client has been told
 *   running   its model trains no other and a worker is free: job_run.c runs it on a worker thread,
 *             which reports to the loop thread (job_report.c); that keeps the record and publishes
 *   paused    a client has asked for it (job_change.c): it has left its worker, its checkpoint is
 *             on disk, and it waits to be told to go on, in the next process too; if it has begun,
 *             no other job of its model does
 *   ended     all its epochs, divergence or want of memory, a cancel, its model deleted by force;
 *             the record says so on disk before anybody is told
 *
 * Going down is no end: a running job leaves a checkpoint, and the next process goes on with it, as
 * it does after kill -9, from the last one there is (job_restore.c).
 *
 * Thread: the loop's, but for what struct job marks as the worker's. */
#ifndef JOB_H
#define JOB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "feed.h"
#include "job_store.h"
#include "judge.h"
#include "loader.h"
#include "model.h"
#include "msg_job.h"
#include "publish.h"
#include "workers.h"

struct jobs;
struct request;

/* A history has at most this many entries: of a job with more epochs, every k-th and the last. */
#define JOB_HISTORY_MAX 10000

/* A client that waits for the end of a job ("Prefer: wait"). Owned by the job's list. */
struct waiter {
    uv_timer_t timer;
    struct request *req; /* NULL: answered */
    struct job *job;     /* borrowed */
    bool cancels;        /* it */
    struct waiter *next;
};

struct job_report;

/* What is on its way to disk for a job; one at a time. */
struct job_save {
    uv_work_t uv;
    struct job_file file;         /* a copy; owned */
    struct checkpoint checkpoint; /* owned; nothing: the record only */
    struct err err;
    void (*done)(struct job *job, const struct err *err);
};

/* Object lifetime: from job_create until its record is pruned; never while it runs. */
struct job {
    /* Set at creation, read anywhere. */
    uint64_t id;
    struct jobs *jobs;
    struct model *model; /* a reference; NULL: it has ended before this process started */
    char model_name[NAME_MAX_LEN + 1];
    char model_folder[JOB_FOLDER_MAX + 1]; /* NAME@ID; "": not on disk */
    size_t epochs;
    struct train_plan plan;
    enum publish publish;
    double publish_seconds;
    struct promote_rule promote;
    struct early_stopping stopping;
    struct msg_schedule schedule;
    double max_seconds;             /* 0: none */
    struct split split;             /* of the training data; none: validation has its own */
    struct class_weights weights;   /* owned */
    struct msg_sweep *sweep;        /* owned; NULL: none */
    int priority;                   /* in the queue, higher first */
    int priority_next;              /* what it becomes when that is on disk */
    double spent;                   /* training, before it was interrupted or paused */
    size_t checkpoint_seconds;      /* 0: never */
    char dataset[NAME_MAX_LEN + 1]; /* "": inline */
    char validation_name[NAME_MAX_LEN + 1];
    bool has_validation;
    char key[JOB_KEY_MAX + 1]; /* Idempotency-Key; "": none */
    char request[DIGEST_HEX];  /* of the request that had it */

    /* The loop's. */
    enum job_state state;
    enum job_state outcome;     /* what state becomes when that is on disk */
    bool counted;               /* among those that have not ended */
    bool creating;              /* not on disk yet: it does not begin */
    bool beginning;             /* its start is being written */
    bool interrupted;           /* it was under way when the process before ended */
    struct job_save *saving;    /* owned; NULL: nothing is on its way to disk */
    bool end_waits;             /* for saving, to be written */
    bool reload;                /* its checkpoint is on disk alone */
    bool changing;              /* job_change.c is at its changes, */
    struct job_change *changes; /* in the order they came; theirs is the request */
    bool unwritten;             /* it has ended, which the disk did not take */
    void (*created_done)(struct job *job, const struct err *err, void *arg);
    void *created_arg;
    uint64_t base_number; /* the version it started from; 0: it has not started */
    double created, started, finished;
    struct msg_epoch *history; /* owned; cap_history entries, n_history filled */
    size_t n_history, cap_history;
    struct sweep_trial *trials;    /* owned; the sweep's, as last reported; NULL: no sweep */
    uint64_t version;              /* last published; 0: none */
    uint64_t promoted;             /* the last of its own that was served; 0: none */
    char promotion[PROMOTION_MAX]; /* why version was, or not */
    struct judge judge;            /* of the version on its way */
    double train_seconds;
    uint64_t train_rows;
    struct labels *labels; /* owned; the model's from the first publication on; NULL: it had some */
    struct waiter *waiters;
    struct listener *listeners; /* on_events.c: borrowed; theirs is the request */
    struct err err;
    struct job_report *held, *held_tail; /* owned; come while the one before is being published */
    struct job_report *publishing;       /* owned */
    struct publication publication;
    struct turn turn; /* of its model, while it publishes */
    struct load_waiter served_load;

    /* Lent to the worker while it runs, the loop's else. */
    struct feed train, validation;
    struct version *base; /* pinned from its start to its end, restarts included */
    struct load_waiter load;
    const struct labels *net_labels; /* borrowed; what the outputs will be called; NULL: nothing */
    struct checkpoint resume;        /* owned; where it stood; nothing: from the beginning */
    struct task task;
    struct job_report *end; /* owned until posted; made beforehand: ending needs no memory */

    /* Written by one side, read by the other. */
    atomic_bool stop;
    atomic_bool suspend;           /* stop, with a checkpoint, to go on later */
    atomic_bool checkpoint_posted; /* as net_posted, for checkpoints */
    atomic_bool net_posted; /* by the worker, when it posts a net; taken back when that is served */
    atomic_size_t epochs_done;
    atomic_size_t steps_done, steps; /* in the epoch under way; in each epoch */
    atomic_size_t swept;             /* a sweep's epochs, of sweep_work: see sweep_done */
    atomic_size_t ways;              /* the most a step has used */
};

bool jobs_create(struct server *server, struct jobs **ret, struct err *err);
void jobs_free(struct jobs *jobs);

/* What a client asks for. Feeds, labels and the message's weights are taken over by job_create,
 * also on failure. */
struct job_order {
    struct model *model;
    struct msg_train *msg;
    struct feed train, validation;
    struct labels *labels;
    const char *key, *request; /* "": no Idempotency-Key */
};

/* Makes a job and writes it down; done is called when that is done, with an error when it could not
 * be (the job is gone then), maybe before this returns. Errors: ERR_LIMIT, ERR_MEMORY,
 * ERR_DRAINING, ERR_BUSY, and done is not called. */
bool job_create(struct jobs *jobs, struct job_order *order,
                void (*done)(struct job *job, const struct err *err, void *arg), void *arg,
                struct err *err);
/* The job that a request with this key has made for the model; NULL: none. Errors: ERR_FIELD at
 * "Idempotency-Key" when that request was another. */
struct job *jobs_find_key(const struct jobs *jobs, const char *model, const char *key,
                          const char *request, struct err *err);
/* What an earlier process left: see job_restore.c. */
bool jobs_restore(struct jobs *jobs, struct err *err);

/* ---- records that come from another daemon: job_adopt.c ---- */

/* Keeps room for n jobs that have ended there, with these ids, rising; jobs that are made from now
 * on have numbers above them. Errors: ERR_EXISTS at "jobs[i]" for one that is here; ERR_LIMIT at
 * "jobs" for more records than --keep-jobs allows; ERR_MEMORY. */
bool jobs_reserve(struct jobs *jobs, const uint64_t *ids, size_t n, struct err *err);
void jobs_release(struct jobs *jobs, size_t n);
/* A job as its record says, in nobody's list, and free of it. Errors: ERR_MEMORY. */
bool job_of_file(struct jobs *jobs, struct job_file *file, struct job **ret, struct err *err);
void job_free(struct job *job);
/* Lists it, in room that was kept and is released. */
void job_adopt(struct job *job);

/* A job that has not ended and reads a data set of that name, of any generation; 0: none. */
uint64_t jobs_reader(const struct jobs *jobs, const char *dataset);
/* Borrowed. Errors: ERR_NOT_FOUND at "id". */
struct job *jobs_find(const struct jobs *jobs, const char *id, struct err *err);
/* A job that has not ended and goes on from this version: its id, or 0. */
uint64_t jobs_based_on(const struct jobs *jobs, const struct version *version);
size_t jobs_count(const struct jobs *jobs);
struct job *jobs_at(const struct jobs *jobs, size_t i); /* oldest first */
size_t jobs_in_state(const struct jobs *jobs, enum job_state state);
bool job_ended(const struct job *job);
/* A queued job ends now; a running one at its next mini-batch. Errors: ERR_BUSY when it has
 * ended. */
bool job_cancel(struct job *job, struct err *err);
/* Cancels what a model has queued and running. */
void jobs_cancel_model(struct jobs *jobs, const struct model *model);
/* Stops everything; when the last job has ended, jobs_idle is true. */
void jobs_stop(struct jobs *jobs);
bool jobs_idle(const struct jobs *jobs);
/* Starts what can start now; job.c does it itself but after a call to learn has ended. */
void jobs_dispatch(struct jobs *jobs);

/* What a client asks for: lies in its request's arena. */
enum job_change_kind { CHANGE_PAUSE, CHANGE_RESUME, CHANGE_PRIORITY };
struct job_change {
    struct request *req;
    struct job *job;
    enum job_change_kind kind;
    int priority; /* of CHANGE_PRIORITY */
    struct job_change *next;
    bool begun, settled;
};
/* Answers the request with the job when what it asks for is so, and on disk. Errors: ERR_BUSY when
 * it has ended, or runs and another priority is asked for; ERR_DRAINING; those of the disk, after
 * which the job is as it was. */
void job_change(struct job_change *change);

/* Answers req with the job when it has ended, or, after that many seconds, as it is then: 202.
 * seconds below 0: who cancels it, which is answered when that is on disk. Errors: ERR_MEMORY;
 * those of the disk, which the end is written to until it takes it. */
bool job_wait(struct job *job, struct request *req, double seconds, struct err *err);
void job_info(const struct job *job, struct msg_job *ret);
/* Replies with all of that; the request is the caller's to finish. */
void job_reply(struct request *req, int status, const struct job *job);

/* ---- between job_run.c and job.c ---- */

/* What a worker tells the loop. The loop frees it, and what it owns. */
struct job_report {
    struct job *job;
    struct job_report *next;
    bool has_epoch, ended;
    bool suspended;               /* of ended: it is to be gone on with */
    struct checkpoint checkpoint; /* owned; nothing: none */
    struct msg_epoch epoch;       /* of has_epoch */
    struct sweep_trial *trials;   /* owned; all of a sweep's, as they are now; NULL: as before */
    size_t rows;                  /* trained on since the last report, */
    double seconds;               /* in this time */
    struct net *net; /* owned; to be published with this origin; NULL: nothing to publish */
    struct origin origin;
    struct err err; /* of ended */
};
/* Any thread. Takes the report over. */
void job_post(struct job_report *report);
/* Worker: until the net that was posted last is served, or the job is to stop. */
void job_await_served(struct job *job);
/* The worker's side of a job: task->run. */
void job_run(struct task *task, struct crew *crew);

#endif
