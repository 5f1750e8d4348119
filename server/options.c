#include "options.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nearest.h"
#include "quote.h"

/* In the order of help. */
static const struct command {
    const char *name;
    enum options_act act;
    const char *help;
} commands[] = {
    { "check", OPTIONS_CHECK,
      "say what each setting is and where it comes from, and what a start would find in the state "
      "folder, without changing anything; exits with 0 if all is well, 1 if not" },
    { "health", OPTIONS_HEALTH,
      "ask the daemon on the first --listen whether it is ready; exits with 0 if it is, else 1" },
    { "help", OPTIONS_HELP, "print this, as --help does" },
    { "token", OPTIONS_TOKEN,
      "new NAME --scope read|predict|train|admin [--models PATTERN,PATTERN] [--rate N]: print a "
      "new "
      "token, and the line for the file of --tokens" },
    { "version", OPTIONS_VERSION, "print the version, as --version does" },
};

#define COMMANDS_LEN (sizeof commands / sizeof commands[0])

/* The first argument, which is no flag. */
static bool command_parse(const char *arg, enum options_act *act, struct err *err)
{
    struct nearest nearest = { 0 };

    for (size_t i = 0; i < COMMANDS_LEN; i++) {
        if (strcmp(commands[i].name, arg) == 0) {
            *act = commands[i].act;
            return true;
        }
        nearest_try(&nearest, arg, strlen(arg), commands[i].name);
    }
    return nearest.name != NULL
               ? err_set(err, ERR_FIELD, arg, "is not a command; did you mean %s?", nearest.name)
               : err_set(err, ERR_FIELD, arg, "is not a command; --help lists them");
}

/* A flag that is none. */
static bool flag_unknown(const char *arg, size_t len, struct err *err)
{
    const size_t dashes = strspn(arg, "-");
    const struct option *meant = dashes < len ? option_nearest(arg + dashes, len - dashes) : NULL;

    return meant != NULL ? err_set(err, ERR_FIELD, arg, "is not an option; did you mean %s?",
                                   option_flag(meant).text)
                         : err_set(err, ERR_FIELD, arg, "is not an option; --help lists them");
}

/* Flags from argv[1] on: --name VALUE or --name=VALUE. */
static bool flags_parse(int argc, char **argv, struct options *opts, enum options_act *act,
                        struct err *err)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        const size_t len = strcspn(arg, "=");
        const char *value = arg[len] == '=' ? arg + len + 1 : NULL;
        const struct option *o = strncmp(arg, "--", 2) == 0 ? option_find(arg + 2, len - 2) : NULL;

        if (strcmp(arg, "--help") == 0 || strcmp(arg, "--version") == 0) {
            *act = arg[2] == 'h' ? OPTIONS_HELP : OPTIONS_VERSION;
            return true;
        }
        if (o == NULL) {
            return flag_unknown(arg, len, err);
        }
        if (o->type == OPTION_BOOL && value == NULL) {
            value = "1";
        } else if (value == NULL && ++i < argc) {
            value = argv[i];
        }
        if (value == NULL) {
            return err_set(err, ERR_FIELD, option_flag(o).text, "needs a value: %s", o->arg);
        }
        if (!option_set(o, opts, option_flag(o).text, value, err)) {
            return false;
        }
        opts->from[option_index(o)] = OPTION_FLAG;
    }
    return true;
}

/* What no flag has set: environment variables. */
static bool environment_parse(struct options *opts, struct err *err)
{
    const struct option *o;

    for (size_t i = 0; (o = option_nth(i)) != NULL; i++) {
        const char *value = opts->from[i] == OPTION_USUAL ? getenv(option_variable(o).text) : NULL;

        if (value == NULL) {
            continue;
        }
        if (!option_set(o, opts, option_variable(o).text, value, err)) {
            return false;
        }
        opts->from[i] = OPTION_ENV;
    }
    return true;
}

/* ---- the file ---- */

#define PATH_SHOWN 100 /* bytes of a path's end, so that the line's number fits behind it */

static const char *path_end(const char *path)
{
    const size_t len = strlen(path);

    return len > PATH_SHOWN ? path + len - PATH_SHOWN : path;
}

static bool key_unknown(const struct options *opts, const char *key, struct err *err)
{
    const size_t len = strlen(key);
    const struct option *meant = option_nearest(key, len);

    return err_set(err, ERR_FIELD, "", "unknown key '%s' in %s line %zu%s%s%s",
                   quote(key, len).text, path_end(opts->config), opts->file.line,
                   meant != NULL ? "; did you mean '" : "", meant != NULL ? meant->name : "",
                   meant != NULL ? "'?" : "");
}

/* One line. passed: takes what a flag or a variable overrides; it is checked all the same. */
static bool key_take(struct options *opts, struct options *passed, const char *key,
                     const char *value, struct err *err)
{
    const struct option *o = option_find(key, strlen(key));
    const size_t line = opts->file.line;
    struct options *into;
    char where[160];
    size_t k;

    if (o == NULL) {
        return key_unknown(opts, key, err);
    }
    k = option_index(o);
    snprintf(where, sizeof where, "%s in %s line %zu", o->name, path_end(opts->config), line);
    if (o->at == offsetof(struct options, config)) {
        return err_set(err, ERR_FIELD, where, "cannot be set by a file");
    }
    if (opts->line[k] != 0 && o->type != OPTION_LIST) {
        return err_set(err, ERR_FIELD, where, "is set in line %zu already", opts->line[k]);
    }
    into = opts->from[k] > OPTION_FILE ? passed : opts;
    if (!option_set(o, into, where, value, err)) {
        return false;
    }
    opts->line[k] = line;
    if (into == opts) {
        opts->from[k] = OPTION_FILE;
    }
    return true;
}

/* What neither flag nor variable has set: the file. */
static bool file_parse(struct options *opts, struct err *err)
{
    const struct option *o = option_find("config", 6);
    const bool by_flag = opts->from[option_index(o)] == OPTION_FLAG;
    struct options passed = { 0 };
    const char *key, *value;

    if (opts->config == NULL) {
        return true;
    }
    if (!config_open(opts->config, by_flag ? option_flag(o).text : option_variable(o).text,
                     &opts->file, err)) {
        return false;
    }
    do {
        if (!config_next(&opts->file, &key, &value, err)) {
            return err_in(err, "%s line %zu", path_end(opts->config), opts->file.line);
        }
        if (key != NULL && !key_take(opts, &passed, key, value, err)) {
            return false;
        }
    } while (key != NULL);
    return true;
}

/* ---- defaults ---- */

/* The folder to keep state in when none was named. */
static bool state_find(struct options *opts, struct err *err)
{
    static const char *const forms[][2] = { { "STATE_DIRECTORY", "" },
                                            { "XDG_STATE_HOME", "/sigmad" },
                                            { "HOME", "/.local/state/sigmad" } };

    for (size_t i = 0; i < 3; i++) {
        const char *base = getenv(forms[i][0]);

        if (base == NULL || base[0] == '\0') {
            continue;
        }
        if (asprintf(&opts->made, "%s%s", base, forms[i][1]) < 0) {
            opts->made = NULL;
            return err_set(err, ERR_MEMORY, "--state", "does not fit into memory");
        }
        opts->state = opts->made;
        return true;
    }
    return err_set(err, ERR_FIELD, "--state",
                   "is missing, and neither STATE_DIRECTORY, XDG_STATE_HOME nor HOME is set");
}

/* What nothing has set, and what follows from the rest. */
static bool defaults_fill(struct options *opts, struct err *err)
{
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t cores = online < 1 ? 1 : online > 256 ? 256 : (size_t)online;
    const struct option *o;

    for (size_t i = 0; (o = option_nth(i)) != NULL; i++) {
        if (opts->from[i] == OPTION_USUAL && o->usual != NULL &&
            !option_set(o, opts, option_flag(o).text, o->usual, err)) {
            return false;
        }
    }
    if (opts->workers == 0) {
        opts->workers = cores;
    }
    if (opts->pool_threads == 0) {
        opts->pool_threads = cores > 2 ? cores : 2;
    }
    if (opts->state == NULL) {
        return state_find(opts, err);
    }
    if (strcmp(opts->state, "none") == 0) {
        opts->state = NULL;
        opts->durability = "none";
    }
    return true;
}

bool options_parse(int argc, char **argv, struct options *ret, enum options_act *act,
                   struct err *err)
{
    struct options opts = { 0 };

    *act = OPTIONS_RUN;
    if (argc > 1 && argv[1][0] != '-') {
        if (!command_parse(argv[1], act, err)) {
            return false;
        }
        if (*act == OPTIONS_TOKEN) {
            return true;
        }
        argc--;
        argv++;
    }
    if (!flags_parse(argc, argv, &opts, act, err)) {
        return false;
    }
    if (*act == OPTIONS_HELP || *act == OPTIONS_VERSION) {
        return true;
    }
    if (!environment_parse(&opts, err) || !file_parse(&opts, err) || !defaults_fill(&opts, err)) {
        options_done(&opts);
        return false;
    }
    *ret = opts;
    return true;
}

void options_done(struct options *options)
{
    config_done(&options->file);
    free(options->made);
    options->made = NULL;
}

bool options_stranger(size_t *at, char *ret, size_t len)
{
    static const char prefix[] = "SIGMAD_";
    const size_t skip = sizeof prefix - 1;

    for (const char *var; (var = environ[*at]) != NULL;) {
        const size_t n = strcspn(var, "=");
        char name[NEAREST_LEN_MAX + 1] = "";
        const struct option *o;

        ++*at;
        if (strncmp(var, prefix, skip) != 0) {
            continue;
        }
        for (size_t i = skip; i < n && i - skip < NEAREST_LEN_MAX; i++) {
            name[i - skip] = var[i] == '_' ? '-' : (char)tolower((unsigned char)var[i]);
        }
        o = option_nearest(name, strlen(name));
        if (o != NULL && strlen(option_variable(o).text) == n &&
            memcmp(option_variable(o).text, var, n) == 0) {
            continue;
        }
        snprintf(ret, len, "%s is not a setting, and is passed over%s%s%s", quote(var, n).text,
                 o != NULL ? "; did you mean " : "", o != NULL ? option_variable(o).text : "",
                 o != NULL ? "?" : "");
        return true;
    }
    return false;
}

void options_help(void)
{
    const struct option *o;
    char limits[64];

    printf("usage: sigmad [COMMAND] [OPTION]...\n"
           "Keeps named neural networks in memory, trains them and answers with them over HTTP.\n\n"
           "Commands, instead of that:\n");
    for (size_t i = 0; i < COMMANDS_LEN; i++) {
        printf("  %s\n        %s\n", commands[i].name, commands[i].help);
    }
    printf("\nOptions:\n");
    for (size_t i = 0; (o = option_nth(i)) != NULL; i++) {
        const char *usual = o->told != NULL ? o->told : o->usual;

        option_limits(o, limits, sizeof limits);
        printf("  %s%s%s\n", option_flag(o).text, o->arg != NULL ? " " : "",
               o->arg != NULL ? o->arg : "");
        printf("        %s%s%s", o->help, limits[0] != '\0' ? "; " : "", limits);
        if (usual != NULL) {
            printf(" [%s]", usual);
        }
        printf("; %s\n", option_variable(o).text);
    }
    printf("  --version\n  --help\n");
}
