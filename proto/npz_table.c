/* A data set from the arrays of an archive. */
#include <stdio.h>
#include <string.h>

#include "table.h"
#include "zip.h"

#define COUNT(names) (sizeof(names) / sizeof *(names))

struct archive {
    struct zip zip;
    enum target_kind kind;
    const struct table_limits *limits; /* borrowed, as are room and sink */
    struct table_room *room;
    struct table_sink *sink;
};

/* What one of the two can be called, and where a client says so. */
struct part_names {
    const char *field;
    const char *const *names;
    size_t n;
    const char *all; /* for messages */
};

static const char *const x_names[] = { "x",       "X",       "features", "inputs", "data",
                                       "x_train", "X_train", "x_test",   "X_test", "arr_0" };
static const char *const y_names[] = { "y",       "Y",       "targets", "labels", "target",
                                       "y_train", "Y_train", "y_test",  "Y_test", "arr_1" };
static const struct part_names x_part = {
    "features", x_names, COUNT(x_names),
    "x, X, features, inputs, data, x_train, X_train, x_test, X_test or arr_0"
};
static const struct part_names y_part = {
    "target", y_names, COUNT(y_names),
    "y, Y, targets, labels, target, y_train, Y_train, y_test, Y_test or arr_1"
};

/* ---- Which arrays ---- */

static const struct zip_entry *array_find(const struct zip *zip, const char *name)
{
    char file[ZIP_NAME_MAX + 8];

    snprintf(file, sizeof file, "%.*s.npy", ZIP_NAME_MAX, name);
    return zip_find(zip, file);
}

/* said: by the client, or NULL. */
static bool part_find(const struct zip *zip, const struct part_names *part, const char *said,
                      const struct zip_entry **ret, struct err *err)
{
    const struct zip_entry *found = NULL;

    if (said != NULL) {
        found = array_find(zip, said);
        if (found == NULL) {
            return err_set(err, ERR_FIELD, part->field, "is '%.100s', which is not in the archive",
                           said);
        }
        *ret = found;
        return true;
    }
    for (size_t i = 0; i < part->n; i++) {
        const struct zip_entry *entry = array_find(zip, part->names[i]);

        if (entry != NULL && found != NULL) {
            return err_set(err, ERR_FIELD, part->field,
                           "can be %.60s or %.60s: say ?%s=", found->name, entry->name,
                           part->field);
        }
        found = entry != NULL ? entry : found;
    }
    if (found == NULL) {
        return err_set(err, ERR_FIELD, part->field,
                       "must be in an array called %s, or by ?%s=", part->all, part->field);
    }
    *ret = found;
    return true;
}

/* An array that nobody asked for may be one that was meant. */
static bool others_check(const struct zip *zip, const struct zip_entry *x,
                         const struct zip_entry *y, struct err *err)
{
    for (size_t i = 0; i < zip->n; i++) {
        const struct zip_entry *entry = &zip->entry[i];

        if (entry != x && entry != y) {
            return err_set(err, ERR_FIELD, entry->name,
                           "is neither features nor targets: say which are, ?features= and "
                           "?target=, and others are passed over");
        }
    }
    return true;
}

/* ---- One array ---- */

/* What npy_read says of "body" is of this array. */
static bool array_refuse(const struct zip_entry *entry, const struct err *why, struct err *err)
{
    *err = *why;
    if (why->code == ERR_SYNTAX || why->code == ERR_FIELD || why->code == ERR_RANGE ||
        why->code == ERR_TOO_LARGE || why->code == ERR_LIMIT) {
        if (strcmp(why->where, "body") == 0) {
            err->where[0] = '\0';
        }
        err_in(err, "%s", entry->name);
    }
    return false;
}

static bool array_take(const struct archive *archive, const struct zip_entry *entry,
                       enum csv_part part, struct table_info *ret, struct err *err)
{
    struct err why = { 0 };
    char *into = NULL;
    const char *bytes;

    if (entry->deflated &&
        (into = archive->room->take(archive->room, entry->len + 1, err)) == NULL) {
        return false;
    }
    if (!zip_read_into(&archive->zip, entry, into, &bytes, err)) {
        return false;
    }
    return npy_read(bytes, entry->len, part, archive->kind, archive->limits, archive->sink, ret,
                    &why) ||
           array_refuse(entry, &why, err);
}

/* ---- The whole ---- */

static bool part_read(const struct archive *archive, enum csv_part part,
                      const struct npz_names *names, struct table_info *ret, struct err *err)
{
    const bool features = part == CSV_FEATURES;
    const char *said = features ? names->features : names->targets;
    const struct zip_entry *entry = archive->zip.n == 1 && said == NULL ? archive->zip.entry : NULL;

    return (entry != NULL ||
            part_find(&archive->zip, features ? &x_part : &y_part, said, &entry, err)) &&
           array_take(archive, entry, part, ret, err);
}

static bool both_read(const struct archive *archive, const struct npz_names *names,
                      struct table_info *ret, struct err *err)
{
    const struct zip_entry *x = NULL, *y = NULL;
    struct table_info info = { 0 }, targets = { 0 };

    if (!part_find(&archive->zip, &x_part, names->features, &x, err) ||
        !part_find(&archive->zip, &y_part, names->targets, &y, err)) {
        return false;
    }
    if (names->features == NULL && names->targets == NULL &&
        !others_check(&archive->zip, x, y, err)) {
        return false;
    }
    if (!array_take(archive, x, CSV_FEATURES, &info, err) ||
        !array_take(archive, y, CSV_TARGETS, &targets, err)) {
        table_info_done(&info);
        return false;
    }
    if (info.rows != targets.rows) {
        err_set(err, ERR_FIELD, "rows", "are %zu in %.60s, %zu in %.60s", info.rows, x->name,
                targets.rows, y->name);
        table_info_done(&info);
        table_info_done(&targets);
        return false;
    }
    info.kind = targets.kind;
    info.y_width = targets.y_width;
    info.classes = targets.classes;
    info.remap = targets.remap;
    *ret = info;
    return true;
}

bool npz_table_read(const char *bytes, size_t len, enum csv_part part, enum target_kind kind,
                    const struct npz_names *names, const struct table_limits *limits,
                    struct table_room *room, struct table_sink *sink, struct table_info *ret,
                    struct err *err)
{
    struct archive archive = { .kind = kind, .limits = limits, .room = room, .sink = sink };
    struct arena arena = { 0 };
    const bool ok = zip_open(bytes, len, &arena, &archive.zip, err) &&
                    (part == CSV_BOTH ? both_read(&archive, names, ret, err)
                                      : part_read(&archive, part, names, ret, err));

    arena_done(&arena);
    return ok;
}
