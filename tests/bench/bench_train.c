/* Rows a second of whole training steps inside the process, on the daemon's workers: shuffling,
 * gathering, forward, cost, backward, update. Every figure is the median of rounds that take turns.
 *
 *   bench_train [ROUNDS]
 *
 * The last table is for ways_reckon in core/train.c: no net may be slower on two workers than on
 * one. Set SIGMAD_ISA to measure another instruction set. */
#include <stdio.h>
#include <stdlib.h>

#include "bf16.h"
#include "kernel.h"
#include "nets.h"

#define ROUNDS_MAX 99
#define SECONDS 0.25 /* of one round; large nets take a step or two longer */

static size_t rounds = 5;

/* One thing to measure. */
struct entry {
    struct bench_run run;
    struct workers *workers;
    double rate[ROUNDS_MAX];
    size_t ways;
};

static void measure(struct entry *entries, size_t n)
{
    for (size_t r = 0; r < rounds + 1; r++) { /* the first round only warms up */
        for (size_t i = 0; i < n; i++) {
            struct entry *entry = &entries[i];

            entry->rate[r > 0 ? r - 1 : 0] = bench_train(
                entry->workers, &entry->run, r > 0 ? SECONDS : SECONDS / 4, 0, NULL, &entry->ways);
        }
    }
}

/* f32 and u8 rows, one worker and two. */
static void measure_net(const struct bench_net *net, struct workers *one, struct workers *two)
{
    static const enum dtype dtypes[2] = { DTYPE_F32, DTYPE_U8 };
    struct entry entries[4] = { 0 };
    struct bench_data data;

    bench_data_make(&data, net->rows, net->units[0], net->units[net->n - 1]);
    for (size_t i = 0; i < 4; i++) {
        const struct data as = bench_data_as(&data, dtypes[i / 2]);

        entries[i].run = bench_run_make(net, COST_CROSS_ENTROPY, &as, PRECISION_FLOAT32);
        entries[i].workers = i % 2 == 0 ? one : two;
    }
    measure(entries, 4);
    printf("| %-19s | %3zu |", net->name, net->batch);
    for (size_t i = 0; i < 4; i++) {
        printf(" %9.0f |", bench_median(entries[i].rate, rounds));
        bench_run_done(&entries[i].run);
    }
    printf(" %zu |\n", entries[1].ways);
    fflush(stdout);
    bench_data_done(&data);
}

/* float32 and bf16 operands, one worker. */
static void measure_precision(const struct bench_net *net, struct workers *one)
{
    struct entry entries[PRECISION_COUNT] = { 0 };
    double rate[PRECISION_COUNT];
    struct bench_data data;

    bench_data_make(&data, net->rows, net->units[0], net->units[net->n - 1]);
    for (int i = 0; i < PRECISION_COUNT; i++) {
        const struct data as = bench_data_as(&data, DTYPE_F32);

        entries[i].run = bench_run_make(net, COST_CROSS_ENTROPY, &as, (enum precision)i);
        entries[i].workers = one;
    }
    measure(entries, PRECISION_COUNT);
    for (int i = 0; i < PRECISION_COUNT; i++) {
        rate[i] = bench_median(entries[i].rate, rounds);
        bench_run_done(&entries[i].run);
    }
    printf("| %-19s | %3zu | %9.0f | %9.0f | %.2fx |\n", net->name, net->batch, rate[0], rate[1],
           rate[1] / rate[0]);
    fflush(stdout);
    bench_data_done(&data);
}

/* One worker, two, and as many of two as are reckoned to pay. */
static void measure_width(size_t width, size_t batch, const struct bench_data *data,
                          struct workers *one, struct workers *two)
{
    const struct bench_net net = {
        .n = 3, .units = { 784, width, 10 }, .batch = batch, .eta = 0.5f
    };
    const struct data as = bench_data_as(data, DTYPE_F32);
    struct entry entries[3] = { 0 };
    double rate[3];

    for (size_t i = 0; i < 3; i++) {
        entries[i].run = bench_run_make(&net, COST_CROSS_ENTROPY, &as, PRECISION_FLOAT32);
        entries[i].workers = i == 0 ? one : two;
    }
    trainer_force_ways(entries[1].run.trainer, 2);
    measure(entries, 3);
    printf("| 784-%zu-10 | %zu |", width, batch);
    for (size_t i = 0; i < 3; i++) {
        rate[i] = bench_median(entries[i].rate, rounds);
        bench_run_done(&entries[i].run);
    }
    printf(" %.0f | %.0f | %.2f | %zu | %.0f | %.2f |\n", rate[0], rate[1], rate[1] / rate[0],
           entries[2].ways, rate[2], rate[2] / rate[0]);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const size_t widths[] = { 30, 64, 100, 128, 256, 512 }, batches[] = { 10, 128 };
    const char *isa = getenv("SIGMAD_ISA");
    struct workers *one, *two;
    struct bench_data data;
    struct err err = { 0 };

    if (argc > 1) {
        rounds = (size_t)strtoul(argv[1], NULL, 10);
        rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    }
    if (isa != NULL && !kernel_force(isa, &err)) {
        fprintf(stderr, "bench_train: %s %s\n", err.where, err.text);
        return 1;
    }
    one = bench_workers(1);
    two = bench_workers(2);
    printf("Training, rows/s, kernels %s, medians of %zu rounds:\n\n"
           "| network             | batch | f32, 1 worker | 2 workers | u8, 1 worker | 2 workers |"
           " used of 2 |\n|-|-|-|-|-|-|-|\n",
           kernel_name(kernel_chosen()), rounds);
    for (size_t i = 0; i < BENCH_NETS; i++) {
        measure_net(&bench_nets[i], one, two);
    }
    bf16_begin();
    printf("\nfloat32 and bf16 (%s), one worker:\n\n"
           "| network             | batch | float32   | bf16      |  |\n|-|-|-|-|-|\n",
           bf16_name());
    for (size_t i = 0; i < BENCH_NETS; i++) {
        measure_precision(&bench_nets[i], one);
    }
    printf("\nOne worker, two, and what is reckoned to be best of two:\n\n"
           "| network | batch | 1 worker | 2 workers | ratio | reckoned | rows/s | ratio |\n"
           "|-|-|-|-|-|-|-|-|\n");
    bench_data_make(&data, 60000, 784, 10);
    for (size_t b = 0; b < 2; b++) {
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            measure_width(widths[w], batches[b], &data, one, two);
        }
    }
    bench_data_done(&data);
    workers_free(one);
    workers_free(two);
    return 0;
}
