/* GET /v1/models/{name}/export: a version, in one of the formats of proto/export.h. */
#include "handlers.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "auth.h"
#include "etag.h"
#include "export.h"
#include "flow.h"
#include "offer.h"
#include "pin.h"
#include "server.h"

#define CALIBRATE_ROWS ((size_t)10000) /* of a data set, at most */

struct exporting {
    struct flow flow;
    struct exporter exporter;
    struct version *version; /* a reference */
    struct msg_version facts;
    struct dataset *dataset; /* of calibrate, a reference; NULL: none */
    struct export_sample sample;
};

static struct exporting *exporting_of(struct flow *flow)
{
    return (struct exporting *)((char *)flow - offsetof(struct exporting, flow));
}

static void references_drop(struct exporting *exporting)
{
    if (exporting->dataset != NULL) {
        dataset_unref(exporting->dataset);
    }
    version_unref(exporting->version);
}

static bool exporting_next(struct flow *flow, struct text *text, bool *end, struct err *err)
{
    struct exporting *exporting = exporting_of(flow);
    const bool ok = export_next(&exporting->exporter, text, end, err);

    flow->total = exporting->exporter.total;
    flow->next_us = exporting->exporter.next_us;
    return ok;
}

static void exporting_free(struct flow *flow)
{
    struct exporting *exporting = exporting_of(flow);

    export_done(&exporting->exporter);
    references_drop(exporting);
}

/* By ?format=, else by Accept. NULL with an error. */
static const struct export_format *format_choose(struct request *req, struct err *err)
{
    struct offer offers[OFFERS_MAX];
    const struct export_format *format;
    size_t n = 0, at = 0;

    for (; n < OFFERS_MAX && (format = export_format_at(n)) != NULL; n++) {
        offers[n] = (struct offer){ format->name, format->type };
    }
    return offer_choose(req, offers, n, &at, err) ? export_format_at(at) : NULL;
}

/* The value of an option, or NULL. False: it is there, and the format does not know it. */
static bool option_query(struct request *req, const struct export_format *format, const char *name,
                         unsigned bit, const char **ret, struct err *err)
{
    *ret = request_query(req, name);
    return *ret == NULL || (format->takes & bit) != 0 ||
           err_set(err, ERR_FIELD, name, "is not an option of format %s", format->name);
}

static bool options_read(struct request *req, const struct export_format *format,
                         struct export_options *ret, struct err *err)
{
    const char *part, *precision;

    if (!option_query(req, format, "part", EXPORT_TAKES_PART, &part, err) ||
        !option_query(req, format, "precision", EXPORT_TAKES_PRECISION, &precision, err)) {
        return false;
    }
    if (precision != NULL && !quant_find(precision, &ret->precision)) {
        return err_set(err, ERR_FIELD, "precision", "must be f32, bf16 or int8, is '%.64s'",
                       precision);
    }
    if (part != NULL && !export_part_find(part, &ret->part)) {
        return err_set(err, ERR_FIELD, "part", "must be whole or logits, is '%.64s'", part);
    }
    return true;
}

/* ?calibrate=: the data set whose rows show what the precision costs. */
static bool calibrate_open(struct request *req, const struct export_format *format,
                           struct exporting *exporting, struct err *err)
{
    struct export_options *options = &exporting->exporter.options;
    struct dataset *dataset;
    const char *name;

    if (!option_query(req, format, "calibrate", EXPORT_TAKES_PRECISION, &name, err)) {
        return false;
    }
    if (name == NULL) {
        return true;
    }
    if (options->precision == QUANT_F32) {
        return err_set(err, ERR_FIELD, "calibrate",
                       "must come with precision bf16 or int8: f32 costs nothing");
    }
    if (!auth_name_check(req, name, "calibrate", err)) {
        return false;
    }
    dataset = datasets_find(req->server->datasets, name, "calibrate", err);
    if (dataset == NULL ||
        !dataset_suits(dataset, exporting->version->net->spec.inputs, "calibrate", err)) {
        return false;
    }
    exporting->dataset = dataset_ref(dataset);
    exporting->sample = (struct export_sample){
        .dataset = dataset->name,
        .digest = dataset->digest,
        .x = dataset_data(dataset).x,
        .n = dataset->info.rows < CALIBRATE_ROWS ? dataset->info.rows : CALIBRATE_ROWS,
    };
    options->calibrate = &exporting->sample;
    return true;
}

/* What tells this file from the same version's others of its format: "-logits", say, or "". */
static const char *options_suffix(const struct export_options *options)
{
    static const char *const precisions[] = {
        [QUANT_F32] = "", [QUANT_BF16] = "-bf16", [QUANT_INT8] = "-int8"
    };

    return options->part == EXPORT_LOGITS ? "-logits" : precisions[options->precision];
}

/* Each format and option has a tag of its own: none is the same bytes as another. */
static void tag_make(const struct exporting *exporting, char ret[ETAG_LEN])
{
    const struct export_format *format = exporting->exporter.format;
    char suffix[ETAG_LEN], tag[ETAG_LEN];

    etag_version(exporting->version, ret);
    if (format != export_format_at(0)) {
        snprintf(suffix, sizeof suffix, "%s%s", format->name,
                 options_suffix(&exporting->exporter.options));
        offer_tag(ret, suffix);
    }
    if (exporting->dataset != NULL) {
        etag_dataset(exporting->dataset, tag);
        snprintf(suffix, sizeof suffix, "%.*s", (int)strlen(tag) - 2, tag + 1);
        offer_tag(ret, suffix);
    }
}

static void headers_set(struct request *req, const struct exporting *exporting)
{
    const struct version *version = exporting->version;

    offer_file(req, exporting->facts.digest, "%s-v%" PRIu64 "%s.%s", version->model->name,
               version->number, options_suffix(&exporting->exporter.options),
               exporting->exporter.format->extension);
}

bool on_export(struct request *req, struct err *err)
{
    struct exporting *exporting = arena_alloc(&req->arena, 1, sizeof *exporting);
    const struct export_format *format = format_choose(req, err);
    struct export_options options = { 0 };
    char etag[ETAG_LEN];
    bool fresh;

    if (exporting == NULL) {
        return err_set(err, ERR_MEMORY, "", "there is no memory for the export");
    }
    memset(exporting, 0, sizeof *exporting);
    if (format == NULL || !options_read(req, format, &options, err) ||
        (exporting->version = pin_version(req, err)) == NULL) {
        return false;
    }
    version_info(exporting->version, &exporting->facts);
    exporting->exporter = (struct exporter){ .format = format,
                                             .model = exporting->version->model->name,
                                             .release = SIGMAD_VERSION,
                                             .net = exporting->version->net,
                                             .labels = exporting->version->model->labels,
                                             .facts = &exporting->facts,
                                             .options = options,
                                             .arena = &req->arena };
    if (!calibrate_open(req, format, exporting, err)) {
        references_drop(exporting);
        return false;
    }
    tag_make(exporting, etag);
    headers_set(req, exporting);
    if (!etag_read(req, etag, &fresh, err) || fresh) {
        references_drop(exporting);
        return err->code == ERR_NONE;
    }
    exporting->flow.next = exporting_next;
    exporting->flow.free = exporting_free;
    flow_reply(req, format->type, &exporting->flow);
    return true;
}
