/* What share of the processor's float32 peak the three products reach, on one core.
 *
 *   bench_kernel [KERNEL [ROUNDS]]
 *
 * The peak is that of a loop of nothing but fused multiply-adds in the kernel's vectors, measured
 * anew right before each product; a figure is the median over rounds of the ratio of the two, so
 * that a clock that changes and neighbours that come and go cancel out. Times are the thread's own,
 * not those of the wall. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "kernel.h"
#include "net.h"
#include "rng.h"

#define ROUNDS_MAX 199
#define SLICE_NS 3e6 /* what one measurement takes at least, in nanoseconds */
#define CHAINS 12    /* independent sums, to fill a latency of up to six cycles twice over */

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* --- the peak --- */

#define PEAK_TURNS 100000

/* A volatile sink: the loops below have to be run. */
static volatile float sink;

#if defined(__x86_64__)
#define PEAK_LOOP(type, set, fma)                                                                  \
    type sum[CHAINS], x = set(0.5f), y = set(0.25f);                                               \
    for (int i = 0; i < CHAINS; i++) {                                                             \
        sum[i] = set((float)i);                                                                    \
    }                                                                                              \
    for (int turn = 0; turn < PEAK_TURNS; turn++) {                                                \
        _Pragma("GCC unroll 16") for (int i = 0; i < CHAINS; i++)                                  \
        {                                                                                          \
            sum[i] = fma(sum[i], x, y);                                                            \
        }                                                                                          \
    }                                                                                              \
    for (int i = 0; i < CHAINS; i++) {                                                             \
        sink = ((float *)&sum[i])[0];                                                              \
    }

__attribute__((target("avx512f"))) static double peak_avx512(void)
{
    PEAK_LOOP(__m512, _mm512_set1_ps, _mm512_fmadd_ps)
    return 2.0 * 16 * CHAINS * PEAK_TURNS;
}

__attribute__((target("avx2,fma"))) static double peak_avx2(void)
{
    PEAK_LOOP(__m256, _mm256_set1_ps, _mm256_fmadd_ps)
    return 2.0 * 8 * CHAINS * PEAK_TURNS;
}
#endif

/* Elsewhere, and for the scalar kernel: vectors of four, whose product and sum are two operations
 * where the processor has no fused one. */
static double peak_four(void)
{
    typedef float four __attribute__((vector_size(16)));
    four sum[CHAINS], x = { 0.5f, 0.5f, 0.5f, 0.5f };

    for (int i = 0; i < CHAINS; i++) {
        sum[i] = x * (float)i;
    }
    for (int turn = 0; turn < PEAK_TURNS; turn++) {
        _Pragma("GCC unroll 16") for (int i = 0; i < CHAINS; i++)
        {
            sum[i] = sum[i] * x + x;
        }
    }
    for (int i = 0; i < CHAINS; i++) {
        sink = sum[i][0];
    }
    return 2.0 * 4 * CHAINS * PEAK_TURNS;
}

/* Floating-point operations a nanosecond. */
static double peak_measure(const struct kernel *kernel)
{
    double (*run)(void) = peak_four;
    double best = 0.0;

#if defined(__x86_64__)
    run = kernel == kernel_avx512 ? peak_avx512 : kernel == kernel_avx2 ? peak_avx2 : peak_four;
#else
    (void)kernel;
#endif
    for (int i = 0; i < 5; i++) {
        const double from = now_ns(), flops = run(), rate = flops / (now_ns() - from);

        best = rate > best ? rate : best;
    }
    return best;
}

/* --- the products --- */

static float *floats(size_t n)
{
    const size_t size = round_up(n * sizeof(float), 128);
    float *ret = aligned_alloc(128, size);
    struct rng rng;

    if (ret == NULL) {
        fprintf(stderr, "bench_kernel: no memory\n");
        exit(1);
    }
    memset(ret, 0, size);
    rng_init(&rng, n);
    for (size_t i = 0; i < n; i++) {
        ret[i] = (float)(rng_unit(&rng) - 0.5) * 0.1f;
    }
    return ret;
}

struct bench {
    struct kernel_forward forward;
    struct kernel_delta delta;
    struct kernel_update update;
    struct kernel_step step;
    const struct kernel *kernel;
};

enum { FORWARD, DELTA, UPDATE, PRODUCTS };

static void product_run(const struct bench *bench, int product)
{
    switch (product) {
    case FORWARD:
        bench->kernel->forward(&bench->forward);
        break;
    case DELTA:
        bench->kernel->delta(&bench->delta);
        break;
    default:
        bench->kernel->update(&bench->update);
        break;
    }
}

/* Nanoseconds of one run, over as many as fill a slice. */
static double product_measure(const struct bench *bench, int product, size_t runs)
{
    const double from = now_ns();

    for (size_t i = 0; i < runs; i++) {
        product_run(bench, product);
    }
    return (now_ns() - from) / (double)runs;
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* One layer of net, m rows: the median share of the peak, the best, and microseconds at the
 * median. */
static void product_print(const struct bench *bench, int product, double flops, size_t rounds)
{
    double share[ROUNDS_MAX], ns[ROUNDS_MAX];
    const double once = product_measure(bench, product, 2);
    const size_t runs = once >= SLICE_NS ? 1 : (size_t)(SLICE_NS / once) + 1;

    for (size_t i = 0; i < rounds; i++) {
        const double peak = peak_measure(bench->kernel);

        ns[i] = product_measure(bench, product, runs);
        share[i] = flops / ns[i] / peak;
    }
    qsort(share, rounds, sizeof *share, by_size);
    qsort(ns, rounds, sizeof *ns, by_size);
    printf(" %5.1f %5.1f %9.2f", 100.0 * share[rounds / 2], 100.0 * share[rounds - 1],
           ns[rounds / 2] / 1e3);
    fflush(stdout);
}

/* The three products of a net of one layer, over buffers laid out as a trainer's. */
static void jobs_make(struct bench *bench, struct net *net, size_t m, float *x, float *z, float *d,
                      float *dt, float *dx, float *dxt)
{
    const struct net_layer *layer = &net->layer[0];
    float *w = net->block + layer->w_at, *b = net->block + layer->b_at;

    bench->forward = (struct kernel_forward){ .w = w,
                                              .b = b,
                                              .stride = layer->stride,
                                              .in = layer->in,
                                              .p1 = layer->panels,
                                              .x = x,
                                              .ldx = net_ld(layer->in),
                                              .m = m,
                                              .out = z,
                                              .ldo = net_ld(layer->out),
                                              .act = ACT_SIGMOID };
    bench->delta = (struct kernel_delta){ .w = w,
                                          .stride = layer->stride,
                                          .panels = layer->panels,
                                          .k1 = layer->in,
                                          .m = m,
                                          .dt = dt,
                                          .ldt = round_up(layer->out, LD_UNIT) * PANEL,
                                          .a = x,
                                          .lda = net_ld(layer->in),
                                          .act = ACT_SIGMOID,
                                          .dx = dx,
                                          .dxt = dxt,
                                          .ldxt = round_up(layer->in, LD_UNIT) * PANEL };
    bench->update = (struct kernel_update){ .step = &bench->step,
                                            .w = w,
                                            .b = b,
                                            .stride = layer->stride,
                                            .in = layer->in,
                                            .p1 = layer->panels,
                                            .x = x,
                                            .ldx = net_ld(layer->in),
                                            .d = d,
                                            .ldd = net_ld(layer->out),
                                            .m = m };
}

static void shape_run(const struct kernel *kernel, size_t in, size_t out, size_t m, size_t rounds)
{
    const struct net_spec spec = { .inputs = in,
                                   .n_layers = 1,
                                   .layers = { { out, ACT_SIGMOID } } };
    const size_t rows = round_up(m, LD_UNIT), ldx = net_ld(in), ldd = net_ld(out);
    const size_t ldt = round_up(out, LD_UNIT) * PANEL, ldxt = round_up(in, LD_UNIT) * PANEL;
    const size_t flops = 2 * in * out * m;
    float *x = floats(rows * ldx), *d = floats(rows * ldd), *z = floats(rows * ldd);
    float *dt = floats(rows / PANEL * ldt), *dx = floats(rows * ldx);
    float *dxt = floats(rows / PANEL * ldxt);
    struct bench bench = { .kernel = kernel, .step = { .rate = -1e-9f, .decay = 1.0f } };
    struct err err = { 0 };
    struct net *net;

    if (!net_create(&spec, &net, &err)) {
        fprintf(stderr, "bench_kernel: %s\n", err.text);
        exit(1);
    }
    net_init(net);
    jobs_make(&bench, net, m, x, z, d, dt, dx, dxt);
    printf("%5zu x %4zu, %3zu rows ", in, out, m);
    for (int product = 0; product < PRODUCTS; product++) {
        product_print(&bench, product, (double)flops, rounds);
    }
    printf("\n");
    net_free(net);
    free(x);
    free(d);
    free(z);
    free(dt);
    free(dx);
    free(dxt);
}

int main(int argc, char **argv)
{
    static const size_t shapes[][3] = {
        { 784, 30, 1 },    { 784, 30, 10 }, { 784, 100, 10 },    { 784, 512, 128 },
        { 512, 512, 128 }, { 512, 512, 1 }, { 1024, 4096, 256 }, { 4096, 4096, 256 },
    };
    size_t rounds = argc > 2 ? (size_t)atoi(argv[2]) : 15;
    struct err err = { 0 };

    if (argc > 1 && !kernel_force(argv[1], &err)) {
        fprintf(stderr, "bench_kernel: kernel %s\n", err.text);
        return 1;
    }
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    printf("kernel %s, float32 peak of one core %.0f GFLOP/s; for each product: median %% of it, "
           "best %%, us\n%-22s %s\n",
           kernel_name(kernel_chosen()), peak_measure(kernel_chosen()), "",
           "forward                 delta                   update");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        shape_run(kernel_chosen(), shapes[i][0], shapes[i][1], shapes[i][2], rounds);
    }
    return 0;
}
