/* exp, ln, log1p, sigmoid and tanh of a vector, in fused multiply-adds of one order. Included by
 * kernel_body.h. Coefficients: minimax by Remez's exchange in the relative error, then rounded. The
 * largest error over every float32 of the range, in units in the last place, is
 * exp 1.009, ln 1.969, log1p 1.969, sigmoid 2.481, tanh 1.333: tests/core/test_math.c with FULL=1. */

/* e^x for x in [-87.33, 88.72]; beyond, that of the bound; NaN stays.
 *   n = round(x / ln 2), r = x - n ln 2, e^x = 2^n (1 + r + r^2 p(r)) */
V vf v_exp(vf x)
{
    const vf magic = v_set(0x1.8p23f); /* adding it rounds to an integer, left in the low bits */
    vf t, n, r, p;

    x = v_min(v_set(88.72f), x);
    x = v_max(v_set(-87.33f), x);
    t = v_fma(x, v_set(0x1.715476p0f), magic);
    n = v_sub(t, magic);
    r = v_fma(n, v_set(-0x1.62e4p-1f), x);
    r = v_fma(n, v_set(-0x1.7f7d1cp-20f), r);
    p = v_set(0x1.6a2444p-10f);
    p = v_fma(p, r, v_set(0x1.1239e2p-7f));
    p = v_fma(p, r, v_set(0x1.5558f2p-5f));
    p = v_fma(p, r, v_set(0x1.555492p-3f));
    p = v_fma(p, r, v_set(0x1.fffffcp-2f));
    p = v_fma(v_mul(r, r), p, r);
    return v_scale2(v_add(p, v_set(1.0f)), t);
}

/* 2 atanh(s) = s (2 + s^2 q(s^2)) for |s| <= 1/3 */
V vf v_atanh2(vf s)
{
    const vf t = v_mul(s, s);
    vf q = v_set(0x1.f17742p-3f);

    q = v_fma(q, t, v_set(0x1.b6e5bcp-3f));
    q = v_fma(q, t, v_set(0x1.2508bep-2f));
    q = v_fma(q, t, v_set(0x1.9996b0p-2f));
    q = v_fma(q, t, v_set(0x1.555558p-1f));
    return v_fma(v_mul(s, t), q, v_add(s, s));
}

/* ln x for normal x > 0:  x = 2^k m, s = (m - 1) / (m + 1), ln x = k ln 2 + 2 atanh(s).
 * An infinite or NaN x gives something that is not finite. */
V vf v_ln(vf x)
{
    const vf one = v_set(1.0f);
    vf m, r;
    const vf k = v_split2(x, &m);

    r = v_atanh2(v_div(v_sub(m, one), v_add(m, one)));
    r = v_fma(k, v_set(0x1.7f7d1cp-20f), r);
    r = v_fma(k, v_set(0x1.62e4p-1f), r);
    return v_select_lt(x, v_set(INFINITY), r, v_mul(x, x)); /* x^2: infinity and NaN stay */
}

/* ln(1 + x) for x in [0, 1]:  s = x / (2 + x) */
V vf v_log1p(vf x)
{
    return v_atanh2(v_div(x, v_add(x, v_set(2.0f))));
}

/* 1 / (1 + e^-x). The argument of exp is held in [-87.33, 41], so that the least is 2^-59.1. */
V vf v_sigmoid(vf x)
{
    const vf one = v_set(1.0f);
    const vf minus = v_xor(x, v_set(-0.0f));

    return v_div(one, v_add(one, v_exp(v_min(v_set(41.0f), minus))));
}

/* Below 0.625 x + x^3 p(x^2); above 1 - 2 / (e^2x + 1), its sign put back. NaN stays. */
V vf v_tanh(vf x)
{
    const vf sign = v_and(x, v_set(-0.0f));
    const vf abs = v_xor(x, sign);
    const vf t = v_mul(x, x);
    const vf one = v_set(1.0f);
    const vf e = v_exp(v_min(v_set(20.0f), v_add(abs, abs)));
    const vf big = v_sub(one, v_div(v_set(2.0f), v_add(e, one)));
    vf p = v_set(-0x1.76ac0ep-8f);

    p = v_fma(p, t, v_set(0x1.5256d4p-6f));
    p = v_fma(p, t, v_set(-0x1.b84448p-5f));
    p = v_fma(p, t, v_set(0x1.110768p-3f));
    p = v_fma(p, t, v_set(-0x1.555534p-2f));
    p = v_fma(v_mul(x, t), p, x);
    return v_select_lt(abs, v_set(0.625f), p, v_xor(big, sign));
}
