/* Vectors of 8 floats by AVX2 and FMA. Each vec_*.h gives the same names:
 *
 *   VL, vf, REGS                 lanes, the type, how many registers of it there are
 *   v_load v_store v_set         unaligned
 *   v_fma(a, b, c)               a * b + c, rounded once
 *   v_add v_sub v_mul v_div v_sqrt   rounded each
 *   v_min(a, b), v_max(a, b)     a < b ? a : b, a > b ? a : b: a NaN on either side gives b
 *   v_and v_xor                  on the bits
 *   v_select_lt(a, b, x, y)      a < b ? x : y
 *   v_flush(a)                   |a| < 2^-60 ? +0 : a, by the bits, so a NaN stays
 *   v_scale2(a, n)               a * 2^n for n = 1.5 * 2^23 + n, by adding to the exponent
 *   v_split2(a, &m)              k and m in [sqrt(1/2), sqrt(2)) with a = m 2^k
 *   v_load_u8                    bytes to floats
 *   v_transpose(r)               VL vectors as a square */
#include <immintrin.h>

#define VL 8
#define REGS 16
typedef __m256 vf;

/* clang-format off: one operation a line, so that files compare side by side */
#define V static inline __attribute__((always_inline, unused))

V vf v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
V void v_store(float *p, vf a)
{
    _mm256_storeu_ps(p, a);
}
V vf v_set(float a)
{
    return _mm256_set1_ps(a);
}
V vf v_fma(vf a, vf b, vf c)
{
    return _mm256_fmadd_ps(a, b, c);
}
V vf v_add(vf a, vf b)
{
    return _mm256_add_ps(a, b);
}
V vf v_sub(vf a, vf b)
{
    return _mm256_sub_ps(a, b);
}
V vf v_mul(vf a, vf b)
{
    return _mm256_mul_ps(a, b);
}
V vf v_div(vf a, vf b)
{
    return _mm256_div_ps(a, b);
}
V vf v_sqrt(vf a)
{
    return _mm256_sqrt_ps(a);
}
V vf v_min(vf a, vf b)
{
    return _mm256_min_ps(a, b);
}
V vf v_max(vf a, vf b)
{
    return _mm256_max_ps(a, b);
}
V vf v_and(vf a, vf b)
{
    return _mm256_and_ps(a, b);
}
V vf v_xor(vf a, vf b)
{
    return _mm256_xor_ps(a, b);
}
V vf v_select_lt(vf a, vf b, vf x, vf y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
V vf v_flush(vf a)
{
    const __m256i bits = _mm256_castps_si256(a);
    const __m256i abs = _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff));
    const __m256i keep = _mm256_cmpgt_epi32(abs, _mm256_set1_epi32(FLUSH_BITS - 1));

    return _mm256_castsi256_ps(_mm256_and_si256(bits, keep));
}
V vf v_scale2(vf a, vf n)
{
    const __m256i shift = _mm256_slli_epi32(_mm256_castps_si256(n), 23);

    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), shift));
}
V vf v_split2(vf a, vf *m)
{
    const __m256i bits = _mm256_castps_si256(a);
    const __m256i k =
        _mm256_srai_epi32(_mm256_sub_epi32(bits, _mm256_set1_epi32(SQRT_HALF_BITS)), 23);

    *m = _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32(k, 23)));
    return _mm256_cvtepi32_ps(k);
}
V vf v_load_u8(const uint8_t *p)
{
    return _mm256_cvtepi32_ps(
        _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p)));
}
V void v_transpose(vf r[VL])
{
    vf t[8];

    for (int i = 0; i < 8; i += 4) {
        const vf a = _mm256_unpacklo_ps(r[i], r[i + 1]), b = _mm256_unpackhi_ps(r[i], r[i + 1]);
        const vf c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]);
        const vf d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);

        t[i] = _mm256_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        r[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
}
/* clang-format on */
