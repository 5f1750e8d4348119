/* What the benchmarks of training share: the networks, data to learn, and whole training steps on
 * the daemon's own workers. */
#ifndef NETS_H
#define NETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "train.h"
#include "workers.h"

/* Sigmoid units and cross-entropy, as in Nielsen's network2.py. */
struct bench_net {
    const char *name;
    size_t n;        /* of units, inputs included */
    size_t units[5]; /* inputs first */
    size_t batch, rows;
    float eta;
};

#define BENCH_NETS 4
extern const struct bench_net bench_nets[BENCH_NETS];

/* Rows like MNIST's: a class is a picture of its own, four pixels in five are 0, values and some
 * pixels are noisy, and a row in twenty has a wrong label, so that learning never comes to rest.
 * The float of a byte is byte / 255. */
struct bench_data {
    size_t rows, inputs, classes;
    uint8_t *bytes; /* owned, like the others */
    float *floats;
    uint32_t *labels;
};
void bench_data_make(struct bench_data *data, size_t rows, size_t inputs, size_t classes);
void bench_data_done(struct bench_data *data);
struct data bench_data_as(const struct bench_data *data, enum dtype dtype);

/* A net and its trainer, on data that is borrowed. */
struct bench_run {
    struct net *net;
    struct trainer *trainer;
};
void bench_spec(const struct bench_net *net, enum cost cost, struct net_spec *ret);
struct bench_run bench_run_make(const struct bench_net *net, enum cost cost,
                                const struct data *data, enum precision precision);
void bench_run_done(struct bench_run *run);

/* Trains as a job does, on a worker thread, for `seconds` and to the end of the step under way, or
 * for `steps` if that is not 0. Gives rows a second. *ways, unless NULL: the most a step had. */
struct workers *bench_workers(size_t n);
double bench_train(struct workers *workers, struct bench_run *run, double seconds, size_t steps,
                   size_t *rows, size_t *ways);

double bench_now(void);
/* Sorts them. */
double bench_median(double *values, size_t n);
/* Ends the program when there is no memory. */
void *bench_get(size_t size);

#endif
