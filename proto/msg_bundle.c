#include "msg_bundle.h"

#include <inttypes.h>

static void numbers_encode(struct text *text, const char *name, const uint64_t *number, size_t n,
                           const char *quote)
{
    text_printf(text, "\"%s\": [", name);
    for (size_t i = 0; i < n; i++) {
        text_printf(text, "%s%s%" PRIu64 "%s", i > 0 ? ", " : "", quote, number[i], quote);
    }
    text_str(text, "]");
}

static void model_encode(struct text *text, const struct msg_bundle_model *model)
{
    text_str(text, "{\"name\": ");
    text_json(text, model->name);
    text_str(text, ", \"created\": ");
    text_time(text, model->created);
    text_str(text, ", \"updated\": ");
    text_time(text, model->updated);
    text_printf(text, ", \"served\": %" PRIu64 ", \"chosen\": %" PRIu64 ", \"last\": %" PRIu64 ", ",
                model->served, model->chosen, model->last);
    numbers_encode(text, "versions", model->versions, model->n, "");
    text_str(text, "}");
}

void msg_bundle_encode(struct text *text, const struct msg_bundle *bundle)
{
    text_printf(text, "{\"format\": \"sigmad-bundle\", \"format_version\": %d, \"sigmad\": ",
                MSG_BUNDLE_VERSION);
    text_json(text, bundle->release);
    text_str(text, ", \"created\": ");
    text_time(text, bundle->created);
    text_str(text, ",\n \"models\": [");
    for (size_t i = 0; i < bundle->n_models; i++) {
        text_str(text, i > 0 ? ",\n  " : "");
        model_encode(text, &bundle->models[i]);
    }
    text_str(text, "],\n \"datasets\": [");
    for (size_t i = 0; i < bundle->n_datasets; i++) {
        text_str(text, i > 0 ? ",\n  {\"name\": " : "{\"name\": ");
        text_json(text, bundle->datasets[i].name);
        text_printf(text, ", \"generation\": %" PRIu64 "}", bundle->datasets[i].generation);
    }
    text_str(text, "],\n ");
    numbers_encode(text, "jobs", bundle->jobs, bundle->n_jobs, "\"");
    text_str(text, ", ");
    numbers_encode(text, "unfinished", bundle->unfinished, bundle->n_unfinished, "\"");
    text_str(text, "}\n");
}

static void name_encode(struct text *text, const char *name, size_t i)
{
    text_str(text, i > 0 ? ", " : "");
    text_json(text, name);
}

void msg_bundle_reply_encode(struct text *text, const struct msg_bundle *bundle)
{
    text_str(text, "{\"models\": [");
    for (size_t i = 0; i < bundle->n_models; i++) {
        name_encode(text, bundle->models[i].name, i);
    }
    text_str(text, "], \"datasets\": [");
    for (size_t i = 0; i < bundle->n_datasets; i++) {
        name_encode(text, bundle->datasets[i].name, i);
    }
    text_str(text, "], ");
    numbers_encode(text, "jobs", bundle->jobs, bundle->n_jobs, "\"");
    text_str(text, ", ");
    numbers_encode(text, "unfinished", bundle->unfinished, bundle->n_unfinished, "\"");
    text_str(text, "}\n");
}
