/* What the daemon was told: flags, else environment variables, else a file, else defaults. Each is
 * a row of options_table.c. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "err.h"
#include "options_table.h"

#define LISTEN_MAX 8

/* Process lifetime; read-only once main has started. Texts are borrowed from argv, the environment,
 * the file or the table. */
struct options {
    const char *config; /* NULL: no file */
    struct option_list listen;
    const char *state;      /* NULL: in memory alone */
    const char *durability; /* power, process, or, in memory, none */
    const char *isa;        /* NULL: the best the processor has */
    bool insecure;
    const char *log;                                /* text or json */
    const char *log_level;                          /* the name of an enum log_level */
    bool access_log;                                /* a line a request */
    const char *tls_cert, *tls_key, *tls_client_ca; /* paths, or NULL */
    struct option_list allow_host, allow_origin;
    const char *tokens; /* a path; NULL: systemd's credential, if there is one */
    size_t workers;
    size_t pool_threads;    /* that compute for requests */
    size_t max_batch;       /* predictions computed together */
    size_t timeout;         /* seconds a connection may be idle */
    size_t request_timeout; /* and to send a request, or to take a reply */
    size_t min_rate;        /* bytes a second; large bodies get the time they take at that */
    size_t drain_timeout;   /* seconds a shutdown waits for requests in flight */
    size_t max_connections;
    size_t max_body, max_upload, max_held; /* bytes */
    size_t max_models, max_datasets, max_jobs;
    size_t max_model_memory, max_dataset_memory; /* bytes */
    size_t max_layers, max_units, max_parameters, max_rows, max_features;
    size_t keep_versions, keep_jobs;
    size_t checkpoint_seconds; /* between two checkpoints of a job */
    size_t prediction_memory;  /* bytes of rows that predictions remember, */
    size_t prediction_seconds; /* and how long */

    enum option_from from[OPTIONS_MAX]; /* of each row of the table */
    size_t line[OPTIONS_MAX];           /* where it stands in the file, last; 0: nowhere */
    struct config file;                 /* owned */
    char *made;                         /* owned; what state points to if it was put together */
};

/* What to do: the command that the first argument may be, or --help or --version anywhere. */
enum options_act {
    OPTIONS_RUN,
    OPTIONS_CHECK,
    OPTIONS_HEALTH,
    OPTIONS_HELP,
    OPTIONS_TOKEN, /* what follows is token.h's to read */
    OPTIONS_VERSION
};

/* Errors: ERR_FIELD at the flag, variable or line that is wrong, also when something else overrides
 * the line; ERR_MEMORY. *ret needs options_done, unless *act is OPTIONS_HELP, OPTIONS_TOKEN or
 * OPTIONS_VERSION: then it is untouched. */
bool options_parse(int argc, char **argv, struct options *ret, enum options_act *act,
                   struct err *err);
void options_done(struct options *options);

/* One environment variable after another that is called SIGMAD_... and is no setting: what to say
 * of it. False: there are no more. They are not refused, since Kubernetes sets SIGMAD_PORT and
 * others for a service of that name. *at is 0 at first. */
bool options_stranger(size_t *at, char *ret, size_t len);

/* Prints the text of --help. */
void options_help(void);

#endif
