/* The kernel for x86-64 with AVX-512 F, DQ, BW and VL. */
#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define KERNEL_TABLE kernel_avx512
#define KERNEL_NAME "avx512"
#define VEC_HEADER "vec_avx512.h"
#include "kernel_body.h"
#else
#include "kernel.h"
const struct kernel *const kernel_avx512 = NULL;
#endif
