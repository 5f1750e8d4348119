/* sigmad's side of the comparison (peer.h): writes the folder that every peer reads, and trains.
 *
 *   peer_sigmad write FOLDER NET         NET as bench_nets names it
 *   peer_sigmad train FOLDER NET WORKERS f32|u8 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"
#include "nets.h"
#include "rng.h"

static void put(const char *folder, const char *name, const void *data, size_t size)
{
    char path[4096];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "wb");
    if (file == NULL || fwrite(data, 1, size, file) != size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static float *weights_of(const struct net *net)
{
    float *ret = bench_get(net->n_params * sizeof *ret), *at = ret;

    for (size_t l = 0; l < net->spec.n_layers; l++) {
        const size_t in = net->layer[l].in, out = net->layer[l].out;

        net_get_layer(net, l, at, at + in * out);
        at += in * out + out;
    }
    return ret;
}

static void put_weights(const char *folder, const char *name, const struct net *net)
{
    float *weights = weights_of(net);

    put(folder, name, weights, net->n_params * sizeof *weights);
    free(weights);
}

/* Steps of a check: enough that every layer has moved well beyond rounding. */
static size_t check_steps(const struct bench_net *net)
{
    return net->batch >= 256 ? 3 : 20;
}

/* The order in which a trainer with bench_run_make's seed takes the rows (train.h). */
static uint32_t *order_make(size_t rows)
{
    uint32_t *order = bench_get(rows * sizeof *order);
    struct rng rng;

    rng_init(&rng, 1);
    for (size_t i = 0; i < rows; i++) {
        order[i] = (uint32_t)i;
    }
    for (size_t i = rows; i > 1; i--) {
        const size_t j = rng_below(&rng, i);
        const uint32_t spare = order[i - 1];

        order[i - 1] = order[j];
        order[j] = spare;
    }
    return order;
}

static void put_net(const char *folder, const struct bench_net *net)
{
    char text[256] = "";
    int len = 0;

    for (size_t i = 0; i < net->n; i++) {
        len += snprintf(text + len, sizeof text - (size_t)len, "%zu ", net->units[i]);
    }
    len += snprintf(text + len, sizeof text - (size_t)len, "\n%zu %zu %zu %.9g\n", net->batch,
                    net->rows, check_steps(net), (double)net->eta);
    put(folder, "net", text, (size_t)len);
}

/* The weights that sigmad has after steps. */
static void put_after(const char *folder, const char *name, const struct bench_net *net,
                      enum cost cost, size_t steps, const struct data *data)
{
    struct bench_run run = bench_run_make(net, cost, data, PRECISION_FLOAT32);
    struct share alone = SHARE_ALONE;
    struct err err = { 0 };

    for (size_t s = 0; s < steps; s++) {
        if (!trainer_step(run.trainer, &alone, &err)) {
            fprintf(stderr, "peer_sigmad: %s %s\n", err.where, err.text);
            exit(1);
        }
    }
    put_weights(folder, name, run.net);
    bench_run_done(&run);
}

static void write_folder(const char *folder, const struct bench_net *net,
                         const struct bench_data *data)
{
    const struct data as = bench_data_as(data, DTYPE_F32);
    struct bench_run run = bench_run_make(net, COST_CROSS_ENTROPY, &as, PRECISION_FLOAT32);
    uint32_t *order = order_make(net->rows);

    put_net(folder, net);
    put(folder, "x", data->floats, net->rows * net->units[0] * sizeof *data->floats);
    put(folder, "bytes", data->bytes, net->rows * net->units[0]);
    put(folder, "y", data->labels, net->rows * sizeof *data->labels);
    put(folder, "order", order, check_steps(net) * net->batch * sizeof *order);
    put_weights(folder, "weights", run.net);
    put_after(folder, "after", net, COST_CROSS_ENTROPY, check_steps(net), &as);
    put_after(folder, "after-mse", net, COST_MSE, 1, &as); /* FANN's */
    free(order);
    bench_run_done(&run);
}

static void serve(struct bench_run *run, struct workers *workers)
{
    char line[4096];
    double seconds;

    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "run %lf", &seconds) == 1) {
            size_t rows;
            const double rate = bench_train(workers, run, seconds, 0, &rows, NULL);

            printf("%zu %.6f\n", rows, (double)rows / rate);
        }
    }
}

static void train(const struct bench_net *net, const struct bench_data *data, size_t n,
                  enum dtype dtype)
{
    const struct data as = bench_data_as(data, dtype);
    struct bench_run run = bench_run_make(net, COST_CROSS_ENTROPY, &as, PRECISION_FLOAT32);
    struct workers *workers = bench_workers(n);

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("sigmad, %s kernels\n", kernel_name(kernel_chosen()));
    serve(&run, workers);
    workers_free(workers);
    bench_run_done(&run);
}

int main(int argc, char **argv)
{
    const struct bench_net *net = NULL;
    struct bench_data data;

    for (size_t i = 0; argc >= 4 && i < BENCH_NETS; i++) {
        net = strcmp(argv[3], bench_nets[i].name) == 0 ? &bench_nets[i] : net;
    }
    if (net == NULL || (strcmp(argv[1], "write") != 0 && argc != 6)) {
        fprintf(stderr, "usage: peer_sigmad write FOLDER NET | train FOLDER NET WORKERS f32|u8\n");
        return 2;
    }
    bench_data_make(&data, net->rows, net->units[0], net->units[net->n - 1]);
    if (strcmp(argv[1], "write") == 0) {
        write_folder(argv[2], net, &data);
    } else {
        train(net, &data, (size_t)atoi(argv[4]), strcmp(argv[5], "u8") == 0 ? DTYPE_U8 : DTYPE_F32);
    }
    bench_data_done(&data);
    return 0;
}
