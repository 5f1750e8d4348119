#include "stats.h"

#include <inttypes.h>

#include "model.h"
#include "server.h"

static void duration_add(struct duration *duration, uint64_t from, uint64_t to)
{
    duration->count++;
    duration->ns += to > from ? to - from : 0;
}

void stats_ask(struct stats *stats, bool ok, size_t rows, const struct stamps *stamps)
{
    stats->last = server_now();
    if (!ok) {
        duration_add(&stats->fail, stamps->asked, stamps->encoded);
        return;
    }
    stats->rows += rows;
    duration_add(&stats->success, stamps->asked, stamps->encoded);
    duration_add(&stats->queue, stamps->asked, stamps->begun);
    duration_add(&stats->input, stamps->begun, stamps->decoded);
    duration_add(&stats->infer, stamps->decoded, stamps->computed);
    duration_add(&stats->output, stamps->computed, stamps->encoded);
}

void stats_execution(struct stats *stats, size_t rows, const struct stamps *stamps)
{
    stats->executions++;
    if (rows >= 1 && rows <= STATS_SIZES) {
        duration_add(&stats->sizes[rows - 1].input, stamps->begun, stamps->decoded);
        duration_add(&stats->sizes[rows - 1].infer, stamps->decoded, stamps->computed);
        duration_add(&stats->sizes[rows - 1].output, stamps->computed, stamps->encoded);
    }
}

static void duration_encode(struct text *text, const char *name, const struct duration *duration)
{
    text_printf(text, "\"%s\": {\"count\": %" PRIu64 ", \"ns\": %" PRIu64 "}", name,
                duration->count, duration->ns);
}

static void sizes_encode(struct text *text, const struct stats *stats)
{
    bool first = true;

    for (size_t i = 0; i < STATS_SIZES; i++) {
        if (stats->sizes[i].infer.count > 0) {
            text_printf(text, "%s{\"batch_size\": %zu, ", first ? "" : ", ", i + 1);
            duration_encode(text, "compute_input", &stats->sizes[i].input);
            text_str(text, ", ");
            duration_encode(text, "compute_infer", &stats->sizes[i].infer);
            text_str(text, ", ");
            duration_encode(text, "compute_output", &stats->sizes[i].output);
            text_str(text, "}");
            first = false;
        }
    }
}

void stats_encode(struct text *text, const struct version *version)
{
    static const struct stats never;
    const struct stats *s = version->stats != NULL ? version->stats : &never;
    const struct {
        const char *name;
        struct duration duration;
    } parts[] = {
        { "success", s->success },     { "fail", s->fail },
        { "queue", s->queue },         { "compute_input", s->input },
        { "compute_infer", s->infer }, { "compute_output", s->output },
        { "cache_hit", { 0, 0 } },     { "cache_miss", { 0, 0 } },
    };

    text_str(text, "{\"name\": ");
    text_json(text, version->model->name);
    text_printf(text,
                ", \"version\": \"%" PRIu64 "\", \"last_inference\": %" PRIu64
                ", \"inference_count\": %" PRIu64 ", \"execution_count\": %" PRIu64
                ", \"inference_stats\": {",
                version->number, (uint64_t)(s->last * 1000.0), s->rows, s->executions);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        text_str(text, i == 0 ? "" : ", ");
        duration_encode(text, parts[i].name, &parts[i].duration);
    }
    text_str(text, "}, \"response_stats\": {}, \"batch_stats\": [");
    sizes_encode(text, s);
    text_str(text, "], \"memory_usage\": [");
    if (version->net != NULL) {
        text_printf(text, "{\"type\": \"CPU\", \"id\": 0, \"byte_size\": %zu}",
                    net_bytes(version->net) + carry_bytes(version->carry));
    }
    text_str(text, "]}");
}
