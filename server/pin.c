#include "pin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "registry.h"
#include "server.h"

struct model *pin_model(struct request *req, struct err *err)
{
    return registry_find(req->server->registry, req->param[0], err);
}

struct version *pin_version(struct request *req, struct err *err)
{
    struct model *model = pin_model(req, err);
    const char *text;
    struct version *version;
    char *end = NULL;
    uint64_t number = 0;

    if (model == NULL) {
        return NULL;
    }
    text = request_query(req, "version");
    if (text != NULL) {
        errno = 0;
        number = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
        if (number == 0 || errno != 0 || *end != '\0') {
            err_set(err, ERR_FIELD, "version", "must be a whole number above 0, is '%.64s'", text);
            return NULL;
        }
    }
    version = model_version(model, number, err);
    return version != NULL ? version_ref(version) : NULL;
}
