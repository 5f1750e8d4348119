#include "bf16.h"

#include <string.h>

#include "rng.h"

/* The process-wide choice: written by bf16_begin, before there are threads. NULL: the kernel's. */
static kernel_dot_run *chosen;

#define PAIRS 48

/* Whether it gives the kernel's bits on numbers of all sizes. */
static bool is_right(kernel_dot_run *dot)
{
    static uint32_t a[32 * PAIRS], b[2 * PAIRS * 16];
    _Alignas(64) static float got[2 * 32 * 16], want[2 * 32 * 16];
    struct kernel_dot job = {
        .a = a, .lda = PAIRS, .rows = 32, .b = b, .ldb = PAIRS * 16, .panels = 2, .pairs = PAIRS
    };
    struct rng rng;
    float x[2];

    rng_init(&rng, 1);
    for (size_t i = 0; i < sizeof a / sizeof *a + sizeof b / sizeof *b; i++) {
        for (size_t j = 0; j < 2; j++) {
            x[j] = (float)rng_normal(&rng) * (rng_below(&rng, 3) == 0 ? 0x1p-30f : 1.0f);
        }
        kernel_chosen()->pair_rows(
            x, 2, 1, 2, i < sizeof a / sizeof *a ? a + i : b + (i - sizeof a / sizeof *a), 1);
    }
    job.c = want;
    kernel_chosen()->dot(&job);
    job.c = got;
    dot(&job);
    return memcmp(got, want, sizeof got) == 0;
}

void bf16_begin(void)
{
    kernel_dot_run *dot = amx_dot();

    chosen = dot != NULL && is_right(dot) ? dot : NULL;
}

const char *bf16_name(void)
{
    return chosen != NULL ? "amx" : "emulated";
}

kernel_dot_run *bf16_dot(const struct kernel *kernel)
{
    return chosen != NULL ? chosen : kernel->dot;
}
