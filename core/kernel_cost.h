/* Output activations and costs. Included by kernel_body.h.
 *
 *   mse              C = 1/2 sum_j (a_j - y_j)^2          dC/dz = (a - y) sigma'(z)
 *   cross_entropy    C = sum_j max(z_j, 0) - y_j z_j + ln(1 + e^-|z_j|)      dC/dz = a - y
 *   log_likelihood   C = sum_j y_j (ln sum_k e^z_k - z_j)                    dC/dz = a - y
 *
 * Computed from z, so that nothing takes ln 0. (Nielsen, ch. 3.) */

/* All ones in lanes j .. j + VL - 1 that are below n, for the pads of a row's last panel. */
V vf lanes_below(size_t n, size_t j)
{
    static const uint32_t mask[2 * PANEL] = { ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u,
                                              ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u };
    float at[VL];

    memcpy(at, mask + PANEL - (n < j ? 0 : n - j < PANEL ? n - j : PANEL), sizeof at);
    return v_load(at);
}

/* The sum of 16 virtual lanes, as a fixed tree. */
V float lanes_sum(const vf lane[PV])
{
    float s[PANEL];

    for (size_t i = 0; i < PV; i++) {
        v_store(s + i * VL, lane[i]);
    }
    for (size_t half = PANEL / 2; half != 0; half /= 2) {
        for (size_t i = 0; i < half; i++) {
            s[i] += s[i + half];
        }
    }
    return s[0];
}

/* max_j z_j; a NaN in z[0] stays, and any other reaches the sum of the exponentials. */
V float softmax_top(size_t n, const float *z)
{
    float top = z[0];

    for (size_t j = 1; j < n; j++) {
        top = top < z[j] ? z[j] : top;
    }
    return top;
}

/* e^(z_j - top) of the vector at j, flushed, pads +0. */
V vf softmax_exp(size_t n, const float *z, float top, size_t j)
{
    return v_and(v_flush(v_exp(v_sub(v_load(z + j), v_set(top)))), lanes_below(n, j));
}

V float softmax_sum(size_t n, const float *z, float top)
{
    vf lane[PV];

    for (size_t i = 0; i < PV; i++) {
        lane[i] = v_set(0.0f);
    }
    for (size_t j = 0; j < n; j += PANEL) {
        for (size_t i = 0; i < PV; i++) {
            lane[i] = v_add(lane[i], softmax_exp(n, z, top, j + i * VL));
        }
    }
    return lanes_sum(lane);
}

static void softmax_row(size_t n, float *z)
{
    const float top = softmax_top(n, z);
    const vf sum = v_set(softmax_sum(n, z, top));

    for (size_t j = 0; j < n; j += VL) {
        v_store(z + j, v_flush(v_div(softmax_exp(n, z, top, j), sum)));
    }
}

static void kernel_run_activate(enum act act, size_t n, size_t m, float *z, size_t ld)
{
    if (act != ACT_SOFTMAX) {
        act_run(act, round_up(n, VL), m, z, ld);
        return;
    }
    for (size_t i = 0; i < m; i++) {
        softmax_row(n, z + i * ld);
    }
}

/* One row of the pair: z becomes a; d, when not NULL, dC/dz with pads +0. Gives C. */
V float cost_row(enum act act, enum cost cost, size_t n, float *z, const float *y, float *d)
{
    const vf minus = v_set(-0.0f);
    vf lane[PV], top = minus, sum = minus, lse = minus;

    for (size_t i = 0; i < PV; i++) {
        lane[i] = v_set(0.0f);
    }
    if (act == ACT_SOFTMAX) {
        top = v_set(softmax_top(n, z));
        sum = v_set(softmax_sum(n, z, softmax_top(n, z)));
        lse = v_ln(sum); /* less top: ln sum_k e^z_k = top + lse */
    }
    for (size_t j = 0; j < n; j += PANEL) {
        for (size_t i = 0; i < PV; i++) {
            const size_t at = j + i * VL;
            const vf mask = lanes_below(n, at);
            const vf in = v_load(z + at), want = v_load(y + at);
            vf a, c, slope;

            if (act == ACT_SOFTMAX) {
                a = v_and(v_flush(v_exp(v_sub(in, top))), mask);
                a = v_flush(v_div(a, sum));
            } else {
                a = act_of(act, in);
            }
            slope = v_sub(a, want);
            if (cost == COST_LOG_LIKELIHOOD) {
                c = v_mul(want, v_add(lse, v_sub(top, in)));
            } else if (cost == COST_CROSS_ENTROPY) {
                c = v_fma(v_xor(want, minus), in, v_max(v_set(0.0f), in));
                c = v_add(c, v_log1p(v_exp(v_xor(v_xor(in, v_and(in, minus)), minus))));
            } else {
                c = v_mul(v_mul(slope, v_set(0.5f)), slope);
                slope = act_slope(act, a, v_flush(slope));
            }
            lane[i] = v_add(lane[i], v_and(c, mask));
            v_store(z + at, a);
            if (d != NULL) {
                v_store(d + at, v_flush(v_and(slope, mask)));
            }
        }
    }
    return lanes_sum(lane);
}

V uint32_t row_best(size_t n, const float *a)
{
    uint32_t best = 0;

    if (n == 1) {
        return a[0] >= 0.5f;
    }
    for (size_t j = 1; j < n; j++) {
        best = a[j] > a[best] ? (uint32_t)j : best;
    }
    return best;
}

V void cost_rows(const struct kernel_cost *job, enum act act, enum cost cost)
{
    for (size_t i = job->r0; i < job->r1; i++) {
        struct kernel_row *row = &job->row[i];
        float *z = job->z + i * job->ld;
        const float *y = job->y + i * job->ld;

        row->loss =
            cost_row(act, cost, job->out, z, y, job->d != NULL ? job->d + i * job->ld : NULL);
        row->answer = row_best(job->out, z);
        row->truth = row_best(job->out, y);
        row->right = row->answer == row->truth;
    }
}

/* What rows count, in their costs and their deltas. */
static void cost_weigh(const struct kernel_cost *job)
{
    for (size_t i = job->r0; i < job->r1; i++) {
        const vf weight = v_set(job->weight[i]);

        job->row[i].loss *= job->weight[i];
        for (size_t j = 0; j < round_up(job->out, PANEL); j += VL) {
            float *d = job->d + i * job->ld + j;

            v_store(d, v_flush(v_mul(v_load(d), weight)));
        }
    }
}

/* d's transposed form: dt[row / 16][j][row % 16]. Reads whole blocks of 16 rows. */
static void cost_transpose(const struct kernel_cost *job)
{
    for (size_t r = job->r0; r < job->r1; r += PANEL) {
        for (size_t j = 0; j < round_up(job->out, PANEL); j += VL) {
            for (size_t i = 0; i < PANEL; i += VL) {
                vf sq[VL];

                UNROLL
                for (size_t t = 0; t < VL; t++) {
                    sq[t] = v_load(job->d + (r + i + t) * job->ld + j);
                }
                v_transpose(sq);
                UNROLL
                for (size_t t = 0; t < VL; t++) {
                    v_store(job->dt + r / PANEL * job->ldt + (j + t) * PANEL + i, sq[t]);
                }
            }
        }
    }
}

static void kernel_run_cost(const struct kernel_cost *job)
{
    if (job->act == ACT_SOFTMAX) {
        cost_rows(job, ACT_SOFTMAX, COST_LOG_LIKELIHOOD);
    } else if (job->cost == COST_CROSS_ENTROPY) {
        cost_rows(job, ACT_SIGMOID, COST_CROSS_ENTROPY);
    } else if (job->act == ACT_SIGMOID) {
        cost_rows(job, ACT_SIGMOID, COST_MSE);
    } else if (job->act == ACT_TANH) {
        cost_rows(job, ACT_TANH, COST_MSE);
    } else {
        cost_rows(job, ACT_LINEAR, COST_MSE);
    }
    if (job->weight != NULL && job->d != NULL) {
        cost_weigh(job);
    }
    if (job->dt != NULL) {
        cost_transpose(job);
    }
}
