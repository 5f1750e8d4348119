/* Arrays of a file that has weights only, matched to the layers of a spec that came beside it.
 *
 * An array's kind is the last word of its name (a run of letters, of either case):
 *
 *   weight, weights, w        W of a layer, [units, fan-in], as PyTorch has it
 *   coef, coefs, kernel       W of a layer, [fan-in, units], as scikit-learn and Keras have it
 *   bias, biases, b,          b of a layer, [units]
 *   intercept, intercepts
 *   arr                       numpy's name of what had none: arr_0 is W of the first layer, arr_1
 *                             its b, arr_2 W of the second, and so on
 *
 * but norm.shift, norm.scale, norm.target_shift and norm.target_scale, which are as export_tensor.h
 * has them. What is left of the name without that word is the layer's: W and b of one layer share
 * it. Where those of all layers differ in numbers only, these give the order (0.weight, 2.weight,
 * 10.weight; fc1.weight, fc2.weight). Otherwise the shapes do, if each layer has one that no other
 * has. All W lie as their names say, or, if they do not fit the spec so, all the other way round.
 *
 * Values are rounded to the nearest float32.
 *
 * Thread: any; only the arguments are read and written. */
#ifndef WEIGHTS_MATCH_H
#define WEIGHTS_MATCH_H

#include "arena.h"
#include "array.h"
#include "msg_model.h"

#define WEIGHTS_ARRAYS_MAX (2 * SPEC_LAYERS_MAX + 4) /* no file has more that belong to a net */

struct weights_array {
    const char *name; /* borrowed */
    struct array array;
};

/* Fills weights, biases and normalisation of model, whose spec is there. Nothing is allocated but
 * for arrays that fit the spec. Errors: ERR_FIELD at an array's name: its type, its shape, a kind or a layer it
 * has none of, a W without b, a name too many; at "spec.layers" when there are more or fewer
 * layers, or none of the arrays fits one; ERR_RANGE at the name for a value that is not finite or beyond float32;
 * ERR_MEMORY. */
bool weights_match(const struct weights_array *arrays, size_t n, struct arena *arena,
                   struct msg_model *model, struct err *err);

#endif
