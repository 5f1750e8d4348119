/* The part that peers written in C share. Built with -O3 -march=native -ffast-math, so that what is
 * not the library's own is as fast as the compiler can make it. */
#include "peer.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Noreturn static void die(const char *what)
{
    perror(what);
    exit(1);
}

void *peer_get(size_t floats)
{
    const size_t size = (floats * sizeof(float) + 127) / 128 * 128;
    void *ret = aligned_alloc(128, size);

    if (ret == NULL) {
        die("memory");
    }
    return memset(ret, 0, size);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the folder ---- */

static const void *map(const char *folder, const char *name)
{
    char path[4096];
    struct stat st;
    void *ret;
    int fd;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        die(path);
    }
    ret = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    if (ret == MAP_FAILED) {
        die(path);
    }
    close(fd);
    return ret;
}

static void read_net(struct peer *peer, const char *folder)
{
    char path[4096], line[256], *at = line;
    FILE *file;
    int used;

    snprintf(path, sizeof path, "%s/net", folder);
    file = fopen(path, "r");
    if (file == NULL || fgets(line, sizeof line, file) == NULL ||
        fscanf(file, "%zu %zu %zu %f", &peer->batch, &peer->rows, &peer->steps, &peer->eta) != 4) {
        die(path);
    }
    fclose(file);
    while (peer->layers <= PEER_LAYERS_MAX &&
           sscanf(at, "%zu%n", &peer->units[peer->layers], &used) == 1) {
        peer->layers++;
        at += used;
    }
    peer->layers--;
}

size_t peer_params(const struct peer *peer)
{
    size_t n = 0;

    for (size_t l = 1; l <= peer->layers; l++) {
        n += (peer->units[l - 1] + 1) * peer->units[l];
    }
    return n;
}

/* ---- work ---- */

void peer_gather(struct peer *peer, const uint32_t *rows, size_t m)
{
    const size_t in = peer->units[0], out = peer->units[peer->layers];

    memset(peer->by, 0, m * out * sizeof *peer->by);
    for (size_t i = 0; i < m; i++) {
        memcpy(peer->bx + i * in, peer->x + rows[i] * in, in * sizeof *peer->bx);
        peer->by[i * out + peer->y[rows[i]]] = 1.0f;
    }
}

void peer_sigmoid(float *z, const float *b, size_t m, size_t n)
{
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            /* bounded, since 1 / infinity is not 0 to -ffast-math */
            z[i * n + j] = 1.0f / (1.0f + expf(fminf(-(z[i * n + j] + b[j]), 80.0f)));
        }
    }
}

void peer_slope(float *d, const float *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        d[i] *= a[i] * (1.0f - a[i]);
    }
}

void peer_minus(float *d, const float *a, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        d[i] = a[i] - y[i];
    }
}

void peer_bias(float *b, const float *d, float rate, size_t m, size_t n)
{
    enum { BLOCK = 64 };

    for (size_t j = 0; j < n; j += BLOCK) {
        const size_t width = n - j < BLOCK ? n - j : BLOCK;
        float sum[BLOCK] = { 0.0f }; /* added up before it meets b, which is much larger */

        for (size_t i = 0; i < m; i++) {
            for (size_t k = 0; k < width; k++) {
                sum[k] += d[i * n + j + k];
            }
        }
        for (size_t k = 0; k < width; k++) {
            b[j + k] += rate * sum[k];
        }
    }
}

static uint64_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 32) * n >> 32);
}

static void shuffle(uint32_t *order, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        const size_t j = random_below((uint32_t)i);
        const uint32_t spare = order[i - 1];

        order[i - 1] = order[j];
        order[j] = spare;
    }
}

static void check(struct peer *peer, const char *path, size_t steps)
{
    float *weights = peer_get(peer_params(peer));
    FILE *file = fopen(path, "wb");

    if (file == NULL) {
        die(path);
    }
    peer_load(peer, peer->weights);
    for (size_t s = 0; s < steps && s < peer->steps; s++) {
        peer_step(peer, peer->order + s * peer->batch, peer->batch);
    }
    peer_store(peer, weights);
    if (fwrite(weights, sizeof *weights, peer_params(peer), file) != peer_params(peer) ||
        fclose(file) != 0) {
        die(path);
    }
    free(weights);
    printf("ok\n");
}

static void run(struct peer *peer, double seconds, uint32_t *order, size_t *at)
{
    const double begin = now();
    size_t rows = 0;
    double took;

    do {
        const size_t left = peer->rows - *at;
        const size_t m = left < peer->batch ? left : peer->batch;

        if (*at == 0) {
            shuffle(order, peer->rows);
        }
        peer_step(peer, order + *at, m);
        rows += m;
        *at = m == left ? 0 : *at + m;
        took = now() - begin;
    } while (took < seconds);
    printf("%zu %.6f\n", rows, took);
}

int main(int argc, char **argv)
{
    struct peer peer = { 0 };
    char line[4096], path[4096];
    double seconds;
    uint32_t *order;
    size_t at = 0, steps;

    if (argc != 3) {
        fprintf(stderr, "usage: %s FOLDER CORES, and commands on stdin\n", argv[0]);
        return 2;
    }
    peer.cores = atoi(argv[2]);
    read_net(&peer, argv[1]);
    peer.x = map(argv[1], "x");
    peer.y = map(argv[1], "y");
    peer.weights = map(argv[1], "weights");
    peer.order = map(argv[1], "order");
    peer.bx = peer_get(peer.batch * peer.units[0]);
    peer.by = peer_get(peer.batch * peer.units[peer.layers]);
    order = peer_get(peer.rows);
    for (size_t i = 0; i < peer.rows; i++) {
        order[i] = (uint32_t)i;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    peer_begin(&peer);
    peer_load(&peer, peer.weights);
    printf("%s\n", peer.about);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "check %zu %4000s", &steps, path) == 2) {
            check(&peer, path, steps);
        } else if (sscanf(line, "run %lf", &seconds) == 1) {
            run(&peer, seconds, order, &at);
        }
    }
    return 0;
}
