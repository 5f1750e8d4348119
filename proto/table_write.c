#include "table_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "quote.h"

/* ---- CSV ---- */

void table_csv_text(struct text *text, const char *field)
{
    const size_t plain = strcspn(field, "\", \t\r\n");

    if (field[plain] == '\0') {
        text_add(text, field, plain);
        return;
    }
    text_str(text, "\"");
    for (;;) {
        const size_t len = strcspn(field, "\"");

        text_add(text, field, len);
        if (field[len] == '\0') {
            break;
        }
        text_str(text, "\"\"");
        field += len + 1;
    }
    text_str(text, "\"");
}

static size_t features_of(const struct table_writer *w)
{
    return w->part != CSV_TARGETS ? w->info->x_width : 0;
}

static size_t targets_of(const struct table_writer *w)
{
    return w->part != CSV_FEATURES ? w->info->y_width : 0;
}

static void name_put(const struct table_writer *w, size_t cell, struct text *text)
{
    const size_t features = features_of(w);

    if (cell < features) {
        text_printf(text, "x%zu", cell);
    } else if (w->info->kind == TARGET_LABELS) {
        text_str(text, "label");
    } else {
        text_printf(text, "y%zu", cell - features);
    }
}

static void target_put(const struct table_writer *w, size_t row, size_t i, struct text *text)
{
    if (w->info->kind == TARGET_LABELS) {
        table_csv_text(text, w->info->classes->name[w->data.classes[row]]);
    } else {
        text_float(text, w->data.values[row * w->info->y_width + i]);
    }
}

/* As it is stored: what gathers rows for a net takes the smallest numbers for 0. */
static float feature_at(const struct rows *x, size_t i)
{
    return x->dtype == DTYPE_U8 ? (float)((const uint8_t *)x->data)[i]
                                : ((const float *)x->data)[i];
}

/* What the line has from w->cell on, n cells. */
static void cells_put(const struct table_writer *w, size_t n, struct text *text)
{
    const size_t features = features_of(w), end = w->cell + n;

    for (size_t cell = w->cell; cell < end; cell++) {
        text_str(text, cell > 0 ? "," : "");
        if (w->line == 0) {
            name_put(w, cell, text);
        } else if (cell < features) {
            text_float(text, feature_at(&w->data.x, (w->line - 1) * w->info->x_width + cell));
        } else {
            target_put(w, w->line - 1, cell - features, text);
        }
    }
}

/* A row may be larger than a piece, so that pieces are counted in cells. */
static bool csv_next(struct table_writer *w, struct text *text, bool *end, struct err *err)
{
    const size_t cells = features_of(w) + targets_of(w), begin = text->len;

    (void)err;
    while (w->line <= w->info->rows && text->len - begin < TABLE_PIECE && !text->failed) {
        const size_t most = TABLE_PIECE / sizeof(double), left = cells - w->cell;
        const size_t n = left < most ? left : most;

        cells_put(w, n, text);
        w->cell += n;
        if (w->cell == cells) {
            text_str(text, "\n");
            w->cell = 0;
            w->line++;
        }
    }
    *end = w->line > w->info->rows;
    return true;
}

/* ---- NPY ---- */

/* Whether the name is a whole number, spelt as its reader spells it. */
static bool whole(const char *name, int64_t *ret)
{
    char again[24], *end;
    long long value;

    errno = 0;
    value = strtoll(name, &end, 10);
    snprintf(again, sizeof again, "%lld", value);
    *ret = value;
    return errno == 0 && *end == '\0' && strcmp(name, again) == 0;
}

static bool classes_check(const struct labels *classes, struct err *err)
{
    int64_t value;

    for (size_t i = 0; i < classes->n; i++) {
        if (!whole(classes->name[i], &value)) {
            return err_set(err, ERR_FIELD, "format",
                           "must be csv for classes that are not all whole numbers, one is '%s'",
                           quote(classes->name[i], strlen(classes->name[i])).text);
        }
    }
    return true;
}

static bool npy_begin(struct table_writer *w, struct text *text, struct err *err)
{
    const struct table_info *info = w->info;
    const bool labels = info->kind == TARGET_LABELS;
    size_t shape[TABLE_RANK_MAX] = { info->rows, info->y_width };
    size_t values = info->rows, size;

    if (w->part == CSV_FEATURES) {
        memcpy(shape, info->x_shape, info->x_rank * sizeof *shape);
        npy_head_shape(text, info->x_dtype == DTYPE_U8 ? "|u1" : "<f4", shape, info->x_rank);
        values *= info->x_width;
        size = info->x_dtype == DTYPE_U8 ? 1 : sizeof(float);
    } else {
        if (labels && !classes_check(info->classes, err)) {
            return false;
        }
        npy_head_shape(text, labels ? "<i8" : "<f4", shape, labels ? 1 : 2);
        values *= info->y_width;
        size = labels ? sizeof(int64_t) : sizeof(float);
    }
    w->total = NPY_HEAD_LEN + values * size;
    w->begun = true;
    return true;
}

/* The numbers that class names spell, of the next rows. */
static void whole_put(struct table_writer *w, struct text *text)
{
    const size_t most = TABLE_PIECE / sizeof(int64_t), left = w->info->rows - w->at;
    const size_t end = w->at + (left < most ? left : most);

    for (; w->at < end; w->at++) {
        int64_t value;

        whole(w->info->classes->name[w->data.classes[w->at]], &value);
        text_add(text, (const char *)&value, sizeof value);
    }
}

/* The next of len bytes. */
static void bytes_put(struct table_writer *w, const void *bytes, size_t len, struct text *text)
{
    const size_t left = len - w->at, n = left < TABLE_PIECE ? left : TABLE_PIECE;

    text_add(text, (const char *)bytes + w->at, n);
    w->at += n;
}

static bool npy_next(struct table_writer *w, struct text *text, bool *end, struct err *err)
{
    const struct table_info *info = w->info;
    const bool features = w->part == CSV_FEATURES;
    size_t len;

    if (!w->begun && !npy_begin(w, text, err)) {
        return false;
    }
    if (!features && info->kind == TARGET_LABELS) {
        whole_put(w, text);
        *end = w->at == info->rows;
        return true;
    }
    len = info->rows * (features ? info->x_width : info->y_width) *
          (features && info->x_dtype == DTYPE_U8 ? 1 : sizeof(float));
    bytes_put(w, features ? w->data.x.data : w->data.values, len, text);
    *end = w->at == len;
    return true;
}

/* ---- which there are ---- */

static const struct table_format csv = { "csv", "text/csv", csv_next };
static const struct table_format npy = { "npy", "application/x-npy", npy_next };

const struct table_format *table_format_at(enum csv_part part, size_t i)
{
    static const struct table_format *const whole_set[] = { &csv, NULL };
    static const struct table_format *const one_part[] = { &npy, &csv, NULL };

    return i > 1 ? NULL : part == CSV_BOTH ? whole_set[i] : one_part[i];
}
