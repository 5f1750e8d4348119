/* BP2: dx = (d W) * sigma'(z). Included by kernel_body.h. */

/* Meanwhile fetches `lines` lines of each panel from next on. */
V void delta_tile(size_t mr, size_t np, struct tile tile, bool first, size_t panels, size_t stride,
                  float *c, size_t cp, const float *next, size_t lines)
{
    vf acc[MR_MAX][8 * PV];

    if (first) {
        tile_zero(mr, np, acc);
    } else {
        tile_load(mr, np, acc, c, PANEL, cp);
    }
    for (size_t p = 0; p < panels; p++) {
        tile_fetch(next + p * stride, lines, 1, 0);
        tile_run(&tile, mr, np, acc);
        tile.s += stride;
        tile.v += PANEL * PANEL;
    }
    tile_store(mr, np, acc, c, PANEL, cp);
}

/* All rows for panels p .. p + n - 1 of the layer above and units k .. k + rows - 1 below. */
static void delta_part(const struct kernel_delta *job, size_t p, size_t n, size_t k, size_t rows,
                       size_t np_max)
{
    const size_t blocks = round_up(job->m, PANEL) / PANEL;
    const float *w = job->w + p * job->stride, *next = w + (k + rows) * PANEL;
    const bool fetch = blocks >= FETCH_BLOCKS * np_max && k + 2 * rows <= job->k1;
    const size_t lines = fetch ? (rows * np_max + blocks - 1) / blocks : 0;
    struct tile tile = { .sr = PANEL, .st = 1, .vp = job->ldt, .vt = PANEL, .n = PANEL };

    tile.s = w + k * PANEL;
    for (size_t i = 0; i < blocks;) {
        const size_t left = blocks - i;
        const size_t np = np_max <= left ? np_max : left >= 2 && np_max >= 2 ? 2 : 1;
        float *c = job->dxt + i * job->ldxt + k * PANEL;

        tile.v = job->dt + i * job->ldt + p * PANEL * PANEL;
        TILE_DISPATCH(delta_tile, rows, np, tile, p == 0, n, job->stride, c, job->ldxt, next, lines)
        next += lines * PANEL;
        i += np;
    }
}

/* --- few rows --- */

#define FEW 4 /* rows at most: more fill the lanes well enough */

/* 16 weights of each of units k .. k + 15, units that are not there as zeros, turned about so that
 * lanes run across the units: at[i][j] has unit j's i-th weight. */
V void few_turn(const float *w, size_t units, float at[PANEL][PANEL])
{
    for (size_t j = 0; j < PANEL; j += VL) {
        for (size_t i = 0; i < PANEL; i += VL) {
            vf sq[VL];

            UNROLL
            for (size_t t = 0; t < VL; t++) {
                sq[t] = j + t < units ? v_load(w + (j + t) * PANEL + i) : v_set(0.0f);
            }
            v_transpose(sq);
            UNROLL
            for (size_t t = 0; t < VL; t++) {
                v_store(at[i + t] + j, sq[t]);
            }
        }
    }
}

/* The sums of mr rows for 16 units. Lanes are units, where delta_tile's are rows: the chain of each
 * sum, and so its bits, are the same. */
V void few_block(size_t mr, const struct kernel_delta *job, size_t k)
{
    const size_t units = job->k1 - k < PANEL ? job->k1 - k : PANEL;
    float at[PANEL][PANEL], sums[PANEL][PANEL] = { { 0.0f } };
    vf acc[FEW][PV];

    UNROLL
    for (size_t i = 0; i < mr * PV; i++) {
        acc[i / PV][i % PV] = v_set(0.0f);
    }
    for (size_t p = 0; p < job->panels; p++) {
        const float *d = job->dt + p * PANEL * PANEL;

        few_turn(job->w + p * job->stride + k * PANEL, units, at);
        for (size_t n = 0; n < PANEL; n++) {
            UNROLL
            for (size_t i = 0; i < mr * PV; i++) {
                acc[i / PV][i % PV] = v_fma(v_set(d[n * PANEL + i / PV]),
                                            v_load(at[n] + i % PV * VL), acc[i / PV][i % PV]);
            }
        }
    }
    UNROLL
    for (size_t i = 0; i < mr * PV; i++) {
        v_store(sums[i / PV] + i % PV * VL, acc[i / PV][i % PV]);
    }
    few_turn(sums[0], PANEL, (float(*)[PANEL])(void *)(job->dxt + k * PANEL));
}

static void delta_few(const struct kernel_delta *job)
{
    for (size_t k = job->k0; k < job->k1; k += PANEL) {
        if (job->m == 1) {
            few_block(1, job, k);
        } else if (job->m == 2) {
            few_block(2, job, k);
        } else {
            few_block(FEW, job, k);
        }
    }
}

/* --- all --- */

/* 16 rows by 16 units: from the transposed sums to dx, and back to the transposed form. */
V void delta_block(enum act act, const float *a, const float *mask, float *dx, size_t ld,
                   float *dxt)
{
    for (size_t i = 0; i < PANEL; i += VL) {
        for (size_t j = 0; j < PANEL; j += VL) {
            vf sq[VL];

            UNROLL
            for (size_t t = 0; t < VL; t++) {
                sq[t] = v_flush(v_load(dxt + (j + t) * PANEL + i));
            }
            v_transpose(sq);
            UNROLL
            for (size_t t = 0; t < VL; t++) {
                sq[t] = v_flush(act_slope(act, v_load(a + (i + t) * ld + j), sq[t]));
                if (mask != NULL) {
                    sq[t] = v_flush(v_mul(sq[t], v_load(mask + (i + t) * ld + j)));
                }
                v_store(dx + (i + t) * ld + j, sq[t]);
            }
            v_transpose(sq);
            UNROLL
            for (size_t t = 0; t < VL; t++) {
                v_store(dxt + (j + t) * PANEL + i, sq[t]);
            }
        }
    }
}

static void delta_finish(const struct kernel_delta *job)
{
    for (size_t m = 0; m < job->m; m += PANEL) {
        for (size_t k = job->k0; k < job->k1; k += PANEL) {
            const float *a = job->a + m * job->lda + k;
            const float *mask = job->mask != NULL ? job->mask + m * job->lda + k : NULL;
            float *dx = job->dx + m * job->lda + k;
            float *dxt = job->dxt + m / PANEL * job->ldxt + k * PANEL;

            switch (job->act) {
            case ACT_SIGMOID:
                delta_block(ACT_SIGMOID, a, mask, dx, job->lda, dxt);
                break;
            case ACT_TANH:
                delta_block(ACT_TANH, a, mask, dx, job->lda, dxt);
                break;
            case ACT_RELU:
                delta_block(ACT_RELU, a, mask, dx, job->lda, dxt);
                break;
            default:
                delta_block(ACT_LINEAR, a, mask, dx, job->lda, dxt);
                break;
            }
        }
    }
}

static void delta_many(const struct kernel_delta *job)
{
    const size_t span = job->k1 - job->k0;
    const size_t chunk = K_BLOCK / 2 / PANEL;
    const size_t blocks = round_up(job->m, PANEL) / PANEL;
    /* Here units are the scalars and batch rows the vectors. */
    const struct cut cut = tile_cut(span, blocks);

    for (size_t p = 0; p < job->panels; p += chunk) {
        const size_t n = job->panels - p < chunk ? job->panels - p : chunk;

        for (size_t i = 0; i < cut.blocks; i++) {
            const size_t k = cut_at(&cut, span, i);

            delta_part(job, p, n, job->k0 + k, cut_at(&cut, span, i + 1) - k, cut.np);
        }
    }
}

static void kernel_run_delta(const struct kernel_delta *job)
{
    if (job->m <= FEW) {
        delta_few(job);
    } else {
        delta_many(job);
    }
    delta_finish(job);
}
