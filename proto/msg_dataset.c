#include "msg_dataset.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "msg_train.h"

static void shape_encode(struct text *text, const size_t *shape, size_t rank)
{
    text_str(text, "[");
    for (size_t i = 0; i < rank; i++) {
        text_printf(text, "%s%zu", i > 0 ? ", " : "", shape[i]);
    }
    text_str(text, "]");
}

static void parts_encode(struct text *text, const struct table_info *info)
{
    const size_t y_shape[2] = { info->rows, info->y_width };
    const bool labels = info->kind == TARGET_LABELS;

    text_str(text, ", \"features\": ");
    if (info->x_rank == 0) {
        text_str(text, "null");
    } else {
        text_printf(text, "{\"dtype\": \"%s\", \"shape\": ",
                    info->x_dtype == DTYPE_U8 ? "uint8" : "float32");
        shape_encode(text, info->x_shape, info->x_rank);
        text_str(text, "}");
    }
    text_str(text, ", \"targets\": ");
    if (info->kind == TARGET_NONE) {
        text_str(text, "null");
    } else {
        text_printf(text, "{\"dtype\": \"%s\", \"shape\": ", labels ? "uint32" : "float32");
        shape_encode(text, y_shape, labels ? 1 : 2);
        text_printf(text, ", \"kind\": \"%s\"}", labels ? "labels" : "numbers");
    }
    text_str(text, ", \"classes\": ");
    if (info->classes == NULL) {
        text_str(text, "null");
        return;
    }
    for (size_t i = 0; i < info->classes->n; i++) {
        text_str(text, i > 0 ? ", " : "[");
        text_json(text, info->classes->name[i]);
    }
    text_str(text, "]");
}

static void members_encode(struct text *text, const struct msg_dataset *dataset)
{
    text_printf(text, "\"name\": \"%s\", \"rows\": %zu, \"generation\": %" PRIu64, dataset->name,
                dataset->info->rows, dataset->generation);
    parts_encode(text, dataset->info);
    text_printf(text, ", \"digest\": \"%s\", \"created\": ", dataset->digest);
}

static const char *const stat_names[STAT_COUNT] = { "min", "max", "mean", "deviation", "imputed" };

static void stats_encode(struct text *text, const struct table_stats *stats)
{
    if (stats == NULL) {
        return;
    }
    if (stats->n == 0) {
        text_str(text, ", \"statistics\": null");
        return;
    }
    text_printf(text, ", \"statistics\": {\"of\": \"%s\"", stats->columns ? "columns" : "all");
    for (size_t s = 0; s < STAT_COUNT; s++) {
        text_printf(text, ", \"%s\": [", stat_names[s]);
        for (size_t i = 0; i < stats->n; i++) {
            text_str(text, i > 0 ? ", " : "");
            text_double(text, stats->values[s * stats->n + i]);
        }
        text_str(text, "]");
    }
    text_str(text, "}");
}

void msg_dataset_encode(struct text *text, const struct msg_dataset *dataset)
{
    text_str(text, "{");
    members_encode(text, dataset);
    text_time(text, dataset->created);
    stats_encode(text, dataset->stats);
    text_str(text, "}");
}

void msg_dataset_store(struct text *text, const struct msg_dataset *dataset)
{
    text_printf(text, "{\"format\": %d, ", DATASET_FORMAT);
    members_encode(text, dataset);
    text_double(text, dataset->created);
    stats_encode(text, dataset->stats);
    text_str(text, "}\n");
}

/* "features": null or {"dtype", "shape"}. part is borrowed. */
static bool features_load(const json_t *part, struct table_info *info, struct err *err)
{
    const char *dtype = json_string_value(json_object_get(part, "dtype"));
    const json_t *shape = json_object_get(part, "shape");

    if (json_is_null(part)) {
        return true;
    }
    if (dtype == NULL || json_array_size(shape) < 1 || json_array_size(shape) > TABLE_RANK_MAX) {
        return err_set(err, ERR_FIELD, "features", "must have dtype and shape");
    }
    info->x_dtype = strcmp(dtype, "uint8") == 0 ? DTYPE_U8 : DTYPE_F32;
    info->x_rank = json_array_size(shape);
    info->x_width = 1;
    for (size_t i = 0; i < info->x_rank; i++) {
        json_int_t n = json_integer_value(json_array_get(shape, i));

        if (n < 1 || (i > 0 && (size_t)n > SPEC_UNITS_MAX / info->x_width)) {
            return err_set(err, ERR_FIELD, "features.shape", "is out of range");
        }
        info->x_shape[i] = (size_t)n;
        info->x_width *= i > 0 ? (size_t)n : 1;
    }
    return info->x_shape[0] == info->rows ||
           err_set(err, ERR_FIELD, "features.shape", "does not have the rows it should");
}

static bool targets_load(const json_t *part, const json_t *classes, struct table_info *info,
                         struct err *err)
{
    const char *kind = json_string_value(json_object_get(part, "kind"));
    json_int_t width = json_integer_value(json_array_get(json_object_get(part, "shape"), 1));
    size_t n = json_array_size(classes);
    const char **names;
    bool ok = true;

    if (json_is_null(part)) {
        return true;
    }
    if (kind == NULL || (strcmp(kind, "numbers") == 0 && (width < 1 || width > SPEC_UNITS_MAX))) {
        return err_set(err, ERR_FIELD, "targets", "must have kind and shape");
    }
    info->kind = strcmp(kind, "labels") == 0 ? TARGET_LABELS : TARGET_NUMBERS;
    info->y_width = info->kind == TARGET_LABELS ? 1 : (size_t)width;
    if (info->kind == TARGET_NUMBERS || json_is_null(classes)) {
        return true;
    }
    names = calloc(n + 1, sizeof *names);
    if (names == NULL) {
        return err_set(err, ERR_MEMORY, "classes", "do not fit into memory");
    }
    for (size_t i = 0; i < n && ok; i++) {
        names[i] = json_string_value(json_array_get(classes, i)); /* borrowed */
        ok = names[i] != NULL || err_set(err, ERR_FIELD, "classes", "must be strings");
    }
    ok = ok && (labels_create(names, n, &info->classes, err) || err_in(err, "classes"));
    free(names);
    return ok;
}

/* What is not as it should be counts as missing: they are told, not used. Servers that imputed
 * nothing did not say so. */
static bool stats_load(const json_t *stats, struct table_stats *ret, struct err *err)
{
    const char *of = json_string_value(json_object_get(stats, "of"));
    const size_t n = json_array_size(json_object_get(stats, stat_names[0]));
    double *values;

    if (of == NULL || n < 1 || n > STATS_COLUMNS_MAX) {
        return true;
    }
    values = calloc(STAT_COUNT * n, sizeof *values);
    if (values == NULL) {
        return err_set(err, ERR_MEMORY, "statistics", "do not fit into memory");
    }
    for (size_t s = 0; s < STAT_COUNT; s++) {
        for (size_t i = 0; i < n; i++) {
            values[s * n + i] =
                json_number_value(json_array_get(json_object_get(stats, stat_names[s]), i));
        }
    }
    *ret = (struct table_stats){ n, strcmp(of, "columns") == 0, values };
    return true;
}

bool msg_dataset_load(const char *bytes, size_t len, char *name, char *digest, uint64_t *generation,
                      double *created, struct table_info *info, struct table_stats *stats,
                      struct err *err)
{
    json_error_t why;
    json_t *root = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, &why); /* new */
    const char *n = json_string_value(json_object_get(root, "name"));
    const char *d = json_string_value(json_object_get(root, "digest"));
    json_int_t rows = json_integer_value(json_object_get(root, "rows"));
    json_int_t format = json_integer_value(json_object_get(root, "format"));
    struct table_info got = { 0 };
    bool ok = false;

    if (root == NULL) {
        err_set(err, ERR_SYNTAX, "dataset.json", "is not JSON: %s", why.text);
    } else if (format != DATASET_FORMAT) {
        err_set(err, ERR_FIELD, "format", "is %d, this server reads %d", (int)format,
                DATASET_FORMAT);
    } else if (n == NULL || d == NULL || strlen(d) != 64 || rows < 1) {
        err_set(err, ERR_FIELD, "dataset.json", "lacks name, digest or rows");
    } else if (name_check(n, strlen(n), "name", err)) {
        got.rows = (size_t)rows;
        ok = features_load(json_object_get(root, "features"), &got, err) &&
             targets_load(json_object_get(root, "targets"), json_object_get(root, "classes"), &got,
                          err) &&
             stats_load(json_object_get(root, "statistics"), stats, err);
    }
    if (ok) {
        snprintf(name, NAME_MAX_LEN + 1, "%s", n);
        snprintf(digest, 65, "%s", d);
        *generation = (uint64_t)json_integer_value(json_object_get(root, "generation"));
        *created = json_number_value(json_object_get(root, "created"));
        *info = got;
    } else {
        table_info_done(&got);
    }
    json_decref(root);
    return ok;
}
