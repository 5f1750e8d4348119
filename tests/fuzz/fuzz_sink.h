/* A sink for the fuzzers: reads each byte that it is handed, and holds readers to what table.h
 * promises: whole values, finite numbers, as many as the shape says. */
#ifndef FUZZ_SINK_H
#define FUZZ_SINK_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

struct fuzz_sink {
    struct table_sink sink; /* first, so that a pointer to it is one to this */
    size_t x, y;            /* bytes */
    unsigned char sum;
};

static inline bool fuzz_features(struct table_sink *sink, const void *bytes, size_t len,
                                 struct err *err)
{
    struct fuzz_sink *to = (struct fuzz_sink *)sink;

    (void)err;
    for (size_t i = 0; i < len; i++) {
        to->sum = (unsigned char)(to->sum + ((const unsigned char *)bytes)[i]);
    }
    to->x += len;
    return true;
}

static inline bool fuzz_targets(struct table_sink *sink, const void *bytes, size_t len,
                                struct err *err)
{
    struct fuzz_sink *to = (struct fuzz_sink *)sink;

    (void)err;
    for (size_t i = 0; i < len; i++) {
        to->sum = (unsigned char)(to->sum + ((const unsigned char *)bytes)[i]);
    }
    to->y += len;
    return true;
}

static inline void fuzz_expect(bool ok)
{
    if (!ok) {
        abort();
    }
}

static inline struct fuzz_sink fuzz_sink(void)
{
    return (struct fuzz_sink){ .sink = { fuzz_features, fuzz_targets } };
}

/* What must hold when a reader has ended. */
static inline void fuzz_check(bool ok, struct fuzz_sink *sink, struct table_info *info,
                              const struct err *err)
{
    fuzz_expect(ok == (err->code == ERR_NONE));
    fuzz_expect(ok || err->text[0] != '\0');
    if (!ok) {
        fuzz_expect(info->rows == 0 && info->classes == NULL && info->remap == NULL);
        return;
    }
    fuzz_expect(info->rows > 0);
    fuzz_expect(sink->x == info->rows * info->x_width * (info->x_dtype == DTYPE_U8 ? 1 : 4));
    fuzz_expect(sink->y == info->rows * info->y_width * 4);
    fuzz_expect((info->kind == TARGET_LABELS) == (info->classes != NULL));
    if (info->classes != NULL) {
        for (size_t i = 0; i < info->classes->n; i++) {
            fuzz_expect(info->remap[i] < info->classes->n);
        }
    }
    table_info_done(info);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#endif
