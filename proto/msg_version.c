#include "msg_version.h"

#include <inttypes.h>

#include "msg_model.h"

static void job_encode(struct text *text, uint64_t job)
{
    if (job == 0) {
        text_str(text, "null");
    } else {
        text_printf(text, "\"%" PRIu64 "\"", job);
    }
}

void msg_version_encode(struct text *text, const struct msg_version *version)
{
    text_printf(text, "{\"version\": %" PRIu64 ", \"created\": ", version->version);
    text_time(text, version->created);
    text_printf(text, ", \"source\": \"%s\", \"job\": ", version->source);
    job_encode(text, version->job);
    if (version->epoch == 0) {
        text_str(text, ", \"epoch\": null");
    } else {
        text_printf(text, ", \"epoch\": %zu", version->epoch);
    }
    text_str(text, ", \"loss\": ");
    text_double(text, version->loss);
    text_str(text, ", \"accuracy\": ");
    text_double(text, version->accuracy);
    text_printf(text, ", \"digest\": \"%s\", \"served\": %s}", version->digest,
                version->served ? "true" : "false");
}

void msg_model_info_encode(struct text *text, const struct msg_model_info *info)
{
    text_printf(text, "{\"name\": \"%s\", ", info->name);
    msg_spec_encode(text, info->spec, info->labels);
    if (info->labels == NULL) { /* an export leaves it out; here it is told */
        text_str(text, ", \"labels\": null");
    }
    text_printf(text, ", \"outputs\": %zu, \"parameters\": %zu, \"version\": %" PRIu64,
                spec_outputs(info->spec), spec_params(info->spec), info->served->version);
    text_printf(text, ", \"versions\": %zu, \"digest\": \"%s\", \"loss\": ", info->versions,
                info->served->digest);
    text_double(text, info->served->loss);
    text_str(text, ", \"accuracy\": ");
    text_double(text, info->served->accuracy);
    text_str(text, ", \"created\": ");
    text_time(text, info->created);
    text_str(text, ", \"updated\": ");
    text_time(text, info->updated);
    text_str(text, ", \"job\": ");
    job_encode(text, info->job);
    text_str(text, "}");
}
