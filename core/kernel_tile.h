/* The one micro-kernel, under all three products. Included by kernel_body.h.
 *
 * A tile is MR scalars wide and NV vectors deep: at each t, acc[r][v] += s[r] * vec[v] for all r
 * and v, each sum a register. Constant MR and NV and full unrolling are what keeps acc in
 * registers: these functions are inlined into one switch per product. */

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#define PV (PANEL / VL) /* vectors in a panel */
#define MR_MAX 14

/* Where a tile reads: scalar r at time t is s[r * sr + t * st]; panel p, 16 floats, at time t is
 * v[p * vp + t * vt]. */
struct tile {
    const float *s;
    size_t sr, st;
    const float *v;
    size_t vp, vt;
    size_t n; /* times */
};

V void tile_run(const struct tile *tile, size_t mr, size_t np, vf acc[MR_MAX][8 * PV])
{
    const float *s = tile->s, *v = tile->v;
    const size_t sr = tile->sr, st = tile->st, vp = tile->vp, vt = tile->vt;

    for (size_t t = tile->n; t != 0; t--) {
        vf vec[8 * PV];

        UNROLL
        for (size_t i = 0; i < np * PV; i++) {
            vec[i] = v_load(v + i / PV * vp + i % PV * VL);
        }
        UNROLL
        for (size_t r = 0; r < mr; r++) {
            const vf scalar = v_set(s[r * sr]);

            UNROLL
            for (size_t i = 0; i < np * PV; i++) {
                acc[r][i] = v_fma(scalar, vec[i], acc[r][i]);
            }
        }
        s += st;
        v += vt;
    }
}

/* Loads, or stores, a tile whose row r and panel p lie at c[r * cr + p * cp]. */
V void tile_load(size_t mr, size_t np, vf acc[MR_MAX][8 * PV], const float *c, size_t cr, size_t cp)
{
    UNROLL
    for (size_t r = 0; r < mr; r++) {
        UNROLL
        for (size_t i = 0; i < np * PV; i++) {
            acc[r][i] = v_load(c + r * cr + i / PV * cp + i % PV * VL);
        }
    }
}

V void tile_store(size_t mr, size_t np, vf acc[MR_MAX][8 * PV], float *c, size_t cr, size_t cp)
{
    UNROLL
    for (size_t r = 0; r < mr; r++) {
        UNROLL
        for (size_t i = 0; i < np * PV; i++) {
            v_store(c + r * cr + i / PV * cp + i % PV * VL, acc[r][i]);
        }
    }
}

V void tile_zero(size_t mr, size_t np, vf acc[MR_MAX][8 * PV])
{
    UNROLL
    for (size_t r = 0; r < mr; r++) {
        UNROLL
        for (size_t i = 0; i < np * PV; i++) {
            acc[r][i] = v_set(0.0f);
        }
    }
}

/* Asks the cache for lines of panels that a later tile will read: panels lie too far apart for the
 * processor to see it coming, and a tile that waits for memory costs a large layer 5 to 10 %. It
 * pays where each line is then read by many rows. */
V void tile_fetch(const float *w, size_t lines, size_t np, size_t stride)
{
    for (size_t p = 0; p < np; p++) {
        for (size_t i = 0; i < lines; i++) {
            __builtin_prefetch(w + p * stride + i * PANEL);
        }
    }
}

/* How many rows a tile of np panels may have: a register each for the vectors and the scalar. One
 * row may do with eight vectors that are operands from memory. */
#define ROWS_FIT(nv) ((REGS - 1 - (nv)) / (nv))
#define ROWS_OF(np)                                                                                \
    (ROWS_FIT((np)*PV) > MR_MAX ? MR_MAX                                                           \
     : ROWS_FIT((np)*PV) > 0    ? ROWS_FIT((np)*PV)                                                \
     : (np)*PV <= 8             ? 1                                                                \
                                : 0)

/* case MR of a switch over rows; those that do not fit into registers are never reached. */
#define TILE_CASE(fn, mr, np, ...)                                                                 \
    case mr:                                                                                       \
        if ((mr) <= ROWS_OF(np)) {                                                                 \
            fn(mr, np, __VA_ARGS__);                                                               \
        }                                                                                          \
        break;
#define TILE_SWITCH(fn, rows, np, ...)                                                             \
    switch (rows) {                                                                                \
        TILE_CASE(fn, 1, np, __VA_ARGS__)                                                          \
        TILE_CASE(fn, 2, np, __VA_ARGS__)                                                          \
        TILE_CASE(fn, 3, np, __VA_ARGS__)                                                          \
        TILE_CASE(fn, 4, np, __VA_ARGS__)                                                          \
        TILE_CASE(fn, 5, np, __VA_ARGS__)                                                          \
        TILE_CASE(fn, 6, np, __VA_ARGS__)                                                          \
        TILE_CASE(fn, 7, np, __VA_ARGS__)                                                          \
        TILE_CASE(fn, 8, np, __VA_ARGS__)                                                          \
        TILE_CASE(fn, 9, np, __VA_ARGS__)                                                          \
        TILE_CASE(fn, 10, np, __VA_ARGS__)                                                         \
        TILE_CASE(fn, 11, np, __VA_ARGS__)                                                         \
        TILE_CASE(fn, 12, np, __VA_ARGS__)                                                         \
        TILE_CASE(fn, 13, np, __VA_ARGS__)                                                         \
        TILE_CASE(fn, 14, np, __VA_ARGS__)                                                         \
    }

#define TILE_DISPATCH(fn, rows, np, ...)                                                           \
    switch (np) {                                                                                  \
    case 1:                                                                                        \
        TILE_SWITCH(fn, rows, 1, __VA_ARGS__)                                                      \
        break;                                                                                     \
    case 2:                                                                                        \
        TILE_SWITCH(fn, rows, 2, __VA_ARGS__)                                                      \
        break;                                                                                     \
    case 4:                                                                                        \
        TILE_SWITCH(fn, rows, 4, __VA_ARGS__)                                                      \
        break;                                                                                     \
    default:                                                                                       \
        TILE_SWITCH(fn, rows, 8, __VA_ARGS__)                                                      \
        break;                                                                                     \
    }

/* How `rows` rows and what is left of the panels are cut into tiles. Few rows leave registers, and
 * a fused multiply-add's latency, to be filled with more panels. */
struct cut {
    size_t np;     /* panels of the next tile: 1, 2, 4 or 8 */
    size_t blocks; /* row blocks, of rows / blocks rows or one more */
};

V struct cut tile_cut(size_t rows, size_t left)
{
    const size_t enough = rows < 8 ? rows : 8;
    struct cut cut = { 1, 0 };
    size_t most = ROWS_OF(1);

    if (left >= 8 && ROWS_OF(8) >= enough) {
        cut.np = 8;
        most = ROWS_OF(8);
    } else if (left >= 4 && ROWS_OF(4) >= enough) {
        cut.np = 4;
        most = ROWS_OF(4);
    } else if (left >= 2 && ROWS_OF(2) >= enough) {
        cut.np = 2;
        most = ROWS_OF(2);
    }
    assert(most > 0); /* enough is not less than 1 */
    cut.blocks = (rows + most - 1) / most;
    return cut;
}

/* The first row of block i. */
V size_t cut_at(const struct cut *cut, size_t rows, size_t i)
{
    return rows / cut->blocks * i + (i < rows % cut->blocks ? i : rows % cut->blocks);
}
