/* The kernel for aarch64. */
#if defined(__aarch64__)
#define KERNEL_TABLE kernel_neon
#define KERNEL_NAME "neon"
#define VEC_HEADER "vec_neon.h"
#include "kernel_body.h"
#else
#include "kernel.h"
const struct kernel *const kernel_neon = NULL;
#endif
