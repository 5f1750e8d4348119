#include "array.h"

/* IDX, as Y. LeCun's MNIST page defines it; all numbers are big-endian.
 *
 *   0   2           4                      4 + 4 ndim
 *   +---+------+----+--------+--- ... ---+-------- ...
 *   | 0 | type | ndim | size 0 | size 1.. | values
 *   +---+------+----+--------+--- ... ---+-------- ...
 *     2   1      1     4
 */
static bool type_find(unsigned char code, enum array_type *ret)
{
    switch (code) {
    case 0x08:
        *ret = ARRAY_U8;
        return true;
    case 0x09:
        *ret = ARRAY_I8;
        return true;
    case 0x0b:
        *ret = ARRAY_I16;
        return true;
    case 0x0c:
        *ret = ARRAY_I32;
        return true;
    case 0x0d:
        *ret = ARRAY_F32;
        return true;
    case 0x0e:
        *ret = ARRAY_F64;
        return true;
    default:
        return false;
    }
}

bool idx_head(const char *bytes, size_t len, struct array *ret, struct err *err)
{
    struct array array = { .big_endian = true };
    const unsigned char *head = (const unsigned char *)bytes;

    if (len < 4 || head[0] != 0 || head[1] != 0) {
        return err_set(err, ERR_SYNTAX, "body", "is not IDX: must begin with 00 00, type, rank");
    }
    if (!type_find(head[2], &array.type)) {
        return err_set(err, ERR_SYNTAX, "body",
                       "has IDX type 0x%02x, must be 0x08, 0x09, 0x0b, 0x0c, 0x0d or 0x0e",
                       head[2]);
    }
    array.rank = head[3];
    if (array.rank < 1 || array.rank > TABLE_RANK_MAX) {
        return err_set(err, ERR_SYNTAX, "body", "must have 1 to %d dimensions, has %zu",
                       TABLE_RANK_MAX, array.rank);
    }
    if ((len - 4) / 4 < array.rank) {
        return err_set(err, ERR_SYNTAX, "body", "ends within its header of %zu bytes",
                       4 + 4 * array.rank);
    }
    for (size_t i = 0; i < array.rank; i++) {
        const unsigned char *size = head + 4 + 4 * i;

        array.shape[i] =
            (size_t)size[0] << 24 | (size_t)size[1] << 16 | (size_t)size[2] << 8 | (size_t)size[3];
    }
    array.bytes = bytes + 4 + 4 * array.rank;
    array.len = len - 4 - 4 * array.rank;
    *ret = array;
    return true;
}

bool idx_read(const char *bytes, size_t len, enum csv_part part, enum target_kind kind,
              const struct table_limits *limits, struct table_sink *sink, struct table_info *ret,
              struct err *err)
{
    struct array array;

    return idx_head(bytes, len, &array, err) &&
           array_read(&array, part, kind, limits, sink, ret, err);
}
