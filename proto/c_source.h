/* A network as one C99 source file that stands alone: no heap, no libc, weights as constants.
 *
 *   enum { NAME_inputs = 64, NAME_outputs = 10 };
 *   extern const char *const NAME_labels[NAME_outputs];       when the model has labels
 *   int NAME_predict(const float *in, float *out);
 *
 * predict gives what the daemon's gives, bit for bit (c_text.h), and returns the index of the
 * largest output, the lowest of equals; of one output 1 if it is 0.5 or more, else 0. It is
 * reentrant, its layers' outputs lie on the stack, and in may be out. Finite numbers are written as
 * the shortest decimals that read back to the same float.
 *
 * NAME is the model's name, '.' and '-' becoming '_', with an 'm' before a leading digit. What is
 * declared begins with NAME_, so that reserved words need no rule of their own.
 *
 * The first comment says, of bf16 and int8 (quant.h), by how much weights differ from the model's
 * and, with options.calibrate, outputs on those rows from the outputs in float32. */
#ifndef C_SOURCE_H
#define C_SOURCE_H

#include "export.h"
#include "msg_train.h"

#define C_NAME_LEN (NAME_MAX_LEN + 2) /* with the 'm' and the NUL */

/* The identifier of a model of that name, which name_check has let pass. */
void c_name(const char *model, char ret[C_NAME_LEN]);

/* Formats c and h of an export (export.h); h has the declarations alone. Errors: ERR_MEMORY;
 * ERR_RANGE at "inputs[row]" of calibrate, see quant_compare. */
bool c_source_next(struct exporter *e, struct text *text, bool *end, struct err *err);
bool c_header_next(struct exporter *e, struct text *text, bool *end, struct err *err);

#endif
