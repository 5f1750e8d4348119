/* Vectors of 16 floats by AVX-512. The operations are named once, in vec_avx2.h. */
#include <immintrin.h>

#define VL 16
#define REGS 32
typedef __m512 vf;

/* clang-format off: one operation a line, so that files compare side by side */
#define V static inline __attribute__((always_inline, unused))

V vf v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
V void v_store(float *p, vf a)
{
    _mm512_storeu_ps(p, a);
}
V vf v_set(float a)
{
    return _mm512_set1_ps(a);
}
V vf v_fma(vf a, vf b, vf c)
{
    return _mm512_fmadd_ps(a, b, c);
}
V vf v_add(vf a, vf b)
{
    return _mm512_add_ps(a, b);
}
V vf v_sub(vf a, vf b)
{
    return _mm512_sub_ps(a, b);
}
V vf v_mul(vf a, vf b)
{
    return _mm512_mul_ps(a, b);
}
V vf v_div(vf a, vf b)
{
    return _mm512_div_ps(a, b);
}
V vf v_sqrt(vf a)
{
    return _mm512_sqrt_ps(a);
}
V vf v_min(vf a, vf b)
{
    return _mm512_min_ps(a, b);
}
V vf v_max(vf a, vf b)
{
    return _mm512_max_ps(a, b);
}
V vf v_and(vf a, vf b)
{
    return _mm512_and_ps(a, b);
}
V vf v_xor(vf a, vf b)
{
    return _mm512_xor_ps(a, b);
}
V vf v_select_lt(vf a, vf b, vf x, vf y)
{
    return _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), x);
}
V vf v_flush(vf a)
{
    const __m512i bits = _mm512_castps_si512(a);
    const __m512i abs = _mm512_and_epi32(bits, _mm512_set1_epi32(0x7fffffff));
    const __mmask16 keep = _mm512_cmpge_epi32_mask(abs, _mm512_set1_epi32(FLUSH_BITS));

    return _mm512_maskz_mov_ps(keep, a);
}
V vf v_scale2(vf a, vf n)
{
    const __m512i shift = _mm512_slli_epi32(_mm512_castps_si512(n), 23);

    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), shift));
}
V vf v_split2(vf a, vf *m)
{
    const __m512i bits = _mm512_castps_si512(a);
    const __m512i k =
        _mm512_srai_epi32(_mm512_sub_epi32(bits, _mm512_set1_epi32(SQRT_HALF_BITS)), 23);

    *m = _mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_slli_epi32(k, 23)));
    return _mm512_cvtepi32_ps(k);
}
V vf v_load_u8(const uint8_t *p)
{
    return _mm512_cvtepi32_ps(
        _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}
V void v_transpose(vf r[VL])
{
    vf t[16];

    for (int i = 0; i < 16; i += 4) {
        const vf a = _mm512_unpacklo_ps(r[i], r[i + 1]), b = _mm512_unpackhi_ps(r[i], r[i + 1]);
        const vf c = _mm512_unpacklo_ps(r[i + 2], r[i + 3]);
        const vf d = _mm512_unpackhi_ps(r[i + 2], r[i + 3]);

        t[i] = _mm512_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        const vf a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88);
        const vf b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
        const vf c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88);
        const vf d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);

        r[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        r[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        r[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        r[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}
/* clang-format on */
