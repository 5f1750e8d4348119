/* kernel_dot by AMX, on x86-64 processors that have it and systems that let it be used. */
#include "bf16.h"

#if defined(__AMX_BF16__) && defined(__linux__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023 /* asm/prctl.h */
#define XFEATURE_XTILEDATA 18

/* Palette 1: eight tiles of 16 rows of 64 bytes (Intel SDM, LDTILECFG). */
static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} config = { .palette = 1,
             .row_bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
             .rows = { 16, 16, 16, 16, 16, 16, 16, 16 } };

#define TILE_BEGIN _tile_loadconfig(&config);
#define TILE_END _tile_release();
#define TILE_ZERO(t) _tile_zero(t)
#define TILE_LOAD(t, from, stride) _tile_loadd(t, from, stride)
#define TILE_STORE(t, to, stride) _tile_stored(t, to, stride)
#define TILE_DOT(c, a, b) _tile_dpbf16ps(c, a, b)
#include "kernel_amx.h"

kernel_dot_run *amx_dot(void)
{
    unsigned a, b, c, d, low, high;

    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & bit_OSXSAVE) == 0 ||
        !__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & 1u << 22) == 0 || (d & 1u << 24) == 0) {
        return NULL; /* AMX-BF16, AMX-TILE */
    }
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low >> 17 & 3) != 3 ||
        syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) != 0) {
        return NULL; /* the system saves no tiles, or not ours */
    }
    return tiles_dot;
}
#else
kernel_dot_run *amx_dot(void)
{
    return NULL;
}
#endif
