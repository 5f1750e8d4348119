#include "nets.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rng.h"

const struct bench_net bench_nets[BENCH_NETS] = {
    { "784-30-10", 3, { 784, 30, 10 }, 10, 60000, 0.5f },
    { "784-100-10", 3, { 784, 100, 10 }, 10, 60000, 0.2f },
    { "784-512-512-10", 4, { 784, 512, 512, 10 }, 128, 60000, 0.05f },
    { "1024-4096-4096-1000", 4, { 1024, 4096, 4096, 1000 }, 256, 10240, 0.005f },
};

double bench_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

double bench_median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, compare);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

void *bench_get(size_t size)
{
    void *ret = aligned_alloc(128, (size + 127) / 128 * 128);

    if (ret == NULL) {
        fprintf(stderr, "bench: no memory\n");
        exit(1);
    }
    return ret;
}

_Noreturn static void die(const struct err *err)
{
    fprintf(stderr, "bench: %s %s\n", err->where, err->text);
    exit(1);
}

/* ---- data ---- */

void bench_data_make(struct bench_data *data, size_t rows, size_t inputs, size_t classes)
{
    uint8_t *pictures = bench_get(classes * inputs);
    struct rng rng;

    *data = (struct bench_data){ .rows = rows, .inputs = inputs, .classes = classes };
    data->bytes = bench_get(rows * inputs);
    data->floats = bench_get(rows * inputs * sizeof *data->floats);
    data->labels = bench_get(rows * sizeof *data->labels);
    rng_init(&rng, 1);
    for (size_t i = 0; i < classes * inputs; i++) {
        pictures[i] = rng_below(&rng, 5) == 0 ? (uint8_t)(55 + rng_below(&rng, 200)) : 0;
    }
    for (size_t i = 0; i < rows; i++) {
        const size_t any = rng_below(&rng, classes);
        const size_t class = i < classes ? i : any; /* the first rows have one of each */

        for (size_t k = 0; k < inputs; k++) {
            const uint64_t noise = rng_next(&rng);
            uint8_t value = pictures[class * inputs + k];

            if (noise % 32 == 0) { /* this pixel is another's */
                value = pictures[(noise >> 32) % (classes * inputs)];
            }
            value = (uint8_t)(value == 0 ? 0 : value - (noise >> 8) % 55);
            data->bytes[i * inputs + k] = value;
            data->floats[i * inputs + k] = (float)value / 255.0f;
        }
        data->labels[i] = (uint32_t) class;
        if (i >= classes && rng_below(&rng, 20) == 0) {
            data->labels[i] = (uint32_t)rng_below(&rng, classes);
        }
    }
    free(pictures);
}

void bench_data_done(struct bench_data *data)
{
    free(data->bytes);
    free(data->floats);
    free(data->labels);
}

struct data bench_data_as(const struct bench_data *data, enum dtype dtype)
{
    return (struct data){
        .x = { dtype, data->rows, data->inputs,
               dtype == DTYPE_U8 ? (const void *)data->bytes : (const void *)data->floats },
        .classes = data->labels,
    };
}

/* ---- a net and its trainer ---- */

void bench_spec(const struct bench_net *net, enum cost cost, struct net_spec *ret)
{
    *ret = (struct net_spec){ .inputs = net->units[0], .n_layers = net->n - 1, .cost = cost };
    ret->init = INIT_SCALED_NORMAL;
    ret->bias_init = BIAS_NORMAL;
    ret->seed = 7;
    for (size_t l = 1; l < net->n; l++) {
        ret->layers[l - 1] = (struct layer_spec){ net->units[l], ACT_SIGMOID };
    }
}

struct bench_run bench_run_make(const struct bench_net *net, enum cost cost,
                                const struct data *data, enum precision precision)
{
    const struct train_plan plan = {
        .batch_size = net->batch,
        .optimizer = OPT_SGD,
        .learning_rate = net->eta,
        .seed = 1,
        .precision = precision,
    };
    struct bench_run run;
    struct net_spec spec;
    struct err err = { 0 };

    bench_spec(net, cost, &spec);
    if (data->x.dtype == DTYPE_U8) {
        spec.norm = NORM_UNIT;
    }
    if (!net_create(&spec, &run.net, &err)) {
        die(&err);
    }
    net_init(run.net);
    if (!trainer_create(run.net, data, &plan, &run.trainer, &err)) {
        die(&err);
    }
    return run;
}

void bench_run_done(struct bench_run *run)
{
    trainer_free(run->trainer);
    net_free(run->net);
}

/* ---- training on the workers ---- */

struct work {
    struct task task; /* first */
    struct trainer *trainer;
    double seconds;
    size_t steps, ways, rows;
    double took;
    struct err err;
    bool ended; /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t end;
};

static void work_run(struct task *task, struct crew *crew)
{
    struct work *work = (struct work *)task;
    const size_t want = trainer_ways(work->trainer);
    double begin;
    bool ok = true;

    crew_share(crew, want);
    usleep(1000); /* until the helpers have sat down: a job's have after its first step */
    begin = bench_now();
    for (size_t i = 0; ok; i++) {
        struct share *share = crew_share(crew, want);
        const size_t before = trainer_sum(work->trainer).rows;
        size_t after;

        work->ways = share->ways > work->ways ? share->ways : work->ways;
        ok = trainer_step(work->trainer, share, &work->err);
        after = trainer_sum(work->trainer).rows;
        work->rows += after > before ? after - before : after;
        work->took = bench_now() - begin;
        if (work->steps != 0 ? i + 1 >= work->steps : work->took >= work->seconds) {
            break;
        }
    }
    pthread_mutex_lock(&work->lock);
    work->ended = true;
    pthread_cond_signal(&work->end);
    pthread_mutex_unlock(&work->lock);
}

struct workers *bench_workers(size_t n)
{
    struct workers *workers;
    struct err err = { 0 };

    if (!workers_create(n, &workers, &err)) {
        die(&err);
    }
    return workers;
}

double bench_train(struct workers *workers, struct bench_run *run, double seconds, size_t steps,
                   size_t *rows, size_t *ways)
{
    struct work work = { .task = { .run = work_run },
                         .trainer = run->trainer,
                         .seconds = seconds,
                         .steps = steps,
                         .lock = PTHREAD_MUTEX_INITIALIZER,
                         .end = PTHREAD_COND_INITIALIZER };

    workers_submit(workers, &work.task);
    pthread_mutex_lock(&work.lock);
    while (!work.ended) {
        pthread_cond_wait(&work.end, &work.lock);
    }
    pthread_mutex_unlock(&work.lock);
    if (work.err.code != ERR_NONE) {
        die(&work.err);
    }
    if (rows != NULL) {
        *rows = work.rows;
    }
    if (ways != NULL) {
        *ways = work.ways;
    }
    return (double)work.rows / work.took;
}
