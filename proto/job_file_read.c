/* A job's record, read: job_file.c writes it. */
#include "job_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "msg_priority.h"
#include "value.h"

/* A reader of each kind for a member of struct job_file. */
#define TEXT(member)                                                                               \
    static bool read_##member(struct scan *scan, void *into, struct err *err)                      \
    {                                                                                              \
        struct job_file *file = into;                                                              \
        size_t len;                                                                                \
                                                                                                   \
        return value_string(scan, file->member, sizeof file->member, &len, err);                   \
    }
#define WHOLE(name, member, type, most)                                                            \
    static bool read_##name(struct scan *scan, void *into, struct err *err)                        \
    {                                                                                              \
        uint64_t value;                                                                            \
                                                                                                   \
        if (!value_whole(scan, 0, most, &value, err)) {                                            \
            return false;                                                                          \
        }                                                                                          \
        ((struct job_file *)into)->member = (type)value;                                           \
        return true;                                                                               \
    }
#define REAL(name, member, type)                                                                   \
    static bool read_##name(struct scan *scan, void *into, struct err *err)                        \
    {                                                                                              \
        double value;                                                                              \
                                                                                                   \
        if (!value_double(scan, &value, err)) {                                                    \
            return false;                                                                          \
        }                                                                                          \
        ((struct job_file *)into)->member = (type)value;                                           \
        return true;                                                                               \
    }
#define NAMED(name, member, type, name_of, count)                                                  \
    VALUE_NAMED(read_##name, ((struct job_file *)into)->member, type, name_of, count)

TEXT(model)
TEXT(folder)
TEXT(dataset)
TEXT(validation)
TEXT(key)
TEXT(request)
TEXT(promotion)
WHOLE(id, id, uint64_t, INT64_MAX)
WHOLE(base, base, uint64_t, INT64_MAX)
WHOLE(version, version, uint64_t, INT64_MAX)
WHOLE(promoted, promoted, uint64_t, INT64_MAX)
WHOLE(generation, generation, uint64_t, INT64_MAX)
WHOLE(validation_generation, validation_generation, uint64_t, INT64_MAX)
WHOLE(has_validation, has_validation, bool, 1)
WHOLE(epochs, epochs, size_t, INT64_MAX)
WHOLE(done, done, size_t, INT64_MAX)
WHOLE(batch_size, plan.batch_size, size_t, INT64_MAX)
WHOLE(nesterov, plan.nesterov, bool, 1)
WHOLE(seed, plan.seed, uint64_t, INT64_MAX)
WHOLE(schedule_every, schedule.schedule.every, size_t, INT64_MAX)
WHOLE(schedule_patience, schedule.schedule.patience, size_t, INT64_MAX)
WHOLE(warmup, schedule.schedule.warmup, size_t, INT64_MAX)
WHOLE(patience, stopping.patience, uint64_t, INT64_MAX)
WHOLE(train_rows, train_rows, uint64_t, INT64_MAX)
WHOLE(workers, workers, uint64_t, INT64_MAX)
WHOLE(error_code, err.code, enum err_code, ERR_COUNT - 1)
REAL(learning_rate, plan.learning_rate, float)
REAL(momentum, plan.momentum, float)
REAL(l2, plan.l2, float)
REAL(alpha, plan.alpha, float)
REAL(beta1, plan.beta1, float)
REAL(beta2, plan.beta2, float)
REAL(epsilon, plan.epsilon, float)
REAL(weight_decay, plan.weight_decay, float)
WHOLE(split_stratified, split.stratified, bool, 1)
WHOLE(split_last, split.last, size_t, INT64_MAX)
REAL(split_fraction, split.fraction, double)
REAL(l1, plan.l1, float)
REAL(clip_norm, plan.clip_norm, float)
REAL(clip_value, plan.clip_value, float)
REAL(dropout_inputs, plan.dropout_inputs, float)
REAL(dropout_hidden, plan.dropout_hidden, float)
REAL(input_noise, plan.input_noise, float)
REAL(label_smoothing, plan.label_smoothing, float)
REAL(publish_seconds, publish_seconds, double)
REAL(max_seconds, max_seconds, double)
REAL(schedule_factor, schedule.schedule.factor, double)
REAL(schedule_least, schedule.schedule.least, double)
REAL(min_delta, stopping.min_delta, double)
REAL(promote_bound, promote.bound, double)
REAL(created, created, double)
REAL(started, started, double)
REAL(finished, finished, double)
REAL(train_seconds, train_seconds, double)
NAMED(state, state, enum job_state, job_state_name, JOB_STATES)
NAMED(publish, publish, enum publish, publish_name, PUBLISH_COUNT)
NAMED(promote, promote.kind, enum promotion, promote_name, PROMOTE_COUNT)
NAMED(schedule, schedule.schedule.kind, enum schedule_kind, schedule_name, SCHEDULE_COUNT)
NAMED(optimizer, plan.optimizer, enum optimizer, optimizer_name, OPT_COUNT)
NAMED(precision, plan.precision, enum precision, precision_name, PRECISION_COUNT)

static bool read_class_weights(struct scan *scan, void *into, struct err *err)
{
    return class_weights_read(scan, &((struct job_file *)into)->weights, err);
}

static bool read_error_where(struct scan *scan, void *into, struct err *err)
{
    struct job_file *file = into;
    size_t len;

    return value_string(scan, file->err.where, sizeof file->err.where, &len, err);
}

static bool read_error_text(struct scan *scan, void *into, struct err *err)
{
    struct job_file *file = into;
    size_t len;

    return value_string(scan, file->err.text, sizeof file->err.text, &len, err);
}

static bool read_format(struct scan *scan, void *into, struct err *err)
{
    uint64_t format;

    (void)into;
    if (!value_whole(scan, 0, INT64_MAX, &format, err)) {
        return false;
    }
    return (format >= 1 && format <= JOB_FILE_FORMAT) ||
           err_set(err, ERR_FIELD, "", "is %" PRIu64 ", this server reads up to %d", format,
                   JOB_FILE_FORMAT);
}

static bool read_priority(struct scan *scan, void *into, struct err *err)
{
    return msg_priority_read(scan, &((struct job_file *)into)->priority, err);
}

static bool read_promote_metric(struct scan *scan, void *into, struct err *err)
{
    return metric_read(scan, &((struct job_file *)into)->promote.metric, err);
}

static bool read_schedule_monitor(struct scan *scan, void *into, struct err *err)
{
    return metric_read(scan, &((struct job_file *)into)->schedule.monitor, err);
}

static bool read_monitor(struct scan *scan, void *into, struct err *err)
{
    return metric_read(scan, &((struct job_file *)into)->stopping.monitor, err);
}

static bool read_sweep(struct scan *scan, void *into, struct err *err)
{
    struct job_file *file = into;

    file->sweep = malloc(sizeof *file->sweep);
    if (file->sweep == NULL) {
        return err_set(err, ERR_MEMORY, "", "does not fit into memory");
    }
    if (!msg_sweep_read(scan, file->sweep, err)) {
        return false;
    }
    file->trials = calloc(file->sweep->sweep.trials, sizeof *file->trials);
    if (file->trials == NULL) {
        return err_set(err, ERR_MEMORY, "", "does not fit into memory");
    }
    sweep_draw(&file->sweep->sweep, file->trials);
    return true;
}

/* Behind sweep, which says how many. */
static bool read_trials(struct scan *scan, void *into, struct err *err)
{
    struct job_file *file = into;

    return file->trials != NULL ? msg_trials_read(scan, file->sweep, file->trials, err)
                                : err_set(err, ERR_FIELD, "", "stand before sweep, or without it");
}

static bool label_read(struct scan *scan, char **ret, struct err *err)
{
    char name[LABEL_LEN_MAX + 1];
    size_t len;

    if (!value_string(scan, name, sizeof name, &len, err)) {
        return false;
    }
    *ret = strdup(name);
    return *ret != NULL || err_set(err, ERR_MEMORY, "", "do not fit into memory");
}

static bool read_labels(struct scan *scan, void *into, struct err *err)
{
    struct job_file *file = into;
    char **names;
    size_t n = 0;
    bool more = false, ok;

    if (!scan_expect(scan, SCAN_ARRAY, "an array", err) || !scan_enter(scan, err)) {
        return false;
    }
    names = calloc(SPEC_UNITS_MAX, sizeof *names);
    ok = names != NULL || err_set(err, ERR_MEMORY, "", "do not fit into memory");
    while (ok && (ok = scan_next(scan, &more, err)) && more) {
        ok = n < SPEC_UNITS_MAX || err_set(err, ERR_FIELD, "", "are too many");
        ok = ok && label_read(scan, &names[n], err);
        n += ok;
    }
    ok = ok && labels_create((const char *const *)names, n, &file->labels, err);
    for (size_t i = 0; i < n; i++) {
        free(names[i]);
    }
    free(names);
    return ok;
}

/* One entry: seven numbers, of which null is NAN. */
static bool epoch_read(struct scan *scan, struct msg_epoch *ret, struct err *err)
{
    double values[7];
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (size_t i = 0; i < 8; i++) {
        enum scan_kind kind;

        if (!scan_next(scan, &more, err)) {
            return false;
        }
        if (more != (i < 7)) {
            return err_set(err, ERR_FIELD, "", "must be seven numbers");
        }
        if (!more) {
            break;
        }
        if (!scan_peek(scan, &kind, err)) {
            return false;
        }
        values[i] = NAN;
        if (!(kind == SCAN_NULL ? scan_skip(scan, err) : value_double(scan, &values[i], err))) {
            return false;
        }
    }
    if (!(values[0] >= 1.0 && values[0] < 1e15 && values[6] >= 0.0 && values[6] < 1e15)) {
        return err_set(err, ERR_FIELD, "", "must begin with an epoch and end with a version");
    }
    *ret = (struct msg_epoch){ .epoch = (size_t)values[0],
                               .loss = values[1],
                               .accuracy = values[2],
                               .validation_loss = values[3],
                               .validation_accuracy = values[4],
                               .seconds = values[5],
                               .version = (uint64_t)values[6] };
    return true;
}

static bool read_history(struct scan *scan, void *into, struct err *err)
{
    struct job_file *file = into;
    size_t cap = 0;
    bool more;

    if (!scan_expect(scan, SCAN_ARRAY, "an array", err) || !scan_enter(scan, err)) {
        return false;
    }
    for (;;) {
        if (!scan_next(scan, &more, err)) {
            return false;
        }
        if (!more) {
            return true;
        }
        if (file->n_history == cap) {
            struct msg_epoch *grown;

            cap = cap == 0 ? 64 : 2 * cap;
            grown = realloc(file->history, cap * sizeof *grown);
            if (grown == NULL) {
                return err_set(err, ERR_MEMORY, "", "does not fit into memory");
            }
            file->history = grown;
        }
        if (!epoch_read(scan, &file->history[file->n_history], err)) {
            return value_in(err, "[%zu]", file->n_history);
        }
        file->n_history++;
    }
}

static const struct value_field fields[] = {
    { "format", read_format, true },
    { "id", read_id, true },
    { "model", read_model, true },
    { "folder", read_folder, true },
    { "state", read_state, true },
    { "base", read_base, true },
    { "version", read_version, true },
    { "dataset", read_dataset, true },
    { "generation", read_generation, true },
    { "has_validation", read_has_validation, true },
    { "validation", read_validation, true },
    { "validation_generation", read_validation_generation, true },
    { "epochs", read_epochs, true },
    { "done", read_done, true },
    { "batch_size", read_batch_size, true },
    { "optimizer", read_optimizer, true },
    { "learning_rate", read_learning_rate, true },
    { "momentum", read_momentum, true },
    { "nesterov", read_nesterov, true },
    { "l2", read_l2, true },
    { "seed", read_seed, true },
    { "precision", read_precision, false },
    { "max_seconds", read_max_seconds, false },
    { "sweep", read_sweep, false },
    { "trials", read_trials, false },
    { "priority", read_priority, false },
    { "schedule", read_schedule, false },
    { "schedule_every", read_schedule_every, false },
    { "schedule_factor", read_schedule_factor, false },
    { "schedule_least", read_schedule_least, false },
    { "schedule_patience", read_schedule_patience, false },
    { "schedule_monitor", read_schedule_monitor, false },
    { "warmup", read_warmup, false },
    { "patience", read_patience, false },
    { "monitor", read_monitor, false },
    { "min_delta", read_min_delta, false },
    { "alpha", read_alpha, false },
    { "beta1", read_beta1, false },
    { "beta2", read_beta2, false },
    { "epsilon", read_epsilon, false },
    { "weight_decay", read_weight_decay, false },
    { "l1", read_l1, false },
    { "clip_norm", read_clip_norm, false },
    { "clip_value", read_clip_value, false },
    { "dropout_inputs", read_dropout_inputs, false },
    { "dropout_hidden", read_dropout_hidden, false },
    { "input_noise", read_input_noise, false },
    { "label_smoothing", read_label_smoothing, false },
    { "split_fraction", read_split_fraction, false },
    { "split_stratified", read_split_stratified, false },
    { "split_last", read_split_last, false },
    { "class_weights", read_class_weights, false },
    { "publish", read_publish, true },
    { "publish_seconds", read_publish_seconds, true },
    { "promote", read_promote, false },
    { "promote_metric", read_promote_metric, false },
    { "promote_bound", read_promote_bound, false },
    { "promoted", read_promoted, false },
    { "promotion", read_promotion, false },
    { "created", read_created, true },
    { "started", read_started, true },
    { "finished", read_finished, true },
    { "train_rows", read_train_rows, true },
    { "train_seconds", read_train_seconds, true },
    { "workers", read_workers, true },
    { "key", read_key, true },
    { "request", read_request, true },
    { "labels", read_labels, false },
    { "error_code", read_error_code, true },
    { "error_where", read_error_where, true },
    { "error_text", read_error_text, true },
    { "history", read_history, true },
};

bool job_file_decode(const char *bytes, size_t len, struct job_file *ret, struct err *err)
{
    struct job_file file = { 0 };

    if (!value_body(bytes, len, "a job", fields, sizeof fields / sizeof fields[0], &file, err)) {
        job_file_done(&file);
        return false;
    }
    *ret = file;
    return true;
}
