#include "early_stopping.h"

#include <inttypes.h>

#include "value.h"

#define PATIENCE_MAX 1000000

static bool read_monitor(struct scan *scan, void *into, struct err *err)
{
    struct early_stopping *stopping = into;

    stopping->has_monitor = true;
    return metric_read(scan, &stopping->monitor, err);
}

static bool read_patience(struct scan *scan, void *into, struct err *err)
{
    struct early_stopping *stopping = into;

    return value_whole(scan, 1, PATIENCE_MAX, &stopping->patience, err);
}

static bool read_min_delta(struct scan *scan, void *into, struct err *err)
{
    struct early_stopping *stopping = into;

    return value_double_in(scan, &value_from_0, &stopping->min_delta, err);
}

bool early_stopping_read(struct scan *scan, struct early_stopping *ret, struct err *err)
{
    static const struct value_field fields[] = { { "monitor", read_monitor, false },
                                                 { "patience", read_patience, true },
                                                 { "min_delta", read_min_delta, false } };

    *ret = (struct early_stopping){ 0 };
    return value_object(scan, "early_stopping", fields, sizeof fields / sizeof *fields, ret, err);
}

bool early_stopping_settle(struct early_stopping *stopping, bool has_validation, struct err *err)
{
    if (stopping->patience == 0) {
        return true;
    }
    if (!stopping->has_monitor) {
        stopping->monitor = has_validation ? METRIC_VALIDATION_LOSS : METRIC_LOSS;
    }
    return has_validation || !metric_is_validation(stopping->monitor) ||
           err_set(err, ERR_FIELD, "early_stopping.monitor", "is %s, which needs validation",
                   metric_name(stopping->monitor));
}

void early_stopping_encode(struct text *text, const struct early_stopping *stopping)
{
    if (stopping->patience == 0) {
        text_str(text, "null");
        return;
    }
    text_printf(text, "{\"monitor\": \"%s\", \"patience\": %" PRIu64 ", \"min_delta\": ",
                metric_name(stopping->monitor), stopping->patience);
    text_double(text, stopping->min_delta);
    text_str(text, "}");
}
