/* Every JSON message by name, with limits small enough that a short body can break them: what the
 * walk through tests/proto/bad, the hostile bodies and the fuzzer have in common. */
#ifndef DECODERS_H
#define DECODERS_H

#include <string.h>

#include "arena.h"
#include "msg_infer.h"
#include "msg_model.h"
#include "msg_predict.h"
#include "msg_priority.h"
#include "msg_train.h"
#include "table.h"

struct decoder {
    const char *name;
    bool (*decode)(const char *body, size_t len, struct arena *arena, struct err *err);
    bool optional; /* there need not be a body at all */
};

static inline bool decode_predict(const char *body, size_t len, struct arena *arena,
                                  struct err *err)
{
    static const struct rows_limits limits = { .inputs_cols = 4, .max_rows = 5 };
    struct msg_predict msg;

    return msg_predict_decode(body, len, &limits, arena, &msg, err);
}

static const struct rows_limits train_limits = { .inputs_cols = 2,
                                                 .targets_cols = 1,
                                                 .max_rows = 5 };

static inline bool decode_train(const char *body, size_t len, struct arena *arena, struct err *err)
{
    struct msg_train msg;

    return msg_train_decode(body, len, &train_limits, arena, &msg, err);
}

static inline bool decode_learn(const char *body, size_t len, struct arena *arena, struct err *err)
{
    struct msg_learn msg;

    return msg_learn_decode(body, len, &train_limits, arena, &msg, err);
}

static inline bool decode_evaluate(const char *body, size_t len, struct arena *arena,
                                   struct err *err)
{
    struct msg_evaluate msg;

    return msg_evaluate_decode(body, len, &train_limits, arena, &msg, err);
}

static inline bool decode_promote(const char *body, size_t len, struct arena *arena,
                                  struct err *err)
{
    uint64_t version;

    (void)arena;
    return msg_promote_decode(body, len, &version, err);
}

static inline bool decode_priority(const char *body, size_t len, struct arena *arena,
                                   struct err *err)
{
    int priority;

    (void)arena;
    return msg_priority_decode(body, len, &priority, err);
}

static inline bool decode_model(const char *body, size_t len, struct arena *arena, struct err *err)
{
    static const struct model_limits limits = { .max_layers = 4,
                                                .max_units = 64,
                                                .max_params = 1000 };
    struct msg_model msg;

    if (!msg_model_decode(body, len, &limits, arena, &msg, err)) {
        return false;
    }
    labels_free(msg.labels);
    return true;
}

static inline bool sink_nothing(struct table_sink *sink, const void *bytes, size_t len,
                                struct err *err)
{
    (void)sink;
    (void)bytes;
    (void)len;
    (void)err;
    return true;
}

static inline bool decode_table(const char *body, size_t len, enum csv_part part, struct err *err)
{
    static const struct table_limits limits = { .max_features = 4, .max_rows = 5 };
    struct table_sink sink = { .features = sink_nothing, .targets = sink_nothing };
    struct table_info info;

    if (!json_table_read(body, len, part, &limits, &sink, &info, err)) {
        return false;
    }
    table_info_done(&info);
    return true;
}

static inline bool decode_dataset(const char *body, size_t len, struct arena *arena,
                                  struct err *err)
{
    (void)arena;
    return decode_table(body, len, CSV_BOTH, err);
}

static inline bool decode_features(const char *body, size_t len, struct arena *arena,
                                   struct err *err)
{
    (void)arena;
    return decode_table(body, len, CSV_FEATURES, err);
}

static inline bool decode_targets(const char *body, size_t len, struct arena *arena,
                                  struct err *err)
{
    (void)arena;
    return decode_table(body, len, CSV_TARGETS, err);
}

static const struct rows_limits infer_limits = { .inputs_cols = 4, .max_rows = 5 };

static inline bool decode_infer(const char *body, size_t len, struct arena *arena, struct err *err)
{
    char *copy = arena_alloc(arena, len > 0 ? len : 1, 1); /* it writes where the body lies */
    struct msg_infer msg;

    if (copy == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory for a copy");
    }
    memcpy(copy, body, len);
    return msg_infer_decode(copy, len, len > 0 ? len : 1, &infer_limits, 3, arena, &msg, err);
}

static inline bool decode_index(const char *body, size_t len, struct arena *arena, struct err *err)
{
    bool ready;

    (void)arena;
    return msg_index_decode(body, len, &ready, err);
}

static inline bool decode_load(const char *body, size_t len, struct arena *arena, struct err *err)
{
    (void)arena;
    return msg_load_decode(body, len, err);
}

/* clang-format off */
static const struct decoder decoders[] = {
    { "predict", decode_predict, false },
    { "train", decode_train, false },
    { "learn", decode_learn, false },
    { "evaluate", decode_evaluate, false },
    { "promote", decode_promote, false },
    { "priority", decode_priority, false },
    { "model", decode_model, false },
    { "dataset", decode_dataset, false },
    { "features", decode_features, false },
    { "targets", decode_targets, false },
    { "infer", decode_infer, false },
    { "index", decode_index, true },
    { "load", decode_load, true },
};
/* clang-format on */
#define DECODERS (sizeof decoders / sizeof *decoders)

#endif
