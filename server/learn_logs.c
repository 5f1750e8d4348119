#include "learn_logs.h"

#include <stdlib.h>

#include "learn_line.h"
#include "model.h"
#include "removal.h"
#include "server.h"

bool learn_logs_add(struct learn_logs *logs, uint64_t base, uint64_t first, struct err *err)
{
    if (logs->n == logs->cap) {
        size_t cap = logs->cap == 0 ? 4 : 2 * logs->cap;
        struct learn_log_id *grown = realloc(logs->at, cap * sizeof *grown);

        if (grown == NULL) {
            return err_set(err, ERR_MEMORY, "inputs", "do not fit into memory");
        }
        logs->at = grown;
        logs->cap = cap;
    }
    logs->at[logs->n++] = (struct learn_log_id){ base, first };
    return true;
}

bool learn_logs_need(const struct learn_logs *logs, uint64_t version)
{
    for (size_t i = 0; i < logs->n; i++) {
        if (logs->at[i].base == version) {
            return true;
        }
    }
    return false;
}

static bool is_needed(const struct model *model, struct learn_log_id log)
{
    for (size_t i = 0; i < model->n_versions; i++) {
        const struct version *version = model->versions[i];

        if (!version->on_disk && version->log_base == log.base && version->log_first == log.first) {
            return true;
        }
    }
    return learn_line_writes(model->learn, log.base, log.first);
}

void learn_logs_tidy(struct model *model)
{
    struct learn_logs *logs = &model->logs;

    for (size_t i = logs->n; i-- > 0;) {
        const struct learn_log_id log = logs->at[i];

        if (model->restoring || is_needed(model, log)) {
            continue;
        }
        logs->at[i] = logs->at[--logs->n];
        removal_log(model, log.base, log.first);
        if (!model_lists(model, log.base) && !model_needs(model, log.base)) {
            removal_version(model, log.base);
        }
    }
}

void learn_logs_done(struct learn_logs *logs)
{
    free(logs->at);
    *logs = (struct learn_logs){ 0 };
}
