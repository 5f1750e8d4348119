/* A bundle's manifest, read: msg_bundle.c writes it. */
#include "msg_bundle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "msg_train.h"
#include "quote.h"
#include "value.h"

#define TIME_SHAPE "0000-00-00T00:00:00.000Z" /* each 0 a digit: no sign, no blank */
#define TIME_LEN (sizeof TIME_SHAPE - 1)
#define COUNT(fields) (sizeof(fields) / sizeof *(fields))

struct bundle_in {
    struct msg_bundle *bundle;
    const struct msg_bundle_limits *limits;
    struct arena *arena;
};

struct model_in {
    struct msg_bundle_model *model;
    const struct bundle_in *in;
};

/* ---- values ---- */

static bool time_shaped(const char *text, size_t len)
{
    for (size_t i = 0; i < len && len == TIME_LEN; i++) {
        const char shape = TIME_SHAPE[i];

        if (shape == '0' ? text[i] < '0' || text[i] > '9' : text[i] != shape) {
            return false;
        }
    }
    return len == TIME_LEN;
}

/* As text_time writes it, cut: the middle of its millisecond gives the same again. */
static bool time_read(struct scan *scan, double *ret, struct err *err)
{
    char text[TIME_LEN + 1];
    struct tm tm = { 0 }, said;
    int ms;
    double seconds;
    size_t len;

    if (!value_string(scan, text, sizeof text, &len, err)) {
        return false;
    }
    if (!time_shaped(text, len) ||
        sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms) != 7) {
        return err_set(err, ERR_FIELD, "", "must be a time such as 2026-11-26T18:00:00.000Z");
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    said = tm;
    seconds = (double)timegm(&tm) + ((double)ms + 0.5) / 1000.0;
    if (said.tm_mon != tm.tm_mon || said.tm_mday != tm.tm_mday || said.tm_hour != tm.tm_hour ||
        said.tm_min != tm.tm_min || said.tm_sec != tm.tm_sec) {
        return err_set(err, ERR_FIELD, "", "is no time that there is");
    }
    *ret = seconds;
    return true;
}

static bool name_read(struct scan *scan, struct arena *arena, const char **ret, struct err *err)
{
    char name[NAME_MAX_LEN + 1], *copy;
    size_t len;

    if (!value_string(scan, name, sizeof name, &len, err) || !name_check(name, len, "", err)) {
        return false;
    }
    copy = arena_copy(arena, name, len);
    *ret = copy;
    return copy != NULL || err_set(err, ERR_MEMORY, "", "does not fit into memory");
}

/* An id is a string of digits. */
static bool id_read(struct scan *scan, uint64_t *ret, struct err *err)
{
    char text[24], *end;
    size_t len;

    if (!value_string(scan, text, sizeof text, &len, err)) {
        return false;
    }
    *ret = text[0] >= '1' && text[0] <= '9' && len < 20 ? strtoull(text, &end, 10) : 0;
    return (*ret > 0 && *ret < INT64_MAX && *end == '\0') ||
           err_set(err, ERR_FIELD, "", "must be the id of a job, \"1\" to \"%" PRId64 "\"",
                   INT64_MAX - 1);
}

/* ---- lists ---- */

/* How many entries the array has that begins here; it is looked at only. */
static bool entries_count(const struct scan *scan, size_t most, size_t *ret, struct err *err)
{
    struct scan ahead = *scan;
    size_t n = 0;
    bool more;

    if (!scan_enter(&ahead, err)) {
        return false;
    }
    while (scan_next(&ahead, &more, err)) {
        if (!more) {
            *ret = n;
            return n <= most || err_set(err, ERR_LIMIT, "",
                                        "are %zu, and as many as %zu are kept here", n, most);
        }
        if (!scan_skip(&ahead, err)) {
            return false;
        }
        n++;
    }
    return false;
}

/* Room for the entries of the array that begins here, entered then. */
static bool list_begin(struct scan *scan, const struct bundle_in *in, size_t most, size_t size,
                       void **ret, size_t *n, struct err *err)
{
    if (!scan_expect(scan, SCAN_ARRAY, "an array", err) || !entries_count(scan, most, n, err)) {
        return false;
    }
    *ret = arena_alloc(in->arena, *n, size);
    return (*ret != NULL || err_set(err, ERR_MEMORY, "", "do not fit into memory")) &&
           scan_enter(scan, err);
}

/* Whether an entry may stand behind the one before it. */
static bool name_rises(const char *before, const char *name, struct err *err)
{
    return before == NULL || strcmp(before, name) < 0 ||
           err_set(err, ERR_FIELD, "name", "'%s' must come behind '%s', by its bytes", name,
                   before);
}

static bool number_rises(const uint64_t *list, size_t i, struct err *err)
{
    return i == 0 || list[i - 1] < list[i] ||
           err_set(err, ERR_FIELD, "", "must be above %" PRIu64 ", is %" PRIu64, list[i - 1],
                   list[i]);
}

static bool ids_read(struct scan *scan, const struct bundle_in *in, size_t most, uint64_t **ret,
                     size_t *n, struct err *err)
{
    void *room = NULL;
    uint64_t *ids;
    bool more;

    if (!list_begin(scan, in, most, sizeof *ids, &room, n, err)) {
        return false;
    }
    ids = room;
    for (size_t i = 0; scan_next(scan, &more, err) && more; i++) {
        if (!id_read(scan, &ids[i], err) || !number_rises(ids, i, err)) {
            return value_in(err, "[%zu]", i);
        }
    }
    *ret = ids;
    return err->code == ERR_NONE;
}

/* ---- a model ---- */

static struct msg_bundle_model *model_of(void *into)
{
    return ((struct model_in *)into)->model;
}

static bool read_model_name(struct scan *scan, void *into, struct err *err)
{
    return name_read(scan, ((struct model_in *)into)->in->arena, &model_of(into)->name, err);
}

static bool read_model_created(struct scan *scan, void *into, struct err *err)
{
    return time_read(scan, &model_of(into)->created, err);
}

static bool read_updated(struct scan *scan, void *into, struct err *err)
{
    return time_read(scan, &model_of(into)->updated, err);
}

static bool read_served(struct scan *scan, void *into, struct err *err)
{
    return value_whole(scan, 1, INT64_MAX, &model_of(into)->served, err);
}

static bool read_chosen(struct scan *scan, void *into, struct err *err)
{
    return value_whole(scan, 0, INT64_MAX, &model_of(into)->chosen, err);
}

static bool read_last(struct scan *scan, void *into, struct err *err)
{
    return value_whole(scan, 1, INT64_MAX, &model_of(into)->last, err);
}

static bool read_versions(struct scan *scan, void *into, struct err *err)
{
    const struct bundle_in *in = ((struct model_in *)into)->in;
    struct msg_bundle_model *model = model_of(into);
    void *room = NULL;
    uint64_t *numbers;
    bool more;

    if (!list_begin(scan, in, in->limits->versions, sizeof *numbers, &room, &model->n, err)) {
        return false;
    }
    numbers = room;
    for (size_t i = 0; scan_next(scan, &more, err) && more; i++) {
        if (!value_whole(scan, 1, INT64_MAX, &numbers[i], err) || !number_rises(numbers, i, err)) {
            return value_in(err, "[%zu]", i);
        }
    }
    model->versions = numbers;
    return err->code == ERR_NONE;
}

/* What a folder on disk can say as well: see struct serving of server/store.h. */
static bool model_check(const struct msg_bundle_model *model, struct err *err)
{
    const uint64_t top = model->n > 0 ? model->versions[model->n - 1] : 0;
    size_t at = 0;

    if (model->n == 0) {
        return err_set(err, ERR_FIELD, "versions", "must be 1 at least");
    }
    while (at < model->n && model->versions[at] != model->served) {
        at++;
    }
    if (at == model->n) {
        return err_set(err, ERR_FIELD, "served", "is %" PRIu64 ", which is none of the versions",
                       model->served);
    }
    if (model->last < top || model->last < model->chosen) {
        return err_set(err, ERR_FIELD, "last",
                       "must be %" PRIu64 " at least, as versions and chosen are, is %" PRIu64,
                       top > model->chosen ? top : model->chosen, model->last);
    }
    return model->served == top || model->chosen >= top ||
           err_set(err, ERR_FIELD, "chosen",
                   "must be %" PRIu64 " at least, since %" PRIu64 " is served, is %" PRIu64, top,
                   model->served, model->chosen);
}

static bool model_read(struct scan *scan, const struct bundle_in *in, struct msg_bundle_model *ret,
                       struct err *err)
{
    static const struct value_field fields[] = {
        { "name", read_model_name, true },   { "created", read_model_created, true },
        { "updated", read_updated, true },   { "served", read_served, true },
        { "chosen", read_chosen, true },     { "last", read_last, true },
        { "versions", read_versions, true },
    };
    struct model_in model = { ret, in };

    memset(ret, 0, sizeof *ret);
    return value_object(scan, "a model", fields, COUNT(fields), &model, err) &&
           model_check(ret, err);
}

static bool read_models(struct scan *scan, void *into, struct err *err)
{
    const struct bundle_in *in = into;
    struct msg_bundle_model *models;
    void *room = NULL;
    bool more;

    if (!list_begin(scan, in, in->limits->models, sizeof *models, &room, &in->bundle->n_models,
                    err)) {
        return false;
    }
    models = room;
    for (size_t i = 0; scan_next(scan, &more, err) && more; i++) {
        if (!model_read(scan, in, &models[i], err) ||
            !name_rises(i > 0 ? models[i - 1].name : NULL, models[i].name, err)) {
            return value_in(err, "[%zu]", i);
        }
    }
    in->bundle->models = models;
    return err->code == ERR_NONE;
}

/* ---- a data set ---- */

struct dataset_in {
    struct msg_bundle_dataset *dataset;
    const struct bundle_in *in;
};

static bool read_dataset_name(struct scan *scan, void *into, struct err *err)
{
    const struct dataset_in *in = into;

    return name_read(scan, in->in->arena, &in->dataset->name, err);
}

static bool read_generation(struct scan *scan, void *into, struct err *err)
{
    return value_whole(scan, 1, INT64_MAX - 1, &((struct dataset_in *)into)->dataset->generation,
                       err);
}

static bool read_datasets(struct scan *scan, void *into, struct err *err)
{
    static const struct value_field fields[] = {
        { "name", read_dataset_name, true },
        { "generation", read_generation, true },
    };
    const struct bundle_in *in = into;
    struct msg_bundle_dataset *datasets;
    void *room = NULL;
    bool more;

    if (!list_begin(scan, in, in->limits->datasets, sizeof *datasets, &room,
                    &in->bundle->n_datasets, err)) {
        return false;
    }
    datasets = room;
    for (size_t i = 0; scan_next(scan, &more, err) && more; i++) {
        struct dataset_in dataset = { &datasets[i], in };

        if (!value_object(scan, "a data set", fields, COUNT(fields), &dataset, err) ||
            !name_rises(i > 0 ? datasets[i - 1].name : NULL, datasets[i].name, err)) {
            return value_in(err, "[%zu]", i);
        }
    }
    in->bundle->datasets = datasets;
    return err->code == ERR_NONE;
}

/* ---- all of it ---- */

static bool read_format(struct scan *scan, void *into, struct err *err)
{
    char format[64];
    size_t len;

    (void)into;
    return value_string(scan, format, sizeof format, &len, err) &&
           (strcmp(format, "sigmad-bundle") == 0 ||
            err_set(err, ERR_FIELD, "", "must be sigmad-bundle, is '%s'", quote(format, len).text));
}

static bool read_format_version(struct scan *scan, void *into, struct err *err)
{
    uint64_t version;

    (void)into;
    return value_whole(scan, 1, INT64_MAX, &version, err) &&
           (version == MSG_BUNDLE_VERSION ||
            err_set(err, ERR_FIELD, "", "is %" PRIu64 ", this server reads %d", version,
                    MSG_BUNDLE_VERSION));
}

static bool read_sigmad(struct scan *scan, void *into, struct err *err)
{
    const struct bundle_in *in = into;
    char text[MSG_BUNDLE_RELEASE_MAX + 1];
    size_t len;

    if (!value_string(scan, text, sizeof text, &len, err)) {
        return false;
    }
    in->bundle->release = arena_copy(in->arena, text, len);
    return in->bundle->release != NULL || err_set(err, ERR_MEMORY, "", "does not fit into memory");
}

static bool read_created(struct scan *scan, void *into, struct err *err)
{
    return time_read(scan, &((struct bundle_in *)into)->bundle->created, err);
}

static bool read_jobs(struct scan *scan, void *into, struct err *err)
{
    const struct bundle_in *in = into;

    return ids_read(scan, in, in->limits->jobs, &in->bundle->jobs, &in->bundle->n_jobs, err);
}

static bool read_unfinished(struct scan *scan, void *into, struct err *err)
{
    const struct bundle_in *in = into;

    return ids_read(scan, in, SIZE_MAX, &in->bundle->unfinished, &in->bundle->n_unfinished, err);
}

bool msg_bundle_decode(const char *bytes, size_t len, const struct msg_bundle_limits *limits,
                       struct arena *arena, struct msg_bundle *ret, struct err *err)
{
    static const struct value_field fields[] = {
        { "format", read_format, true }, { "format_version", read_format_version, true },
        { "sigmad", read_sigmad, true }, { "created", read_created, true },
        { "models", read_models, true }, { "datasets", read_datasets, true },
        { "jobs", read_jobs, true },     { "unfinished", read_unfinished, true },
    };
    struct msg_bundle bundle = { .n_models = 0 };
    struct bundle_in in = { &bundle, limits, arena };

    if (!value_body(bytes, len, "a manifest", fields, COUNT(fields), &in, err)) {
        return false;
    }
    *ret = bundle;
    return true;
}
