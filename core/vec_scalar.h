/* Vectors of 4 floats in plain C for any machine, with the fused multiply-add done in software
 * where the hardware has none. The operations are named once, in vec_avx2.h. */
#include <math.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define VL 4
#define REGS 16
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef double vd __attribute__((vector_size(16)));
typedef int64_t vl __attribute__((vector_size(16)));

/* clang-format off: one operation a line, so that files compare side by side */
#define V static inline __attribute__((always_inline, unused))

V vf v_load(const float *p)
{
    vf a;

    memcpy(&a, p, sizeof a);
    return a;
}
V void v_store(float *p, vf a)
{
    memcpy(p, &a, sizeof a);
}
V vf v_set(float a)
{
    return (vf){ a, a, a, a };
}
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
V vf v_fma(vf a, vf b, vf c)
{
    return (vf){ fmaf(a[0], b[0], c[0]), fmaf(a[1], b[1], c[1]), fmaf(a[2], b[2], c[2]),
                 fmaf(a[3], b[3], c[3]) };
}
#else
#if defined(__SSE2__)
V vd v_low(vf a)
{
    return (vd)_mm_cvtps_pd((__m128)a);
}
V vd v_high(vf a)
{
    return (vd)_mm_cvtps_pd(_mm_movehl_ps((__m128)a, (__m128)a));
}
V vf v_narrow(vd low, vd high)
{
    return (vf)_mm_movelh_ps(_mm_cvtpd_ps((__m128d)low), _mm_cvtpd_ps((__m128d)high));
}
#else
V vd v_low(vf a)
{
    return (vd){ (double)a[0], (double)a[1] };
}
V vd v_high(vf a)
{
    return (vd){ (double)a[2], (double)a[3] };
}
V vf v_narrow(vd low, vd high)
{
    return (vf){ (float)low[0], (float)low[1], (float)high[0], (float)high[1] };
}
#endif

/* a * b + c rounded to odd: what is inexact gets an odd last bit, so that rounding once more to
 * float gives what one rounding would have (Boldo and Melquiond 2008). The product of two floats
 * is exact in double; the error of the sum is that of Knuth's TwoSum. */
V vd v_fma_odd(vd a, vd b, vd c)
{
    const vd zero = { 0.0, 0.0 };
    const vd p = a * b, s = p + c, t = s - p;
    const vd e = (p - (s - t)) + (c - t); /* NaN, and so taken as exact, when s is not finite */
    const vl below = e < zero, inexact = below | (zero < e);
    const vl past = (below ^ (s < zero)) & inexact; /* s was rounded away from zero */

    return (vd)(((vl)s + past) | (inexact & 1));
}
V vf v_fma(vf a, vf b, vf c)
{
    return v_narrow(v_fma_odd(v_low(a), v_low(b), v_low(c)),
                    v_fma_odd(v_high(a), v_high(b), v_high(c)));
}
#endif
V vf v_add(vf a, vf b)
{
    return a + b;
}
V vf v_sub(vf a, vf b)
{
    return a - b;
}
V vf v_mul(vf a, vf b)
{
    return a * b;
}
V vf v_div(vf a, vf b)
{
    return a / b;
}
V vf v_sqrt(vf a)
{
    for (int i = 0; i < VL; i++) {
        a[i] = sqrtf(a[i]);
    }
    return a;
}
V vf v_pick(vi which, vf x, vf y)
{
    return (vf)(((vi)x & which) | ((vi)y & ~which));
}
V vf v_min(vf a, vf b)
{
    return v_pick(a < b, a, b);
}
V vf v_max(vf a, vf b)
{
    return v_pick(a > b, a, b);
}
V vf v_and(vf a, vf b)
{
    return (vf)((vi)a & (vi)b);
}
V vf v_xor(vf a, vf b)
{
    return (vf)((vi)a ^ (vi)b);
}
V vf v_select_lt(vf a, vf b, vf x, vf y)
{
    return v_pick(a < b, x, y);
}
V vf v_flush(vf a)
{
    return (vf)((vi)a & (((vi)a & 0x7fffffff) >= FLUSH_BITS));
}
V vf v_scale2(vf a, vf n)
{
    return (vf)((vi)a + ((vi)n << 23));
}
V vf v_split2(vf a, vf *m)
{
    const vi k = ((vi)a - SQRT_HALF_BITS) >> 23;

    *m = (vf)((vi)a - (k << 23));
    return __builtin_convertvector(k, vf);
}
V vf v_load_u8(const uint8_t *p)
{
    return (vf){ (float)p[0], (float)p[1], (float)p[2], (float)p[3] };
}
V void v_transpose(vf r[VL])
{
    const vf a = r[0], b = r[1], c = r[2], d = r[3];

    for (int i = 0; i < 4; i++) {
        r[i] = (vf){ a[i], b[i], c[i], d[i] };
    }
}
/* clang-format on */
