/* A model on its way in, in one of the formats that hold weights.
 *
 *   name         media types                                       what reads it
 *   json         application/json                                  msg_model.c
 *   safetensors  application/x-safetensors                         safetensors.c
 *   npz          application/x-npz                                 npz_read.c
 *   onnx         application/onnx, application/x-onnx              onnx_read.c
 *
 * The last two may also hold weights alone, when a spec comes beside them: weights_match.h says how
 * their arrays are matched to it.
 *
 * A form (multipart/form-data) brings the two as its parts.
 *
 * The media types are those of an export (export.h). Every byte is a client's: nothing is allocated
 * by what a file claims before it is checked against its length and the limits.
 *
 * Thread: any; only the arguments are read and written. */
#ifndef IMPORT_H
#define IMPORT_H

#include "arena.h"
#include "err.h"
#include "msg_model.h"

/* What a file without a spec is refused with. */
#define IMPORT_SPEC_BESIDE                                                                         \
    "give one beside the weights, as ?spec= and what create takes: "                               \
    "curl -T FILE --url-query spec@spec.json URL"

struct import {
    struct msg_model model; /* as msg_model_decode leaves it; what it points to may be the body */
    const char *digest;     /* that the file says its model has, in the arena; NULL: it says none */
    bool has_checksum;      /* its last 32 bytes are the SHA-256 of those before them */
};

struct import_format {
    const char *name, *type;
    const char *alias; /* a second media type; NULL: none */
    /* Whether a body begins as this format does. */
    bool (*magic)(const char *bytes, size_t len);
    /* bytes must stay as long as ret is used. On success the caller frees ret->model.labels.
     * Errors: ERR_SYNTAX at "body"; ERR_FIELD, ERR_RANGE at the field or tensor; ERR_MEMORY. */
    bool (*read)(const char *bytes, size_t len, const struct model_limits *limits,
                 struct arena *arena, struct import *ret, struct err *err);
    /* A file of weights alone, for the spec that ret->model holds, the rest of which it fills.
     * Errors as above; ERR_FIELD at "spec" when the file has one, too. NULL: the format always has
     * a spec. */
    bool (*read_weights)(const char *bytes, size_t len, struct arena *arena, struct msg_model *ret,
                         struct err *err);
};

/* The formats in the order above; NULL: no more. */
const struct import_format *import_format_at(size_t i);
/* What a client names: its ?format=, and the content type, parameters and all; either may be NULL.
 * format wins. *ret is NULL for a type that says too little (none,
 * application/octet-stream, application/zip, and application/x-www-form-urlencoded, which is curl's
 * when not told): import_format_guess knows.
 * Errors: ERR_FIELD at "format", ERR_TYPE at "Content-Type", both with the names that are taken. */
bool import_format_find(const char *format, const char *type, const struct import_format **ret,
                        struct err *err);
/* By its first bytes; JSON when it is nothing else, so that its reader says what is wrong. */
const struct import_format *import_format_guess(const char *bytes, size_t len);

/* Where in a request the file is. */
struct import_file {
    const struct import_format *format; /* NULL: by the first bytes */
    const char *bytes;                  /* borrowed */
    size_t len;
    const char *spec; /* beside it, with a NUL behind it; NULL: none */
};

/* Whether a Content-Type, or NULL, is of a form, which has a part "spec" and a part "weights". */
bool import_form_is(const char *type);
/* bytes become those of the part "weights", whose type counts where format is NULL; spec is the
 * other, in the arena. type: the form's. Errors: as multipart_read; ERR_FIELD at a part that is
 * missing, unknown or, as spec, there already; ERR_TYPE at "weights" for its type; ERR_SYNTAX at
 * "spec" for a NUL in it; ERR_MEMORY. */
bool import_form_read(const char *type, struct arena *arena, struct import_file *file,
                      struct err *err);

/* As read of the file's format, and what goes for all formats: a normalisation's numbers are there
 * only when the spec has that normalisation, and those of unit are unit's. Errors of a spec beside
 * the file are under "spec". */
bool import_read(const struct import_file *file, const struct model_limits *limits,
                 struct arena *arena, struct import *ret, struct err *err);

#endif
