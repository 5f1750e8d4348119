/* A version of a model on its way out, in one of the formats that other tools read: piece by piece,
 * so that no more than a piece of it is in memory, however large the net.
 *
 *   name         media type                 extension    what writes it
 *   json         application/json           json         msg_export.c
 *   safetensors  application/x-safetensors  safetensors  safetensors_write.c
 *   npz          application/x-npz          npz          npz_write.c
 *   onnx         application/onnx           onnx         onnx_write.c
 *   dot          text/vnd.graphviz          dot          dot.c
 *
 * Thread: an exporter belongs to one thread at a time; the net is only read. */
#ifndef EXPORT_H
#define EXPORT_H

#include "arena.h"
#include "msg_version.h"
#include "net.h"
#include "quant.h"
#include "text.h"

#define EXPORT_PIECE ((size_t)64 << 10) /* bytes of weights in a piece, about */

struct exporter;

/* What goes out: all of the net; or all but its last activation, so that the outputs are z^L. */
enum export_part { EXPORT_WHOLE, EXPORT_LOGITS };

/* The rows on which the file says what its precision costs; all borrowed. */
struct export_sample {
    const char *dataset, *digest;
    struct rows x; /* the first n of them count; of the net's width */
    size_t n;
};

/* What may be asked for beside the format; zeros: nothing is. */
struct export_options {
    enum export_part part;
    enum quant precision;
    const struct export_sample *calibrate; /* NULL: none; only with a precision that rounds */
};

/* Bits of export_format.takes. */
#define EXPORT_TAKES_PART 1u
#define EXPORT_TAKES_PRECISION 2u /* and calibrate */

struct export_format {
    const char *name, *type;
    const char *extension; /* of a file's name, without the dot */
    unsigned takes;        /* the options that it knows */
    /* Adds what comes next to text: some rows of a layer's weights at most, or what is no larger.
     * *end: that was the last. Where it is, it keeps in e. Errors: ERR_MEMORY, by text->failed too;
     * before the first byte also ERR_FIELD: what this format cannot say. */
    bool (*next)(struct exporter *e, struct text *text, bool *end, struct err *err);
};

/* Object lifetime: the caller's storage, up to export_done; zeros but for what is exported. */
struct exporter {
    const struct export_format *format;
    const char *model;   /* its name */
    const char *release; /* of sigmad, "0.1.0" */
    const struct net *net;
    const struct labels *labels;     /* NULL: none */
    const struct msg_version *facts; /* of the version */
    struct export_options options;

    struct arena *arena; /* for what a format has to keep from piece to piece */

    size_t stage, layer, row; /* the format's place; 0 at first */
    void *own;                /* the format's, in the arena */
    struct net *rounded;      /* the format's; export_done frees it */
    uint64_t total;           /* bytes in all, if the format knows by the first piece; else 0 */
    double next_us;           /* what the next piece takes, about, if that is much; else 0 */
};

/* The formats in the order above; NULL: no more. */
const struct export_format *export_format_at(size_t i);
/* NULL: none of that name. */
const struct export_format *export_format_find(const char *name);
/* The names of parts, "whole" and so on. False, and *ret untouched: none of that name. */
bool export_part_find(const char *name, enum export_part *ret);

/* The next piece, or all that is left. Errors: as a format's next. */
bool export_next(struct exporter *e, struct text *text, bool *end, struct err *err);
bool export_all(struct exporter *e, struct text *text, struct err *err);
/* Whether all came, or not. */
void export_done(struct exporter *e);

/* For formats: the next rows of layer l's weights, from e->row on, *n of them, as many as a piece
 * takes; e->row moves behind them. The caller frees. *n is 0, e->row 0 again, and NULL returned
 * when there were no more. Errors: ERR_MEMORY. */
bool export_rows(struct exporter *e, size_t l, float **ret, size_t *n, struct err *err);

#endif
