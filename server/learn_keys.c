#include "learn_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "dataset.h"
#include "disk.h"
#include "model.h"
#include "removal.h"
#include "server.h"
#include "text.h"

#define NONE UINT32_MAX
#define BUCKETS 16384 /* a power of two */

/* Files that wait for the keys to be written. */
struct doomed {
    char **path; /* owned, and each of them */
    size_t n, cap;
};

struct learn_keys {
    struct learn_answer at[LEARN_KEYS_MAX]; /* a ring, once it is full */
    uint32_t next[LEARN_KEYS_MAX];          /* in the bucket's chain */
    uint32_t bucket[BUCKETS];
    size_t n, oldest;
    bool unsaved; /* some are not in FOLDER/keys */
    bool saving;
    struct doomed doomed;
};

/* ---- what is remembered ---- */

bool learn_keys_need(struct learn_keys **keys, struct err *err)
{
    if (*keys == NULL) {
        *keys = calloc(1, sizeof **keys);
        if (*keys == NULL) {
            return err_set(err, ERR_MEMORY, "Idempotency-Key", "has no memory to be remembered");
        }
        memset((*keys)->bucket, 0xff, sizeof(*keys)->bucket); /* NONE */
    }
    return true;
}

static void doomed_done(struct doomed *doomed)
{
    for (size_t i = 0; i < doomed->n; i++) {
        free(doomed->path[i]);
    }
    free(doomed->path);
    *doomed = (struct doomed){ 0 };
}

void learn_keys_free(struct learn_keys *keys)
{
    if (keys != NULL) {
        doomed_done(&keys->doomed);
        free(keys);
    }
}

/* key is a SHA-256: any of its digits will do. */
static size_t bucket_of(const char *key)
{
    char digits[9];

    snprintf(digits, sizeof digits, "%.8s", key);
    return strtoul(digits, NULL, 16) % BUCKETS;
}

static uint32_t place_of(const struct learn_keys *keys, const char *key)
{
    uint32_t i = keys->bucket[bucket_of(key)];

    while (i != NONE && strcmp(keys->at[i].key.key, key) != 0) {
        i = keys->next[i];
    }
    return i;
}

const struct learn_answer *learn_keys_find(const struct learn_keys *keys, const char *key)
{
    const uint32_t i = keys != NULL ? place_of(keys, key) : NONE;

    return i != NONE ? &keys->at[i] : NULL;
}

size_t learn_keys_count(const struct learn_keys *keys)
{
    return keys != NULL ? keys->n : 0;
}

/* A place for one more, in no bucket's chain. */
static uint32_t place_take(struct learn_keys *keys)
{
    uint32_t place, *link;

    if (keys->n < LEARN_KEYS_MAX) {
        return (uint32_t)keys->n++;
    }
    place = (uint32_t)keys->oldest;
    keys->oldest = (keys->oldest + 1) % LEARN_KEYS_MAX;
    for (link = &keys->bucket[bucket_of(keys->at[place].key.key)]; *link != place;) {
        link = &keys->next[*link];
    }
    *link = keys->next[place];
    return place;
}

void learn_keys_add(struct learn_keys *keys, const struct learn_answer *answer)
{
    uint32_t place = place_of(keys, answer->key.key), *bucket;

    if (place != NONE) {
        if (keys->at[place].version < answer->version) {
            keys->at[place] = *answer;
            keys->unsaved = true;
        }
        return;
    }
    place = place_take(keys);
    bucket = &keys->bucket[bucket_of(answer->key.key)];
    keys->at[place] = *answer;
    keys->next[place] = *bucket;
    *bucket = place;
    keys->unsaved = true;
}

void learn_keys_copy(const struct learn_keys *keys, struct learn_answer *ret)
{
    for (size_t i = 0; i < keys->n; i++) {
        ret[i] = keys->at[(keys->oldest + i) % LEARN_KEYS_MAX];
    }
}

/* ---- the file ---- */

bool learn_keys_save(const char *folder, const struct learn_answer *answers, size_t n,
                     struct err *err)
{
    struct text text = { 0 };
    bool ok;

    for (size_t i = 0; i < n; i++) {
        text_printf(&text, "%s %s %" PRIu64 " ", answers[i].key.key, answers[i].key.request,
                    answers[i].version);
        text_double(&text, answers[i].created);
        text_str(&text, " ");
        text_double(&text, answers[i].loss);
        text_str(&text, "\n");
    }
    ok = !text.failed || err_set(err, ERR_MEMORY, "disk", "has no memory to write with");
    ok = ok && disk_text_put(folder, "keys", text.data, text.len, err);
    text_done(&text);
    return ok;
}

static bool is_digest(const char *text)
{
    return strspn(text, "0123456789abcdef") == DIGEST_HEX - 1;
}

/* line is at a line's begin, its end is a NUL. */
static bool answer_parse(const char *line, struct learn_answer *ret)
{
    int end = -1;

    return sscanf(line, "%64s %64s %" SCNu64 " %lf %lf%n", ret->key.key, ret->key.request,
                  &ret->version, &ret->created, &ret->loss, &end) == 5 &&
           line[end] == '\0' && is_digest(ret->key.key) && is_digest(ret->key.request);
}

static bool answers_parse(const char *text, size_t len, const char *path, struct learn_keys *keys,
                          struct err *err)
{
    char line[256];
    const char *end;

    for (; len > 0; len -= (size_t)(end + 1 - text), text = end + 1) {
        struct learn_answer answer = { 0 };

        end = memchr(text, '\n', len);
        if (end == NULL || (size_t)(end - text) >= sizeof line) {
            return err_set(err, ERR_SYNTAX, "disk", "%s is not as it should be", path);
        }
        snprintf(line, sizeof line, "%.*s", (int)(end - text), text);
        if (!answer_parse(line, &answer)) {
            return err_set(err, ERR_SYNTAX, "disk", "%s is not as it should be", path);
        }
        learn_keys_add(keys, &answer);
    }
    keys->unsaved = false;
    return true;
}

bool learn_keys_load(const char *folder, struct learn_keys **keys, struct err *err)
{
    char *path = NULL;
    void *bytes = NULL;
    size_t len = 0, text_len = 0;
    bool ok = disk_path(folder, "keys", &path, err);

    if (ok && access(path, F_OK) == 0) {
        ok = disk_text_map(path, &bytes, &len, &text_len, err) && learn_keys_need(keys, err) &&
             answers_parse(bytes, text_len, path, *keys, err);
    }
    disk_unmap(bytes, len);
    free(path);
    return ok;
}

/* ---- removing ---- */

/* The keys on their way to disk, and the files that may go then. */
struct saving {
    uv_work_t uv;
    struct model *model;          /* a reference */
    struct learn_answer *answers; /* owned; the oldest first */
    size_t n;
    struct doomed doomed;
    struct err err;
};

static void saving_begin(struct model *model);

static void saving_run(uv_work_t *uv)
{
    struct saving *saving = uv->data;

    if (learn_keys_save(saving->model->folder, saving->answers, saving->n, &saving->err)) {
        for (size_t i = 0; i < saving->doomed.n; i++) {
            disk_remove(saving->doomed.path[i]);
        }
    }
}

static void saving_after(uv_work_t *uv, int status)
{
    struct saving *saving = uv->data;
    struct model *model = saving->model;
    struct learn_keys *keys = model->keys;

    (void)status;
    keys->saving = false;
    keys->unsaved = keys->unsaved || saving->err.code != ERR_NONE;
    doomed_done(&saving->doomed);
    free(saving->answers);
    free(saving);
    if (keys->doomed.n > 0) {
        saving_begin(model);
    }
    model_unref(model);
}

/* Without memory for it the files stay, until the next start. */
static void saving_begin(struct model *model)
{
    struct learn_keys *keys = model->keys;
    struct saving *saving = calloc(1, sizeof *saving);
    struct learn_answer *answers = malloc((keys->n + 1) * sizeof *answers);

    if (saving == NULL || answers == NULL) {
        free(saving);
        free(answers);
        doomed_done(&keys->doomed);
        return;
    }
    learn_keys_copy(keys, answers);
    *saving = (struct saving){
        .model = model_ref(model), .answers = answers, .n = keys->n, .doomed = keys->doomed
    };
    saving->uv.data = saving;
    keys->doomed = (struct doomed){ 0 };
    keys->saving = true;
    keys->unsaved = false;
    if (uv_queue_work(model->server->loop, &saving->uv, saving_run, saving_after) != 0) {
        err_set(&saving->err, ERR_MEMORY, "disk", "has no memory to write with");
        saving_after(&saving->uv, 0);
    }
}

static bool doomed_add(struct doomed *doomed, const char *path)
{
    char *copy = strdup(path);

    if (copy != NULL && doomed->n == doomed->cap) {
        const size_t cap = doomed->cap == 0 ? 4 : 2 * doomed->cap;
        char **grown = realloc(doomed->path, cap * sizeof *grown);

        if (grown == NULL) {
            free(copy);
            return false;
        }
        doomed->path = grown;
        doomed->cap = cap;
    }
    if (copy != NULL) {
        doomed->path[doomed->n++] = copy;
    }
    return copy != NULL;
}

void learn_keys_remove(struct model *model, const char *path)
{
    struct learn_keys *keys = model->keys;

    if (keys == NULL || (!keys->unsaved && !keys->saving)) {
        removal_path(model->server, path);
    } else if (doomed_add(&keys->doomed, path) && !keys->saving) {
        saving_begin(model);
    }
}
