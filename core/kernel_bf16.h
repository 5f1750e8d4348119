/* Products of bf16 pairs, and the pairs: see bf16.h. Part of kernel_body.h. */

/* Round to nearest, ties to even; below 2^-50 in magnitude +0; a NaN stays one. */
V uint32_t bf16_of(float value)
{
    uint32_t bits, abs, rounded;

    memcpy(&bits, &value, sizeof bits);
    abs = bits & 0x7fffffff;
    rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    rounded = abs > 0x7f800000 ? bits >> 16 | 0x40 : rounded;
    return abs < BF16_LEAST_BITS ? 0 : rounded;
}

V uint32_t bf16_pair(float low, float high)
{
    return bf16_of(low) | bf16_of(high) << 16;
}

static void kernel_run_pair_rows(const float *x, size_t ldx, size_t rows, size_t cols,
                                 uint32_t *out, size_t ldo)
{
    for (size_t r = 0; r < rows; r++) {
        const float *from = x + r * ldx;
        uint32_t *to = out + r * ldo;

        for (size_t j = 0; j < cols / 2; j++) {
            to[j] = bf16_pair(from[2 * j], from[2 * j + 1]);
        }
        if (cols % 2 != 0) {
            to[cols / 2] = bf16_pair(from[cols - 1], 0.0f);
        }
    }
}

static void kernel_run_pair_columns(const float *x, size_t ldx, size_t rows, size_t cols,
                                    uint32_t *out, size_t ldo)
{
    for (size_t j = 0; j < round_up(rows, 32) / 2; j++) {
        const float *low = x + 2 * j * ldx;
        const size_t left = 2 * j < rows ? rows - 2 * j : 0;

        for (size_t k = 0; k < cols; k++) {
            out[k * ldo + j] = left == 0 ? 0 : bf16_pair(low[k], left > 1 ? low[ldx + k] : 0.0f);
        }
    }
}

static void kernel_run_pair_lines(const float *x, size_t ldx, size_t rows, uint32_t *out)
{
    const size_t whole = rows / 2;

    for (size_t j = 0; j < whole; j++) {
        for (size_t n = 0; n < 16; n++) {
            out[j * 16 + n] = bf16_pair(x[2 * j * ldx + n], x[(2 * j + 1) * ldx + n]);
        }
    }
    memset(out + whole * 16, 0, (round_up(rows, 32) / 2 - whole) * 16 * sizeof *out);
    for (size_t n = 0; rows % 2 != 0 && n < 16; n++) {
        out[whole * 16 + n] = bf16_pair(x[(rows - 1) * ldx + n], 0.0f);
    }
}

/* --- dot --- */

#define DOT_ROWS (REGS / 4 * VL / 16) /* whose two chains fit into half of the registers */

/* The two values of each of 16 pairs, as float32. */
V void dot_widen(const uint32_t *pairs, float *even, float *odd)
{
    uint32_t bits[2][16];

    for (size_t i = 0; i < 16; i++) {
        bits[0][i] = pairs[i] << 16;
        bits[1][i] = pairs[i] & 0xffff0000;
    }
    memcpy(even, bits[0], sizeof bits[0]);
    memcpy(odd, bits[1], sizeof bits[1]);
}

/* One block of 16 pairs as one tile instruction takes it, its operands widened. */
struct dot_block {
    float a[32][2][16]; /* row, even or odd, pair */
    float b[16][2][16]; /* pair, even or odd, column */
};

V void dot_rows(const struct dot_block *block, size_t r0, float *c)
{
    vf chain[DOT_ROWS][2][PV];

    for (size_t r = 0; r < DOT_ROWS; r++) {
        for (size_t i = 0; i < PV; i++) {
            chain[r][0][i] = chain[r][1][i] = v_set(0.0f);
        }
    }
    for (size_t p = 0; p < 16; p++) {
        for (size_t e = 0; e < 2; e++) {
            UNROLL
            for (size_t i = 0; i < PV; i++) {
                const vf b = v_load(block->b[p][e] + i * VL);

                UNROLL
                for (size_t r = 0; r < DOT_ROWS; r++) {
                    chain[r][e][i] = v_fma(v_set(block->a[r0 + r][e][p]), b, chain[r][e][i]);
                }
            }
        }
    }
    for (size_t r = 0; r < DOT_ROWS; r++) {
        for (size_t i = 0; i < PV; i++) {
            float *to = c + (r0 + r) * 16 + i * VL;

            v_store(to, v_add(v_load(to), v_add(chain[r][0][i], chain[r][1][i])));
        }
    }
}

static void kernel_run_dot(const struct kernel_dot *job)
{
    _Alignas(64) struct dot_block block;

    for (size_t j = 0; j < job->panels; j++) {
        memset(job->c + j * 32 * 16, 0, job->rows * 16 * sizeof(float));
    }
    for (size_t k = 0; k < job->pairs; k += 16) {
        for (size_t r = 0; r < job->rows; r++) {
            dot_widen(job->a + r * job->lda + k, block.a[r][0], block.a[r][1]);
        }
        for (size_t j = 0; j < job->panels; j++) {
            for (size_t p = 0; p < 16; p++) {
                dot_widen(job->b + j * job->ldb + (k + p) * 16, block.b[p][0], block.b[p][1]);
            }
            for (size_t r = 0; r < job->rows; r += DOT_ROWS) {
                dot_rows(&block, r, job->c + j * 32 * 16);
            }
        }
    }
}
