#include "c_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "c_comment.h"
#include "c_text.h"

#define A_LINE 8 /* numbers */

void c_name(const char *model, char ret[C_NAME_LEN])
{
    size_t n = 0;

    if (model[0] >= '0' && model[0] <= '9') {
        ret[n++] = 'm';
    }
    for (; *model != '\0' && n < C_NAME_LEN - 1; model++) {
        ret[n++] = *model == '.' || *model == '-' ? '_' : *model;
    }
    ret[n] = '\0';
}

/* --- numbers and strings --- */

static void float_add(struct text *text, float value)
{
    const size_t before = text->len;

    text_float(text, value);
    if (!text->failed && strpbrk(text->data + before, ".e") == NULL) {
        text_str(text, ".0");
    }
    text_str(text, "f");
}

static void floats_add(struct text *text, const float *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        text_str(text, i % A_LINE == 0 ? "\n    " : " ");
        float_add(text, values[i]);
        text_str(text, ",");
    }
}

/* In octal whatever is not plain, '?' too, so that there are no trigraphs. */
static void string_add(struct text *text, const char *string)
{
    text_str(text, "\"");
    for (; *string != '\0'; string++) {
        const unsigned char c = (unsigned char)*string;

        if (c < ' ' || c > '~' || c == '"' || c == '\\' || c == '?') {
            text_printf(text, "\\%03o", c);
        } else {
            text_add(text, string, 1);
        }
    }
    text_str(text, "\"");
}

/* --- between pieces --- */

/* Kept from piece to piece. */
struct room {
    float *scales; /* int8's of a layer, as many as the largest has */
    int32_t *q;    /* one row */
    struct quant_effect effect;
};

static struct room *room_of(const struct exporter *e)
{
    return e->own;
}

static bool room_make(struct exporter *e, struct err *err)
{
    struct room *room = arena_alloc(e->arena, 1, sizeof *room);
    size_t in = 0, out = 0;

    for (size_t l = 0; l < e->net->spec.n_layers; l++) {
        in = e->net->layer[l].in > in ? e->net->layer[l].in : in;
        out = e->net->layer[l].out > out ? e->net->layer[l].out : out;
    }
    if (room == NULL || (room->scales = arena_alloc(e->arena, out, sizeof *room->scales)) == NULL ||
        (room->q = arena_alloc(e->arena, in, sizeof *room->q)) == NULL) {
        return err_set(err, ERR_MEMORY, "export", "does not fit into memory");
    }
    room->effect = (struct quant_effect){ 0 };
    e->own = room;
    return true;
}

/* --- declarations --- */

static void declarations_add(const struct exporter *e, const char *name, struct text *text)
{
    text_printf(text, "\nenum { %s_inputs = %zu, %s_outputs = %zu };\n\n", name,
                e->net->spec.inputs, name, spec_outputs(&e->net->spec));
    if (e->labels != NULL) {
        c_text_add(text,
                   "/* The outputs' names, UTF-8. */\n"
                   "extern const char *const @_labels[@_outputs];\n\n",
                   name);
    }
    if (spec_outputs(&e->net->spec) == 1) {
        text_str(text, "/* From in to out[0], which in may be. Returns 1 if that is 0.5 or more, "
                       "else 0. Reentrant. */\n");
    } else {
        text_str(text, "/* From in to out, which in may be. Returns the index of the largest "
                       "output, the lowest of\n * equals. Reentrant. */\n");
    }
    c_text_add(text, "int @_predict(const float *in, float *out);\n", name);
}

/* --- constants --- */

static void array_begin(struct text *text, const char *name, const char *what, size_t n)
{
    text_printf(text, "\nstatic const float %s_%s[%zu] = {", name, what, n);
}

static void array_add(struct text *text, const char *name, const char *what, const float *values,
                      size_t n)
{
    array_begin(text, name, what, n);
    floats_add(text, values, n);
    text_str(text, "\n};\n");
}

static void weights_begin(const struct exporter *e, const char *name, struct text *text)
{
    static const char *const types[] = {
        [QUANT_F32] = "float", [QUANT_BF16] = "uint16_t", [QUANT_INT8] = "int8_t"
    };

    text_printf(text, "\nstatic const %s %s_weights%zu[%zu] = {", types[e->options.precision], name,
                e->layer, e->net->layer[e->layer].in * e->net->layer[e->layer].out);
}

/* n weights of one unit; q[n] is spare, scale where int8's goes. */
static void row_add(enum quant precision, const float *w, size_t n, int32_t *q, float *scale,
                    struct text *text)
{
    if (precision == QUANT_F32) {
        floats_add(text, w, n);
        return;
    }
    quant_row(precision, w, n, q, scale);
    for (size_t k = 0; k < n; k++) {
        text_str(text, k % (2 * A_LINE) == 0 ? "\n    " : " ");
        text_printf(text, precision == QUANT_BF16 ? "0x%04x," : "%d,", (int)q[k]);
    }
}

/* Behind a layer's last weights. scales: int8's. */
static bool biases_add(struct exporter *e, const char *name, const float *scales, struct text *text,
                       struct err *err)
{
    const size_t out = e->net->layer[e->layer].out;
    float *b = malloc(out * sizeof *b);
    char what[40];

    if (b == NULL) {
        return err_set(err, ERR_MEMORY, "export", "does not fit into memory");
    }
    net_get_biases(e->net, e->layer, b);
    text_str(text, "\n};\n");
    if (e->options.precision == QUANT_INT8) {
        snprintf(what, sizeof what, "scales%zu", e->layer);
        array_add(text, name, what, scales, out);
    }
    snprintf(what, sizeof what, "biases%zu", e->layer);
    array_add(text, name, what, b, out);
    free(b);
    e->row = 0;
    e->layer++;
    return true;
}

/* Rows of the layer's weights, and behind the last of them its biases. */
static bool layer_add(struct exporter *e, const char *name, struct text *text, struct err *err)
{
    const size_t in = e->net->layer[e->layer].in;
    const struct room *room = room_of(e);
    size_t n;
    float *w;

    if (e->row == 0) {
        weights_begin(e, name, text);
    }
    if (!export_rows(e, e->layer, &w, &n, err)) {
        return false;
    }
    for (size_t j = 0; j < n; j++) {
        const size_t unit = e->row - n + j;

        text_printf(text, "\n    /* unit %zu */", unit);
        row_add(e->options.precision, w + j * in, in, room->q, room->scales + unit, text);
    }
    free(w);
    return e->row < e->net->layer[e->layer].out || biases_add(e, name, room->scales, text, err);
}

static void norms_add(const struct exporter *e, const char *name, struct text *text)
{
    const struct net *net = e->net;

    if (net->shift != NULL) {
        array_add(text, name, "shift", net->shift, net->spec.inputs);
        array_add(text, name, "scale", net->scale, net->spec.inputs);
    }
    if (net->target_shift != NULL) {
        array_add(text, name, "target_shift", net->target_shift, spec_outputs(&net->spec));
        array_add(text, name, "target_scale", net->target_scale, spec_outputs(&net->spec));
    }
}

static void labels_add(const struct exporter *e, const char *name, struct text *text)
{
    if (e->labels == NULL) {
        return;
    }
    c_text_add(text, "\nconst char *const @_labels[@_outputs] = {\n", name);
    for (size_t i = 0; i < e->labels->n; i++) {
        text_str(text, "    ");
        string_add(text, e->labels->name[i]);
        text_str(text, ",\n");
    }
    text_str(text, "};\n");
}

/* --- predict --- */

static void layer_call(const struct net *net, enum quant precision, size_t l, const char *name,
                       struct text *text)
{
    static const char *const buffers[] = { "a", "b" };
    const char *from = buffers[l % 2];
    const char *to = l + 1 == net->spec.n_layers ? "out" : buffers[(l + 1) % 2];
    const size_t in = net->layer[l].in, out = net->layer[l].out;
    const enum act act = net->layer[l].act;

    text_printf(text, "    %s_dense(%s_weights%zu, ", name, name, l);
    if (precision == QUANT_INT8) {
        text_printf(text, "%s_scales%zu, ", name, l);
    }
    text_printf(text, "%s_biases%zu, %zu, %zu, %s, %s);\n", name, l, in, out, from, to);
    if (act == ACT_SOFTMAX) {
        text_printf(text, "    %s_softmax(%zu, %s);\n", name, out, to);
    } else {
        text_printf(text, "    for (i = 0; i < %zu; i++) {\n        %s[i] = %s_%s(%s[i]);\n    }\n",
                    out, to, name, act == ACT_LINEAR ? "flush" : act_name(act), to);
    }
}

static void answer_add(const struct net *net, const char *name, struct text *text)
{
    if (net->target_shift != NULL) {
        c_text_add(text,
                   "    for (i = 0; i < @_outputs; i++) {\n"
                   "        out[i] = out[i] / @_target_scale[i] + @_target_shift[i];\n"
                   "    }\n",
                   name);
    }
    if (spec_outputs(&net->spec) == 1) {
        text_str(text, "    return out[0] >= 0.5f;\n}\n");
        return;
    }
    c_text_add(text,
               "    for (i = 1; i < @_outputs; i++) {\n"
               "        best = out[i] > out[best] ? i : best;\n"
               "    }\n"
               "    return (int)best;\n"
               "}\n",
               name);
}

static void predict_add(const struct net *net, enum quant precision, const char *name,
                        struct text *text)
{
    const size_t b = c_buffer_floats(net, 1);

    c_text_add(text, "\nint @_predict(const float *in, float *out)\n{\n", name);
    text_printf(text, "    float a[%zu]", c_buffer_floats(net, 0));
    if (b > 0) {
        text_printf(text, ", b[%zu]", b);
    }
    text_printf(text, ";\n    size_t i%s;\n\n", spec_outputs(&net->spec) > 1 ? ", best = 0" : "");
    c_text_add(
        text,
        net->shift != NULL
            ? "    for (i = 0; i < @_inputs; i++) {\n"
              "        a[i] = @_flush((in[i] - @_shift[i]) * @_scale[i]);\n"
              "    }\n"
            : "    for (i = 0; i < @_inputs; i++) {\n        a[i] = @_flush(in[i]);\n    }\n",
        name);
    for (size_t l = 0; l < net->spec.n_layers; l++) {
        layer_call(net, precision, l, name, text);
    }
    answer_add(net, name, text);
}

/* --- the file --- */

#define SLICE_US 10000.0 /* of comparing rows, about */
#define FLOPS_A_US 20000.0
#define WEIGHTS_A_US 300.0 /* rounded */

/* How many rows are compared at a time. */
static size_t slice_rows(const struct net *net)
{
    return (size_t)(SLICE_US * FLOPS_A_US / (2.0 * (double)net_flops(net))) + 1;
}

/* Some rows of calibrate. */
static bool sample_compare(struct exporter *e, struct err *err)
{
    const struct export_sample *sample = e->options.calibrate;
    struct quant_effect *effect = &room_of(e)->effect;
    const size_t left = sample->n - effect->rows, most = slice_rows(e->net);

    if (e->rounded == NULL && !quant_net(e->net, e->options.precision, &e->rounded, err)) {
        return false;
    }
    e->next_us = SLICE_US;
    return quant_compare(e->net, e->rounded, &sample->x, effect->rows, left < most ? left : most,
                         effect, err);
}

/* The first comment, declarations and functions. */
static bool head_add(struct exporter *e, const char *name, struct text *text, struct err *err)
{
    const struct quant_effect *effect = &room_of(e)->effect;

    c_comment_facts(e, text);
    if (!c_comment_promises(e, effect->rows > 0 ? effect : NULL, text, err)) {
        return false;
    }
    text_str(text, "#include <float.h>\n#include <stddef.h>\n#include <stdint.h>\n");
    declarations_add(e, name, text);
    text_str(text, "\n");
    c_text_functions(text, e->net, e->options.precision, name);
    e->next_us = 0.0;
    return true;
}

enum { BEGIN, COMPARE, HEAD, LAYERS };

bool c_source_next(struct exporter *e, struct text *text, bool *end, struct err *err)
{
    const struct export_sample *sample = e->options.calibrate;
    char name[C_NAME_LEN];

    c_name(e->model, name);
    switch (e->stage) {
    case BEGIN:
        e->stage = sample != NULL ? COMPARE : HEAD;
        if (e->options.precision != QUANT_F32) {
            e->next_us = (double)e->net->n_params / WEIGHTS_A_US;
        }
        return room_make(e, err);
    case COMPARE:
        if (room_of(e)->effect.rows < sample->n) {
            return sample_compare(e, err);
        }
        e->stage = HEAD;
        return true;
    case HEAD:
        e->stage = LAYERS;
        return head_add(e, name, text, err);
    default:
        break;
    }
    if (e->layer < e->net->spec.n_layers) {
        return layer_add(e, name, text, err);
    }
    norms_add(e, name, text);
    labels_add(e, name, text);
    predict_add(e->net, e->options.precision, name, text);
    *end = true;
    return true;
}

bool c_header_next(struct exporter *e, struct text *text, bool *end, struct err *err)
{
    char name[C_NAME_LEN];

    (void)err;
    c_name(e->model, name);
    c_comment_facts(e, text);
    text_str(text, " */\n");
    c_text_add(text,
               "#ifndef @_EXPORT_H\n#define @_EXPORT_H\n\n"
               "#ifdef __cplusplus\nextern \"C\" {\n#endif\n",
               name);
    declarations_add(e, name, text);
    text_str(text, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
    *end = true;
    return true;
}
