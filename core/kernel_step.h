/* The step, by the optimiser's kind: see struct kernel_step. Part of kernel_body.h. */

#define SQUARE_LEAST 0x1p-100f /* below it a mean of squares is +0: its root is far below any eps */

/* In registers. */
V vf step_of(enum step_kind kind, const struct kernel_step *step, vf g, vf w)
{
    if (kind == STEP_DECAY) {
        return v_flush(v_fma(g, v_set(step->rate), v_mul(w, v_set(step->decay))));
    }
    return v_fma(g, v_set(step->rate), w);
}

/* t, the gradient's clipped mean with the terms of L2 and L1. */
V vf step_mean(const struct kernel_step *step, bool bias, vf g, vf w)
{
    const vf zero = v_set(0.0f);
    vf t = v_mul(g, v_set(step->inv_m));

    if (step->clip > 0.0f) {
        t = v_min(v_set(step->clip), v_max(v_set(-step->clip), t));
    }
    if (!bias && step->l2_n != 0.0f) {
        t = v_fma(w, v_set(step->l2_n), t);
    }
    if (!bias && step->l1_n != 0.0f) {
        const vf l1 = v_set(step->l1_n), less = v_set(-step->l1_n);

        t = v_add(t, v_select_lt(zero, w, l1, v_select_lt(w, zero, less, zero)));
    }
    return t;
}

/* q' = keep q + take t^2 */
V vf step_square(const struct kernel_step *step, vf t, float *q)
{
    const vf square = v_fma(v_load(q), v_set(step->keep2), v_mul(v_mul(t, t), v_set(step->take2)));
    const vf kept = v_select_lt(square, v_set(SQUARE_LEAST), v_set(0.0f), square);

    v_store(q, kept);
    return kept;
}

/* Of four kinds: the new value before it is flushed. */
V vf step_momentum(const struct kernel_step *step, vf t, vf w, float *p)
{
    vf vel = v_flush(v_fma(v_set(step->mu), v_load(p), t));

    v_store(p, vel);
    if (step->nesterov) {
        vel = v_fma(v_set(step->mu), vel, t);
    }
    return v_fma(vel, v_set(-step->eta), w);
}

V vf step_rmsprop(const struct kernel_step *step, vf t, vf w, float *p, float *q)
{
    const vf root = v_add(v_sqrt(step_square(step, t, q)), v_set(step->eps));
    vf u = v_div(t, root);

    if (step->mu != 0.0f) {
        u = v_flush(v_fma(v_set(step->mu), v_load(p), u));
        v_store(p, u);
    }
    return v_fma(u, v_set(-step->eta), w);
}

V vf step_adam(const struct kernel_step *step, bool bias, vf t, vf w, float *p, float *q)
{
    const vf mean = v_flush(v_fma(v_load(p), v_set(step->keep1), v_mul(t, v_set(step->take1))));
    const vf square = step_square(step, t, q);
    const vf root = v_fma(v_sqrt(square), v_set(step->root2), v_set(step->eps));

    v_store(p, mean);
    if (!bias && step->decay != 1.0f) {
        w = v_mul(w, v_set(step->decay));
    }
    return v_fma(v_div(mean, root), v_set(-step->eta1), w);
}

V vf step_rprop(vf t, vf w, float *p, float *q)
{
    const vf zero = v_set(0.0f), turn = v_mul(t, v_load(p)), size = v_load(q);
    const vf longer = v_min(v_mul(size, v_set(1.2f)), v_set(50.0f));
    const vf shorter = v_max(v_mul(size, v_set(0.5f)), v_set(1e-6f));
    const vf now = v_select_lt(zero, turn, longer, v_select_lt(turn, zero, shorter, size));
    const vf back = v_xor(now, v_set(-0.0f));

    t = v_flush(v_select_lt(turn, zero, zero, t));
    v_store(p, t);
    v_store(q, now);
    return v_add(w, v_select_lt(zero, t, back, v_select_lt(t, zero, now, zero)));
}

V void step_run(enum step_kind kind, const struct kernel_step *step, bool bias, size_t n,
                const float *g, float *w, float *p, float *q)
{
    const bool flush = !bias && (step->l2_n != 0.0f || step->l1_n != 0.0f || step->decay != 1.0f);

    for (size_t i = 0; i < n; i += VL) {
        const vf old = v_load(w + i), t = step_mean(step, bias, v_load(g + i), old);
        vf new;

        switch (kind) {
        case STEP_TERMS:
            new = v_fma(t, v_set(-step->eta), old);
            break;
        case STEP_RMSPROP:
            new = step_rmsprop(step, t, old, p + i, q + i);
            break;
        case STEP_ADAM:
            new = step_adam(step, bias, t, old, p + i, q + i);
            break;
        case STEP_RPROP:
            new = step_rprop(t, old, p + i, q + i);
            break;
        default:
            new = step_momentum(step, t, old, p + i);
            break;
        }
        v_store(w + i, flush ? v_flush(new) : new);
    }
}

/* The kinds that are too much to do in registers. */
static void step_long(const struct kernel_step *step, bool bias, size_t n, const float *g, float *w,
                      float *p, float *q)
{
    switch (step->kind) {
    case STEP_GRADIENT:
        memcpy(p, g, n * sizeof *p);
        break;
    case STEP_TERMS:
        step_run(STEP_TERMS, step, bias, n, g, w, p, q);
        break;
    case STEP_RMSPROP:
        step_run(STEP_RMSPROP, step, bias, n, g, w, p, q);
        break;
    case STEP_ADAM:
        step_run(STEP_ADAM, step, bias, n, g, w, p, q);
        break;
    case STEP_RPROP:
        step_run(STEP_RPROP, step, bias, n, g, w, p, q);
        break;
    default:
        step_run(STEP_MOMENTUM, step, bias, n, g, w, p, q);
        break;
    }
}
