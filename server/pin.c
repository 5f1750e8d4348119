#include "pin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "loader.h"
#include "registry.h"
#include "server.h"

struct model *pin_model(struct request *req, struct err *err)
{
    return registry_find(req->server->registry, req->param[0], err);
}

struct pin {
    struct load_waiter waiter; /* first, so that one is the other */
    struct request *req;
};

/* The net is there, or cannot be had: the handler starts again, or the request ends. */
static void loaded(struct load_waiter *waiter, const struct err *err)
{
    const struct pin *pin = (const struct pin *)waiter;

    pin->req->err = *err;
    request_again(pin->req);
}

static void pin_load(struct request *req, struct version *version, struct err *err)
{
    struct pin *pin = arena_alloc(&req->arena, 1, sizeof *pin);

    if (pin == NULL) {
        err_set(err, ERR_MEMORY, "version", "does not fit into memory");
        return;
    }
    pin->waiter.done = loaded;
    pin->req = req;
    req->again = true;
    version_load(version, &pin->waiter);
}

/* 0 with an error: text is no version's number. */
static uint64_t number_parse(const char *text, struct err *err)
{
    char *end = NULL;
    uint64_t number;

    errno = 0;
    number = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (number == 0 || errno != 0 || *end != '\0') {
        err_set(err, ERR_FIELD, "version", "must be a whole number above 0, is '%.64s'", text);
        return 0;
    }
    return number;
}

struct version *pin_listed(struct request *req, struct model *model, struct err *err)
{
    const uint64_t number = number_parse(req->param[1], err);

    return number != 0 ? model_version(model, number, err) : NULL;
}

/* text: the version's number; NULL: the served one. */
static struct version *pin_numbered(struct request *req, struct model *model, const char *text,
                                    struct err *err)
{
    struct version *version;
    uint64_t number = 0;

    if (text != NULL && (number = number_parse(text, err)) == 0) {
        return NULL;
    }
    version = model_version(model, number, err);
    if (version != NULL && version->net == NULL) {
        pin_load(req, version, err);
        return NULL;
    }
    return version != NULL ? version_ref(version) : NULL;
}

struct version *pin_version(struct request *req, struct err *err)
{
    struct model *model = pin_model(req, err);

    return model != NULL ? pin_numbered(req, model, request_query(req, "version"), err) : NULL;
}

bool pin_is_ready(const struct model *model, struct err *err)
{
    return !model->unloaded ||
           err_set(err, ERR_UNAVAILABLE, "name", "'%s' has been unloaded", model->name);
}

struct version *pin_ready(struct request *req, struct err *err)
{
    struct model *model = pin_model(req, err);

    return model != NULL && pin_is_ready(model, err) ? pin_numbered(req, model, req->param[1], err)
                                                     : NULL;
}
