#include "job_file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

/* ---- writing ---- */

static void string(struct text *text, const char *key, const char *value)
{
    text_printf(text, ", \"%s\": ", key);
    text_json(text, value);
}

static void whole(struct text *text, const char *key, uint64_t value)
{
    text_printf(text, ", \"%s\": %" PRIu64, key, value);
}

static void real(struct text *text, const char *key, double value)
{
    text_printf(text, ", \"%s\": ", key);
    text_double(text, value);
}

static void history_encode(struct text *text, const struct job_file *file)
{
    text_str(text, ", \"history\": [");
    for (size_t i = 0; i < file->n_history; i++) {
        const struct msg_epoch *e = &file->history[i];
        const double values[] = { e->loss, e->accuracy, e->validation_loss, e->validation_accuracy,
                                  e->seconds };

        text_printf(text, "%s[%zu", i > 0 ? ", " : "", e->epoch);
        for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
            text_str(text, ", ");
            text_double(text, values[v]);
        }
        text_printf(text, ", %" PRIu64 "]", e->version);
    }
    text_str(text, "]");
}

static void plan_encode(struct text *text, const struct train_plan *plan)
{
    whole(text, "batch_size", plan->batch_size);
    string(text, "optimizer", optimizer_name(plan->optimizer));
    real(text, "learning_rate", (double)plan->learning_rate);
    real(text, "momentum", (double)plan->momentum);
    whole(text, "nesterov", plan->nesterov);
    real(text, "l2", (double)plan->l2);
    whole(text, "seed", plan->seed);
    if (plan->precision != PRECISION_FLOAT32) {
        string(text, "precision", precision_name(plan->precision));
    }
    if (plan->optimizer != OPT_SGD) {
        real(text, "alpha", (double)plan->alpha);
        real(text, "beta1", (double)plan->beta1);
        real(text, "beta2", (double)plan->beta2);
        real(text, "epsilon", (double)plan->epsilon);
        real(text, "weight_decay", (double)plan->weight_decay);
    }
}

static bool has_schedule(const struct job_file *file)
{
    return file->schedule.schedule.kind != SCHEDULE_CONSTANT || file->schedule.schedule.warmup > 0;
}

static bool file_is_plain(const struct job_file *file)
{
    return plan_is_plain(&file->plan) && file->stopping.patience == 0 && !has_schedule(file);
}

static void schedule_encode(struct text *text, const struct msg_schedule *msg)
{
    const struct schedule *schedule = &msg->schedule;

    string(text, "schedule", schedule_name(schedule->kind));
    whole(text, "schedule_every", schedule->every);
    real(text, "schedule_factor", schedule->factor);
    real(text, "schedule_least", schedule->least);
    whole(text, "schedule_patience", schedule->patience);
    string(text, "schedule_monitor", metric_name(msg->monitor));
    whole(text, "warmup", schedule->warmup);
}

void job_file_encode(struct text *text, const struct job_file *file)
{
    /* Who does not know of other optimisers and precisions is not to go on with such a job. */
    text_printf(text, "{\"format\": %d", file_is_plain(file) ? 2 : JOB_FILE_FORMAT);
    whole(text, "id", file->id);
    string(text, "model", file->model);
    string(text, "folder", file->folder);
    string(text, "state", job_state_name(file->state));
    whole(text, "base", file->base);
    whole(text, "version", file->version);
    string(text, "dataset", file->dataset);
    whole(text, "generation", file->generation);
    whole(text, "has_validation", file->has_validation);
    string(text, "validation", file->validation);
    whole(text, "validation_generation", file->validation_generation);
    whole(text, "epochs", file->epochs);
    whole(text, "done", file->done);
    plan_encode(text, &file->plan);
    string(text, "publish", publish_name(file->publish));
    real(text, "publish_seconds", file->publish_seconds);
    string(text, "promote", promote_name(file->promote.kind));
    string(text, "promote_metric", metric_name(file->promote.metric));
    real(text, "promote_bound", file->promote.bound);
    if (has_schedule(file)) {
        schedule_encode(text, &file->schedule);
    }
    if (file->stopping.patience > 0) {
        whole(text, "patience", file->stopping.patience);
        string(text, "monitor", metric_name(file->stopping.monitor));
        real(text, "min_delta", file->stopping.min_delta);
    }
    whole(text, "promoted", file->promoted);
    string(text, "promotion", file->promotion);
    real(text, "created", file->created);
    real(text, "started", file->started);
    real(text, "finished", file->finished);
    whole(text, "train_rows", file->train_rows);
    real(text, "train_seconds", file->train_seconds);
    whole(text, "workers", file->workers);
    string(text, "key", file->key);
    string(text, "request", file->request);
    if (file->labels != NULL) {
        text_str(text, ", \"labels\": [");
        for (size_t i = 0; i < file->labels->n; i++) {
            text_str(text, i > 0 ? ", " : "");
            text_json(text, file->labels->name[i]);
        }
        text_str(text, "]");
    }
    whole(text, "error_code", file->err.code);
    string(text, "error_where", file->err.where);
    string(text, "error_text", file->err.text);
    history_encode(text, file);
    text_str(text, "}\n");
}

/* ---- reading ---- */

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
REAL(publish_seconds, publish_seconds, double)
REAL(schedule_factor, schedule.schedule.factor, double)
REAL(schedule_least, schedule.schedule.least, double)
REAL(min_delta, stopping.min_delta, double)
REAL(promote_bound, promote.bound, double)
REAL(created, created, double)
REAL(started, started, double)
REAL(finished, finished, double)
REAL(train_seconds, train_seconds, double)

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

static bool read_state(struct scan *scan, void *into, struct err *err)
{
    const char *names[JOB_STATES];
    size_t at;

    for (at = 0; at < JOB_STATES; at++) {
        names[at] = job_state_name((enum job_state)at);
    }
    if (!value_choice(scan, names, JOB_STATES, &at, err)) {
        return false;
    }
    ((struct job_file *)into)->state = (enum job_state)at;
    return true;
}

static bool read_publish(struct scan *scan, void *into, struct err *err)
{
    const char *names[PUBLISH_COUNT];
    size_t at;

    for (at = 0; at < PUBLISH_COUNT; at++) {
        names[at] = publish_name((enum publish)at);
    }
    if (!value_choice(scan, names, PUBLISH_COUNT, &at, err)) {
        return false;
    }
    ((struct job_file *)into)->publish = (enum publish)at;
    return true;
}

static bool read_promote(struct scan *scan, void *into, struct err *err)
{
    const char *names[PROMOTE_COUNT];
    size_t at;

    for (at = 0; at < PROMOTE_COUNT; at++) {
        names[at] = promote_name((enum promotion)at);
    }
    if (!value_choice(scan, names, PROMOTE_COUNT, &at, err)) {
        return false;
    }
    ((struct job_file *)into)->promote.kind = (enum promotion)at;
    return true;
}

static bool read_promote_metric(struct scan *scan, void *into, struct err *err)
{
    return metric_read(scan, &((struct job_file *)into)->promote.metric, err);
}

static bool read_schedule(struct scan *scan, void *into, struct err *err)
{
    const char *names[SCHEDULE_COUNT];
    size_t at;

    for (at = 0; at < SCHEDULE_COUNT; at++) {
        names[at] = schedule_name((enum schedule_kind)at);
    }
    if (!value_choice(scan, names, SCHEDULE_COUNT, &at, err)) {
        return false;
    }
    ((struct job_file *)into)->schedule.schedule.kind = (enum schedule_kind)at;
    return true;
}

static bool read_schedule_monitor(struct scan *scan, void *into, struct err *err)
{
    return metric_read(scan, &((struct job_file *)into)->schedule.monitor, err);
}

static bool read_monitor(struct scan *scan, void *into, struct err *err)
{
    return metric_read(scan, &((struct job_file *)into)->stopping.monitor, err);
}

static bool read_optimizer(struct scan *scan, void *into, struct err *err)
{
    const char *names[OPT_COUNT];
    size_t at;

    for (at = 0; at < OPT_COUNT; at++) {
        names[at] = optimizer_name((enum optimizer)at);
    }
    if (!value_choice(scan, names, OPT_COUNT, &at, err)) {
        return false;
    }
    ((struct job_file *)into)->plan.optimizer = (enum optimizer)at;
    return true;
}

static bool read_precision(struct scan *scan, void *into, struct err *err)
{
    const char *names[PRECISION_COUNT];
    size_t at;

    for (at = 0; at < PRECISION_COUNT; at++) {
        names[at] = precision_name((enum precision)at);
    }
    if (!value_choice(scan, names, PRECISION_COUNT, &at, err)) {
        return false;
    }
    ((struct job_file *)into)->plan.precision = (enum precision)at;
    return true;
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

bool job_file_decode(const char *bytes, size_t len, struct job_file *ret, struct err *err)
{
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
    struct job_file file = { 0 };

    if (!value_body(bytes, len, "a job", fields, sizeof fields / sizeof fields[0], &file, err)) {
        job_file_done(&file);
        return false;
    }
    *ret = file;
    return true;
}

void job_file_done(struct job_file *file)
{
    labels_free(file->labels);
    free(file->history);
    file->labels = NULL;
    file->history = NULL;
}
