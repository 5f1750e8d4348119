/* A CSV text read into memory, for the tests of CSV. Included behind cmocka.h. */
#ifndef CSV_READER_H
#define CSV_READER_H

#include <string.h>

#include "memory_sink.h"
#include "table.h"

#define N(a) (sizeof(a) / sizeof(a)[0])

static const struct table_limits roomy = { .max_features = 100000, .max_rows = 1000000 };
static const struct csv_options usual = { .kind = TARGET_LABELS, .delimiter = ',' };

/* What a text gives; done with read_done. */
struct read {
    bool ok;
    struct memory_sink sink;
    struct table_info info;
    struct err err;
};

static inline struct read read_len(const char *text, size_t len, const struct csv_options *options)
{
    struct read read = { .sink = memory_sink() };

    read.ok = csv_read(text, len, options, &roomy, &read.sink.sink, &read.info, &read.err);
    return read;
}

static inline struct read read_text(const char *text, const struct csv_options *options)
{
    return read_len(text, strlen(text), options);
}

static inline void read_done(struct read *read)
{
    memory_sink_done(&read->sink);
    table_info_done(&read->info);
}

#endif
