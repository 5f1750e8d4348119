#include "model.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server.h"

const char *source_name(enum source source)
{
    static const char *const names[SOURCE_COUNT] = { "create", "import", "train", "learn" };

    return names[source];
}

struct model *model_ref(struct model *model)
{
    model->refs++;
    return model;
}

void model_unref(struct model *model)
{
    assert(model->refs > 0);
    if (--model->refs > 0) {
        return;
    }
    assert(model->n_versions == 0 && model->learn_head == NULL);
    labels_free(model->labels);
    free(model->versions);
    free(model);
}

struct version *version_ref(struct version *version)
{
    version->refs++;
    return version;
}

void version_unref(struct version *version)
{
    struct model *model = version->model;

    assert(version->refs > 0);
    if (--version->refs > 0) {
        return;
    }
    net_free(version->net);
    free(version);
    model_unref(model);
}

/* Appends a version of net, which is the version's from then on. */
static bool version_append(struct model *model, struct net *net, const struct origin *origin,
                           struct err *err)
{
    struct version *version = calloc(1, sizeof *version);

    if (model->n_versions == model->cap_versions) {
        size_t cap = model->cap_versions == 0 ? 4 : 2 * model->cap_versions;
        struct version **grown = realloc(model->versions, cap * sizeof(struct version *));

        if (grown != NULL) {
            model->versions = grown;
            model->cap_versions = cap;
        }
    }
    if (version == NULL || model->n_versions == model->cap_versions) {
        free(version);
        return err_set(err, ERR_MEMORY, "version", "there is no memory for another");
    }
    version->refs = 1;
    version->model = model_ref(model);
    version->number = ++model->last;
    version->created = server_now();
    version->net = net;
    version->origin = *origin;
    model->versions[model->n_versions++] = version;
    model->served = version;
    model->updated = version->created;
    return true;
}

bool model_create(const char *name, struct net *net, struct labels *labels,
                  const struct origin *origin, struct model **ret, struct err *err)
{
    struct model *model = calloc(1, sizeof *model);

    if (model == NULL || !version_append(model, net, origin, err)) {
        if (model != NULL) {
            free(model->versions);
        }
        free(model);
        net_free(net);
        labels_free(labels);
        return err_set(err, ERR_MEMORY, "name", "there is no memory for another model");
    }
    model->refs++; /* the caller's; the version has one too */
    snprintf(model->name, sizeof model->name, "%s", name);
    model->labels = labels;
    model->created = model->updated;
    model->plan = (struct train_plan){ .batch_size = 1, .learning_rate = 0.1f };
    *ret = model;
    return true;
}

static void version_remove(struct model *model, size_t i)
{
    struct version *version = model->versions[i];

    memmove(&model->versions[i], &model->versions[i + 1],
            (model->n_versions - i - 1) * sizeof(struct version *));
    model->n_versions--;
    version_unref(version);
}

void model_drop_versions(struct model *model)
{
    model->served = NULL;
    while (model->n_versions > 0) {
        version_remove(model, model->n_versions - 1);
    }
}

bool model_publish(struct model *model, struct net *net, const struct origin *origin, size_t keep,
                   struct err *err)
{
    if (!version_append(model, net, origin, err)) {
        net_free(net);
        return false;
    }
    while (model->n_versions > keep) {
        version_remove(model, 0); /* the new one is served, so no older one is */
    }
    return true;
}

struct version *model_version(struct model *model, uint64_t number, struct err *err)
{
    if (number == 0) {
        return model->served;
    }
    for (size_t i = model->n_versions; i-- > 0;) {
        if (model->versions[i]->number == number) {
            return model->versions[i];
        }
    }
    err_set(err, ERR_NOT_FOUND, "version", "%" PRIu64 " of '%s' is not kept", number, model->name);
    return NULL;
}

bool model_promote(struct model *model, uint64_t number, struct err *err)
{
    struct version *version = model_version(model, number, err);

    if (version == NULL) {
        return false;
    }
    model->served = version;
    model->updated = server_now();
    return true;
}

void version_info(const struct version *version, struct msg_version *ret)
{
    *ret = (struct msg_version){
        .version = version->number,
        .created = version->created,
        .source = source_name(version->origin.source),
        .job = version->origin.job,
        .epoch = version->origin.epoch,
        .loss = version->origin.loss,
        .accuracy = version->origin.accuracy,
        .digest = version->origin.digest,
        .served = version == version->model->served,
    };
}
