#include "dot.h"

#include <math.h>
#include <stdlib.h>

#define DRAWN_MAX 12 /* units of a layer that is drawn whole; */
#define DRAWN_TOP 6  /* of a wider one the first */
#define DRAWN_END 2  /* and the last */
#define PEN_MIN 0.2
#define PEN_MAX 3.0

/* How many nodes stand for units of a column of n, and which unit the i-th of them is. */
static size_t drawn(size_t n)
{
    return n <= DRAWN_MAX ? n : DRAWN_TOP + DRAWN_END;
}

static size_t unit_of(size_t n, size_t i)
{
    return n <= DRAWN_MAX || i < DRAWN_TOP ? i : n - (DRAWN_TOP + DRAWN_END) + i;
}

/* Column 0 has the inputs, column l + 1 the units of layer l. */
static size_t column_units(const struct net *net, size_t column)
{
    return column == 0 ? net->spec.inputs : net->layer[column - 1].out;
}

/* A label in Graphviz's quotes; line feeds and backslashes mean something there. */
static void quote(struct text *text, const char *name)
{
    text_str(text, "\"");
    for (; *name != '\0'; name++) {
        if (*name == '"' || *name == '\\') {
            text_str(text, "\\");
        }
        text_add(text, (unsigned char)*name < ' ' ? " " : name, 1);
    }
    text_str(text, "\"");
}

static void column_title(const struct net *net, size_t column, struct text *text)
{
    text_printf(text,
                "  {\n    rank = same; edge [style = invis];\n"
                "    title_%zu [shape = plaintext, fontsize = 14, label = \"",
                column);
    if (column == 0) {
        text_printf(text, "%zu inputs", net->spec.inputs);
        if (net->spec.norm != NORM_NONE) {
            text_printf(text, "\\n%s", norm_name(net->spec.norm));
        }
    } else {
        text_printf(text, "%zu %s", net->layer[column - 1].out,
                    act_name(net->layer[column - 1].act));
    }
    text_str(text, "\"];\n");
}

/* Lines that nobody sees keep a column in order. */
static void column_order(size_t column, size_t n, struct text *text)
{
    const size_t shown = drawn(n);

    text_printf(text, "    title_%zu -> ", column);
    for (size_t i = 0; i < shown; i++) {
        if (shown < n && i == DRAWN_TOP) {
            text_printf(text, "more_%zu -> ", column);
        }
        text_printf(text, "u%zu_%zu%s", column, unit_of(n, i), i + 1 < shown ? " -> " : ";\n");
    }
}

static void column_encode(const struct exporter *e, size_t column, struct text *text)
{
    const struct net *net = e->net;
    const size_t n = column_units(net, column), shown = drawn(n);
    const bool last = column == net->spec.n_layers;

    column_title(net, column, text);
    for (size_t i = 0; i < shown; i++) {
        const size_t unit = unit_of(n, i);

        if (shown < n && i == DRAWN_TOP) {
            text_printf(text, "    more_%zu [shape = plaintext, label = \"%zu more\"];\n", column,
                        n - shown);
        }
        text_printf(text, "    u%zu_%zu [label = ", column, unit);
        if (last && e->labels != NULL) {
            quote(text, e->labels->name[unit]);
        } else {
            text_printf(text, "%zu", unit);
        }
        text_str(text, "];\n");
    }
    column_order(column, n, text);
    text_str(text, "  }\n");
}

/* Into w: the weights of the lines drawn between layer l's inputs and units, units outside. */
static bool lines_get(const struct net *net, size_t l, float **ret, struct err *err)
{
    const size_t in = net->layer[l].in, out = net->layer[l].out;
    const size_t from = drawn(in), to = drawn(out);
    float *w = malloc(to * from * sizeof *w), *row = malloc(in * sizeof *row);

    if (w == NULL || row == NULL) {
        free(w);
        free(row);
        return err_set(err, ERR_MEMORY, "export", "does not fit into memory");
    }
    for (size_t j = 0; j < to; j++) {
        net_get_rows(net, l, unit_of(out, j), 1, row);
        for (size_t k = 0; k < from; k++) {
            w[j * from + k] = row[unit_of(in, k)];
        }
    }
    free(row);
    *ret = w;
    return true;
}

static bool lines_encode(const struct exporter *e, size_t l, struct text *text, struct err *err)
{
    const struct net *net = e->net;
    const size_t in = net->layer[l].in, out = net->layer[l].out;
    const size_t from = drawn(in), to = drawn(out);
    double most = 0.0;
    float *w = NULL;

    if (!lines_get(net, l, &w, err)) {
        return false;
    }
    for (size_t i = 0; i < to * from; i++) {
        most = fmax(most, fabs((double)w[i]));
    }
    for (size_t j = 0; j < to; j++) {
        for (size_t k = 0; k < from; k++) {
            const double weight = (double)w[j * from + k];

            text_printf(text, "  u%zu_%zu -> u%zu_%zu [penwidth = ", l, unit_of(in, k), l + 1,
                        unit_of(out, j));
            text_printf(text, "%.2f, color = \"%s\", tooltip = \"",
                        PEN_MIN + (most > 0.0 ? fabs(weight) / most : 0.0) * (PEN_MAX - PEN_MIN),
                        weight < 0.0 ? "#c0392b" : "#2471a3");
            text_float(text, w[j * from + k]);
            text_str(text, "\"];\n");
        }
    }
    free(w);
    return true;
}

bool dot_next(struct exporter *e, struct text *text, bool *end, struct err *err)
{
    if (e->layer == e->net->spec.n_layers) {
        text_str(text, "}\n");
        *end = true;
        return true;
    }
    if (e->layer == 0) {
        text_str(text, "digraph ");
        quote(text, e->model);
        text_str(text, " {\n  rankdir = LR; ranksep = 2; splines = line;\n"
                       "  node [shape = circle, fontsize = 10, margin = 0.02];\n"
                       "  edge [arrowhead = none];\n");
        for (size_t column = 0; column <= e->net->spec.n_layers; column++) {
            column_encode(e, column, text);
        }
    }
    return lines_encode(e, e->layer++, text, err);
}
