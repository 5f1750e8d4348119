#include "labels.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "numeral.h"
#include "spec.h"

#define SLOTS_FIRST 64

struct entry {
    uint64_t hash;
    size_t at; /* of its text in the pool, NUL-terminated */
    size_t len;
};

/* Open addressing. The texts lie one behind the other in one pool.
 * Invariant: slots is a power of 2 and at least twice n; slot is 0 for free, else index + 1. */
struct label_set {
    uint64_t key[2];
    size_t n, cap;
    struct entry *entries; /* owned; cap of them, in the order they were met */
    size_t slots;
    uint32_t *slot; /* owned */
    size_t pool_len, pool_cap;
    char *pool; /* owned */
};

#define ROTATE(x, n) ((x) << (n) | (x) >> (64 - (n)))

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = ROTATE(v[1], 13) ^ v[0];
    v[3] = ROTATE(v[3], 16) ^ v[2];
    v[0] = ROTATE(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = ROTATE(v[1], 17) ^ v[2];
    v[3] = ROTATE(v[3], 21) ^ v[0];
    v[2] = ROTATE(v[2], 32);
}

/* SipHash-1-3 (Aumasson, Bernstein 2012; one round a word, three at the end). */
static uint64_t sip_hash(const uint64_t key[2], const char *bytes, size_t len)
{
    uint64_t v[4] = { key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
                      key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u };
    uint64_t word;

    for (size_t at = 0; at <= len; at += 8) {
        const bool last = len - at < 8;

        word = last ? (uint64_t)len << 56 : 0;
        /* In the processor's byte order: the hash never leaves this process. */
        if (last) {
            uint64_t tail = 0;

            memcpy(&tail, bytes + at, len - at);
            word ^= tail;
        } else {
            memcpy(&word, bytes + at, 8);
        }
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

bool label_set_create(struct label_set **ret, struct err *err)
{
    struct label_set *set = calloc(1, sizeof *set);

    if (set == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory for labels");
    }
    /* A key that a client cannot know, or it could send 65,536 names of one slot. No result
     * depends on it: indices follow the order in which names are met. Without randomness the key
     * stays 0, and works. */
    if (getentropy(set->key, sizeof set->key) != 0) {
        memset(set->key, 0, sizeof set->key);
    }
    *ret = set;
    return true;
}

void label_set_free(struct label_set *set)
{
    if (set != NULL) {
        free(set->entries);
        free(set->slot);
        free(set->pool);
        free(set);
    }
}

/* The slot where the name is, or the free one where it belongs. */
static uint32_t *slot_find(const struct label_set *set, uint64_t hash, const char *name, size_t len)
{
    size_t at = (size_t)hash & (set->slots - 1);

    for (;; at = (at + 1) & (set->slots - 1)) {
        const struct entry *entry;

        if (set->slot[at] == 0) {
            return &set->slot[at];
        }
        entry = &set->entries[set->slot[at] - 1];
        if (entry->hash == hash && entry->len == len &&
            memcmp(set->pool + entry->at, name, len) == 0) {
            return &set->slot[at];
        }
    }
}

/* Room for one more name of len bytes. On false nothing has changed that can be seen. */
static bool grow(struct label_set *set, size_t len)
{
    if (set->n == set->cap) {
        const size_t cap = set->cap == 0 ? SLOTS_FIRST / 2 : set->cap * 2;
        const size_t slots = cap * 2;
        struct entry *entries = realloc(set->entries, cap * sizeof *entries);
        uint32_t *slot;

        if (entries == NULL) {
            return false;
        }
        set->entries = entries;
        slot = calloc(slots, sizeof *slot);
        if (slot == NULL) {
            return false;
        }
        for (size_t i = 0; i < set->n; i++) {
            size_t at = (size_t)entries[i].hash & (slots - 1);

            while (slot[at] != 0) {
                at = (at + 1) & (slots - 1);
            }
            slot[at] = (uint32_t)i + 1;
        }
        free(set->slot);
        set->slot = slot;
        set->slots = slots;
        set->cap = cap;
    }
    if (set->pool_cap - set->pool_len < len + 1) {
        const size_t cap = set->pool_cap * 2 + len + 1;
        char *pool = realloc(set->pool, cap);

        if (pool == NULL) {
            return false;
        }
        set->pool = pool;
        set->pool_cap = cap;
    }
    return true;
}

bool label_set_add(struct label_set *set, const char *name, size_t len, uint32_t *ret,
                   struct err *err)
{
    const uint64_t hash = len <= LABEL_LEN_MAX ? sip_hash(set->key, name, len) : 0;

    if (len <= LABEL_LEN_MAX && set->n > 0) {
        const uint32_t *slot = slot_find(set, hash, name, len);

        if (*slot != 0) {
            *ret = *slot - 1;
            return true;
        }
    }
    if (!label_check(name, len, err)) {
        return false;
    }
    if (set->n == SPEC_UNITS_MAX) {
        return err_set(err, ERR_LIMIT, "", "must be one of at most %d different labels",
                       SPEC_UNITS_MAX);
    }
    if (!grow(set, len)) {
        return err_set(err, ERR_MEMORY, "", "no memory for %zu labels", set->n + 1);
    }
    *slot_find(set, hash, name, len) = (uint32_t)set->n + 1;
    set->entries[set->n] = (struct entry){ hash, set->pool_len, len };
    memcpy(set->pool + set->pool_len, name, len);
    set->pool[set->pool_len + len] = '\0';
    set->pool_len += len + 1;
    *ret = (uint32_t)set->n++;
    return true;
}

/* A name on its way through qsort. */
struct ranked {
    const char *name; /* borrowed from the pool */
    size_t index;
    struct numeral value; /* when all are numbers */
};

static int compare_bytes(const void *a, const void *b)
{
    return strcmp(((const struct ranked *)a)->name, ((const struct ranked *)b)->name);
}

/* "1" and "1.0" are equal numbers and different names: bytes decide then. */
static int compare_numbers(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    const int order = numeral_compare(&x->value, &y->value);

    return order != 0 ? order : strcmp(x->name, y->name);
}

bool label_set_finish(const struct label_set *set, struct labels **ret, uint32_t **remap,
                      struct err *err)
{
    struct ranked *ranked = malloc((set->n + 1) * sizeof *ranked);
    const char **names = malloc((set->n + 1) * sizeof *names);
    uint32_t *map = malloc((set->n + 1) * sizeof *map);
    bool numbers = true, ok = false;

    if (ranked == NULL || names == NULL || map == NULL) {
        err_set(err, ERR_MEMORY, "", "no memory for %zu labels", set->n);
        goto out;
    }
    for (size_t i = 0; i < set->n; i++) {
        ranked[i] = (struct ranked){ .name = set->pool + set->entries[i].at, .index = i };
        numbers = numbers && numeral_read(ranked[i].name, set->entries[i].len, &ranked[i].value);
    }
    qsort(ranked, set->n, sizeof *ranked, numbers ? compare_numbers : compare_bytes);
    for (size_t i = 0; i < set->n; i++) {
        names[i] = ranked[i].name;
        map[ranked[i].index] = (uint32_t)i;
    }
    if (!labels_create((const char *const *)names, set->n, ret, err)) {
        goto out;
    }
    *remap = map;
    map = NULL; /* the caller's now */
    ok = true;
out:
    free(map);
    free(names);
    free(ranked);
    return ok;
}
