#include "import.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "multipart.h"
#include "npz.h"
#include "onnx_read.h"
#include "rows.h"
#include "safetensors.h"
#include "value.h"
#include "zip.h"

/* ---- The formats ---- */

static bool json_magic(const char *bytes, size_t len)
{
    size_t at = 0;

    while (at < len && memchr(" \t\r\n", bytes[at], 4) != NULL) {
        at++;
    }
    return at < len && bytes[at] == '{';
}

static bool json_read(const char *bytes, size_t len, const struct model_limits *limits,
                      struct arena *arena, struct import *ret, struct err *err)
{
    struct import import = { .digest = NULL };

    if (!msg_model_decode(bytes, len, limits, arena, &import.model, err)) {
        return false;
    }
    *ret = import;
    return true;
}

/* Eight bytes that say where a header ends, and its first: the eight of a JSON text are, taken for
 * a number, beyond any file's end. */
static bool safetensors_magic(const char *bytes, size_t len)
{
    uint64_t n = 0;

    for (size_t i = 0; i < 8 && len > 8; i++) {
        n |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
    }
    return len > 8 && n <= SAFETENSORS_HEADER_MAX && bytes[8] == '{';
}

static bool safetensors_import(const char *bytes, size_t len, const struct model_limits *limits,
                               struct arena *arena, struct import *ret, struct err *err)
{
    struct safetensors file;

    if (safetensors_is_plain(bytes, len)) {
        return err_set(err, ERR_FIELD, "spec", "is missing from __metadata__: " IMPORT_SPEC_BESIDE);
    }
    if (!safetensors_read(bytes, len, limits, true, arena, &file, err)) {
        return false;
    }
    *ret = (struct import){ .model = file.model,
                            .digest = file.facts.digest[0] != '\0' ? file.facts.digest : NULL,
                            .has_checksum = file.has_checksum };
    return true;
}

static bool npz_import(const char *bytes, size_t len, const struct model_limits *limits,
                       struct arena *arena, struct import *ret, struct err *err)
{
    struct import import = { .digest = NULL };

    if (!npz_read(bytes, len, limits, arena, &import.model, err)) {
        return false;
    }
    *ret = import;
    return true;
}

static bool onnx_import(const char *bytes, size_t len, const struct model_limits *limits,
                        struct arena *arena, struct import *ret, struct err *err)
{
    struct import import = { .has_checksum = false };

    if (!onnx_read(bytes, len, limits, arena, &import.model, &import.digest, err)) {
        return false;
    }
    *ret = import;
    return true;
}

static const struct import_format formats[] = {
    { "json", "application/json", NULL, json_magic, json_read, NULL },
    { "safetensors", "application/x-safetensors", NULL, safetensors_magic, safetensors_import,
      safetensors_weights_read },
    { "npz", "application/x-npz", NULL, zip_magic, npz_import, npz_weights_read },
    { "onnx", "application/onnx", "application/x-onnx", onnx_magic, onnx_import, NULL },
};

#define FORMATS (sizeof formats / sizeof *formats)
#define FORMAT_LIST "json, safetensors, npz or onnx"
#define TYPE_LIST                                                                                  \
    "application/json, application/x-safetensors, application/x-npz, application/zip, "            \
    "application/onnx, multipart/form-data or, judged by its first bytes, "                        \
    "application/octet-stream"

const struct import_format *import_format_at(size_t i)
{
    return i < FORMATS ? &formats[i] : NULL;
}

static bool type_is(const char *type, size_t len, const char *known)
{
    return strlen(known) == len && strncasecmp(type, known, len) == 0;
}

bool import_format_find(const char *format, const char *type, const struct import_format **ret,
                        struct err *err)
{
    const size_t len = type != NULL ? strcspn(type, "; ") : 0;

    for (size_t i = 0; i < FORMATS; i++) {
        if (format != NULL ? strcmp(format, formats[i].name) == 0
                           : type != NULL && (type_is(type, len, formats[i].type) ||
                                              (formats[i].alias != NULL &&
                                               type_is(type, len, formats[i].alias)))) {
            *ret = &formats[i];
            return true;
        }
    }
    if (format != NULL) {
        return err_set(err, ERR_FIELD, "format", "must be " FORMAT_LIST ", is '%.64s'", format);
    }
    if (type != NULL && !type_is(type, len, "application/octet-stream") &&
        !type_is(type, len, "application/zip") &&
        !type_is(type, len, "application/x-www-form-urlencoded")) {
        return err_set(err, ERR_TYPE, "Content-Type", "must be " TYPE_LIST ", is '%.64s'", type);
    }
    *ret = NULL;
    return true;
}

const struct import_format *import_format_guess(const char *bytes, size_t len)
{
    for (size_t i = 0; i < FORMATS; i++) {
        if (formats[i].magic(bytes, len)) {
            return &formats[i];
        }
    }
    return &formats[0];
}

/* ---- What goes for all of them ---- */

/* Unit's numbers are the same for all columns; others than those would be lost by a JSON export. */
static bool unit_check(const struct msg_model *model, struct err *err)
{
    const struct data none = { .x = { DTYPE_F32, 0, 1, NULL } };
    float shift, scale;

    norm_fit(NORM_UNIT, &none, &shift, &scale);
    for (size_t i = 0; i < model->spec.inputs; i++) {
        if (model->shift[i] != shift || model->scale[i] != scale) {
            return err_set(err, ERR_FIELD, "norm",
                           "must be shift %g and scale %g for normalize unit, is %g and %g at %zu",
                           (double)shift, (double)scale, (double)model->shift[i],
                           (double)model->scale[i], i);
        }
    }
    return true;
}

static bool norm_check(const struct msg_model *model, struct err *err)
{
    if (model->shift != NULL && model->spec.norm == NORM_NONE) {
        return err_set(err, ERR_FIELD, "norm.shift", "is there, but spec.normalize is none");
    }
    if (model->target_shift != NULL && model->spec.target_norm == NORM_NONE) {
        return err_set(err, ERR_FIELD, "norm.target_shift",
                       "is there, but spec.normalize_targets is none");
    }
    return model->shift == NULL || model->spec.norm != NORM_UNIT || unit_check(model, err);
}

static bool beside_read(const struct import_format *format, const struct import_file *file,
                        const struct model_limits *limits, struct arena *arena, struct import *ret,
                        struct err *err)
{
    struct import import = { .digest = NULL };
    struct err inner = { 0 };

    if (format->read_weights == NULL) {
        return err_set(err, ERR_FIELD, "spec", "goes beside safetensors or npz, not beside %s",
                       format->name);
    }
    if (!msg_model_decode(file->spec, strlen(file->spec), limits, arena, &import.model, &inner)) {
        value_in(&inner, "spec");
        /* what is no JSON is so in the spec, not in the body */
        return err_set(err, inner.code, inner.code == ERR_SYNTAX ? "spec" : inner.where, "%s",
                       inner.text);
    }
    if (import.model.has_weights ||
        !format->read_weights(file->bytes, file->len, arena, &import.model, err)) {
        err_set(err, ERR_FIELD, "spec", "must have no weights of its own");
        labels_free(import.model.labels);
        return false;
    }
    *ret = import;
    return true;
}

bool import_read(const struct import_file *file, const struct model_limits *limits,
                 struct arena *arena, struct import *ret, struct err *err)
{
    const struct import_format *format =
        file->format != NULL ? file->format : import_format_guess(file->bytes, file->len);
    struct import import;

    if (!(file->spec != NULL ? beside_read(format, file, limits, arena, &import, err)
                             : format->read(file->bytes, file->len, limits, arena, &import, err))) {
        return false;
    }
    if (!norm_check(&import.model, err)) {
        labels_free(import.model.labels);
        return false;
    }
    *ret = import;
    return true;
}

/* ---- A form ---- */

bool import_form_is(const char *type)
{
    return multipart_is(type);
}

/* Takes what part says into file. */
static bool part_take(const struct multipart_part *part, struct arena *arena,
                      struct import_file *file, struct err *err)
{
    const char *type = part->type[0] != '\0' ? part->type : NULL;
    struct err inner = { 0 };

    if (strcmp(part->name, "weights") == 0) {
        file->bytes = part->bytes;
        file->len = part->len;
        return file->format != NULL || import_format_find(NULL, type, &file->format, &inner) ||
               err_set(err, inner.code, "weights", "has a Content-Type that %s", inner.text);
    }
    if (strcmp(part->name, "spec") != 0) {
        return err_set(err, ERR_FIELD, part->name, "is no part of a model: spec and weights are");
    }
    if (file->spec != NULL) {
        return err_set(err, ERR_FIELD, "spec", "is there twice: in the query, and as a part");
    }
    if (memchr(part->bytes, '\0', part->len) != NULL) {
        return err_set(err, ERR_SYNTAX, "spec", "must be JSON, has a NUL");
    }
    file->spec = arena_copy(arena, part->bytes, part->len);
    return file->spec != NULL || err_set(err, ERR_MEMORY, "spec", "does not fit into memory");
}

bool import_form_read(const char *type, struct arena *arena, struct import_file *file,
                      struct err *err)
{
    struct import_file form = { .format = file->format, .bytes = NULL, .spec = file->spec };
    struct multipart parts;

    if (!multipart_read(type, file->bytes, file->len, &parts, err)) {
        return false;
    }
    for (size_t i = 0; i < parts.n; i++) {
        if (!part_take(&parts.part[i], arena, &form, err)) {
            return false;
        }
    }
    if (form.bytes == NULL || form.spec == NULL) {
        return err_set(err, ERR_FIELD, form.bytes == NULL ? "weights" : "spec",
                       "is missing: a form has the parts spec and weights");
    }
    *file = form;
    return true;
}
