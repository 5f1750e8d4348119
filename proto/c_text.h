/* The fixed functions of a C export (c_source.h): what core/kernel_*.h compute, one value at a time
 * in freestanding C99, with the same bits. In the literals @ stands for the model's identifier.
 * Thread: any. */
#ifndef C_TEXT_H
#define C_TEXT_H

#include "quant.h"
#include "text.h"

/* Adds a literal with name in place of each @. */
void c_text_add(struct text *text, const char *literal, const char *name);
/* The functions that the net needs, and no other, so that no compiler finds an unused one. */
void c_text_functions(struct text *text, const struct net *net, enum quant precision,
                      const char *name);

#endif
