/* The model and version that a request's path and query name. Loop thread. */
#ifndef PIN_H
#define PIN_H

#include "model.h"
#include "request.h"

/* The model of the path's {name}, borrowed. Errors: as registry_find. */
struct model *pin_model(struct request *req, struct err *err);
/* Its version of the path's {version}, listed, borrowed. Errors: ERR_FIELD at "version",
 * ERR_NOT_FOUND. */
struct version *pin_listed(struct request *req, struct model *model, struct err *err);
/* A reference to its served version, or the one of ?version=N, with its net in memory. NULL without
 * an error: it is being read, and the handler, which returns false then, will be called again; so
 * pin before anything else is held. Errors: ERR_FIELD at "version", ERR_NOT_FOUND. */
struct version *pin_version(struct request *req, struct err *err);

/* The same for the Open Inference Protocol: the version of the path's {version}, if it has one, and
 * only of a model that is ready. Errors: also ERR_UNAVAILABLE at "name". */
struct version *pin_ready(struct request *req, struct err *err);
bool pin_is_ready(const struct model *model, struct err *err);

#endif
