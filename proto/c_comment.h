/* The first comment of a C source (c_source.h): of which model it is, what it needs, and what its
 * precision costs. Thread: any. */
#ifndef C_COMMENT_H
#define C_COMMENT_H

#include "export.h"

/* The floats that one of predict's two buffers needs: inputs and the outputs of layers 1, 3, ...
 * lie in the first, those of layers 0, 2, ... in the second, the last layer's in the caller's. */
size_t c_buffer_floats(const struct net *net, size_t which);

/* Opens the comment: the model and its version. */
void c_comment_facts(const struct exporter *e, struct text *text);
/* What is said of the code, and the end of the comment. effect: of e->options.calibrate's rows, or
 * NULL. Errors: ERR_MEMORY. */
bool c_comment_promises(const struct exporter *e, const struct quant_effect *effect,
                        struct text *text, struct err *err);

#endif
