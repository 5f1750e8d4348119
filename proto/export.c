#include "export.h"

#include <stdlib.h>
#include <string.h>

#include "c_source.h"
#include "dot.h"
#include "msg_model.h"
#include "npz.h"
#include "onnx_write.h"
#include "safetensors.h"

static const struct export_format formats[] = {
    { "json", "application/json", "json", 0, msg_model_next },
    { "safetensors", "application/x-safetensors", "safetensors", 0, safetensors_next },
    { "npz", "application/x-npz", "npz", 0, npz_next },
    { "onnx", "application/onnx", "onnx", EXPORT_TAKES_PART, onnx_write_next },
    { "dot", "text/vnd.graphviz", "dot", 0, dot_next },
    { "c", "text/x-csrc", "c", EXPORT_TAKES_PRECISION, c_source_next },
    { "h", "text/x-chdr", "h", 0, c_header_next },
};

#define FORMATS (sizeof formats / sizeof *formats)

const struct export_format *export_format_at(size_t i)
{
    return i < FORMATS ? &formats[i] : NULL;
}

const struct export_format *export_format_find(const char *name)
{
    for (size_t i = 0; i < FORMATS; i++) {
        if (strcmp(formats[i].name, name) == 0) {
            return &formats[i];
        }
    }
    return NULL;
}

bool export_part_find(const char *name, enum export_part *ret)
{
    static const char *const names[] = { [EXPORT_WHOLE] = "whole", [EXPORT_LOGITS] = "logits" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (enum export_part)i;
            return true;
        }
    }
    return false;
}

bool export_next(struct exporter *e, struct text *text, bool *end, struct err *err)
{
    *end = false;
    if (!e->format->next(e, text, end, err)) {
        return false;
    }
    return !text->failed || err_set(err, ERR_MEMORY, "export", "does not fit into memory");
}

bool export_all(struct exporter *e, struct text *text, struct err *err)
{
    bool end = false;

    while (!end) {
        if (!export_next(e, text, &end, err)) {
            return false;
        }
    }
    return true;
}

void export_done(struct exporter *e)
{
    net_free(e->rounded);
    e->rounded = NULL;
}

bool export_rows(struct exporter *e, size_t l, float **ret, size_t *n, struct err *err)
{
    const struct net_layer *layer = &e->net->layer[l];
    const size_t left = layer->out - e->row;
    const size_t most = EXPORT_PIECE / sizeof(float) / layer->in + 1;
    float *w = NULL;

    *n = left < most ? left : most;
    if (*n == 0) {
        e->row = 0;
    } else {
        w = malloc(*n * layer->in * sizeof *w);
        if (w == NULL) {
            return err_set(err, ERR_MEMORY, "export", "does not fit into memory");
        }
        net_get_rows(e->net, l, e->row, *n, w);
        e->row += *n;
    }
    *ret = w;
    return true;
}
