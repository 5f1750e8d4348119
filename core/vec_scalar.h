/* Vectors of 4 floats in plain C for any machine, with the fused multiply-add done in software
 * where the hardware has none. The operations are named once, in vec_avx2.h. */
#include <math.h>

#define VL 4
#define REGS 16
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef double vd __attribute__((vector_size(32)));
typedef int64_t vl __attribute__((vector_size(32)));

#define V static inline __attribute__((always_inline, unused))

V vf v_load(const float *p)
{
    vf a;

    memcpy(&a, p, sizeof a);
    return a;
}
V void v_store(float *p, vf a) { memcpy(p, &a, sizeof a); }
V vf v_set(float a) { return (vf){ a, a, a, a }; }
#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
V vf v_fma(vf a, vf b, vf c)
{
    return (vf){ fmaf(a[0], b[0], c[0]), fmaf(a[1], b[1], c[1]), fmaf(a[2], b[2], c[2]),
                 fmaf(a[3], b[3], c[3]) };
}
#else
/* The product of two floats is exact in double; the sum is rounded to odd there (Boldo and
 * Melquiond 2008), with the error from Knuth's TwoSum, so that rounding it once more to float
 * gives what one rounding would have. */
V vf v_fma(vf a, vf b, vf c)
{
    const vd p = __builtin_convertvector(a, vd) * __builtin_convertvector(b, vd);
    const vd q = __builtin_convertvector(c, vd);
    const vd s = p + q, t = s - p;
    const vd e = (p - (s - t)) + (q - t); /* NaN, and so no adjustment, when s is not finite */
    const vd zero = { 0.0, 0.0, 0.0, 0.0 };
    const vl bits = (vl)s, inexact = (e > zero) | (e < zero);
    const vl away = ((e > zero) & (s > zero)) | ((e < zero) & (s < zero));
    const vl even = (bits & 1) - 1;             /* all ones when the last bit is 0 */
    const vl step = ((away & 2) - 1) & inexact; /* +1 or -1 in magnitude */

    return __builtin_convertvector((vd)(bits + (step & even)), vf);
}
#endif
V vf v_add(vf a, vf b) { return a + b; }
V vf v_sub(vf a, vf b) { return a - b; }
V vf v_mul(vf a, vf b) { return a * b; }
V vf v_div(vf a, vf b) { return a / b; }
V vf v_pick(vi which, vf x, vf y) { return (vf)(((vi)x & which) | ((vi)y & ~which)); }
V vf v_min(vf a, vf b) { return v_pick(a < b, a, b); }
V vf v_max(vf a, vf b) { return v_pick(a > b, a, b); }
V vf v_and(vf a, vf b) { return (vf)((vi)a & (vi)b); }
V vf v_xor(vf a, vf b) { return (vf)((vi)a ^ (vi)b); }
V vf v_select_lt(vf a, vf b, vf x, vf y) { return v_pick(a < b, x, y); }
V vf v_flush(vf a) { return (vf)((vi)a & (((vi)a & 0x7fffffff) >= FLUSH_BITS)); }
V vf v_scale2(vf a, vf n) { return (vf)((vi)a + ((vi)n << 23)); }
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
