#include "rng.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* splitmix64 (Steele, Lea and Flood 2014), Vigna's constants. */
static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void rng_init(struct rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        rng->s[i] = splitmix(&seed);
    }
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->s;
    const uint64_t ret = rotl(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return ret;
}

__extension__ typedef unsigned __int128 wide;

uint64_t rng_below(struct rng *rng, uint64_t n)
{
    wide product;
    uint64_t low;

    assert(n >= 1);
    product = (wide)rng_next(rng) * n;
    low = (uint64_t)product;
    if (low < n) {
        const uint64_t least = -n % n; /* 2^64 mod n: below it the draws are one too many */

        while (low < least) {
            product = (wide)rng_next(rng) * n;
            low = (uint64_t)product;
        }
    }
    return (uint64_t)(product >> 64);
}

double rng_unit(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

/* ln x for 0 < x < 1 normal, in operations rounded one by one. x = 2^k m with m in
 * [sqrt(1/2), sqrt(2)), s = (m - 1) / (m + 1), ln m = 2 atanh(s) = 2 sum s^(2i+1) / (2i+1):
 * |s| <= 0.1716, so eleven terms leave 2e-18. libm's log differs from machine to machine. */
static double ln(double x)
{
    uint64_t bits;
    int64_t k;
    double m, s, t, sum = 0.0;

    memcpy(&bits, &x, sizeof bits);
    k = (int64_t)(bits - 0x3fe6a09e667f3bcdu) >> 52;
    bits -= (uint64_t)k << 52;
    memcpy(&m, &bits, sizeof m);
    s = (m - 1.0) / (m + 1.0);
    t = s * s;
    for (int i = 10; i >= 1; i--) {
        sum = (sum + 1.0 / (2 * i + 1)) * t;
    }
    return (double)k * 0.6931471805599453 + (2.0 * s + 2.0 * s * sum);
}

double rng_normal(struct rng *rng)
{
    double u, v, r;

    do {
        u = 2.0 * rng_unit(rng) - 1.0;
        v = 2.0 * rng_unit(rng) - 1.0;
        r = u * u + v * v;
    } while (r >= 1.0 || r == 0.0);
    return u * sqrt(-2.0 * ln(r) / r);
}
