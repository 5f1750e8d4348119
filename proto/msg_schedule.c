#include "msg_schedule.h"

#include <string.h>

#include "value.h"

#define EPOCHS_MAX 1000000

enum setting { EVERY, FACTOR, MINIMUM, PATIENCE, MONITOR, SETTINGS };

/* Which schedules have it. */
static const struct {
    const char *name;
    unsigned kinds; /* 1 << SCHEDULE_... */
} settings[SETTINGS] = {
    [EVERY] = { "every", 1u << SCHEDULE_STEP },
    [FACTOR] = { "factor",
                 1u << SCHEDULE_STEP | 1u << SCHEDULE_EXPONENTIAL | 1u << SCHEDULE_PLATEAU },
    [MINIMUM] = { "minimum", 1u << SCHEDULE_COSINE | 1u << SCHEDULE_PLATEAU },
    [PATIENCE] = { "patience", 1u << SCHEDULE_PLATEAU },
    [MONITOR] = { "monitor", 1u << SCHEDULE_PLATEAU },
};

struct schedule_in {
    struct msg_schedule *to;
    bool has[SETTINGS];
};

static bool is_of(enum setting setting, enum schedule_kind kind)
{
    return (settings[setting].kinds >> kind & 1u) != 0;
}

VALUE_NAMED(read_name, ((struct schedule_in *)into)->to->schedule.kind, enum schedule_kind,
            schedule_name, SCHEDULE_COUNT)

static bool read_epochs(struct scan *scan, uint64_t least, size_t *ret, struct err *err)
{
    uint64_t n;

    if (!value_whole(scan, least, EPOCHS_MAX, &n, err)) {
        return false;
    }
    *ret = (size_t)n;
    return true;
}

static bool read_warmup(struct scan *scan, void *into, struct err *err)
{
    struct schedule_in *in = into;

    return read_epochs(scan, 0, &in->to->schedule.warmup, err);
}

static bool read_every(struct scan *scan, void *into, struct err *err)
{
    struct schedule_in *in = into;

    in->has[EVERY] = true;
    return read_epochs(scan, 1, &in->to->schedule.every, err);
}

static bool read_patience(struct scan *scan, void *into, struct err *err)
{
    struct schedule_in *in = into;

    in->has[PATIENCE] = true;
    return read_epochs(scan, 1, &in->to->schedule.patience, err);
}

static bool read_factor(struct scan *scan, void *into, struct err *err)
{
    static const struct value_limits limits = { 0.0, 1.0, true, false, "above 0, 1 at most" };
    struct schedule_in *in = into;

    in->has[FACTOR] = true;
    return value_double_in(scan, &limits, &in->to->schedule.factor, err);
}

static bool read_minimum(struct scan *scan, void *into, struct err *err)
{
    struct schedule_in *in = into;

    in->has[MINIMUM] = true;
    return value_double_in(scan, &value_0_to_1, &in->to->schedule.least, err);
}

static bool read_monitor(struct scan *scan, void *into, struct err *err)
{
    struct schedule_in *in = into;

    in->has[MONITOR] = in->to->has_monitor = true;
    return metric_read(scan, &in->to->monitor, err);
}

static bool defaults_set(struct schedule_in *in, struct err *err)
{
    static const double factors[SCHEDULE_COUNT] = {
        [SCHEDULE_STEP] = 0.1, [SCHEDULE_EXPONENTIAL] = 0.95, [SCHEDULE_PLATEAU] = 0.5
    };
    struct schedule *schedule = &in->to->schedule;

    for (int i = 0; i < SETTINGS; i++) {
        if (in->has[i] && !is_of((enum setting)i, schedule->kind)) {
            return err_set(err, ERR_FIELD, settings[i].name, "is no setting of %s",
                           schedule_name(schedule->kind));
        }
    }
    schedule->every = in->has[EVERY] ? schedule->every : 10;
    schedule->patience = in->has[PATIENCE] ? schedule->patience : 10;
    schedule->factor = in->has[FACTOR] ? schedule->factor : factors[schedule->kind];
    if (!in->has[MINIMUM]) {
        schedule->least = schedule->kind == SCHEDULE_PLATEAU ? 1.0 / 128.0 : 0.0;
    }
    return true;
}

bool msg_schedule_read(struct scan *scan, struct msg_schedule *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "name", read_name, true },        { "warmup", read_warmup, false },
        { "every", read_every, false },     { "factor", read_factor, false },
        { "minimum", read_minimum, false }, { "patience", read_patience, false },
        { "monitor", read_monitor, false },
    };
    struct schedule_in in = { .to = ret };

    *ret = (struct msg_schedule){ 0 };
    return value_object(scan, "schedule", fields, sizeof fields / sizeof *fields, &in, err) &&
           defaults_set(&in, err);
}

bool msg_schedule_settle(struct msg_schedule *schedule, bool has_validation, struct err *err)
{
    if (schedule->schedule.kind != SCHEDULE_PLATEAU) {
        return true;
    }
    if (!schedule->has_monitor) {
        schedule->monitor = has_validation ? METRIC_VALIDATION_LOSS : METRIC_LOSS;
    }
    return has_validation || !metric_is_validation(schedule->monitor) ||
           err_set(err, ERR_FIELD, "schedule.monitor", "is %s, which needs validation",
                   metric_name(schedule->monitor));
}

void msg_schedule_encode(struct text *text, const struct msg_schedule *msg)
{
    const struct schedule *schedule = &msg->schedule;

    text_printf(text, "{\"name\": \"%s\"", schedule_name(schedule->kind));
    if (is_of(EVERY, schedule->kind)) {
        text_printf(text, ", \"every\": %zu", schedule->every);
    }
    if (is_of(MONITOR, schedule->kind)) {
        text_printf(text, ", \"monitor\": \"%s\", \"patience\": %zu", metric_name(msg->monitor),
                    schedule->patience);
    }
    if (is_of(FACTOR, schedule->kind)) {
        text_str(text, ", \"factor\": ");
        text_double(text, schedule->factor);
    }
    if (is_of(MINIMUM, schedule->kind)) {
        text_str(text, ", \"minimum\": ");
        text_double(text, schedule->least);
    }
    text_printf(text, ", \"warmup\": %zu}", schedule->warmup);
}
