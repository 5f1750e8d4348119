#include "msg_train.h"

#include <string.h>

#include "msg_priority.h"
#include "quote.h"
#include "value.h"

#define EPOCHS_MAX 1000000
#define PUBLISH_SECONDS_MAX 86400
#define SECONDS_MAX 31536000
#define COUNT(fields) (sizeof(fields) / sizeof *(fields))

/* What the fields below, and those of msg_plan.h, write to; those a message does not have are NULL. */
struct train_in {
    struct plan_in plan;
    const struct rows_limits *limits;
    struct arena *arena;
    struct msg_source *source; /* where dataset and rows go: validation's, while in there */
    struct msg_train *train;
    size_t *top_k;
    char *prediction; /* learn's */
    bool has_publish;
    struct msg_sweep *sweep; /* in the arena; NULL: none */
};

static const char *const publish_names[PUBLISH_COUNT] = { "epoch", "end", "best" };

const char *publish_name(enum publish publish)
{
    return publish_names[publish];
}

bool name_check(const char *name, size_t len, const char *where, struct err *err)
{
    bool ok = len >= 1 && len <= NAME_MAX_LEN;

    for (size_t i = 0; i < len && ok; i++) {
        const char c = name[i];
        const bool alnum =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        ok = alnum || (i > 0 && (c == '.' || c == '_' || c == '-'));
    }
    if (!ok) {
        return err_set(err, ERR_FIELD, where,
                       "must be 1 to %d of A-Z a-z 0-9 . _ - and begin with a letter or digit, "
                       "is '%s'",
                       NAME_MAX_LEN, quote(name, len).text);
    }
    return true;
}

/* --- Fields --- */

static bool read_dataset(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;
    char name[NAME_MAX_LEN + 1];
    size_t len;

    if (!value_string(scan, name, sizeof name, &len, err) || !name_check(name, len, "", err)) {
        return false;
    }
    memcpy(in->source->dataset, name, len + 1);
    return true;
}

static bool read_prediction(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;
    char id[PREDICTION_LEN_MAX + 1];
    size_t len;

    if (!value_string(scan, id, sizeof id, &len, err)) {
        return false;
    }
    if (len == 0) {
        return err_set(err, ERR_FIELD, "", "must be 1 to %d bytes long, is empty",
                       PREDICTION_LEN_MAX);
    }
    memcpy(in->prediction, id, len + 1);
    return true;
}

static bool read_inputs(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;

    return msg_rows_inputs(scan, in->limits, in->arena, &in->source->rows, err);
}

static bool read_targets(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;

    return msg_rows_targets(scan, in->limits, in->arena, &in->source->rows, err);
}

static bool read_labels(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;

    return msg_rows_labels(scan, in->limits, in->arena, &in->source->rows, err);
}

/* Data by name or by value, not both and not half of it. */
static bool source_check(const struct msg_source *source, struct err *err)
{
    const struct msg_rows *rows = &source->rows;
    const char *beside = rows->has_inputs    ? "inputs"
                         : rows->has_targets ? "targets"
                         : rows->has_labels  ? "labels"
                                             : NULL;

    if (source->dataset[0] == '\0') {
        if (beside == NULL) {
            return err_set(err, ERR_FIELD, "dataset",
                           "is missing, and so is inputs: give one of them");
        }
        return msg_rows_check(rows, err);
    }
    if (beside != NULL) {
        return err_set(err, ERR_FIELD, beside, "is there beside dataset: give one of them");
    }
    return true;
}

static bool read_fraction(struct scan *scan, void *into, struct err *err)
{
    static const struct value_limits limits = { 0.0, 1.0, true, true, "above 0 and below 1" };
    struct train_in *in = into;

    return value_double_in(scan, &limits, &in->train->split.fraction, err);
}

static bool read_stratified(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;

    return value_boolean(scan, &in->train->split.stratified, err);
}

static bool read_last(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;
    uint64_t rows;

    if (!value_whole(scan, 1, UINT32_MAX, &rows, err)) {
        return false;
    }
    in->train->split.last = (size_t)rows;
    return true;
}

/* A part of the training data, and nothing else beside it. */
static bool split_check(const struct msg_train *msg, struct err *err)
{
    const struct msg_source *source = &msg->validation;
    const char *first = msg->split.last > 0 ? "last" : "fraction";
    const char *beside = source->dataset[0] != '\0'                         ? "dataset"
                         : source->rows.has_inputs                          ? "inputs"
                         : source->rows.has_targets                         ? "targets"
                         : source->rows.has_labels                          ? "labels"
                         : msg->split.last > 0 && msg->split.fraction > 0.0 ? "fraction"
                         : msg->split.last > 0 && msg->split.stratified     ? "stratified"
                                                                            : NULL;

    return beside == NULL ||
           err_set(err, ERR_FIELD, beside, "is there beside %s: give one of them", first);
}

static bool read_validation(struct scan *scan, void *into, struct err *err)
{
    static const struct value_field fields[] = {
        { "dataset", read_dataset, false },   { "inputs", read_inputs, false },
        { "targets", read_targets, false },   { "labels", read_labels, false },
        { "fraction", read_fraction, false }, { "stratified", read_stratified, false },
        { "last", read_last, false },
    };
    struct train_in *in = into, inner = *in;

    in->train->has_validation = true;
    inner.source = &in->train->validation;
    return value_object(scan, "validation", fields, COUNT(fields), &inner, err) &&
           (!in->train->split.stratified || split_is(&in->train->split) ||
            err_set(err, ERR_FIELD, "stratified", "is there without fraction")) &&
           (split_is(&in->train->split) ? split_check(in->train, err)
                                        : source_check(inner.source, err));
}

static bool read_class_weights(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;
    bool none = false;

    return value_null(scan, &none, err) &&
           (none || class_weights_read(scan, &in->train->weights, err));
}

static bool read_epochs(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;
    uint64_t epochs;

    if (!value_whole(scan, 1, EPOCHS_MAX, &epochs, err)) {
        return false;
    }
    in->train->epochs = (size_t)epochs;
    return true;
}

static bool read_publish(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;
    size_t at;

    if (!value_choice(scan, publish_names, PUBLISH_COUNT, &at, err)) {
        return false;
    }
    in->train->publish = (enum publish)at;
    in->has_publish = true;
    return true;
}

static bool read_max_seconds(struct scan *scan, void *into, struct err *err)
{
    static const struct value_limits limits = { 0.0, SECONDS_MAX, true, false,
                                                "above 0, 31536000 at most" };
    struct train_in *in = into;
    bool none = false;

    return value_null(scan, &none, err) &&
           (none || value_double_in(scan, &limits, &in->train->max_seconds, err));
}

static bool read_priority(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;

    return msg_priority_read(scan, &in->train->priority, err);
}

static bool read_schedule(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;

    return msg_schedule_read(scan, &in->train->schedule, err);
}

static bool schedule_check(struct msg_train *msg, struct err *err)
{
    const struct schedule *schedule = &msg->schedule.schedule;

    if (msg->plan.optimizer == OPT_RPROP &&
        (schedule->kind != SCHEDULE_CONSTANT || schedule->warmup > 0)) {
        return err_set(err, ERR_FIELD, "schedule", "is not for rprop, whose steps are its own");
    }
    return msg_schedule_settle(&msg->schedule, msg->has_validation, err);
}

static bool read_sweep(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;
    struct msg_sweep *sweep;
    bool none = false;

    if (!value_null(scan, &none, err) || none) {
        return none;
    }
    sweep = arena_alloc(in->arena, 1, sizeof *sweep);
    if (sweep == NULL) {
        return err_set(err, ERR_MEMORY, "", "has no memory");
    }
    in->sweep = sweep;
    return msg_sweep_read(scan, sweep, err);
}

/* What a sweep asks of the members beside it; it publishes once. */
static bool sweep_settle(struct train_in *in, struct err *err)
{
    struct msg_train *msg = in->train;

    if (in->sweep == NULL) {
        return true;
    }
    if (in->has_publish && msg->publish == PUBLISH_EPOCH) {
        return err_set(err, ERR_FIELD, "publish", "must be best or end with a sweep, is epoch");
    }
    if (msg->plan.optimizer == OPT_RPROP && sweep_is_over(&in->sweep->sweep, AXIS_BATCH_SIZE)) {
        return err_set(err, ERR_FIELD, "sweep.over.batch_size",
                       "is not for rprop, whose batch is all of the rows");
    }
    msg->publish = in->has_publish ? msg->publish : PUBLISH_BEST;
    msg->sweep = in->sweep;
    return msg_sweep_settle(in->sweep, msg->epochs, msg->has_validation, err);
}

static bool read_early_stopping(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;
    bool none = false;

    return value_null(scan, &none, err) &&
           (none || early_stopping_read(scan, &in->train->stopping, err));
}

static bool read_promote(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;

    return promote_rule_read(scan, &in->train->promote, err);
}

static bool promote_check(const struct msg_train *msg, struct err *err)
{
    const struct promote_rule *rule = &msg->promote;

    if (msg->has_validation) {
        return true;
    }
    if (rule->kind == PROMOTE_IF_BETTER) {
        return err_set(err, ERR_FIELD, "promote", "is if_better, which needs validation");
    }
    return rule->kind != PROMOTE_IF || !metric_is_validation(rule->metric) ||
           err_set(err, ERR_FIELD, "promote.if", "is %s, which needs validation",
                   metric_name(rule->metric));
}

static bool read_publish_seconds(struct scan *scan, void *into, struct err *err)
{
    static const struct value_limits limits = { 0.0, PUBLISH_SECONDS_MAX, false, false,
                                                "0 to 86400" };
    struct train_in *in = into;

    return value_double_in(scan, &limits, &in->train->publish_seconds, err);
}

/* --- Messages --- */

bool msg_train_decode(const char *body, size_t len, const struct rows_limits *limits,
                      struct arena *arena, struct msg_train *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "dataset", read_dataset, false },
        { "inputs", read_inputs, false },
        { "targets", read_targets, false },
        { "labels", read_labels, false },
        { "validation", read_validation, false },
        { "epochs", read_epochs, false },
        PLAN_FIELDS(false),
        { "publish", read_publish, false },
        { "publish_seconds", read_publish_seconds, false },
        { "promote", read_promote, false },
        { "early_stopping", read_early_stopping, false },
        { "schedule", read_schedule, false },
        { "max_seconds", read_max_seconds, false },
        { "class_weights", read_class_weights, false },
        { "priority", read_priority, false },
        { "sweep", read_sweep, false },
    };
    struct msg_train msg = { .epochs = 1, .plan = plan_default(), .publish_seconds = 1.0 };
    struct train_in in = { .plan.plan = &msg.plan,
                           .limits = limits,
                           .arena = arena,
                           .source = &msg.source,
                           .train = &msg };

    if (!value_body(body, len, "train", fields, COUNT(fields), &in, err) ||
        !source_check(&msg.source, err) || !promote_check(&msg, err) ||
        !early_stopping_settle(&msg.stopping, msg.has_validation, err) ||
        !schedule_check(&msg, err) || !sweep_settle(&in, err)) {
        class_weights_done(&msg.weights);
        return false;
    }
    if (msg.stopping.patience > 0 && !in.has_publish) {
        msg.publish = PUBLISH_BEST;
    }
    *ret = msg;
    return true;
}

/* The rows' inputs come along, or from a prediction. */
static bool learn_rows_check(const struct msg_learn *msg, const struct msg_rows *rows,
                             struct err *err)
{
    if (msg->prediction[0] == '\0') {
        return rows->has_inputs ? msg_rows_check(rows, err)
                                : err_set(err, ERR_FIELD, "inputs",
                                          "is missing, and so is prediction: give one of them");
    }
    if (rows->has_inputs) {
        return err_set(err, ERR_FIELD, "prediction", "is there beside inputs: give one of them");
    }
    return msg_rows_truth_check(rows, err);
}

bool msg_learn_decode(const char *body, size_t len, const struct rows_limits *limits,
                      struct arena *arena, struct msg_learn *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "inputs", read_inputs, false },
        { "prediction", read_prediction, false },
        { "targets", read_targets, false },
        { "labels", read_labels, false },
        { "optimizer", plan_read_optimizer, false },
        { "l2", plan_read_l2, false },
    };
    struct msg_learn msg = { .plan = plan_default() };
    struct msg_source source = { .dataset = "" };
    struct train_in in = { .plan.plan = &msg.plan,
                           .limits = limits,
                           .arena = arena,
                           .source = &source,
                           .prediction = msg.prediction };

    if (!value_body(body, len, "learn", fields, COUNT(fields), &in, err) ||
        !learn_rows_check(&msg, &source.rows, err)) {
        return false;
    }
    if (msg.plan.optimizer == OPT_RPROP) {
        return err_set(err, ERR_FIELD, "optimizer.name",
                       "must not be rprop here, which compares steps on the same whole batch");
    }
    msg.rows = source.rows;
    msg.plan.batch_size = source.rows.inputs.rows;
    msg.has_optimizer = in.plan.has_optimizer;
    msg.has_l2 = in.plan.has_l2;
    *ret = msg;
    return true;
}

static bool read_top_k(struct scan *scan, void *into, struct err *err)
{
    struct train_in *in = into;
    uint64_t k;

    if (!value_whole(scan, 1, in->limits->targets_cols, &k, err)) {
        return false;
    }
    *in->top_k = (size_t)k;
    return true;
}

bool msg_evaluate_decode(const char *body, size_t len, const struct rows_limits *limits,
                         struct arena *arena, struct msg_evaluate *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "dataset", read_dataset, false }, { "inputs", read_inputs, false },
        { "targets", read_targets, false }, { "labels", read_labels, false },
        { "top_k", read_top_k, false },
    };
    struct msg_evaluate msg = { .top_k = 0 };
    struct train_in in = {
        .limits = limits, .arena = arena, .source = &msg.source, .top_k = &msg.top_k
    };

    if (!value_body(body, len, "evaluate", fields, COUNT(fields), &in, err) ||
        !source_check(&msg.source, err)) {
        return false;
    }
    *ret = msg;
    return true;
}

static bool read_version(struct scan *scan, void *into, struct err *err)
{
    uint64_t *ret = into;

    return value_whole(scan, 1, INT64_MAX, ret, err);
}

bool msg_promote_decode(const char *body, size_t len, uint64_t *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "version", read_version, true },
    };
    uint64_t version = 0;

    if (!value_body(body, len, "promote", fields, COUNT(fields), &version, err)) {
        return false;
    }
    *ret = version;
    return true;
}
