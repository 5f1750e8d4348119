/* What the job_*.c files share, and nobody else sees. */
#ifndef JOBS_H
#define JOBS_H

#include <pthread.h>
#include <stddef.h>

#include "job.h"

struct jobs {
    struct server *server;
    struct job **list; /* owned; oldest first, ended ones included */
    size_t n, cap;
    size_t reserved; /* room in it that is kept: job_adopt.c */
    size_t running, queued, paused;
    uint64_t last; /* id */
    uv_async_t async;
    uv_timer_t retry; /* of ends that could not be written */
    pthread_mutex_t lock;
    pthread_cond_t served;          /* a posted net is served, or a job is to stop */
    struct job_report *head, *tail; /* under the lock */
};

/* job.c */
bool job_add(struct jobs *jobs, struct job *job, struct err *err); /* to the list */
void job_drop(struct job *job);                                    /* off the list, and freed */
void job_count(struct job *job, bool add);
void job_become(struct job *job, enum job_state state); /* of those that are no end */
void job_feed_count(struct job *job, bool add);
/* All of them; err: why the end, if it is one, is not on disk. */
void job_waiters_answer(struct job *job, const struct err *err);
void jobs_prune(struct jobs *jobs);
/* Sets a flag that a worker may be waiting for. */
void jobs_tell(struct jobs *jobs, atomic_bool *flag, bool value);

/* job_queue.c */
size_t job_position(const struct job *job); /* of a queued one, from 1 */
/* One that counts as running goes to the workers. */
void job_go_on(struct job *job);

/* job_change.c */
bool job_is_pausing(const struct job *job); /* and has not left its worker, or only just */
/* It has; its checkpoint is in job->resume. */
void job_park(struct job *job);
/* It has ended: whoever asked for something else is told. */
void job_changes_end(struct job *job);

/* job_restore.c */
/* Everything that a record says. What it owns is taken over. */
void job_take_file(struct job *job, struct job_file *file);
/* The history up to the checkpoint; what came after it will come again. */
void job_history_cut(struct job *job, size_t epochs);
/* What it shows of its progress within an epoch is that of the checkpoint in job->resume. */
void job_progress_set(struct job *job);

/* job_save.c */
enum job_save_kind { SAVE_CREATE, SAVE_BEGIN, SAVE_CHECKPOINT, SAVE_CHANGE, SAVE_END };
/* Writes the record as it is now, and with SAVE_CHECKPOINT the checkpoint (taken over); done is
 * called on the loop. Without a disk, or without memory, done is called before this returns.
 * SAVE_BEGIN reads the checkpoint of a job that is to reload it. SAVE_CHANGE writes a checkpoint and
 * gives it back to job->resume; if it fails, the record is as it was. */
void job_save(struct job *job, enum job_save_kind kind, struct checkpoint *checkpoint,
              void (*done)(struct job *job, const struct err *err));
/* The job ends with this outcome, when that is on disk. It may be gone after this. */
void job_finish(struct job *job, enum job_state outcome);

/* Tries once more to write down the end of one that the disk did not take. It may be gone after
 * this. */
void job_end_again(struct job *job);
/* At a start: the job cannot go on; its outcome is written down, so that no later start finds it
 * alive. */
void job_give_up(struct job *job);

/* on_events.c: it is paused, or not any more: they hear of it before the next change. */
void job_listeners_wake(struct job *job);
/* The record goes; nothing more will be told of it. */
void job_listeners_leave(struct job *job);

/* job_report.c */
void jobs_take_reports(uv_async_t *async);
/* The job stops here, for the next process to go on with. */
void job_suspended(struct job *job, const struct err *err);

#endif
