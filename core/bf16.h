/* Training with bf16 operands: weights, sums, activations and all that is kept are float32, and the
 * operands of the three products of a step (kernel.h) are rounded to bfloat16 first:
 *
 *   bf16(v)   nearest of 8 significant bits, ties to even; +0 below 2^-50 in magnitude
 *
 * A product's bits are those that Intel's TDPBF16PS gives (SDM, volume 2), whoever computes them. Its
 * operands are padded with +0 to a multiple of 32 along the sum, which is cut into blocks of 32; from
 * c = +0 on, for each block
 *
 *   e = a[0] b[0] + a[2] b[2] + ... + a[30] b[30]      in that order, each a fused multiply-add
 *   o = a[1] b[1] + a[3] b[3] + ... + a[31] b[31]      likewise
 *   c = c + (e + o)
 *
 * A bias is added to c afterwards. The instruction takes denormals for zero and makes none; since
 * operands have no bit below 2^-57, sums have none below 2^-114, and there are no denormals. Two
 * values along a sum lie together, the first in the low half of 32 bits. */
#ifndef BF16_H
#define BF16_H

#include "kernel.h"

typedef void kernel_dot_run(const struct kernel_dot *job);

/* By AMX; NULL: this processor or this system has none, or the compiler. Asks the system for leave
 * to use it. */
kernel_dot_run *amx_dot(void);

/* Uses AMX from here on if there is one that gives the right bits, which is tried: by main, once,
 * before there are threads. */
void bf16_begin(void);
/* "amx" or "emulated". */
const char *bf16_name(void);
/* What computes a net's products. */
kernel_dot_run *bf16_dot(const struct kernel *kernel);

#endif
