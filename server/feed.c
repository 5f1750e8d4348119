#include "feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct data feed_data(const struct feed *feed)
{
    struct data data = dataset_data(feed->dataset);

    data.map = feed->map;
    data.pick = feed->pick;
    data.n_pick = feed->n_pick;
    return data;
}

void feed_done(struct feed *feed)
{
    if (feed->dataset != NULL) {
        dataset_unref(feed->dataset);
    }
    free(feed->map);
    free(feed->order);
    *feed = (struct feed){ 0 };
}

bool feed_share(const struct feed *feed, struct feed *ret, struct err *err)
{
    struct feed copy = *feed;

    if (feed->map != NULL) {
        const size_t size = feed->dataset->info.classes->n * sizeof *feed->map;

        copy.map = malloc(size);
        if (copy.map == NULL) {
            return err_set(err, ERR_MEMORY, "validation", "has no memory");
        }
        memcpy(copy.map, feed->map, size);
    }
    copy.order = NULL;
    dataset_ref(copy.dataset);
    *ret = copy;
    return true;
}

bool feed_split(struct feed *train, const struct split *split, uint64_t seed,
                struct feed *validation, struct err *err)
{
    const struct data data = feed_data(train);

    if (!split_make(split, &data, seed, &train->order, &train->n_pick, err)) {
        return false;
    }
    train->pick = train->order;
    validation->pick = train->order + train->n_pick;
    validation->n_pick = data.x.n - train->n_pick;
    return true;
}

size_t feed_rows(const struct feed *feed)
{
    const struct data data = feed_data(feed);

    return data_rows(&data);
}

bool feed_check(const struct feed *feed, const struct net_spec *spec, struct err *err)
{
    const struct data data = feed_data(feed);

    return data_check(&data, spec, err);
}

/* ---- rows that came with the request ---- */

/* The names that labels without a model's labels spell, in their final order; *ret stays NULL when
 * all of them are indices. */
static bool labels_gather(const struct msg_rows *rows, struct labels **ret, struct err *err)
{
    struct label_set *set;
    uint32_t *remap = NULL;
    bool any = false, ok = true;
    uint32_t ignored;

    if (!label_set_create(&set, err)) {
        return false;
    }
    for (size_t i = 0; i < rows->n_labels && ok; i++) {
        const char *name = rows->labels[i].name;

        if (name != NULL) {
            any = true;
            ok = label_set_add(set, name, strlen(name), &ignored, err) ||
                 err_in(err, "labels[%zu]", i);
        }
    }
    ok = ok && (!any || label_set_finish(set, ret, &remap, err));
    free(remap);
    label_set_free(set);
    return ok;
}

static bool labels_fit(const struct labels *labels, size_t outputs, const char *where,
                       struct err *err)
{
    if (outputs == 1) {
        return err_set(err, ERR_FIELD, where,
                       "has class names, but the model has one output: give it numbers as targets");
    }
    return labels->n == outputs ||
           err_set(err, ERR_FIELD, where, "has %zu classes, expected %zu, as many as outputs",
                   labels->n, outputs);
}

static void *copy(const void *from, size_t len)
{
    void *to = malloc(len > 0 ? len : 1);

    return to != NULL ? memcpy(to, from, len) : NULL;
}

static bool inline_open(const struct msg_rows *rows, const struct net_spec *spec,
                        const struct labels *labels, struct labels **fresh, struct feed *ret,
                        struct err *err)
{
    const size_t outputs = spec_outputs(spec);
    struct table_info info = { .rows = rows->inputs.rows,
                               .x_dtype = DTYPE_F32,
                               .x_rank = 2,
                               .x_shape = { rows->inputs.rows, rows->inputs.cols },
                               .x_width = rows->inputs.cols,
                               .kind = rows->has_labels ? TARGET_LABELS : TARGET_NUMBERS,
                               .y_width = rows->has_labels ? 1 : rows->targets.cols };
    void *features, *targets;

    if (rows->has_labels && labels == NULL && *fresh == NULL && !labels_gather(rows, fresh, err)) {
        return false;
    }
    if (labels == NULL) {
        labels = *fresh;
    }
    if (rows->has_labels && labels != NULL && !labels_fit(labels, outputs, "labels", err)) {
        return false;
    }
    features = copy(rows->inputs.data, info.rows * info.x_width * sizeof(float));
    targets = rows->has_labels ? malloc(info.rows * sizeof(uint32_t))
                               : copy(rows->targets.data, info.rows * outputs * sizeof(float));
    if (features == NULL || targets == NULL) {
        err_set(err, ERR_MEMORY, "inputs", "do not fit into memory");
    } else if (!rows->has_labels || msg_labels_resolve(rows, labels, outputs, targets, err)) {
        return dataset_inline(&info, features, targets, &ret->dataset, err);
    }
    free(features);
    free(targets);
    return false;
}

/* ---- a data set ---- */

/* From the classes of the data to the model's outputs. */
static bool classes_map(const struct dataset *dataset, const struct labels *labels, uint32_t **ret,
                        struct err *err)
{
    const struct labels *classes = dataset->info.classes;
    uint32_t *map;

    if (labels_equal(classes, labels)) {
        return true;
    }
    map = malloc(classes->n * sizeof *map);
    if (map == NULL) {
        return err_set(err, ERR_MEMORY, "dataset", "has more classes than memory holds");
    }
    for (size_t i = 0; i < classes->n; i++) {
        if (!labels_find(labels, classes->name[i], strlen(classes->name[i]), &map[i])) {
            free(map);
            return err_set(err, ERR_FIELD, "dataset",
                           "'%s' has the class '%.64s', which is none of the model's labels",
                           dataset->name, classes->name[i]);
        }
    }
    *ret = map;
    return true;
}

static bool dataset_fit(const struct dataset *dataset, const struct net_spec *spec, struct err *err)
{
    const struct table_info *info = &dataset->info;

    if (info->x_rank > 0 && info->kind == TARGET_NONE) {
        return err_set(err, ERR_FIELD, "dataset", "'%s' has no targets yet", dataset->name);
    }
    if (!dataset_suits(dataset, spec->inputs, "dataset", err)) {
        return false;
    }
    if (info->kind == TARGET_NUMBERS && info->y_width != spec_outputs(spec)) {
        return err_set(err, ERR_FIELD, "dataset",
                       "'%s' has %zu targets a row, the model %zu outputs", dataset->name,
                       info->y_width, spec_outputs(spec));
    }
    return true;
}

static bool named_open(struct server *server, const char *name, const struct net_spec *spec,
                       const struct labels *labels, struct labels **fresh, struct feed *ret,
                       struct err *err)
{
    struct dataset *dataset = datasets_find(server->datasets, name, "dataset", err);

    if (dataset == NULL || !dataset_fit(dataset, spec, err)) {
        return false;
    }
    if (dataset->info.kind == TARGET_LABELS) {
        const struct labels *classes = dataset->info.classes;

        if (spec_outputs(spec) == 1 || (labels == NULL && *fresh == NULL)) {
            if (!labels_fit(classes, spec_outputs(spec), "dataset", err) ||
                !labels_copy(classes, fresh, err)) {
                return false;
            }
        }
        if (!classes_map(dataset, labels != NULL ? labels : *fresh, &ret->map, err)) {
            return false;
        }
    }
    ret->dataset = dataset_ref(dataset);
    return true;
}

bool feed_again(struct dataset *dataset, const struct net_spec *spec, const struct labels *labels,
                struct feed *ret, struct err *err)
{
    struct feed feed = { .dataset = dataset };
    const bool named = dataset->info.kind == TARGET_LABELS && dataset->info.classes != NULL;

    if (!dataset_fit(dataset, spec, err) ||
        (named && labels != NULL && !classes_map(dataset, labels, &feed.map, err))) {
        feed_done(&feed);
        return false;
    }
    feed.has_accuracy = dataset->info.kind == TARGET_LABELS || spec->cost != COST_MSE;
    *ret = feed;
    return true;
}

bool feed_open(struct server *server, const struct msg_source *source, const struct net_spec *spec,
               const struct labels *labels, struct labels **fresh, struct feed *ret,
               struct err *err)
{
    struct feed feed = { 0 };
    bool ok;

    if (source->dataset[0] != '\0') {
        ok = named_open(server, source->dataset, spec, labels, fresh, &feed, err);
    } else {
        ok = inline_open(&source->rows, spec, labels, fresh, &feed, err);
    }
    if (!ok) {
        feed_done(&feed);
        return false;
    }
    feed.has_accuracy = feed.dataset->info.kind == TARGET_LABELS || spec->cost != COST_MSE;
    *ret = feed;
    return true;
}
