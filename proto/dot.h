/* A network as a picture: Graphviz's language (graphviz.org/doc/info/lang.html), left to right, a
 * column a layer. Of a wide layer some units are drawn and the rest counted; a line's width is its
 * weight's size among those drawn, its colour the sign: blue above 0, red below. */
#ifndef DOT_H
#define DOT_H

#include "export.h"

/* Format dot of an export (export.h). */
bool dot_next(struct exporter *e, struct text *text, bool *end, struct err *err);

#endif
