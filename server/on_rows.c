/* GET /v1/datasets/{name}/rows, /features and /targets: the data, in the formats of
 * proto/table_write.h, as its files have it while they are read. */
#include "handlers.h"

#include <stddef.h>
#include <string.h>

#include "dataset.h"
#include "etag.h"
#include "flow.h"
#include "offer.h"
#include "route.h"
#include "server.h"
#include "table_write.h"

struct rows_out {
    struct flow flow;
    struct table_writer writer;
    struct dataset *dataset; /* a reference */
};

static struct rows_out *rows_out_of(struct flow *flow)
{
    return (struct rows_out *)((char *)flow - offsetof(struct rows_out, flow));
}

static bool rows_next(struct flow *flow, struct text *text, bool *end, struct err *err)
{
    struct table_writer *writer = &rows_out_of(flow)->writer;
    const bool ok = writer->format->next(writer, text, end, err);

    flow->total = writer->total;
    return ok;
}

static void rows_free(struct flow *flow)
{
    dataset_unref(rows_out_of(flow)->dataset);
}

/* "rows", "features" or "targets". */
static const char *part_name(const struct request *req)
{
    return strrchr(req->route->path, '/') + 1;
}

static enum csv_part part_of(const struct request *req)
{
    const char *name = part_name(req);

    return strcmp(name, "features") == 0  ? CSV_FEATURES
           : strcmp(name, "targets") == 0 ? CSV_TARGETS
                                          : CSV_BOTH;
}

/* Whether what is asked for has been uploaded. */
static bool part_check(const struct dataset *dataset, enum csv_part part, struct err *err)
{
    if (part != CSV_TARGETS && dataset->info.x_rank == 0) {
        return err_set(err, ERR_NOT_FOUND, "features", "of '%s' have not been put", dataset->name);
    }
    return part == CSV_FEATURES || dataset->info.kind != TARGET_NONE ||
           err_set(err, ERR_NOT_FOUND, "targets", "of '%s' have not been put", dataset->name);
}

static const struct table_format *format_choose(struct request *req, enum csv_part part,
                                                struct err *err)
{
    struct offer offers[OFFERS_MAX];
    const struct table_format *format;
    size_t n = 0, at = 0;

    for (; n < OFFERS_MAX && (format = table_format_at(part, n)) != NULL; n++) {
        offers[n] = (struct offer){ format->name, format->type };
    }
    return offer_choose(req, offers, n, &at, err) ? table_format_at(part, at) : NULL;
}

/* Each format has a tag of its own; that of the first is the data set's, for If-Match of a PUT. */
static void tag_make(const struct rows_out *out, char ret[ETAG_LEN])
{
    const struct table_writer *writer = &out->writer;

    etag_dataset(out->dataset, ret);
    if (writer->format != table_format_at(writer->part, 0)) {
        offer_tag(ret, writer->format->name);
    }
}

static void headers_set(struct request *req, const struct rows_out *out)
{
    const struct dataset *dataset = out->dataset;
    const char *extension = out->writer.format->name;

    if (out->writer.part == CSV_BOTH) {
        offer_file(req, dataset->digest, "%s.%s", dataset->name, extension);
    } else {
        offer_file(req, dataset->digest, "%s-%s.%s", dataset->name, part_name(req), extension);
    }
}

bool on_rows_get(struct request *req, struct err *err)
{
    const enum csv_part part = part_of(req);
    struct rows_out *out = arena_alloc(&req->arena, 1, sizeof *out);
    const struct table_format *format = format_choose(req, part, err);
    struct dataset *dataset;
    char etag[ETAG_LEN];
    bool fresh;

    if (out == NULL) {
        return err_set(err, ERR_MEMORY, "", "there is no memory for the rows");
    }
    if (format == NULL ||
        (dataset = datasets_find(req->server->datasets, req->param[0], "name", err)) == NULL ||
        !part_check(dataset, part, err)) {
        return false;
    }
    *out = (struct rows_out){
        .flow = { .next = rows_next, .free = rows_free, .disk = true },
        .writer = { .format = format,
                    .part = part,
                    .info = &dataset->info,
                    .data = dataset_data(dataset) },
        .dataset = dataset,
    };
    tag_make(out, etag);
    headers_set(req, out);
    if (!etag_read(req, etag, &fresh, err) || fresh) {
        return err->code == ERR_NONE;
    }
    dataset_ref(dataset);
    flow_reply(req, format->type, &out->flow);
    return true;
}
