/* Which request is which: the id that a reply, a log and a proxy know it by, and with --access-log
 * a line for each when it has ended. Thread: the loop's. */
#ifndef ACCESS_H
#define ACCESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "request.h"
#include "trace_context.h"

#define REQUEST_ID_MAX 128

/* What a line says that the request does not have any more when it ends; in its arena. */
struct access {
    const char *method, *path; /* the path as it was sent, without the query; or NULL: no memory */
    struct trace_context trace;
    bool traced;
};

/* The headers are there. Sets req->id: the client's X-Request-Id if it is one, 1 to REQUEST_ID_MAX
 * printable characters without a blank; else, with --access-log, a new one; else NULL. */
void access_begin(struct request *req, const char *method, const char *path);
/* It has ended; whole: and was answered to the last byte. peer: NULL if it is not known. */
void access_end(const struct request *req, const struct sockaddr *peer, bool whole);

#endif
