/* job.json: a job's record on disk, from which it goes on, or is told of, after a restart.
 *
 *   {"format": 2, "id": 7, "model": "m", "folder": "m@12", "state": "running", "base": 3,
 *    "dataset": "d", "generation": 40, "validation": "", "validation_generation": 0,
 *    "has_validation": false, "epochs": ..., "done": ..., "batch_size": ..., "optimizer": "sgd",
 *    ..., "promote": "if", "promote_metric": "loss", "promote_bound": 0.1, "promoted": 0,
 *    "promotion": "", "labels": [...],
 *    "history": [[epoch, loss, accuracy, validation_loss, validation_accuracy, seconds, version],
 *    ...], "error": ["number", "loss", "is not finite ..."], "key": "", "request": ""}
 *
 * The data sets of a job whose rows came with its request are folders beside it: generation is 0.
 */
#ifndef JOB_FILE_H
#define JOB_FILE_H

#include "labels.h"
#include "msg_job.h"

/* 1 had no promote, promoted, promotion, 2 has sgd and float32 only, one
 * learning rate and the last epoch as its end. */
#define JOB_FILE_FORMAT 3
#define PROMOTION_MAX 200
#define JOB_KEY_MAX 255
#define JOB_FOLDER_MAX (NAME_MAX_LEN + 24)

struct job_file {
    uint64_t id;
    char model[NAME_MAX_LEN + 1];
    char folder[JOB_FOLDER_MAX + 1]; /* of the model: NAME@ID */
    enum job_state state;
    uint64_t base;    /* the version it started from; 0: it has not started */
    uint64_t version; /* the last it has published */
    char dataset[NAME_MAX_LEN + 1], validation[NAME_MAX_LEN + 1];
    uint64_t generation, validation_generation;
    bool has_validation;
    size_t epochs, done; /* done: epochs */
    struct train_plan plan;
    enum publish publish;
    double publish_seconds;
    struct promote_rule promote;
    struct early_stopping stopping;
    struct msg_schedule schedule;
    double max_seconds; /* 0: none */
    struct split split;
    struct class_weights weights; /* owned */
    struct msg_sweep *sweep;      /* owned, malloc'd; NULL: none, */
    struct sweep_trial *trials;   /* else as many as it has; likewise */
    int priority;
    uint64_t promoted;
    char promotion[PROMOTION_MAX];
    double created, started, finished;
    uint64_t train_rows, workers;
    double train_seconds;
    struct labels *labels;     /* owned; NULL: none */
    struct msg_epoch *history; /* owned, malloc'd */
    size_t n_history;
    struct err err;
    char key[JOB_KEY_MAX + 1]; /* Idempotency-Key; "": none */
    char request[65];          /* SHA-256 of the request that had it */
};

void job_file_encode(struct text *text, const struct job_file *file);
/* On success the caller frees labels, history, sweep and trials, by job_file_done. */
bool job_file_decode(const char *bytes, size_t len, struct job_file *ret, struct err *err);
void job_file_done(struct job_file *file);

#endif
