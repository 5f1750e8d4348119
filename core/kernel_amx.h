/* kernel_dot by tiles of 16 rows of 64 bytes: two of A, two of B, four of C. The including file has
 * the operations: TILE_BEGIN, TILE_END; TILE_ZERO(t), TILE_LOAD(t, from, stride in bytes),
 * TILE_STORE(t, to, stride), TILE_DOT(c, a, b). */

static void tiles_dot(const struct kernel_dot *job)
{
    const bool two_rows = job->rows > 16, two_panels = job->panels > 1;
    const uint32_t *a = job->a, *a1 = a + 16 * job->lda, *b = job->b, *b1 = b + job->ldb;
    const size_t lda = job->lda * sizeof *a;

    TILE_BEGIN
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    for (size_t k = 0; k < job->pairs; k += 16) {
        TILE_LOAD(4, a + k, lda);
        TILE_LOAD(6, b + k * 16, 64);
        TILE_DOT(0, 4, 6);
        if (two_panels) {
            TILE_LOAD(7, b1 + k * 16, 64);
            TILE_DOT(1, 4, 7);
        }
        if (two_rows) {
            TILE_LOAD(5, a1 + k, lda);
            TILE_DOT(2, 5, 6);
        }
        if (two_rows && two_panels) {
            TILE_DOT(3, 5, 7);
        }
    }
    TILE_STORE(0, job->c, 64);
    if (two_panels) {
        TILE_STORE(1, job->c + 32 * 16, 64);
    }
    if (two_rows) {
        TILE_STORE(2, job->c + 16 * 16, 64);
    }
    if (two_rows && two_panels) {
        TILE_STORE(3, job->c + 48 * 16, 64);
    }
    TILE_END
}
