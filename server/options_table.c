#include "options_table.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nearest.h"
#include "options.h"
#include "quote.h"
#include "spec.h"

/* Where a field lies; a field that is not a T does not compile. */
#define FIELD(field, T)                                                                            \
    (offsetof(struct options, field) + 0 * sizeof(&((struct options *)0)->field == (T *)0))
#define LIST(field) OPTION_LIST, FIELD(field, struct option_list)
#define PATH(field) OPTION_PATH, FIELD(field, const char *)
#define CHOICE(field) OPTION_CHOICE, FIELD(field, const char *)
#define BOOL(field) OPTION_BOOL, FIELD(field, bool)
#define COUNT(field) OPTION_COUNT, FIELD(field, size_t)
#define BYTES(field) OPTION_BYTES, FIELD(field, size_t)
#define SECONDS(field) OPTION_SECONDS, FIELD(field, size_t)

#define KIB ((size_t)1 << 10)
#define GIB ((size_t)1 << 30)
#define DAY ((size_t)86400)

/* In README's order. */
/* clang-format off */
static const struct option table[] = {
    { "config", PATH(config), "FILE", NULL, "none", 0, 0,
      "settings, key = value a line; keys are these names without dashes" },
    { "listen", LIST(listen), "ADDR:PORT|unix:PATH", "127.0.0.1:8740", NULL, 1, LISTEN_MAX,
      "where to answer; port 0 picks one" },
    { "state", PATH(state), "DIR|none", NULL,
      "$STATE_DIRECTORY, else $XDG_STATE_HOME/sigmad, else ~/.local/state/sigmad", 0, 0,
      "where data is kept, one daemon a folder; none: in memory alone" },
    { "durability", CHOICE(durability), "power|process", "power", NULL, 0, 0,
      "what an acknowledged write survives: a power cut (fsync), or only the end of this process" },
    { "workers", COUNT(workers), "N", NULL, "as many as cores", 1, 256,
      "training threads" },
    { "pool-threads", COUNT(pool_threads), "N", NULL, "as many as cores, at least 2", 2, 256,
      "threads that compute what takes a request longer than 25 us" },
    { "max-batch", COUNT(max_batch), "N", "64", NULL, 1, 1024,
      "predictions computed together, when they have to wait for a thread anyway; 1: none" },
    { "isa", CHOICE(isa), "scalar|avx2|avx512|neon", NULL, "the best there is", 0, 0,
      "instruction set of the kernels; all give the same bits" },
    { "insecure", BOOL(insecure), NULL, "0", NULL, 0, 0,
      "allow listening beyond loopback, where anybody who reaches the port may do anything" },
    { "log", CHOICE(log), "text|json", "text", NULL, 0, 0,
      "lines for people, or one JSON object a line" },
    { "log-level", CHOICE(log_level), "error|warning|notice|info|debug", "info", NULL, 0, 0,
      "the least important lines that are written" },
    { "access-log", BOOL(access_log), NULL, "0", NULL, 0, 0,
      "a line of level info for each request" },
    { "tokens", PATH(tokens), "FILE", NULL, "$CREDENTIALS_DIRECTORY/tokens, if it is there", 0, 0,
      "who may do what, a grant a line" },
    { "tls-cert", PATH(tls_cert), "FILE", NULL, "no TLS", 0, 0,
      "certificate, and those that lead to its authority, in PEM, for all but Unix sockets" },
    { "tls-key", PATH(tls_key), "FILE", NULL, "no TLS", 0, 0,
      "its key, in PEM" },
    { "tls-client-ca", PATH(tls_client_ca), "FILE", NULL, "clients need no certificate", 0, 0,
      "authorities, in PEM, one of which must vouch for the certificate that each client has to have" },
    { "allow-host", LIST(allow_host), "NAME|*", NULL, "none", 1, OPTION_LIST_MAX,
      "a name of this server, besides localhost and addresses; *: any" },
    { "allow-origin", LIST(allow_origin), "ORIGIN", NULL, "none", 1, OPTION_LIST_MAX,
      "whose pages may ask from a browser, besides this server's own" },
    { "timeout", SECONDS(timeout), "SECONDS", "60", NULL, 1, DAY,
      "how long a connection may be idle" },
    { "request-timeout", SECONDS(request_timeout), "SECONDS", "30", NULL, 1, DAY,
      "how long a client may take to send a request, and to take the reply" },
    { "min-rate", BYTES(min_rate), "BYTES", "16k", NULL, 1, GIB,
      "a body or reply gets the seconds that it takes at this rate on top" },
    { "drain-timeout", SECONDS(drain_timeout), "SECONDS", "30", NULL, 0, DAY,
      "how long SIGTERM waits for requests in flight" },
    { "max-connections", COUNT(max_connections), "N", "10000", NULL, 1, 1000000,
      "connections at once" },
    { "max-body", BYTES(max_body), "BYTES", "64m", NULL, KIB, 16 * GIB,
      "a request body held in memory, inflated" },
    { "max-upload", BYTES(max_upload), "BYTES", "16g", NULL, KIB, 1024 * GIB,
      "a data set's upload, inflated, which is not held in memory" },
    { "max-held", BYTES(max_held), "BYTES", "1g", NULL, KIB, 1024 * GIB,
      "request bodies and replies held in memory at once, all together" },
    { "max-models", COUNT(max_models), "N", "1000", NULL, 1, 1000000,
      "models" },
    { "max-datasets", COUNT(max_datasets), "N", "1000", NULL, 1, 1000000,
      "data sets" },
    { "max-jobs", COUNT(max_jobs), "N", "1000", NULL, 1, 1000000,
      "jobs queued, running or paused" },
    { "max-model-memory", BYTES(max_model_memory), "BYTES", "1024g", NULL, KIB, 1024 * GIB,
      "memory of the networks that models serve, all together" },
    { "max-dataset-memory", BYTES(max_dataset_memory), "BYTES", "1024g", NULL, KIB, 1024 * GIB,
      "bytes of data sets, which are mapped into memory, all together" },
    { "max-layers", COUNT(max_layers), "N", "64", NULL, 1, SPEC_LAYERS_MAX,
      "layers a model" },
    { "max-units", COUNT(max_units), "N", "65536", NULL, 1, SPEC_UNITS_MAX,
      "units a layer, and inputs a model" },
    { "max-parameters", COUNT(max_parameters), "N", "100000000", NULL, 1, 4000000000u,
      "weights and biases a model" },
    { "max-rows", COUNT(max_rows), "N", "100000", NULL, 1, 100000000,
      "rows in one request body" },
    { "max-features", COUNT(max_features), "N", "65536", NULL, 1, SPEC_UNITS_MAX,
      "values a row of a data set" },
    { "keep-versions", COUNT(keep_versions), "N", "10", NULL, 1, 1000000,
      "versions kept of each model, the served one always" },
    { "checkpoint-seconds", SECONDS(checkpoint_seconds), "N", "10", NULL, 1, DAY,
      "seconds of training that a crash can cost a job at most" },
    { "keep-jobs", COUNT(keep_jobs), "N", "1000", NULL, 1, 1000000,
      "records kept of jobs that have ended" },
    { "prediction-memory", BYTES(prediction_memory), "BYTES", "16m", NULL, 0, 1024 * GIB,
      "rows that predict remembers for learn, all together; beyond it the oldest are forgotten" },
    { "prediction-seconds", SECONDS(prediction_seconds), "SECONDS", "3600", NULL, 1, 365 * DAY,
      "how long it remembers them" },
};
/* clang-format on */

#define TABLE_LEN (sizeof table / sizeof table[0])
_Static_assert(TABLE_LEN <= OPTIONS_MAX, "struct options has no room for another option");

const struct option *option_nth(size_t k)
{
    return k < TABLE_LEN ? &table[k] : NULL;
}

size_t option_index(const struct option *o)
{
    return (size_t)(o - table);
}

const struct option *option_find(const char *name, size_t len)
{
    for (size_t i = 0; i < TABLE_LEN; i++) {
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

const struct option *option_nearest(const char *name, size_t len)
{
    struct nearest nearest = { 0 };

    for (size_t i = 0; i < TABLE_LEN; i++) {
        nearest_try(&nearest, name, len, table[i].name);
    }
    return nearest.name != NULL ? option_find(nearest.name, strlen(nearest.name)) : NULL;
}

struct option_name option_flag(const struct option *o)
{
    struct option_name name;

    assert(strlen(o->name) <= OPTION_NAME_MAX);
    snprintf(name.text, sizeof name.text, "--%s", o->name);
    return name;
}

struct option_name option_variable(const struct option *o)
{
    struct option_name name;

    assert(strlen(o->name) <= OPTION_NAME_MAX);
    snprintf(name.text, sizeof name.text, "SIGMAD_%s", o->name);
    for (char *p = name.text; *p != '\0'; p++) {
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    }
    return name;
}

/* ---- values ---- */

static const struct unit {
    enum option_type type;
    char letter;
    size_t factor;
} units[] = {
    { OPTION_BYTES, 'k', KIB },   { OPTION_BYTES, 'm', KIB *KIB }, { OPTION_BYTES, 'g', GIB },
    { OPTION_SECONDS, 's', 1 },   { OPTION_SECONDS, 'm', 60 },     { OPTION_SECONDS, 'h', 3600 },
    { OPTION_SECONDS, 'd', DAY },
};

#define UNITS_LEN (sizeof units / sizeof units[0])

/* Decimal digits and one unit of the type's at most; false: anything else, or beyond a size_t. */
static bool number_read(enum option_type type, const char *text, size_t *ret)
{
    size_t factor = 1;
    char *end;
    unsigned long long n;

    if (text[0] < '0' || text[0] > '9') { /* strtoull takes blanks and signs */
        return false;
    }
    errno = 0;
    n = strtoull(text, &end, 10);
    for (size_t i = 0; i < UNITS_LEN && end[0] != '\0' && end[1] == '\0'; i++) {
        if (units[i].type == type && units[i].letter == end[0]) {
            factor = units[i].factor;
            end++;
        }
    }
    if (errno != 0 || *end != '\0' || n > SIZE_MAX / factor) {
        return false;
    }
    *ret = (size_t)n * factor;
    return true;
}

/* Bytes in the largest unit that leaves no rest: 64m. Everything else as digits alone. */
static void number_show(enum option_type type, size_t n, char *ret, size_t len)
{
    const struct unit *best = NULL;

    for (size_t i = 0; i < UNITS_LEN && type == OPTION_BYTES; i++) {
        if (units[i].type == type && n != 0 && n % units[i].factor == 0) {
            best = &units[i];
        }
    }
    if (best != NULL) {
        snprintf(ret, len, "%zu%c", n / best->factor, best->letter);
    } else {
        snprintf(ret, len, "%zu", n);
    }
}

void option_limits(const struct option *o, char *ret, size_t len)
{
    char least[32], most[32];

    number_show(o->type, o->least, least, sizeof least);
    number_show(o->type, o->most, most, sizeof most);
    ret[0] = '\0';
    if (o->type == OPTION_LIST) {
        snprintf(ret, len, "up to %s times", most);
    } else if (o->type >= OPTION_COUNT) {
        snprintf(ret, len, "%s to %s", least, most);
    }
}

bool option_show(const struct option *o, const struct options *opts, size_t k, char *ret,
                 size_t len)
{
    const void *field = (const char *)opts + o->at;
    const char *text = NULL;

    switch (o->type) {
    case OPTION_LIST: {
        const struct option_list *list = field;

        text = k < list->n ? list->at[k] : NULL;
        break;
    }
    case OPTION_PATH:
    case OPTION_CHOICE:
        text = k == 0 ? *(const char *const *)field : NULL;
        break;
    case OPTION_BOOL:
        text = k > 0 ? NULL : *(const bool *)field ? "1" : "0";
        break;
    case OPTION_COUNT:
    case OPTION_BYTES:
    case OPTION_SECONDS:
        if (k == 0) {
            number_show(o->type, *(const size_t *)field, ret, len);
        }
        return k == 0;
    }
    if (text != NULL) {
        snprintf(ret, len, "%s", text);
    }
    return text != NULL;
}

static bool number_set(const struct option *o, size_t *field, const char *where, const char *text,
                       struct err *err)
{
    char limits[64];
    size_t n;

    if (!number_read(o->type, text, &n) || n < o->least || n > o->most) {
        option_limits(o, limits, sizeof limits);
        return err_set(err, ERR_FIELD, where, "must be a whole number %s%s, is '%s'", limits,
                       o->type == OPTION_BYTES     ? ", which k, m or g may follow"
                       : o->type == OPTION_SECONDS ? ", which s, m, h or d may follow"
                                                   : "",
                       quote(text, strlen(text)).text);
    }
    *field = n;
    return true;
}

static bool choice_check(const struct option *o, const char *where, const char *text,
                         struct err *err)
{
    const size_t len = strlen(text);

    for (const char *word = o->arg; word != NULL; word = strchr(word, '|')) {
        word += *word == '|';
        if (len > 0 && strcspn(word, "|") == len && memcmp(word, text, len) == 0) {
            return true;
        }
    }
    return err_set(err, ERR_FIELD, where, "must be one of %s, is '%s'", o->arg,
                   quote(text, len).text);
}

static bool text_check(const char *where, const char *text, struct err *err)
{
    const size_t len = strlen(text);

    return (len >= 1 && len <= OPTION_TEXT_MAX) ||
           err_set(err, ERR_FIELD, where, "must have 1 to %d bytes, has %zu", OPTION_TEXT_MAX, len);
}

bool option_set(const struct option *o, struct options *opts, const char *where, const char *text,
                struct err *err)
{
    void *field = (char *)opts + o->at;

    switch (o->type) {
    case OPTION_LIST: {
        struct option_list *list = field;

        if (!text_check(where, text, err)) {
            return false;
        }
        if (list->n == o->most) {
            return err_set(err, ERR_FIELD, where, "can be given %zu times at most", o->most);
        }
        list->at[list->n++] = text;
        return true;
    }
    case OPTION_PATH:
    case OPTION_CHOICE:
        if (o->type == OPTION_PATH ? !text_check(where, text, err)
                                   : !choice_check(o, where, text, err)) {
            return false;
        }
        *(const char **)field = text;
        return true;
    case OPTION_BOOL:
        if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0) {
            return err_set(err, ERR_FIELD, where, "must be 0 or 1, is '%s'",
                           quote(text, strlen(text)).text);
        }
        *(bool *)field = text[0] == '1';
        return true;
    case OPTION_COUNT:
    case OPTION_BYTES:
    case OPTION_SECONDS:
        return number_set(o, field, where, text, err);
    }
    return false;
}
