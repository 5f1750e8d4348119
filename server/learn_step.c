/* One call's step, and what of it goes to disk. */
#include <inttypes.h>
#include <math.h>

#include "etag.h"
#include "job.h"
#include "learn_lines.h"
#include "learn_log.h"
#include "learn_logs.h"
#include "server.h"
#include "train.h"

/* A log is given up for a whole version after so much of it, which bounds the time a replay takes.
 */
#define LOG_ENTRIES 1000
#define LOG_BYTES ((size_t)64 << 20)

/* A last step can overflow after its cost was found good: neither is served, nor gone on from. */
static bool step_finite(const struct learn *learn, struct err *err)
{
    return (net_finite(learn->net) && carry_finite(learn->carry)) ||
           err_set(err, ERR_NUMBER, "loss",
                   "of what this step leads to is not finite: training has diverged; a smaller "
                   "learning rate may help");
}

bool learn_step(struct learn *learn, struct err *err)
{
    const struct net_spec *spec = &learn->model->spec;
    const struct labels *labels = learn->labels != NULL ? learn->labels : learn->model->labels;
    const struct data data = feed_data(&learn->feed);
    struct train_sum sum;

    if (!feed_check(&learn->feed, spec, err) || !net_clone(learn->base->net, &learn->net, err) ||
        !carry_step(learn->net, &data, &learn->plan, learn->from, &learn->carry, &sum, err) ||
        !step_finite(learn, err)) {
        return false;
    }
    learn->origin = (struct origin){
        .source = SOURCE_LEARN,
        .loss = sum.loss,
        .accuracy = learn->feed.has_accuracy ? (double)sum.correct / (double)sum.rows : NAN,
        .has_plan = true,
        .plan = learn->plan,
        .key = learn->key,
    };
    return digest_net(learn->net, labels, learn->origin.digest, err);
}

bool learn_entry_make(struct learn_line *line, struct learn *learn, struct err *err)
{
    const struct data data = feed_data(&learn->feed);
    const struct version *base = learn->base;
    const bool goes_on = line->tip == base->number && line->base != 0;
    const bool full = line->count >= LOG_ENTRIES || line->bytes >= LOG_BYTES;
    struct model *model = line->model;

    if (model->folder == NULL) {
        return true;
    }
    if (learn->labels != NULL || (goes_on && full) || (!goes_on && !base->on_disk) ||
        data.x.n * data.x.width > LOG_BYTES / sizeof(float)) {
        line->tip = 0;
        return true;
    }
    if (!goes_on) {
        if (!learn_logs_add(&model->logs, base->number, learn->version->number, err)) {
            return false;
        }
        line->base = base->number;
        line->first = learn->version->number;
        line->count = line->bytes = 0;
        learn->begins_log = true;
    }
    learn->version->log_base = line->base;
    learn->version->log_first = line->first;
    learn_entry_encode(&learn->entry, learn->version, &learn->plan, learn->from == NULL, &data,
                       spec_outputs(&model->spec));
    if (learn->entry.failed) {
        return err_set(err, ERR_MEMORY, "inputs", "do not fit into memory");
    }
    line->tip = learn->version->number;
    line->count++;
    line->bytes += learn->entry.len;
    if (learn->begins_log) {
        learn_logs_tidy(model);
    }
    return true;
}

/* The plan last used, with what the message says otherwise. */
static struct train_plan plan_of(const struct learn *learn)
{
    struct train_plan plan = learn->model->plan;

    if (learn->msg.has_optimizer) {
        optimizer_copy(&learn->msg.plan, &plan);
    }
    if (learn->msg.has_l2) {
        plan.l2 = learn->msg.plan.l2;
    }
    plan.batch_size = learn->msg.rows.inputs.rows;
    plan.seed = 0;      /* a job's is no setting of a step, and a log would not know it, */
    plan_reduce(&plan); /* nor this */
    return plan;
}

/* Whether what is learned from data has been. */
static bool norm_check(const float *shift, const char *where, enum norm norm, struct err *err)
{
    return shift != NULL || !norm_is_learned(norm) ||
           err_set(err, ERR_BUSY, where,
                   "is %s, which train has to work out from a whole data set first",
                   norm_name(norm));
}

bool learn_begin(struct learn *learn, struct version *base, struct err *err)
{
    struct model *model = learn->model;
    const struct msg_source source = { .rows = learn->msg.rows };
    struct carry *carry;
    char etag[ETAG_LEN];

    if (model->deleted || model->deleting) {
        return err_set(err, ERR_NOT_FOUND, "name", "'%s' has been deleted meanwhile", model->name);
    }
    if (model->job != NULL) {
        return err_set(err, ERR_BUSY, "name", "'%s' is being trained by job %" PRIu64, model->name,
                       model->job->id);
    }
    etag_version(base, etag);
    if (!etag_holds(learn->req, etag, err)) {
        return false;
    }
    if (!norm_check(base->net->shift, "normalize", model->spec.norm, err) ||
        !norm_check(base->net->target_shift, "normalize_targets", model->spec.target_norm, err)) {
        return false;
    }
    if (model->plan.optimizer == OPT_RPROP && !learn->msg.has_optimizer) {
        return err_set(err, ERR_FIELD, "optimizer",
                       "was rprop last, which is for whole batches: give another");
    }
    if (!feed_open(model->server, &source, &model->spec, model->labels, &learn->labels,
                   &learn->feed, err)) {
        return false;
    }
    learn->plan = plan_of(learn);
    learn->base = version_ref(base);
    carry = model_carry(model, base);
    learn->from = carry_goes_on(carry, &learn->plan) ? carry_ref(carry) : NULL;
    return true;
}
