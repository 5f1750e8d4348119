/* Every loop of a struct kernel, compiled once an instruction set. The including file sets
 * KERNEL_TABLE and KERNEL_NAME and includes its vec_*.h, which needs these two: */
#define FLUSH_BITS 0x21800000      /* 2^-60 */
#define SQRT_HALF_BITS 0x3f3504f3  /* sqrt(1/2) */
#define BF16_LEAST_BITS 0x26800000 /* 2^-50 */

#include <assert.h>
#include <math.h>
#include <string.h>

#include "kernel.h"
#include VEC_HEADER
#include "kernel_math.h"
#include "kernel_tile.h"

#define K_BLOCK 512    /* times that a tile runs before the next tile: what fits into the caches */
#define FETCH_EVERY 64 /* times between two fetches of what comes next */
#define FETCH_BLOCKS 4 /* row blocks that make fetching worth it */

/* --- activations --- */

V vf act_of(enum act act, vf z)
{
    switch (act) {
    case ACT_SIGMOID:
        return v_sigmoid(z);
    case ACT_TANH:
        return v_flush(v_tanh(z));
    case ACT_RELU:
        return v_flush(v_max(v_set(0.0f), z)); /* 0 > z ? 0 : z, so that a NaN stays */
    default:
        return v_flush(z);
    }
}

/* sigma'(z) in terms of a, times dx. */
V vf act_slope(enum act act, vf a, vf dx)
{
    const vf one = v_set(1.0f);

    switch (act) {
    case ACT_SIGMOID:
        return v_mul(dx, v_mul(a, v_sub(one, a)));
    case ACT_TANH:
        return v_mul(dx, v_fma(v_xor(a, v_set(-0.0f)), a, one));
    case ACT_RELU:
        return v_select_lt(v_set(0.0f), a, dx, v_set(0.0f));
    default:
        return dx;
    }
}

V void act_rows(enum act act, size_t width, size_t m, float *z, size_t ld)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < width; j += VL) {
            v_store(z + i * ld + j, act_of(act, v_load(z + i * ld + j)));
        }
    }
}

/* One loop for each, with the choice made outside it. width is a multiple of VL. */
static void act_run(enum act act, size_t width, size_t m, float *z, size_t ld)
{
    switch (act) {
    case ACT_SIGMOID:
        act_rows(ACT_SIGMOID, width, m, z, ld);
        break;
    case ACT_TANH:
        act_rows(ACT_TANH, width, m, z, ld);
        break;
    case ACT_RELU:
        act_rows(ACT_RELU, width, m, z, ld);
        break;
    default:
        act_rows(ACT_LINEAR, width, m, z, ld);
        break;
    }
}

/* --- forward --- */

/* Meanwhile fetches `lines` lines of each panel from next on, every FETCH_EVERY times. */
V void forward_tile(size_t mr, size_t np, struct tile tile, const float *b, float *out, size_t ldo,
                    const float *next, size_t lines)
{
    const size_t n = tile.n;
    vf acc[MR_MAX][8 * PV];

    if (b != NULL) {
        tile_load(mr, np, acc, b, 0, PANEL);
    } else {
        tile_load(mr, np, acc, out, ldo, PANEL);
    }
    for (size_t left = n; left != 0; left -= tile.n) {
        tile.n = lines == 0 || left < 2 * FETCH_EVERY ? left : FETCH_EVERY;
        tile_fetch(next, lines, np, tile.vp);
        tile_run(&tile, mr, np, acc);
        tile.s += tile.n;
        tile.v += tile.n * PANEL;
        next += lines * PANEL;
    }
    tile_store(mr, np, acc, out, ldo, PANEL);
}

static void forward_part(const struct kernel_forward *job, size_t p, size_t k, size_t n,
                         struct cut cut)
{
    struct tile tile = { .sr = job->ldx, .st = 1, .vp = job->stride, .vt = PANEL, .n = n };
    const float *b = k == 0 ? job->b + p * PANEL : NULL;
    const bool fetch = cut.blocks >= FETCH_BLOCKS && p + 2 * cut.np <= job->p1;
    const size_t lines = fetch ? (FETCH_EVERY + cut.blocks - 1) / cut.blocks : 0;
    const float *next = job->w + (fetch ? p + cut.np : p) * job->stride + k * PANEL;

    for (size_t i = 0; i < cut.blocks; i++) {
        const size_t r = cut_at(&cut, job->m, i);
        const size_t rows = cut_at(&cut, job->m, i + 1) - r;
        float *out = job->out + r * job->ldo + p * PANEL;

        tile.s = job->x + r * job->ldx + k;
        tile.v = job->w + p * job->stride + k * PANEL;
        TILE_DISPATCH(forward_tile, rows, cut.np, tile, b, out, job->ldo, next, lines)
        next += n / FETCH_EVERY * lines * PANEL;
        if (k + n == job->in && !job->raw) {
            act_run(job->act, cut.np * PANEL, rows, out, job->ldo);
        }
    }
}

static void kernel_run_forward(const struct kernel_forward *job)
{
    for (size_t k = 0; k < job->in;) {
        const size_t left = job->in - k;
        const size_t n = left <= K_BLOCK + K_BLOCK / 2 ? left : K_BLOCK;

        for (size_t p = job->p0; p < job->p1;) {
            const struct cut cut = tile_cut(job->m, job->p1 - p);

            forward_part(job, p, k, n, cut);
            p += cut.np;
        }
        k += n;
    }
}

#include "kernel_delta.h"

/* --- BP4 and the step --- */

#include "kernel_step.h"

/* NULL where there is none. */
V float *state_at(float *state, size_t at)
{
    return state != NULL ? state + at : NULL;
}

/* at: of the first weight in w, p and q of the job. */
V void update_tile(size_t mr, size_t np, const struct tile *tile, enum step_kind kind,
                   const struct kernel_update *job, size_t at)
{
    const size_t stride = job->stride;
    float *w = job->w + at;
    vf acc[MR_MAX][8 * PV];

    if (tile->n >= FETCH_BLOCKS * MR_MAX) {
        tile_fetch(w, mr, np, stride);
    }
    tile_zero(mr, np, acc);
    tile_run(tile, mr, np, acc);
    if (kind > STEP_DECAY) {
        float g[MR_MAX * 8 * PANEL];

        tile_store(mr, np, acc, g, PANEL, MR_MAX * PANEL);
        for (size_t p = 0; p < np; p++) {
            const size_t to = at + p * stride;

            step_long(job->step, false, mr * PANEL, g + p * MR_MAX * PANEL, job->w + to,
                      state_at(job->pw, to), state_at(job->qw, to));
        }
        return;
    }
    UNROLL
    for (size_t r = 0; r < mr; r++) {
        UNROLL
        for (size_t i = 0; i < np * PV; i++) {
            float *to = w + i / PV * stride + r * PANEL + i % PV * VL;

            v_store(to, step_of(kind, job->step, acc[r][i], v_load(to)));
        }
    }
}

V void update_panels(const struct kernel_update *job, enum step_kind kind, size_t p, struct cut cut)
{
    struct tile tile = { .sr = 1, .st = job->ldx, .vp = PANEL, .vt = job->ldd, .n = job->m };

    tile.v = job->d + p * PANEL;
    for (size_t i = 0; i < cut.blocks; i++) {
        const size_t k = cut_at(&cut, job->in, i);
        const size_t rows = cut_at(&cut, job->in, i + 1) - k;
        const size_t at = p * job->stride + k * PANEL;

        tile.s = job->x + k;
        TILE_DISPATCH(update_tile, rows, cut.np, &tile, kind, job, at)
    }
}

/* dC/db is the plain sum of d down the batch. */
V void update_bias(const struct kernel_update *job, enum step_kind kind, size_t j)
{
    vf g = v_set(0.0f);

    for (size_t i = 0; i < job->m; i++) {
        g = v_add(g, v_load(job->d + i * job->ldd + j));
    }
    if (kind <= STEP_DECAY) {
        v_store(job->b + j, step_of(STEP_PLAIN, job->step, g, v_load(job->b + j)));
    } else {
        float sum[VL];

        v_store(sum, g);
        step_long(job->step, true, VL, sum, job->b + j, state_at(job->pb, j), state_at(job->qb, j));
    }
}

V void update_as(const struct kernel_update *job, enum step_kind kind)
{
    for (size_t p = job->p0; p < job->p1 && job->in > 0;) {
        const struct cut cut = tile_cut(job->in, job->p1 - p);

        update_panels(job, kind, p, cut);
        p += cut.np;
    }
    for (size_t j = job->p0 * PANEL; j < job->p1 * PANEL; j += VL) {
        update_bias(job, kind, j);
    }
}

static void update_plain(const struct kernel_update *job)
{
    update_as(job, STEP_PLAIN);
}
static void update_decay(const struct kernel_update *job)
{
    update_as(job, STEP_DECAY);
}
static void update_long(const struct kernel_update *job)
{
    update_as(job, STEP_TERMS); /* or any of those behind it */
}

static void kernel_run_update(const struct kernel_update *job)
{
    switch (job->step->kind) {
    case STEP_PLAIN:
        update_plain(job);
        break;
    case STEP_DECAY:
        update_decay(job);
        break;
    default:
        update_long(job);
        break;
    }
}

static void kernel_run_step(const struct kernel_step *step, size_t n, const float *g, float *w,
                            float *p, float *q)
{
    if (step->kind > STEP_DECAY) {
        step_long(step, false, n, g, w, p, q);
        return;
    }
    for (size_t i = 0; i < n; i += VL) {
        v_store(w + i, step_of(step->kind, step, v_load(g + i), v_load(w + i)));
    }
}

#include "kernel_bf16.h"
#include "kernel_cost.h"

/* --- inputs --- */

V vf gather_one(enum dtype dtype, const void *x, size_t i)
{
    return dtype == DTYPE_U8 ? v_load_u8((const uint8_t *)x + i) : v_load((const float *)x + i);
}

V void gather_as(enum dtype dtype, const void *x, size_t width, const struct norm_map *norm,
                 float *out)
{
    const size_t whole = width / VL * VL;
    float tail[3][VL] = { { 0 }, { 0 }, { 0 } };
    uint8_t bytes[VL] = { 0 };

    for (size_t i = 0; i < whole; i += VL) {
        vf a = gather_one(dtype, x, i);

        if (norm != NULL) {
            a = v_mul(v_sub(a, v_load(norm->shift + i)), v_load(norm->scale + i));
        }
        v_store(out + i, v_flush(a));
    }
    if (whole < width) {
        vf a;

        for (size_t i = whole; i < width; i++) {
            if (dtype == DTYPE_U8) {
                bytes[i - whole] = ((const uint8_t *)x)[i];
            } else {
                tail[0][i - whole] = ((const float *)x)[i];
            }
            tail[1][i - whole] = norm != NULL ? norm->shift[i] : 0.0f;
            tail[2][i - whole] = norm != NULL ? norm->scale[i] : 0.0f;
        }
        a = dtype == DTYPE_U8 ? v_load_u8(bytes) : v_load(tail[0]);
        if (norm != NULL) {
            a = v_mul(v_sub(a, v_load(tail[1])), v_load(tail[2]));
        }
        v_store(out + whole, v_flush(a));
    }
}

static void kernel_run_gather(enum dtype dtype, const void *x, size_t width,
                              const struct norm_map *norm, float *out)
{
    if (norm != NULL && norm->shift == NULL) {
        norm = NULL;
    }
    if (dtype == DTYPE_U8) {
        gather_as(DTYPE_U8, x, width, norm, out);
    } else {
        gather_as(DTYPE_F32, x, width, norm, out);
    }
}

static void kernel_run_map(int what, const float *x, float *out, size_t n)
{
    for (size_t i = 0; i < n; i += VL) {
        float in[VL] = { 0 }, to[VL];
        const size_t here = n - i < VL ? n - i : VL;
        vf a;

        memcpy(in, x + i, here * sizeof *in);
        a = v_load(in);
        a = what == MAP_EXP       ? v_exp(a)
            : what == MAP_LN      ? v_ln(a)
            : what == MAP_LOG1P   ? v_log1p(a)
            : what == MAP_SIGMOID ? v_sigmoid(a)
                                  : v_tanh(a);
        v_store(to, a);
        memcpy(out + i, to, here * sizeof *out);
    }
}

static const struct kernel table = {
    .name = KERNEL_NAME,
    .forward = kernel_run_forward,
    .delta = kernel_run_delta,
    .update = kernel_run_update,
    .cost = kernel_run_cost,
    .activate = kernel_run_activate,
    .gather = kernel_run_gather,
    .delta_finish = delta_finish,
    .step = kernel_run_step,
    .dot = kernel_run_dot,
    .pair_rows = kernel_run_pair_rows,
    .pair_columns = kernel_run_pair_columns,
    .pair_lines = kernel_run_pair_lines,
    .map = kernel_run_map,
};
const struct kernel *const KERNEL_TABLE = &table;
