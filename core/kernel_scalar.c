/* The kernel for any machine: the slow path, with a fused multiply-add in software where there is none. */
#define KERNEL_TABLE kernel_scalar
#define KERNEL_NAME "scalar"
#define VEC_HEADER "vec_scalar.h"
#include "kernel_body.h"
