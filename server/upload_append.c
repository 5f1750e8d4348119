/* Rows added to a data set: a new generation, whose files begin with a copy of the old one's. Pool.
 *
 * The copy is the kernel's, so that memory does not grow with the data. Bytes stay bytes: to a data
 * set of uint8, rows of whole numbers 0 to 255 are added as bytes, and others are refused. Classes
 * that are new take their place among the sorted ones, so that the digest is that of all the rows
 * sent at once; then the old rows get their new indices too. */
#include "uploads.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"

#define COPY_PIECE ((size_t)1 << 30)

/* All of the old generation's file, to the beginning of the new one's. It is read through its map
 * where the kernel has no copy of its own. */
static bool part_copy(struct part_file *file, const struct upload *up, const char *name,
                      const void *bytes, size_t len, struct err *err)
{
    struct part_file old = { .fd = -1 };
    size_t done = 0;
    bool ok =
        part_begin(file, up->folder, name, err) && disk_path(up->base->path, name, &old.path, err);

    if (ok) {
        old.fd = open(old.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    while (ok && old.fd >= 0 && done < len) {
        const size_t piece = len - done < COPY_PIECE ? len - done : COPY_PIECE;
        const ssize_t n = copy_file_range(old.fd, NULL, file->fd, NULL, piece, 0);

        if (n <= 0) {
            break;
        }
        done += (size_t)n;
    }
    ok = ok && disk_write(file->fd, (const char *)bytes + done, len - done, file->path, err);
    if (old.fd >= 0) {
        close(old.fd);
    }
    free(old.path);
    return ok;
}

/* float32 to bytes; the first that does not fit is noted and told when the rows' width is known. */
static bool add_narrow(struct upload *up, const float *values, size_t n, struct err *err)
{
    unsigned char bytes[4096];

    while (n > 0) {
        const size_t piece = n < sizeof bytes ? n : sizeof bytes;

        for (size_t i = 0; i < piece; i++) {
            const float v = values[i];
            const bool fits = v >= 0.0F && v <= 255.0F && v == truncf(v);

            bytes[i] = fits ? (unsigned char)v : 0;
            if (!fits && up->bad_at == 0) {
                up->bad_at = up->n_values + i + 1;
                up->bad = v;
            }
        }
        up->n_values += piece;
        if (!part_add(&up->features, bytes, piece, err)) {
            return false;
        }
        values += piece;
        n -= piece;
    }
    return true;
}

static bool add_features(struct table_sink *table, const void *bytes, size_t len, struct err *err)
{
    struct upload *up = upload_of(table);

    return up->narrow ? add_narrow(up, bytes, len / sizeof(float), err)
                      : part_add(&up->features, bytes, len, err);
}

static bool add_targets(struct table_sink *table, const void *bytes, size_t len, struct err *err)
{
    return part_add(&upload_of(table)->targets, bytes, len, err);
}

static const char *kind_name(enum target_kind kind)
{
    return kind == TARGET_LABELS ? "labels" : kind == TARGET_NUMBERS ? "numbers" : "nothing";
}

/* Whether the new rows are of the old ones' kind. */
static bool rows_check(const struct upload *up, const struct table_info *rows, struct err *err)
{
    const struct table_info *old = &up->base->info;

    if (rows->x_width != old->x_width) {
        return err_set(err, ERR_FIELD, "features", "are %zu a row, those of '%s' are %zu",
                       rows->x_width, up->name, old->x_width);
    }
    if (rows->kind != old->kind) {
        return err_set(err, ERR_FIELD, "targets", "are %s, those of '%s' are %s",
                       kind_name(rows->kind), up->name, kind_name(old->kind));
    }
    if (rows->y_width != old->y_width) {
        return err_set(err, ERR_FIELD, "targets", "are %zu a row, those of '%s' are %zu",
                       rows->y_width, up->name, old->y_width);
    }
    if (up->bad_at != 0) {
        return err_set(
            err, ERR_RANGE, "features",
            "of row %zu, column %zu must be a whole number 0 to 255, as '%s' keeps bytes, "
            "is %.9g",
            (up->bad_at - 1) / old->x_width + 1, (up->bad_at - 1) % old->x_width + 1, up->name,
            (double)up->bad);
    }
    return rows->rows <= SIZE_MAX / sizeof(float) / (old->x_width + old->y_width) - old->rows ||
           err_set(err, ERR_TOO_LARGE, "rows", "are too many");
}

/* Adds the names; to[i] is where the i-th is. */
static bool names_add(struct label_set *set, const struct labels *names, uint32_t *to,
                      struct err *err)
{
    for (size_t i = 0; i < names->n; i++) {
        if (!label_set_add(set, names->name[i], strlen(names->name[i]), &to[i], err)) {
            return err_in(err, "classes");
        }
    }
    return true;
}

/* The classes of both, and everybody's indices among them. */
static bool classes_join(struct upload *up, const struct table_info *rows, struct table_info *all,
                         struct err *err)
{
    const struct labels *old = up->base->info.classes;
    uint32_t *to = malloc((old->n + rows->classes->n) * sizeof *to), *remap = NULL;
    struct label_set *set = NULL;
    uint32_t *fresh = to != NULL ? to + old->n : NULL;
    bool moved = false, ok;

    ok = to != NULL || err_set(err, ERR_MEMORY, "classes", "do not fit into memory");
    ok = ok && label_set_create(&set, err) && names_add(set, old, to, err) &&
         names_add(set, rows->classes, fresh, err) &&
         label_set_finish(set, &all->classes, &remap, err);
    for (size_t i = 0; ok && i < old->n; i++) {
        to[i] = remap[to[i]];
        moved = moved || to[i] != i;
    }
    for (size_t i = 0; ok && i < rows->classes->n; i++) {
        fresh[i] = remap[fresh[i]];
    }
    ok = ok && (!moved || targets_remap(up, 0, up->base->info.rows, to, err)) &&
         targets_remap(up, up->base->info.rows, rows->rows, rows->remap, err) &&
         targets_remap(up, up->base->info.rows, rows->rows, fresh, err);
    label_set_free(set);
    free(remap);
    free(to);
    return ok;
}

bool upload_append(struct upload *up, struct dataset **ret, struct err *err)
{
    const struct dataset *base = up->base;
    struct table_info rows = { 0 }, all = base->info;
    bool ok;

    if (base->info.x_rank == 0 || base->info.kind == TARGET_NONE) {
        return err_set(err, ERR_FIELD, base->info.x_rank == 0 ? "features" : "targets",
                       "of '%s' are not there yet: PUT them first", up->name);
    }
    all.classes = NULL;
    all.remap = NULL;
    up->narrow = base->info.x_dtype == DTYPE_U8;
    up->table = (struct table_sink){ add_features, add_targets };
    ok = (up->csv.missing == MISSING_REFUSE || missing_means(up, err)) &&
         part_copy(&up->features, up, "features", base->features, base->features_len, err) &&
         part_copy(&up->targets, up, "targets", base->targets, base->targets_len, err) &&
         spool_read(up, &rows, err) && rows_check(up, &rows, err) &&
         part_flush(&up->targets, err) &&
         (base->info.classes == NULL || classes_join(up, &rows, &all, err)) &&
         part_sync(&up->features, err) && part_sync(&up->targets, err);
    if (ok) {
        all.rows = all.x_shape[0] = base->info.rows + rows.rows;
        all.imputed = rows.imputed;
        rows.imputed = NULL; /* all's now */
        ok = folder_commit(up, &all, ret, err);
    }
    table_info_done(&rows);
    table_info_done(&all);
    return ok;
}
