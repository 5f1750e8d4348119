#include "loader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <uv.h>

#include "learn_log.h"
#include "log.h"
#include "registry.h"
#include "server.h"
#include "store.h"

struct load {
    uv_work_t uv;
    struct version *version; /* a reference */
    struct load_waiter *waiters;
    struct model_limits limits;
    struct stored stored;
    struct err err;
};

static void load_run(uv_work_t *uv)
{
    struct load *load = uv->data;
    const struct version *version = load->version;
    const uint64_t from = version->on_disk ? version->number : version->log_base;

    if (store_read(version->model->folder, from, &load->limits, true, true, &load->stored,
                   &load->err) &&
        !version->on_disk) {
        learn_log_replay(version->model->folder, from, version->log_first, version->number,
                         load->stored.net, &load->stored.carry, load->stored.labels, &load->err);
    }
}

static void load_after(uv_work_t *uv, int status)
{
    struct load *load = uv->data;
    struct version *version = load->version;
    struct server *server = version->model->server;
    struct load_waiter *waiter = load->waiters;
    char text[512];

    (void)status;
    version->load = NULL;
    if (load->err.code == ERR_NONE) {
        version_net_set(version, load->stored.net);
        load->stored.net = NULL;
        if (version == version->model->served) {
            version->carry = load->stored.carry;
            load->stored.carry = NULL;
        }
    } else if (version->model->deleting || !model_lists(version->model, version->number)) {
        load->err = (struct err){ 0 };
        err_set(&load->err, ERR_NOT_FOUND, "version", "%" PRIu64 " of '%s' is not kept any more",
                version->number, version->model->name);
    } else {
        err_detail(&load->err, text, sizeof text);
        log_at(LEVEL_ERROR, "version %" PRIu64 " of %s cannot be read: %s", version->number,
               version->model->name, text);
        /* To the client this is the server's fault, whatever the file says. */
        if (load->err.code != ERR_MEMORY) {
            load->err = (struct err){ 0 };
            err_set(&load->err, ERR_IO, "version", "%" PRIu64 " of '%s' cannot be read from disk",
                    version->number, version->model->name);
        }
    }
    while (waiter != NULL) {
        struct load_waiter *next = waiter->next;

        waiter->done(waiter, &load->err);
        waiter = next;
    }
    stored_done(&load->stored);
    version_unref(version);
    free(load);
    registry_trim(server);
}

void version_load(struct version *version, struct load_waiter *waiter)
{
    struct server *server = version->model->server;
    struct load *load = version->load;
    struct err err = { 0 };

    if (load != NULL) {
        waiter->next = load->waiters;
        load->waiters = waiter;
        return;
    }
    load = calloc(1, sizeof *load);
    waiter->next = NULL;
    if (load == NULL) {
        err_set(&err, ERR_MEMORY, "version", "does not fit into memory");
        waiter->done(waiter, &err);
        return;
    }
    load->version = version_ref(version);
    load->waiters = waiter;
    load->limits = (struct model_limits){ SPEC_LAYERS_MAX, SPEC_UNITS_MAX, SIZE_MAX };
    load->uv.data = load;
    version->load = load;
    if (uv_queue_work(server->loop, &load->uv, load_run, load_after) != 0) {
        load_run(&load->uv);
        load_after(&load->uv, 0);
    }
}
