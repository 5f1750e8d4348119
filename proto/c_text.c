#include "c_text.h"

#include <string.h>

/* clang-format off: C in literals, a line each */

/* No product stands where a compiler could fuse it with a sum and change the result: in the
 * software fma the product is exact, and elsewhere none is added to anything. */
static const char arithmetic[] =
    "#if FLT_EVAL_METHOD != 0\n"
    "#error \"needs float arithmetic that is not done in a wider type: on x86 -msse2 "
    "-mfpmath=sse\"\n"
    "#endif\n"
    "#ifdef __FAST_MATH__\n"
    "#error \"-ffast-math changes the results\"\n"
    "#endif\n"
    "\n"
    "union @_bits {\n"
    "    float f;\n"
    "    uint32_t u;\n"
    "};\n"
    "\n"
    "/* a * b + c, rounded once. */\n"
    "#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)\n"
    "static float @_fma(float a, float b, float c)\n"
    "{\n"
    "    return __builtin_fmaf(a, b, c);\n"
    "}\n"
    "#else\n"
    "#if DBL_MANT_DIG != 53\n"
    "#error \"needs a double of 64 bits\"\n"
    "#endif\n"
    "/* The product is exact in double. The sum is rounded to odd, so that rounding it to float "
    "gives\n"
    " * what one rounding would have (Boldo and Melquiond 2008); its error is that of TwoSum. */\n"
    "static float @_fma(float a, float b, float c)\n"
    "{\n"
    "    union {\n"
    "        double f;\n"
    "        uint64_t u;\n"
    "    } s;\n"
    "    const double p = (double)a * (double)b, to = (double)c;\n"
    "    double sum, t, e;\n"
    "\n"
    "    sum = p + to;\n"
    "    t = sum - p;\n"
    "    e = (p - (sum - t)) + (to - t);\n"
    "    s.f = sum;\n"
    "    if (e < 0.0 || e > 0.0) { /* inexact; NaN, and so not, where the sum is not finite */\n"
    "        if ((e < 0.0) != (sum < 0.0)) {\n"
    "            s.u--; /* it was rounded away from 0 */\n"
    "        }\n"
    "        s.u |= 1u;\n"
    "    }\n"
    "    return (float)s.f;\n"
    "}\n"
    "#endif\n"
    "\n"
    "/* Magnitudes below 2^-60 become +0. */\n"
    "static float @_flush(float a)\n"
    "{\n"
    "    union @_bits bits;\n"
    "\n"
    "    bits.f = a;\n"
    "    return (bits.u & 0x7fffffffu) >= 0x21800000u ? a : 0.0f;\n"
    "}\n";

static const char *const dense[] = {
    [QUANT_F32] = "\n"
                  "/* z = W x + b: each sum begins with b and goes on in the order of x. */\n"
                  "static void @_dense(const float *w, const float *b, size_t in, size_t out, "
                  "const float *x, float *z)\n"
                  "{\n"
                  "    size_t j, k;\n"
                  "\n"
                  "    for (j = 0; j < out; j++) {\n"
                  "        float sum = b[j];\n"
                  "\n"
                  "        for (k = 0; k < in; k++) {\n"
                  "            sum = @_fma(x[k], w[j * in + k], sum);\n"
                  "        }\n"
                  "        z[j] = sum;\n"
                  "    }\n"
                  "}\n",
    [QUANT_BF16] = "\n"
                   "/* z = W x + b, W by the upper halves of its floats: each sum begins with b "
                   "and goes on in the\n"
                   " * order of x. */\n"
                   "static void @_dense(const uint16_t *w, const float *b, size_t in, size_t out, "
                   "const float *x,\n"
                   "    float *z)\n"
                   "{\n"
                   "    union @_bits weight;\n"
                   "    size_t j, k;\n"
                   "\n"
                   "    for (j = 0; j < out; j++) {\n"
                   "        float sum = b[j];\n"
                   "\n"
                   "        for (k = 0; k < in; k++) {\n"
                   "            weight.u = (uint32_t)w[j * in + k] << 16;\n"
                   "            sum = @_fma(x[k], weight.f, sum);\n"
                   "        }\n"
                   "        z[j] = sum;\n"
                   "    }\n"
                   "}\n",
    [QUANT_INT8] = "\n"
                   "/* z = W x + b, W[j][k] = w[j][k] scale[j]: each sum begins with b and goes on "
                   "in the order of x. */\n"
                   "static void @_dense(const int8_t *w, const float *scale, const float *b, "
                   "size_t in, size_t out,\n"
                   "    const float *x, float *z)\n"
                   "{\n"
                   "    size_t j, k;\n"
                   "\n"
                   "    for (j = 0; j < out; j++) {\n"
                   "        float sum = b[j];\n"
                   "\n"
                   "        for (k = 0; k < in; k++) {\n"
                   "            sum = @_fma(x[k], (float)w[j * in + k] * scale[j], sum);\n"
                   "        }\n"
                   "        z[j] = sum;\n"
                   "    }\n"
                   "}\n",
};

static const char exponential[] =
    "\n"
    "/* e^x = 2^n e^r, n = round(x / ln 2), x held in -87.33 .. 88.72 */\n"
    "static float @_exp(float x)\n"
    "{\n"
    "    const float magic = 0x1.8p23f; /* adding it rounds to an integer, left in the low bits "
    "*/\n"
    "    union @_bits t, a;\n"
    "    float n, r, p;\n"
    "\n"
    "    x = 88.72f < x ? 88.72f : x;\n"
    "    x = -87.33f > x ? -87.33f : x;\n"
    "    t.f = @_fma(x, 0x1.715476p0f, magic);\n"
    "    n = t.f - magic;\n"
    "    r = @_fma(n, -0x1.62e4p-1f, x);\n"
    "    r = @_fma(n, -0x1.7f7d1cp-20f, r);\n"
    "    p = 0x1.6a2444p-10f;\n"
    "    p = @_fma(p, r, 0x1.1239e2p-7f);\n"
    "    p = @_fma(p, r, 0x1.5558f2p-5f);\n"
    "    p = @_fma(p, r, 0x1.555492p-3f);\n"
    "    p = @_fma(p, r, 0x1.fffffcp-2f);\n"
    "    p = @_fma(r * r, p, r);\n"
    "    a.f = p + 1.0f;\n"
    "    a.u += t.u << 23;\n"
    "    return a.f;\n"
    "}\n";

static const char sigmoid[] = "\n"
                              "/* 1 / (1 + e^-z) */\n"
                              "static float @_sigmoid(float z)\n"
                              "{\n"
                              "    return 1.0f / (1.0f + @_exp(41.0f < -z ? 41.0f : -z));\n"
                              "}\n";

static const char tangent[] =
    "\n"
    "/* Below 0.625 z + z^3 p(z^2); above 1 - 2 / (e^2z + 1), its sign put back. */\n"
    "static float @_tanh(float z)\n"
    "{\n"
    "    const float t = z * z;\n"
    "    union @_bits bits, big;\n"
    "    uint32_t sign;\n"
    "    float p, twice;\n"
    "\n"
    "    bits.f = z;\n"
    "    sign = bits.u & 0x80000000u;\n"
    "    bits.u ^= sign;\n"
    "    if (bits.f < 0.625f) {\n"
    "        p = -0x1.76ac0ep-8f;\n"
    "        p = @_fma(p, t, 0x1.5256d4p-6f);\n"
    "        p = @_fma(p, t, -0x1.b84448p-5f);\n"
    "        p = @_fma(p, t, 0x1.110768p-3f);\n"
    "        p = @_fma(p, t, -0x1.555534p-2f);\n"
    "        return @_flush(@_fma(z * t, p, z));\n"
    "    }\n"
    "    twice = bits.f + bits.f;\n"
    "    big.f = 1.0f - 2.0f / (@_exp(20.0f < twice ? 20.0f : twice) + 1.0f);\n"
    "    big.u ^= sign;\n"
    "    return @_flush(big.f);\n"
    "}\n";

static const char relu[] = "\n"
                           "static float @_relu(float z)\n"
                           "{\n"
                           "    return @_flush(0.0f > z ? 0.0f : z);\n"
                           "}\n";

static const char softmax[] =
    "\n"
    "/* e^(z - top) over their sum, which is kept in 16 parts that are added as a tree. */\n"
    "static void @_softmax(size_t n, float *z)\n"
    "{\n"
    "    float part[16] = { 0.0f }, top = z[0];\n"
    "    size_t i, j;\n"
    "\n"
    "    for (j = 1; j < n; j++) {\n"
    "        top = top < z[j] ? z[j] : top;\n"
    "    }\n"
    "    for (j = 0; j < n; j++) {\n"
    "        z[j] = @_flush(@_exp(z[j] - top));\n"
    "        part[j % 16] += z[j];\n"
    "    }\n"
    "    for (j = 8; j != 0; j /= 2) {\n"
    "        for (i = 0; i < j; i++) {\n"
    "            part[i] += part[i + j];\n"
    "        }\n"
    "    }\n"
    "    for (j = 0; j < n; j++) {\n"
    "        z[j] = @_flush(z[j] / part[0]);\n"
    "    }\n"
    "}\n";

/* clang-format on */

void c_text_add(struct text *text, const char *literal, const char *name)
{
    for (;;) {
        const size_t n = strcspn(literal, "@");

        text_add(text, literal, n);
        if (literal[n] == '\0') {
            return;
        }
        text_str(text, name);
        literal += n + 1;
    }
}

static bool has(const struct net *net, enum act act)
{
    for (size_t l = 0; l < net->spec.n_layers; l++) {
        if (net->layer[l].act == act) {
            return true;
        }
    }
    return false;
}

void c_text_functions(struct text *text, const struct net *net, enum quant precision,
                      const char *name)
{
    c_text_add(text, arithmetic, name);
    c_text_add(text, dense[precision], name);
    if (has(net, ACT_SIGMOID) || has(net, ACT_TANH) || has(net, ACT_SOFTMAX)) {
        c_text_add(text, exponential, name);
    }
    if (has(net, ACT_SIGMOID)) {
        c_text_add(text, sigmoid, name);
    }
    if (has(net, ACT_TANH)) {
        c_text_add(text, tangent, name);
    }
    if (has(net, ACT_RELU)) {
        c_text_add(text, relu, name);
    }
    if (has(net, ACT_SOFTMAX)) {
        c_text_add(text, softmax, name);
    }
}
