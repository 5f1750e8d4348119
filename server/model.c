#include "model.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn_line.h"
#include "registry.h"
#include "removal.h"
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
    assert(model->n_versions == 0);
    model_serve(model, NULL);
    labels_free(model->labels);
    learn_line_free(model->learn);
    learn_logs_done(&model->logs);
    learn_keys_free(model->keys);
    free(model->versions);
    free(model->folder);
    free(model);
}

static bool memory_is_over(const struct server *server)
{
    return server->net_bytes > server->model_memory.max;
}

static void carry_drop(struct version *version)
{
    carry_unref(version->carry);
    version->carry = NULL;
}

static size_t bytes_of(const struct net *net)
{
    return net != NULL ? net_bytes(net) : 0;
}

void version_net_set(struct version *version, struct net *net)
{
    struct server *server = version->model->server;

    server->net_bytes = server->net_bytes - bytes_of(version->net) + bytes_of(net);
    net_free(version->net);
    version->net = net;
}

void version_forget(struct version *version)
{
    const bool kept =
        version->on_disk || (version->log_base != 0 && version->model->folder != NULL);

    if (version->listed && version->refs == 1 && kept) { /* the one reference is the list's */
        version_net_set(version, NULL);
        carry_drop(version);
    }
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
        if (version != model->served && memory_is_over(model->server)) {
            version_forget(version);
        }
        return;
    }
    version_net_set(version, NULL);
    carry_unref(version->carry);
    free(version->spec);
    free(version->stats);
    free(version);
    model_unref(model);
}

bool model_create(struct server *server, const char *name, const struct net_spec *spec,
                  struct labels *labels, char *folder, struct model **ret, struct err *err)
{
    struct model *model = calloc(1, sizeof *model);

    if (model == NULL) {
        labels_free(labels);
        free(folder);
        return err_set(err, ERR_MEMORY, "name", "there is no memory for another model");
    }
    model->refs = 1;
    model->server = server;
    snprintf(model->name, sizeof model->name, "%s", name);
    model->spec = *spec;
    model->labels = labels;
    model->folder = folder;
    model->created = model->updated = server_now();
    model->plan = (struct train_plan){ .batch_size = 1, .learning_rate = 0.1f };
    *ret = model;
    return true;
}

bool version_create(struct model *model, struct net *net, uint64_t number, double created,
                    const struct origin *origin, struct version **ret, struct err *err)
{
    struct version *version = calloc(1, sizeof *version);

    if (version == NULL) {
        net_free(net);
        return err_set(err, ERR_MEMORY, "version", "there is no memory for another");
    }
    version->refs = 1;
    version->model = model_ref(model);
    version->number = number;
    version->created = created;
    version_net_set(version, net);
    version->origin = *origin;
    if (net != NULL && !version_shape(version, &net->spec, err)) {
        version_unref(version);
        return false;
    }
    *ret = version;
    return true;
}

bool version_shape(struct version *version, const struct net_spec *spec, struct err *err)
{
    if (spec_same_shape(spec, &version->model->spec)) {
        return true;
    }
    version->spec = malloc(sizeof *spec);
    if (version->spec == NULL) {
        return err_set(err, ERR_MEMORY, "version", "there is no memory for another");
    }
    *version->spec = *spec;
    return true;
}

const struct net_spec *version_spec(const struct version *version)
{
    return version->spec != NULL ? version->spec : &version->model->spec;
}

/* Off the list, at place i. */
static void version_remove(struct model *model, size_t i)
{
    struct version *version = model->versions[i];

    memmove(&model->versions[i], &model->versions[i + 1],
            (model->n_versions - i - 1) * sizeof(struct version *));
    model->n_versions--;
    version->listed = false;
    version_unref(version);
}

void model_serve(struct model *model, struct version *version)
{
    const size_t bytes = version != NULL ? net_spec_bytes(version_spec(version)) : 0;

    quota_move(&model->server->model_memory, model->claimed, bytes);
    model->claimed = bytes;
    model->served = version;
}

void model_drop_versions(struct model *model)
{
    model_serve(model, NULL);
    while (model->n_versions > 0) {
        version_remove(model, model->n_versions - 1);
    }
}

struct carry *model_carry(const struct model *model, const struct version *version)
{
    return version->number > model->chosen ? version->carry : NULL;
}

void model_choose(struct model *model, struct version *version, uint64_t last)
{
    carry_drop(model->served);
    carry_drop(version);
    model_serve(model, version);
    model->chosen = last;
}

bool model_lists(const struct model *model, uint64_t number)
{
    for (size_t i = 0; i < model->n_versions; i++) {
        if (model->versions[i]->number == number) {
            return true;
        }
    }
    return false;
}

bool model_needs(const struct model *model, uint64_t number)
{
    return number == model->job_base || learn_logs_need(&model->logs, number);
}

uint64_t model_top(const struct model *model)
{
    return model->n_versions > 0 ? model->versions[model->n_versions - 1]->number : 0;
}

void model_unlist(struct model *model, struct version *version)
{
    for (size_t i = 0; i < model->n_versions; i++) {
        if (model->versions[i] == version) {
            if (version->on_disk && !model_needs(model, version->number)) {
                removal_version(model, version->number);
            }
            version_remove(model, i);
            learn_logs_tidy(model);
            return;
        }
    }
}

void model_job_ended(struct model *model)
{
    const uint64_t base = model->job_base;

    model->job_base = 0;
    if (base != 0 && model->folder != NULL && !model->deleted && !model_lists(model, base) &&
        !model_needs(model, base)) {
        removal_version(model, base);
    }
}

/* Takes the oldest beyond keep off the list. */
static void versions_prune(struct model *model)
{
    const size_t keep = model->server->options.keep_versions;

    for (size_t i = 0; i < model->n_versions && model->n_versions > keep && !model->restoring;) {
        struct version *version = model->versions[i];

        if (version == model->served) {
            i++;
        } else {
            model_unlist(model, version);
        }
    }
}

bool model_list(struct model *model, struct version *version, bool serve, struct err *err)
{
    size_t at = model->n_versions;

    if (model->n_versions == model->cap_versions) {
        size_t cap = model->cap_versions == 0 ? 4 : 2 * model->cap_versions;
        struct version **grown = realloc(model->versions, cap * sizeof(struct version *));

        if (grown == NULL) {
            return err_set(err, ERR_MEMORY, "version", "there is no memory for another");
        }
        model->versions = grown;
        model->cap_versions = cap;
    }
    while (at > 0 && model->versions[at - 1]->number > version->number) {
        at--;
    }
    memmove(&model->versions[at + 1], &model->versions[at],
            (model->n_versions - at) * sizeof(struct version *));
    model->versions[at] = version_ref(version);
    version->listed = true;
    model->n_versions++;
    if (serve) {
        if (model->served != NULL) {
            carry_drop(model->served);
        }
        model_serve(model, version);
        model->updated = version->created;
    }
    model->last = version->number > model->last ? version->number : model->last;
    versions_prune(model);
    registry_trim(model->server);
    return true;
}

void model_restored(struct model *model)
{
    model->restoring = false;
    versions_prune(model);
    learn_logs_tidy(model);
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

struct msg_version origin_info(const struct origin *origin, uint64_t number, double created)
{
    return (struct msg_version){ .version = number,
                                 .created = created,
                                 .source = source_name(origin->source),
                                 .job = origin->job,
                                 .epoch = origin->epoch,
                                 .loss = origin->loss,
                                 .accuracy = origin->accuracy,
                                 .digest = origin->digest,
                                 .key = origin->key.key,
                                 .request = origin->key.request,
                                 .has_plan = origin->has_plan,
                                 .plan = origin->plan };
}

struct msg_version version_facts(const struct version *version)
{
    struct msg_version facts = origin_info(&version->origin, version->number, version->created);

    facts.model_created = version->model->created;
    return facts;
}

void version_info(const struct version *version, struct msg_version *ret)
{
    *ret = version_facts(version);
    ret->served = version == version->model->served;
}
