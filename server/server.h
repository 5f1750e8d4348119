/* The daemon's world: what the handlers share. Process lifetime, loop thread. */
#ifndef SERVER_H
#define SERVER_H

#include <stdint.h>
#include <uv.h>

#include "msg_model.h"
#include "msg_rows.h"
#include "options.h"
#include "quota.h"
#include "table.h"
#include "turn.h"

struct auth;
struct batcher;
struct datasets;
struct http;
struct jobs;
struct metrics;
struct pool;
struct registry;
struct tls;
struct remembered;
struct service;
struct workers;

/* What the start found. */
struct startup {
    double seconds; /* until it answered */
    size_t models, versions, datasets;
    size_t jobs; /* that had not ended, and go on */
};

struct server {
    struct options options;
    uv_loop_t *loop;
    struct auth *auth;
    struct tls *tls; /* NULL: none */
    struct http *http[LISTEN_MAX];
    size_t n_http;
    struct registry *registry;
    struct remembered *remembered;
    struct datasets *datasets;
    struct quota model_memory, dataset_memory;
    size_t net_bytes; /* that nets of versions take, those that are loaded */
    struct workers *workers;
    struct pool *pool;
    struct batcher *batcher;
    struct jobs *jobs;
    struct metrics *metrics;
    struct service *service;
    struct turns imports; /* of bundles, one at a time */
    char **corrupt;       /* owned; paths that were set aside at start */
    size_t n_corrupt;
    char **newer; /* owned; paths of a later format, left as they are */
    size_t n_newer;
    uint32_t id_base; /* random; what requests that bring no id are called by, */
    uint64_t ids;     /* and how many were */
    double started;   /* seconds since the epoch */
    struct startup startup;
    size_t requests; /* under way */
    size_t connections;
    size_t held;   /* bytes of request bodies and replies, against --max-held */
    bool draining; /* SIGTERM came: finish what is there, take nothing new */
};

/* Now, as seconds since the epoch. */
double server_now(void);

/* Seconds of a clock that never goes back, from some time on. */
double server_clock(void);

/* The limits of options in the form the decoders take. */
struct model_limits server_model_limits(const struct server *server);
struct rows_limits server_rows_limits(const struct server *server, size_t inputs, size_t outputs);
struct table_limits server_table_limits(const struct server *server);

/* A request has ended; a draining server may now be able to stop. */
void server_request_ended(struct server *server);

#endif
