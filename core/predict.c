/* Forward over many rows: net_predict and net_evaluate, a block of rows at a time.
 *
 * Small nets are shared out by rows, all layers in one piece; large ones by outputs, layer by
 * layer, so that no worker has to read all weights. Neither changes a bit. */
#include "net.h"

#include <math.h>
#include <string.h>

#include "kernel.h"

#define BLOCK_ROWS 64
#define ROWS_FLOPS_MAX (1u << 20) /* nets below it, 2 MB of weights, are shared out by rows */
#define PIECE_FLOPS 400000        /* what a piece must be worth: a few microseconds */

/* One block of rows on its way, in the caller's scratch. */
struct pass {
    const struct net *net;
    const struct rows *x;
    const struct data *data; /* NULL when predicting */
    size_t from;             /* row of x that out[0] is for */
    size_t first, m;         /* the block: rows first .. first + m - 1 */
    size_t pieces;
    size_t ld0, ld;
    float *in;     /* [BLOCK_ROWS][ld0] */
    float *act[2]; /* [BLOCK_ROWS][ld], in turn */
    float *y;      /* [BLOCK_ROWS][ld] */
    float *out;    /* the caller's, or NULL */
    struct kernel_row *row;
    size_t layer; /* the one under way */
};

size_t net_scratch(const struct net *net)
{
    const size_t floats = net_ld(net->spec.inputs) + 3 * net_ld_max(net);

    return BLOCK_ROWS * (floats * sizeof(float) + sizeof(struct kernel_row));
}

static void pass_begin(struct pass *pass, const struct net *net, const struct rows *x,
                       const struct data *data, float *out, void *scratch)
{
    float *at = scratch;

    memset(pass, 0, sizeof *pass);
    pass->net = net;
    pass->x = x;
    pass->data = data;
    pass->out = out;
    pass->ld0 = net_ld(net->spec.inputs);
    pass->ld = net_ld_max(net);
    pass->in = at;
    pass->act[0] = at += BLOCK_ROWS * pass->ld0;
    pass->act[1] = at += BLOCK_ROWS * pass->ld;
    pass->y = at += BLOCK_ROWS * pass->ld;
    pass->row = (struct kernel_row *)(void *)(at + BLOCK_ROWS * pass->ld);
}

static void pass_gather(struct pass *pass, size_t r0, size_t r1)
{
    const struct net *net = pass->net;
    const struct norm_map norm = { net->shift, net->scale };
    const uint32_t *pick =
        pass->data != NULL && pass->data->pick != NULL ? pass->data->pick + pass->first + r0 : NULL;

    rows_gather(pass->x, pick, pass->first + r0, r1 - r0, &norm, pass->in + r0 * pass->ld0,
                pass->ld0);
    if (pass->data != NULL) {
        data_gather(pass->data, pick, pass->first + r0, r1 - r0, spec_outputs(&net->spec),
                    pass->y + r0 * pass->ld, pass->ld);
        net_to_learn(net, r1 - r0, pass->y + r0 * pass->ld, pass->ld);
    }
}

static void pass_layer(struct pass *pass, size_t l, size_t p0, size_t p1, size_t r0, size_t r1)
{
    const float *x = l == 0 ? pass->in : pass->act[(l - 1) % 2];
    const size_t ldx = l == 0 ? pass->ld0 : pass->ld;

    net_forward(pass->net, l, p0, p1, x + r0 * ldx, ldx, r1 - r0, pass->act[l % 2] + r0 * pass->ld,
                pass->ld);
}

/* From the last layer's z to what was asked for. */
static void pass_finish(struct pass *pass, size_t r0, size_t r1)
{
    const struct net *net = pass->net;
    const size_t last = net->spec.n_layers - 1, outputs = net->layer[last].out;
    float *z = pass->act[last % 2];

    if (pass->data != NULL) {
        const struct kernel_cost job = {
            .act = net->layer[last].act,
            .cost = net->spec.cost,
            .out = outputs,
            .r0 = r0,
            .r1 = r1,
            .z = z,
            .y = pass->y,
            .ld = pass->ld,
            .row = pass->row,
        };

        net->kernel->cost(&job);
        return;
    }
    net->kernel->activate(net->layer[last].act, outputs, r1 - r0, z + r0 * pass->ld, pass->ld);
    net_as_meant(net, r1 - r0, z + r0 * pass->ld, pass->ld);
    for (size_t i = r0; i < r1; i++) {
        memcpy(pass->out + (pass->first - pass->from + i) * outputs, z + i * pass->ld,
               outputs * sizeof *z);
    }
}

/* --- the pieces --- */

static void piece_rows(void *arg, size_t i)
{
    struct pass *pass = arg;
    const size_t r0 = share_cut(pass->m, 1, pass->pieces, i);
    const size_t r1 = share_cut(pass->m, 1, pass->pieces, i + 1);

    if (r0 == r1) {
        return;
    }
    pass_gather(pass, r0, r1);
    for (size_t l = 0; l < pass->net->spec.n_layers; l++) {
        pass_layer(pass, l, 0, pass->net->layer[l].panels, r0, r1);
    }
    pass_finish(pass, r0, r1);
}

static void piece_gather(void *arg, size_t i)
{
    struct pass *pass = arg;

    pass_gather(pass, share_cut(pass->m, 1, pass->pieces, i),
                share_cut(pass->m, 1, pass->pieces, i + 1));
}

static void piece_layer(void *arg, size_t i)
{
    struct pass *pass = arg;
    const size_t panels = pass->net->layer[pass->layer].panels;

    pass_layer(pass, pass->layer, share_cut(panels, 2, pass->pieces, i),
               share_cut(panels, 2, pass->pieces, i + 1), 0, pass->m);
}

static void piece_finish(void *arg, size_t i)
{
    struct pass *pass = arg;

    pass_finish(pass, share_cut(pass->m, 1, pass->pieces, i),
                share_cut(pass->m, 1, pass->pieces, i + 1));
}

static void pass_run(struct pass *pass, struct share *share)
{
    const size_t flops = net_flops(pass->net);
    const size_t worth = pass->m * flops / PIECE_FLOPS + 1;
    const bool by_rows = flops < ROWS_FLOPS_MAX;

    pass->pieces = share->ways < worth ? share->ways : worth;
    if (by_rows && pass->pieces > pass->m) {
        pass->pieces = pass->m;
    }
    if (by_rows || pass->pieces == 1) {
        share->run(share, piece_rows, pass, pass->pieces);
        return;
    }
    share->run(share, piece_gather, pass, pass->pieces);
    for (pass->layer = 0; pass->layer < pass->net->spec.n_layers; pass->layer++) {
        share->run(share, piece_layer, pass, pass->pieces);
    }
    share->run(share, piece_finish, pass, pass->pieces);
}

void net_predict(const struct net *net, const struct rows *x, size_t first, size_t n, float *out,
                 void *scratch, struct share *share)
{
    struct share alone = SHARE_ALONE;
    struct pass pass;

    pass_begin(&pass, net, x, NULL, out, scratch);
    pass.from = first;
    for (size_t i = 0; i < n; i += BLOCK_ROWS) {
        pass.first = first + i;
        pass.m = n - i < BLOCK_ROWS ? n - i : BLOCK_ROWS;
        pass_run(&pass, share != NULL ? share : &alone);
    }
}

/* Sums up a block that has been through: by one thread, in the rows' order. */
static void pass_sum(const struct pass *pass, double *loss, struct eval *eval)
{
    const size_t last = pass->net->spec.n_layers - 1, outputs = pass->net->layer[last].out;
    const size_t classes = outputs == 1 ? 2 : outputs;

    for (size_t r = 0; r < pass->m; r++) {
        const struct kernel_row *row = &pass->row[r];

        *loss += (double)row->loss;
        eval->correct += row->right;
        if (eval->confusion != NULL) {
            eval->confusion[row->truth * classes + row->answer]++;
        }
        if (eval->score != NULL) {
            float *a = pass->act[last % 2] + r * pass->ld, *y = pass->y + r * pass->ld;

            if (pass->net->target_shift != NULL) { /* costs are of what is learned, errors not */
                const size_t at = data_row(pass->data, pass->first + r);

                net_as_meant(pass->net, 1, a, pass->ld);
                memcpy(y, pass->data->values + at * outputs, outputs * sizeof *y);
            }
            score_add(eval->score, a, y, row->truth, row->answer);
        }
    }
}

bool net_evaluate(const struct net *net, const struct data *data, void *scratch,
                  struct share *share, struct eval *ret, struct err *err)
{
    struct share alone = SHARE_ALONE;
    const size_t n = data_rows(data);
    struct pass pass;
    double loss = 0.0;

    pass_begin(&pass, net, &data->x, data, NULL, scratch);
    ret->correct = 0;
    for (size_t i = 0; i < n; i += BLOCK_ROWS) {
        pass.first = i;
        pass.m = n - i < BLOCK_ROWS ? n - i : BLOCK_ROWS;
        pass_run(&pass, share != NULL ? share : &alone);
        pass_sum(&pass, &loss, ret);
    }
    if (ret->score != NULL) {
        score_finish(ret->score);
    }
    ret->rows = n;
    ret->loss = n > 0 ? loss / (double)n : 0.0;
    return isfinite(ret->loss) || err_set(err, ERR_NUMBER, "loss", "is not finite");
}
