#include "check.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth.h"
#include "host.h"
#include "inspect.h"
#include "kernel.h"
#include "listen.h"
#include "site.h"
#include "state.h"
#include "tls.h"

/* ---- settings ---- */

/* n: how many values there are. */
static void origin_print(const struct option *o, const struct options *opts, size_t n)
{
    const size_t i = option_index(o);

    switch (opts->from[i]) {
    case OPTION_USUAL:
        printf("default\n");
        break;
    case OPTION_FILE:
        printf(n > 1 ? "%s\n" : "%s line %zu\n", opts->config, opts->line[i]);
        break;
    case OPTION_ENV:
        printf("%s\n", option_variable(o).text);
        break;
    case OPTION_FLAG:
        printf("%s\n", option_flag(o).text);
        break;
    }
}

static void settings_print(const struct options *opts)
{
    const struct option *o;
    char value[OPTION_TEXT_MAX + 1];

    printf("settings:\n");
    for (size_t i = 0; (o = option_nth(i)) != NULL; i++) {
        size_t n = 0;

        while (option_show(o, opts, n, value, sizeof value)) {
            n++;
        }
        for (size_t k = 0; k == 0 || k < n; k++) {
            if (!option_show(o, opts, k, value, sizeof value)) {
                snprintf(value, sizeof value, "%s",
                         o->told != NULL && opts->from[i] == OPTION_USUAL ? o->told : "none");
            }
            printf("  %-20s  %-24s  ", o->name, value);
            origin_print(o, opts, n);
        }
    }
}

/* What only using a setting tells of it. The first that is wrong is printed. */
static bool settings_check(const struct options *opts)
{
    struct sockaddr_storage at;
    socklen_t len;
    struct auth *auth = NULL;
    struct tls *tls = NULL;
    struct err err = { 0 }, why = { 0 };
    char text[512];
    bool ok = host_names_check(&opts->allow_host, &err) && sites_check(&opts->allow_origin, &err) &&
              auth_create(opts->tokens, &auth, &err) &&
              tls_create(opts->tls_cert, opts->tls_key, opts->tls_client_ca, &tls, &err);
    bool open = opts->insecure;

    open = open || (ok && (auth_guards(auth) || tls_mutual(tls)));
    for (size_t i = 0; ok && i < opts->listen.n; i++) {
        ok = listener_check(opts->listen.at[i], open, &at, &len, &err);
    }
    if (ok && opts->isa != NULL && !kernel_force(opts->isa, &why)) {
        ok = err_set(&err, ERR_FIELD, "--isa", "%s", why.text);
    }
    if (!ok) {
        err_detail(&err, text, sizeof text);
        printf("wrong: %s\n", text);
    }
    auth_free(auth);
    tls_free(tls);
    return ok;
}

/* ---- the state ---- */

static void wrong_print(const char *path, const char *text)
{
    printf("  wrong: %s %s\n", path, text);
}

/* Whether a folder that is not there could be made: the nearest that is there can be written to. */
static bool can_be_made(const char *folder)
{
    char path[OPTION_TEXT_MAX + 64];
    struct stat st;
    char *slash;

    snprintf(path, sizeof path, "%s", folder);
    while (access(path, F_OK) != 0 && (slash = strrchr(path, '/')) != NULL && slash != path) {
        *slash = '\0';
    }
    if (access(path, F_OK) != 0) {
        snprintf(path, sizeof path, "%s", folder[0] == '/' ? "/" : ".");
    }
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode) && access(path, W_OK | X_OK) == 0;
}

/* How many things are wrong with it. */
static size_t state_check(const char *folder)
{
    struct inspection found = { .tell = wrong_print, .busy = state_busy(folder) };
    struct err err = { 0 };
    struct stat st;
    char text[512];

    if (stat(folder, &st) != 0) {
        const bool made = can_be_made(folder);

        printf("state: %s, which %s\n", folder, made ? "would be made" : "cannot be made");
        return !made;
    }
    printf("state: %s%s\n", folder, found.busy ? ", in use by a sigmad: read as it works" : "");
    if (!S_ISDIR(st.st_mode) || access(folder, R_OK | W_OK | X_OK) != 0) {
        wrong_print(folder,
                    S_ISDIR(st.st_mode) ? "cannot be written to by this user" : "is not a folder");
        return 1;
    }
    if (!inspect_state(folder, &found, &err)) {
        err_detail(&err, text, sizeof text);
        wrong_print(folder, text);
        found.wrong++;
    }
    printf("  models: %zu, of %zu versions with files and %zu steps of learn\n"
           "  data sets: %zu\n"
           "  jobs: %zu, %zu of them not ended\n",
           found.models, found.versions, found.steps, found.datasets, found.jobs, found.unfinished);
    if (found.aside > 0) {
        printf("  set aside at earlier starts (*.corrupt): %zu\n", found.aside);
    }
    return found.wrong;
}

int check_run(const struct options *opts)
{
    char text[256];
    bool settings;
    size_t wrong = 0;

    settings_print(opts);
    for (size_t at = 0; options_stranger(&at, text, sizeof text);) {
        printf("  %s\n", text);
    }
    settings = settings_check(opts);
    if (opts->state != NULL) {
        wrong = state_check(opts->state);
    } else {
        printf("state: in memory alone, gone when the process ends\n");
    }
    printf(settings && wrong == 0 ? "all is well\n" : "not all is well\n");
    return !settings ? 2 : wrong > 0 ? 1 : 0;
}
