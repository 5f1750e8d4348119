/* Random numbers: xoshiro256** 1.0 (Blackman and Vigna), its state filled by splitmix64 from a
 * seed. The same seed gives the same sequence on every machine: only integers, exact conversions,
 * and float64 operations that IEEE 754 rounds one by one. Thread: a struct rng belongs to its
 * holder. */
#ifndef RNG_H
#define RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
/* Uniform on 0 .. n - 1, n >= 1, without bias (Lemire 2019). */
uint64_t rng_below(struct rng *rng, uint64_t n);
/* Uniform on [0, 1): the top 53 bits times 2^-53, exact. */
double rng_unit(struct rng *rng);
/* N(0, 1) by Marsaglia's polar method, with an own ln; one of each pair is thrown away, so that the
 * state is only s. */
double rng_normal(struct rng *rng);

#endif
