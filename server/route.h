/* Every endpoint, and the only place where an error code meets HTTP. */
#ifndef ROUTE_H
#define ROUTE_H

#include "grant.h"
#include "request.h"

enum body_kind {
    BODY_NONE,  /* none is read: one that comes is dropped */
    BODY_DATA,  /* JSON, held in memory, up to --max-body */
    BODY_ANY,   /* the same of any content type, which the handler judges */
    BODY_UPLOAD /* goes to a sink that open makes, up to --max-upload */
};

struct route {
    const char *method;
    const char *path;  /* {x} matches one segment; as it stands, what metrics call the route */
    enum scope scope;  /* that a grant needs for it */
    const char *query; /* the parameters it takes: "version format"; NULL: none */
    enum body_kind body;
    /* BODY_UPLOAD: before the first byte; sets req->sink. Errors: refused early. */
    bool (*open)(struct request *req, struct err *err);
    /* The whole request is there. True: replied, or will be by request_finish later. */
    bool (*handle)(struct request *req, struct err *err);
};

/* Finds the route of a method and an undecoded path and fills req->route and req->param.
 * Errors: ERR_NOT_FOUND at "path"; ERR_METHOD at "method", with reply.allow set; ERR_FIELD for a
 * segment that is not properly percent-encoded, of a route that is known nevertheless. */
bool route_find(struct request *req, const char *method, const char *path, struct err *err);

/* "GET, PUT", in the arena: the methods that an undecoded path has; NULL: it is no path of ours. */
const char *route_methods(struct request *req, const char *path);

/* Whether what it answers 2xx has changed something. */
bool route_changes(const struct route *route);

size_t route_count(void);
const struct route *route_at(size_t i);

/* Turns req->err into a problem+json reply. */
void route_problem(struct request *req);
int route_status(enum err_code code);
const char *route_type(enum err_code code);
const char *route_title(enum err_code code);

#endif
