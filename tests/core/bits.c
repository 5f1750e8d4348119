/* Trains nets of every activation, cost and kind of step, and prints one hash of all weights,
 * sums and predictions. Plain C without cmocka, so that it also runs under qemu.
 *
 *   bits [KERNEL [WAYS]]     bits --list
 *
 * WAYS pieces are run last first; "mixed" changes their number between steps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "rng.h"
#include "split.h"
#include "train.h"

#define ROWS 150

static uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

static void hash_add(const void *data, size_t len)
{
    const unsigned char *at = data;

    for (size_t i = 0; i < len; i++) {
        hash = (hash ^ at[i]) * 0x100000001b3u;
    }
}

static void run_backwards(struct share *share, share_piece *piece, void *arg, size_t n)
{
    (void)share;
    while (n-- > 0) {
        piece(arg, n);
    }
}

_Noreturn static void die(const char *what, const struct err *err)
{
    fprintf(stderr, "bits: %s: %s %s\n", what, err->where, err->text);
    exit(1);
}

static void *get(size_t size)
{
    void *ret = aligned_alloc(128, (size + 127) / 128 * 128);

    if (ret == NULL) {
        exit(1);
    }
    return ret;
}

struct work {
    struct net_spec spec;
    struct train_plan plan;
    size_t rows, steps;
    bool bytes, classes, weights, pick;
};

static void data_make(const struct work *work, struct data *data)
{
    const size_t in = work->spec.inputs, out = spec_outputs(&work->spec);
    float *x = get(work->rows * in * sizeof *x), *y = get(work->rows * out * sizeof *y);
    uint8_t *bytes = get(work->rows * in);
    uint32_t *classes = get(work->rows * sizeof *classes);
    struct rng rng;

    rng_init(&rng, 5);
    for (size_t i = 0; i < work->rows * in; i++) {
        bytes[i] = (uint8_t)rng_below(&rng, 256);
        x[i] = rng_below(&rng, 4) == 0 ? 0.0f : (float)rng_normal(&rng);
    }
    for (size_t i = 0; i < work->rows; i++) {
        classes[i] = (uint32_t)rng_below(&rng, out);
        for (size_t j = 0; j < out; j++) {
            y[i * out + j] = work->spec.cost == COST_LOG_LIKELIHOOD
                                 ? (j == classes[i] ? 1.0f : 0.0f)
                                 : (float)rng_unit(&rng);
        }
    }
    data->x = (struct rows){ work->bytes ? DTYPE_U8 : DTYPE_F32, work->rows, in,
                             work->bytes ? (const void *)bytes : (const void *)x };
    data->classes = work->classes ? classes : NULL;
    data->values = work->classes ? NULL : y;
    if (work->weights) {
        float *weights = get(out * sizeof *weights);
        struct err err = { 0 };

        if (!data_balance(data, out, weights, &err)) {
            die("weights", &err);
        }
        data->weights = weights;
    }
    if (work->pick) {
        const struct split split = { .fraction = 0.3 };
        uint32_t *pick;
        struct err err = { 0 };

        if (!split_make(&split, data, 1, &pick, &data->n_pick, &err)) {
            die("split", &err);
        }
        data->pick = pick;
    }
}

static void hash_net(const struct net *net)
{
    for (size_t l = 0; l < net->spec.n_layers; l++) {
        const size_t in = net->layer[l].in, out = net->layer[l].out;
        float *w = get(in * out * sizeof *w), *b = get(out * sizeof *b);

        net_get_layer(net, l, w, b);
        hash_add(w, in * out * sizeof *w);
        hash_add(b, out * sizeof *b);
        free(w);
        free(b);
    }
}

static void hash_answers(const struct net *net, const struct data *data, struct share *share)
{
    const size_t out = spec_outputs(&net->spec), n = data->x.n;
    float *a = get(n * out * sizeof *a), *alone = get(out * sizeof *alone);
    void *scratch = get(net_scratch(net));
    struct err err = { 0 };
    struct eval eval = { 0 };

    net_predict(net, &data->x, 0, n, a, scratch, share);
    for (size_t i = 0; i < n; i++) {
        net_predict(net, &data->x, i, 1, alone, scratch, NULL);
        if (memcmp(alone, a + i * out, out * sizeof *a) != 0) {
            fprintf(stderr, "bits: row %zu alone is not row %zu in a batch\n", i, i);
            exit(1);
        }
    }
    hash_add(a, n * out * sizeof *a);
    if (!net_evaluate(net, data, scratch, share, &eval, &err)) {
        die("evaluate", &err);
    }
    hash_add(&eval.loss, sizeof eval.loss);
    hash_add(&eval.correct, sizeof eval.correct);
    free(a);
    free(alone);
    free(scratch);
}

static void work_run(const struct work *work, size_t ways)
{
    struct share share = { .ways = ways, .run = run_backwards };
    struct err err = { 0 };
    struct trainer *trainer;
    struct train_sum sum;
    struct data data = { .map = NULL };
    struct net *net = NULL;

    data_make(work, &data);
    if (!spec_check(&work->spec, SPEC_LAYERS_MAX, SIZE_MAX, &err) ||
        !net_create(&work->spec, &net, &err)) {
        die("net", &err);
    }
    net_init(net);
    if (work->spec.norm != NORM_NONE) {
        float *shift = get(work->spec.inputs * sizeof *shift);
        float *scale = get(work->spec.inputs * sizeof *scale);

        norm_fit(work->spec.norm, &data, shift, scale);
        if (!net_set_norm(net, shift, scale, &err)) {
            die("norm", &err);
        }
    }
    if (!trainer_create(net, &data, &work->plan, &trainer, &err)) {
        die("trainer", &err);
    }
    trainer_force_ways(trainer, 64);
    for (size_t i = 0; i < work->steps; i++) {
        share.ways = ways == 0 ? 1 + i % 7 : ways;
        if (!trainer_step(trainer, &share, &err)) {
            die("step", &err);
        }
    }
    share.ways = ways == 0 ? 3 : ways;
    sum = trainer_sum(trainer);
    hash_add(&sum.loss, sizeof sum.loss);
    hash_add(&sum.correct, sizeof sum.correct);
    trainer_free(trainer);
    hash_net(net);
    hash_answers(net, &data, &share);
    net_free(net);
}

/* Some have one or more of what changes gradients or is random. */
static void regularise(struct work *work, size_t at)
{
    struct train_plan *plan = &work->plan;

    plan->l1 = at % 7 == 3 ? 0.05f : 0.0f;
    plan->clip_value = at % 11 == 4 ? 0.02f : 0.0f;
    plan->clip_norm = at % 6 == 2 ? 0.5f : 0.0f;
    plan->dropout_inputs = at % 5 == 1 ? 0.2f : 0.0f;
    plan->dropout_hidden = at % 3 == 2 && work->spec.n_layers > 1 ? 0.5f : 0.0f;
    plan->input_noise = at % 8 == 5 ? 0.1f : 0.0f;
    plan->label_smoothing = at % 2 == 1 && work->spec.cost != COST_MSE ? 0.1f : 0.0f;
    work->weights = work->classes && at % 8 == 4;
    work->pick = at % 9 == 7;
}

static void works_run(size_t ways)
{
    static const size_t batches[] = { 10, 1, 33, 64, 150 };
    static const struct {
        enum act act;
        enum cost cost;
    } pairs[] = {
        { ACT_SIGMOID, COST_MSE }, { ACT_SIGMOID, COST_CROSS_ENTROPY },  { ACT_TANH, COST_MSE },
        { ACT_LINEAR, COST_MSE },  { ACT_SOFTMAX, COST_LOG_LIKELIHOOD },
    };
    static const size_t widths[][3] = { { 64, 100, 33 }, { 17, 129, 70 }, { 600, 48, 19 } };
    size_t at = 0;

    for (size_t pair = 0; pair < 5; pair++) {
        for (int hidden = ACT_SIGMOID; hidden <= ACT_LINEAR; hidden++) {
            /* plain, l2, momentum, nesterov, both; rmsprop, adam, adamw with l2 */
            for (int kind = 0; kind < 8; kind++) {
                struct work work = {
                    .spec = { .inputs = widths[at % 3][0],
                              .n_layers = 1 + at % 4,
                              .cost = pairs[pair].cost,
                              .seed = at,
                              .bias_init = (enum bias_init)(at % 2),
                              .norm = (enum norm)(at % NORM_COUNT) },
                    .plan = { .batch_size = batches[at % 5],
                              .learning_rate = hidden == ACT_SIGMOID ? 0.03f : 0.0004f,
                              .l2 = kind == 1 || kind == 4 || kind == 7 ? 0.1f : 0.0f,
                              .momentum = kind >= 2 && kind <= 5 ? 0.9f : 0.0f,
                              .nesterov = kind == 3 || kind == 4,
                              .optimizer = kind < 5 ? OPT_SGD : (enum optimizer)(kind - 4),
                              .alpha = 0.9f,
                              .beta1 = 0.9f,
                              .beta2 = 0.99f,
                              .epsilon = 1e-8f,
                              .weight_decay = kind == 7 ? 0.1f : 0.0f,
                              .seed = at,
                              .precision = at % 4 == 3 ? PRECISION_BF16 : PRECISION_FLOAT32 },
                    .rows = ROWS,
                    .steps = 12,
                    .bytes = at % 3 == 1,
                    .classes = at % 2 == 0,
                };

                regularise(&work, at);
                if (work.bytes && work.spec.norm == NORM_NONE) {
                    work.spec.norm = NORM_UNIT;
                }
                for (size_t l = 0; l < work.spec.n_layers; l++) {
                    work.spec.layers[l].units = widths[(at + l) % 3][1 + l % 2];
                    work.spec.layers[l].act =
                        l + 1 == work.spec.n_layers ? pairs[pair].act : (enum act)hidden;
                }
                work_run(&work, ways);
                at++;
            }
        }
    }
}

int main(int argc, char **argv)
{
    const struct kernel *kernel;
    struct err err = { 0 };

    if (argc > 1 && strcmp(argv[1], "--list") == 0) {
        for (size_t k = 0; (kernel = kernel_nth(k)) != NULL; k++) {
            printf("%s\n", kernel->name);
        }
        return 0;
    }
    if (argc > 1 && !kernel_force(argv[1], &err)) {
        die("kernel", &err);
    }
    works_run(argc > 2 ? (size_t)atoi(argv[2]) : 1); /* "mixed" is 0 */
    printf("%016llx\n", (unsigned long long)hash);
    return 0;
}
