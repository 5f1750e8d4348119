#include "options.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spec.h"

enum kind { KIND_COUNT, KIND_BYTES, KIND_STRING, KIND_LISTEN, KIND_FLAG };

struct option {
    const char *flag, *env;
    enum kind kind;
    size_t at; /* offset in struct options */
    const char *usual, *arg, *help;
    size_t least, most;
};

#define AT(field) offsetof(struct options, field)
#define GIB ((size_t)1 << 30)

/* In README's order. A default of NULL is worked out in options_parse. */
/* clang-format off */
static const struct option table[] = {
    { "--listen", "SIGMAD_LISTEN", KIND_LISTEN, 0, "127.0.0.1:8740", "ADDR:PORT|unix:PATH",
      "where to answer; may be given up to 8 times; port 0 picks one", 0, 0 },
    { "--state", "SIGMAD_STATE", KIND_STRING, AT(state), NULL, "DIR|none",
      "where data is kept; none: in memory alone: $STATE_DIRECTORY, else $XDG_STATE_HOME/sigmad, else ~/.local/state/sigmad", 0, 0 },
    { "--durability", "SIGMAD_DURABILITY", KIND_STRING, AT(durability), "power", "power|process",
      "what an acknowledged write survives: a power cut (fsync), or only the end of this process", 0, 0 },
    { "--workers", "SIGMAD_WORKERS", KIND_COUNT, AT(workers), NULL, "N",
      "training threads; as many as cores", 1, 256 },
    { "--pool-threads", "SIGMAD_POOL_THREADS", KIND_COUNT, AT(pool_threads), NULL, "N",
      "threads that compute what takes a request longer than 25 us; as many as cores, at least 2", 2, 256 },
    { "--max-batch", "SIGMAD_MAX_BATCH", KIND_COUNT, AT(max_batch), "64", "N",
      "predictions computed together, when they have to wait for a thread anyway; 1: none", 1, 1024 },
    { "--isa", "SIGMAD_ISA", KIND_STRING, AT(isa), NULL, "NAME",
      "instruction set of the kernels: scalar, avx2, avx512, neon; the best there is", 0, 0 },
    { "--insecure", "SIGMAD_INSECURE", KIND_FLAG, AT(insecure), "0", NULL,
      "allow listening beyond loopback, where anybody who reaches the port may do anything", 0, 0 },
    { "--timeout", "SIGMAD_TIMEOUT", KIND_COUNT, AT(timeout), "60", "SECONDS",
      "how long a connection may be idle", 1, 86400 },
    { "--request-timeout", "SIGMAD_REQUEST_TIMEOUT", KIND_COUNT, AT(request_timeout), "30", "SECONDS",
      "how long a client may take to send a request, and to take the reply", 1, 86400 },
    { "--min-rate", "SIGMAD_MIN_RATE", KIND_BYTES, AT(min_rate), "16k", "BYTES",
      "a body or reply gets the seconds that it takes at this rate on top", 1, GIB },
    { "--drain-timeout", "SIGMAD_DRAIN_TIMEOUT", KIND_COUNT, AT(drain_timeout), "30", "SECONDS",
      "how long SIGTERM waits for requests in flight", 0, 86400 },
    { "--max-connections", "SIGMAD_MAX_CONNECTIONS", KIND_COUNT, AT(max_connections), "10000", "N",
      "connections at once", 1, 1000000 },
    { "--max-body", "SIGMAD_MAX_BODY", KIND_BYTES, AT(max_body), "64m", "BYTES",
      "a request body held in memory (k, m, g may follow)", 1024, 16 * GIB },
    { "--max-upload", "SIGMAD_MAX_UPLOAD", KIND_BYTES, AT(max_upload), "16g", "BYTES",
      "a data set's upload", 1024, 1024 * GIB },
    { "--max-held", "SIGMAD_MAX_HELD", KIND_BYTES, AT(max_held), "1g", "BYTES",
      "request bodies and replies held in memory at once, all together", 1024, 1024 * GIB },
    { "--max-models", "SIGMAD_MAX_MODELS", KIND_COUNT, AT(max_models), "1000", "N",
      "models", 1, 1000000 },
    { "--max-datasets", "SIGMAD_MAX_DATASETS", KIND_COUNT, AT(max_datasets), "1000", "N",
      "data sets", 1, 1000000 },
    { "--max-jobs", "SIGMAD_MAX_JOBS", KIND_COUNT, AT(max_jobs), "1000", "N",
      "jobs queued or running", 1, 1000000 },
    { "--max-layers", "SIGMAD_MAX_LAYERS", KIND_COUNT, AT(max_layers), "64", "N",
      "layers a model", 1, SPEC_LAYERS_MAX },
    { "--max-units", "SIGMAD_MAX_UNITS", KIND_COUNT, AT(max_units), "65536", "N",
      "units a layer, and inputs a model", 1, SPEC_UNITS_MAX },
    { "--max-parameters", "SIGMAD_MAX_PARAMETERS", KIND_COUNT, AT(max_parameters), "100000000", "N",
      "weights and biases a model", 1, 4000000000u },
    { "--max-rows", "SIGMAD_MAX_ROWS", KIND_COUNT, AT(max_rows), "100000", "N",
      "rows in one request body", 1, 100000000 },
    { "--max-features", "SIGMAD_MAX_FEATURES", KIND_COUNT, AT(max_features), "65536", "N",
      "values a row of a data set", 1, SPEC_UNITS_MAX },
    { "--keep-versions", "SIGMAD_KEEP_VERSIONS", KIND_COUNT, AT(keep_versions), "10", "N",
      "versions kept of each model, the served one always", 1, 1000000 },
    { "--checkpoint-seconds", "SIGMAD_CHECKPOINT_SECONDS", KIND_COUNT, AT(checkpoint_seconds), "10", "N",
      "seconds of training that a crash can cost a job at most; it goes on by itself", 1, 86400 },
    { "--keep-jobs", "SIGMAD_KEEP_JOBS", KIND_COUNT, AT(keep_jobs), "1000", "N",
      "records kept of jobs that have ended", 1, 1000000 },
    { "--prediction-memory", "SIGMAD_PREDICTION_MEMORY", KIND_BYTES, AT(prediction_memory), "16m", "BYTES",
      "rows that predict remembers for learn, all together; the oldest are forgotten", 0, 1024 * GIB },
    { "--prediction-seconds", "SIGMAD_PREDICTION_SECONDS", KIND_COUNT, AT(prediction_seconds), "3600", "SECONDS",
      "how long it remembers them", 1, 31536000 },
};
/* clang-format on */

#define TABLE_LEN (sizeof table / sizeof table[0])

static bool count_parse(const struct option *o, const char *text, size_t *ret)
{
    unsigned shift = 0;
    char *end;
    unsigned long long n;

    errno = 0;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    n = strtoull(text, &end, 10);
    if (o->kind == KIND_BYTES && end[0] != '\0' && end[1] == '\0') {
        shift = *end == 'k' ? 10 : *end == 'm' ? 20 : *end == 'g' ? 30 : 0;
        end += shift != 0;
    }
    if (errno != 0 || *end != '\0' || n > SIZE_MAX >> shift) {
        return false;
    }
    n <<= shift;
    if (n < o->least || n > o->most) {
        return false;
    }
    *ret = (size_t)n;
    return true;
}

/* Stores one value; where is the flag or variable it came from. */
static bool option_set(struct options *opts, const struct option *o, const char *where,
                       const char *text, struct err *err)
{
    char *field = (char *)opts + o->at;

    switch (o->kind) {
    case KIND_LISTEN:
        if (opts->n_listen == LISTEN_MAX) {
            return err_set(err, ERR_FIELD, where, "can be given %d times at most", LISTEN_MAX);
        }
        opts->listen[opts->n_listen++] = text;
        return true;
    case KIND_STRING:
        if (text[0] == '\0') {
            return err_set(err, ERR_FIELD, where, "must not be empty");
        }
        memcpy(field, &text, sizeof text);
        return true;
    case KIND_FLAG:
        if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0) {
            return err_set(err, ERR_FIELD, where, "must be 0 or 1, is '%s'", text);
        }
        *(bool *)field = text[0] == '1';
        return true;
    case KIND_COUNT:
    case KIND_BYTES: {
        size_t n;

        if (!count_parse(o, text, &n)) {
            return err_set(err, ERR_FIELD, where, "must be a whole number %zu to %zu, is '%s'",
                           o->least, o->most, text);
        }
        memcpy(field, &n, sizeof n);
        return true;
    }
    }
    return false;
}

static const struct option *option_find(const char *arg, size_t len)
{
    for (size_t i = 0; i < TABLE_LEN; i++) {
        if (strlen(table[i].flag) == len && memcmp(table[i].flag, arg, len) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

/* Flags: --name VALUE or --name=VALUE. given[i] is set for each row of the table that was met. */
static bool flags_parse(int argc, char **argv, struct options *opts, bool *given,
                        enum options_act *act, struct err *err)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        const char *eq = strchr(arg, '=');
        const struct option *o = option_find(arg, eq != NULL ? (size_t)(eq - arg) : strlen(arg));
        const char *value = eq != NULL ? eq + 1 : NULL;

        if (strcmp(arg, "--help") == 0 || strcmp(arg, "--version") == 0) {
            *act = arg[2] == 'h' ? OPTIONS_HELP : OPTIONS_VERSION;
            return true;
        }
        if (o == NULL) {
            return err_set(err, ERR_FIELD, arg, "is not an option; --help lists them");
        }
        if (o->kind == KIND_FLAG && value == NULL) {
            value = "1";
        } else if (value == NULL && ++i < argc) {
            value = argv[i];
        }
        if (value == NULL) {
            return err_set(err, ERR_FIELD, o->flag, "needs a value: %s", o->arg);
        }
        if (!option_set(opts, o, o->flag, value, err)) {
            return false;
        }
        given[o - table] = true;
    }
    return true;
}

/* The folder to keep state in, as a new string: the one that was named, or the usual one. */
static bool state_find(struct options *opts, struct err *err)
{
    static const char *const forms[][2] = { { "STATE_DIRECTORY", "%s" },
                                            { "XDG_STATE_HOME", "%s/sigmad" },
                                            { "HOME", "%s/.local/state/sigmad" } };

    const char *form = opts->state != NULL ? "%s" : NULL, *base = opts->state;
    size_t len;

    for (size_t i = 0; i < 3 && form == NULL; i++) {
        base = getenv(forms[i][0]);
        form = base != NULL && base[0] != '\0' ? forms[i][1] : NULL;
    }
    if (form == NULL) {
        return err_set(err, ERR_FIELD, "--state",
                       "is missing, and neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is set");
    }
    len = strlen(base) + 32;
    opts->state = malloc(len);
    if (opts->state == NULL) {
        return err_set(err, ERR_MEMORY, "--state", "does not fit into memory");
    }
    snprintf(opts->state, len, "%s%s", base, form + 2);
    return true;
}

bool options_parse(int argc, char **argv, struct options *ret, enum options_act *act,
                   struct err *err)
{
    bool given[TABLE_LEN] = { false };
    struct options opts = { 0 };
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    bool in_memory;

    *act = OPTIONS_RUN;
    if (!flags_parse(argc, argv, &opts, given, act, err)) {
        return false;
    }
    if (*act != OPTIONS_RUN) {
        return true;
    }
    for (size_t i = 0; i < TABLE_LEN; i++) {
        const struct option *o = &table[i];
        const char *env = getenv(o->env);

        if (given[i]) {
            continue;
        }
        if (env != NULL && !option_set(&opts, o, o->env, env, err)) {
            return false;
        }
        if (env == NULL && o->usual != NULL && !option_set(&opts, o, o->flag, o->usual, err)) {
            return false;
        }
    }
    if (opts.workers == 0) {
        opts.workers = cores > 0 ? (size_t)cores : 1;
    }
    if (opts.pool_threads == 0) {
        opts.pool_threads = cores > 2 ? (size_t)cores : 2;
    }
    if (strcmp(opts.durability, "power") != 0 && strcmp(opts.durability, "process") != 0) {
        return err_set(err, ERR_FIELD, "--durability", "must be power or process, is '%s'",
                       opts.durability);
    }
    in_memory = opts.state != NULL && strcmp(opts.state, "none") == 0;
    if (in_memory) {
        opts.state = NULL;
        opts.durability = "none";
    }
    if (!in_memory && !state_find(&opts, err)) {
        return false;
    }
    *ret = opts;
    return true;
}

void options_done(struct options *options)
{
    free(options->state);
    options->state = NULL;
}

void options_help(void)
{
    printf(
        "usage: sigmad [OPTION]...\n"
        "Keeps named neural networks in memory, trains them and answers with them over HTTP.\n\n");
    for (size_t i = 0; i < TABLE_LEN; i++) {
        const struct option *o = &table[i];

        printf("  %s%s%s\n        %s", o->flag, o->arg != NULL ? " " : "",
               o->arg != NULL ? o->arg : "", o->help);
        if (o->usual != NULL && o->kind != KIND_FLAG) {
            printf(" [%s]", o->usual);
        }
        printf("; %s\n", o->env);
    }
    printf("  --version\n  --help\n");
}
