/* Vectors of 4 floats by NEON on aarch64. The operations are named once, in vec_avx2.h. */
#include <arm_neon.h>

#define VL 4
#define REGS 32
typedef float32x4_t vf;

/* clang-format off: one operation a line, so that files compare side by side */
#define V static inline __attribute__((always_inline, unused))

V vf v_load(const float *p)
{
    return vld1q_f32(p);
}
V void v_store(float *p, vf a)
{
    vst1q_f32(p, a);
}
V vf v_set(float a)
{
    return vdupq_n_f32(a);
}
V vf v_fma(vf a, vf b, vf c)
{
    return vfmaq_f32(c, a, b);
}
V vf v_add(vf a, vf b)
{
    return vaddq_f32(a, b);
}
V vf v_sub(vf a, vf b)
{
    return vsubq_f32(a, b);
}
V vf v_mul(vf a, vf b)
{
    return vmulq_f32(a, b);
}
V vf v_div(vf a, vf b)
{
    return vdivq_f32(a, b);
}
V vf v_sqrt(vf a)
{
    return vsqrtq_f32(a);
}
/* Not FMIN and FMAX, which give a NaN where x86 gives b. */
V vf v_min(vf a, vf b)
{
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
V vf v_max(vf a, vf b)
{
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
V vf v_and(vf a, vf b)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}
V vf v_xor(vf a, vf b)
{
    return vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(a), vreinterpretq_u32_f32(b)));
}
V vf v_select_lt(vf a, vf b, vf x, vf y)
{
    return vbslq_f32(vcltq_f32(a, b), x, y);
}
V vf v_flush(vf a)
{
    const uint32x4_t bits = vreinterpretq_u32_f32(a);
    const uint32x4_t abs = vandq_u32(bits, vdupq_n_u32(0x7fffffff));

    return vreinterpretq_f32_u32(vandq_u32(bits, vcgeq_u32(abs, vdupq_n_u32(FLUSH_BITS))));
}
V vf v_scale2(vf a, vf n)
{
    const int32x4_t shift = vshlq_n_s32(vreinterpretq_s32_f32(n), 23);

    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(a), shift));
}
V vf v_split2(vf a, vf *m)
{
    const int32x4_t bits = vreinterpretq_s32_f32(a);
    const int32x4_t k = vshrq_n_s32(vsubq_s32(bits, vdupq_n_s32(SQRT_HALF_BITS)), 23);

    *m = vreinterpretq_f32_s32(vsubq_s32(bits, vshlq_n_s32(k, 23)));
    return vcvtq_f32_s32(k);
}
V vf v_load_u8(const uint8_t *p)
{
    const float t[4] = { p[0], p[1], p[2], p[3] };

    return vld1q_f32(t);
}
V void v_transpose(vf r[VL])
{
    const float32x4x2_t a = vtrnq_f32(r[0], r[1]), b = vtrnq_f32(r[2], r[3]);

    r[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
    r[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
    r[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
    r[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}
/* clang-format on */
