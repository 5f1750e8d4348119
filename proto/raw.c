#include "array.h"

#include <string.h>

bool raw_read(const char *bytes, size_t len, const size_t *shape, size_t rank, enum csv_part part,
              enum target_kind kind, const struct table_limits *limits, struct table_sink *sink,
              struct table_info *ret, struct err *err)
{
    struct array array = {
        .type = ARRAY_F32, .rank = rank, .shape_apart = true, .bytes = bytes, .len = len
    };

    if (rank > TABLE_RANK_MAX) {
        return err_set(err, ERR_FIELD, "shape", "must have 1 to %d dimensions, has %zu",
                       TABLE_RANK_MAX, rank);
    }
    memcpy(array.shape, shape, rank * sizeof *shape);
    return array_read(&array, part, kind, limits, sink, ret, err);
}
