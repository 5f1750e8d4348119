/* The kernel for x86-64 with AVX2 and FMA. */
#if defined(__AVX2__) && defined(__FMA__)
#define KERNEL_TABLE kernel_avx2
#define KERNEL_NAME "avx2"
#define VEC_HEADER "vec_avx2.h"
#include "kernel_body.h"
#else
#include "kernel.h"
const struct kernel *const kernel_avx2 = NULL;
#endif
